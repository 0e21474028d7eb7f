"""One channel: a task that tells it what waits until it is delivered. If it hangs, it hangs alone."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog

from panic.kit.background import Aside, Do
from panic.kit.errors import Problem
from panic.service.notify.delivery import Undelivered
from panic.service.notify.notice import Notice
from panic.service.notify.outbox import Entry, Outbox

log = structlog.get_logger()

DELIVERY_S = 20.0
"""A delivery that takes longer is given up, and may still get through."""

HANGING_MOST = 3
"""Deliveries that were given up and still hang; with so many, nothing more is begun until one of them ends."""


class Channel:
    """Delivers notices one after another, each on a thread that nobody waits for when it hangs.

    Args:
        name: Its name in the settings.
        examine: Tells what is wrong with it; may hang.
        deliver: Sends one notice or raises `Undelivered`; may hang.
        delivered: Told of each notice that got through.
        do: Does what may hang; None for threads of its own.

    Attributes:
        problems: What is wrong with it, as far as that is known by now.
        failures: Deliveries that failed, and notices that were dropped because too many waited.
    """

    def __init__(
        self,
        name: str,
        examine: Callable[[], tuple[Problem, ...]],
        deliver: Callable[[Notice], None],
        delivered: Callable[[str, Notice], None],
        do: Do | None = None,
    ) -> None:
        self.name = name
        self.problems: tuple[Problem, ...] = ()
        self.failures = 0
        self._examine, self._deliver, self._delivered = examine, deliver, delivered
        self._outbox = Outbox()
        self._do = do or Aside(HANGING_MOST).do
        self._changed = asyncio.Event()
        self._is_quiet = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=f"panic-notify-{self.name}")

    def tell(self, notice: Notice) -> None:
        """Let it be told; never waits."""
        self.failures += self._outbox.put(notice, _now())
        self._is_quiet.clear()
        self._changed.set()

    async def quiet(self) -> None:
        """Wait until everything was tried at least once."""
        if self._task is not None:
            await self._is_quiet.wait()

    async def close(self) -> int:
        """End; give how many notices it was not told."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        return len(self._outbox)

    async def _run(self) -> None:
        with suppress(Exception):  # a file on a dead file system; the deliveries will tell
            self.problems = await self._do(self._examine, f"notify-{self.name}", DELIVERY_S)
        while True:
            self._changed.clear()
            while entry := self._outbox.take(_now()):
                await self._try(entry)
            if not self._outbox.untried:
                self._is_quiet.set()
            due = self._outbox.next_at()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._changed.wait()

    async def _try(self, entry: Entry) -> None:
        notice, why = entry.notice, "panic stopped first"
        try:
            why = await self._why_not(notice)
        finally:
            if why:
                self.failures += 1
                self._outbox.put_back(entry, _now())
        if why:
            log.warning("notice not delivered", channel=self.name, kind=notice.kind, run=notice.run, why=why)
            return
        with suppress(Exception):  # the next notice is delivered whatever becomes of this
            self._delivered(self.name, notice)

    async def _why_not(self, notice: Notice) -> str:
        """Deliver a notice; give "" or why it did not get through, in our words: others may hold the address."""
        try:
            await self._do(partial(self._deliver, notice), f"notify-{self.name}", DELIVERY_S)
        except Undelivered as error:
            return str(error)
        except TimeoutError:
            return f"no end within {DELIVERY_S:g} s"
        except Exception as error:  # noqa: BLE001  (a plug-in, or no thread is to be had)
            return f"it failed ({type(error).__name__})"
        return ""


def _now() -> float:
    return asyncio.get_running_loop().time()
