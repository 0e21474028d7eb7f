"""One channel: tells it what waits, each notice until it is delivered. If it hangs, it hangs alone."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import chain, repeat
from typing import Any

import structlog

from panic.kit.background import Aside, Do
from panic.service.notify.delivery import Undelivered
from panic.service.notify.notice import Notice

log = structlog.get_logger()

SIZE = 100
"""Notices that wait for one channel at most. A channel that is so far behind has other troubles."""

WAITS_S = (2.0, 8.0, 20.0, 60.0, 300.0)
"""The waits between one try of a notice and the next; the last of them again and again."""

PAGE_KEPT_S, OTHER_KEPT_S = 86_400.0, 3600.0
"""How long to keep trying a notice before giving it up as too late."""

DELIVERY_S = 20.0
"""A delivery that takes longer is given up, and may still get through."""

HANGING_MOST = 3
"""Deliveries that were given up and still hang; with so many, nothing more is begun until one of them ends."""


class Channel:
    """Delivers notices one after another, each on a thread that can be left behind if it hangs.

    When too many wait, the oldest that is no page makes room, else the oldest page. A page, or its end, takes the
    place of an earlier page of the same key: a late notice shows the current state.

    Attributes:
        failures: Deliveries that failed, and notices that were dropped because too many waited.
    """

    def __init__(
        self,
        name: str,
        deliver: Callable[[Notice], None],
        delivered: Callable[[str, Notice], None],
        do: Do | None = None,
    ) -> None:
        self.name, self.failures = name, 0
        self._deliver, self._delivered = deliver, delivered
        self._do = do or Aside(HANGING_MOST).do
        self._turn = asyncio.Lock()
        self._waiting: dict[asyncio.Task[Any], Notice] = {}
        self._untried: set[asyncio.Task[Any]] = set()
        self._under_way: asyncio.Task[Any] | None = None
        self._is_closing = False

    def tell(self, notice: Notice) -> None:
        """Let it be told; never waits."""
        if notice.kind == "page":
            for earlier in [t for t, n in self._waiting.items() if n.opens and n.key == notice.key]:
                self._forget(earlier)
        task = asyncio.create_task(self._until_told(notice), name=f"panic-notify-{self.name}")
        self._waiting[task] = notice
        self._untried.add(task)
        task.add_done_callback(self._untried.discard)
        if len(self._waiting) > SIZE:
            self.failures += 1
            no_pages = (t for t, n in self._waiting.items() if n.kind != "page")
            self._forget(next(no_pages, next(iter(self._waiting))))

    async def close(self, within_s: float) -> None:
        """Try what was not tried yet, within a limit, and end."""
        self._is_closing = True
        if self._untried:
            await asyncio.wait(self._untried, timeout=within_s)
        if left := len(self._waiting):
            log.warning("notices not delivered: panic stopped first", channel=self.name, notices=left)
        tasks = {task for task in (*self._waiting, self._under_way) if task is not None}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        del self._waiting[task]
        if task is not self._under_way:  # what is on its way cannot be called back: it ends before what is newer
            task.cancel()

    async def _until_told(self, notice: Notice) -> None:
        """Try until it is delivered, something newer takes its place, or it is too late."""
        task: Any = asyncio.current_task()
        with suppress(TimeoutError):
            async with asyncio.timeout(PAGE_KEPT_S if notice.kind == "page" else OTHER_KEPT_S):
                for wait_s in chain(WAITS_S, repeat(WAITS_S[-1])):
                    async with self._turn:
                        self._under_way = task
                        is_told = await self._try(notice)
                        self._under_way = None
                    self._untried.discard(task)
                    if is_told or task not in self._waiting:
                        break
                    if self._is_closing:
                        return
                    await asyncio.sleep(wait_s)
        self._waiting.pop(task, None)

    async def _try(self, notice: Notice) -> bool:
        """Deliver a notice, or say in our words why it did not get through: others may hold the address."""
        try:
            await self._do(partial(self._deliver, notice), f"notify-{self.name}", DELIVERY_S)
        except Undelivered as error:
            why = str(error)
        except TimeoutError:
            why = f"no end within {DELIVERY_S:g} s"
        except Exception as error:  # noqa: BLE001  (a plug-in, or no thread can be started)
            why = f"it failed ({type(error).__name__})"
        else:
            self._delivered(self.name, notice)
            return True
        self.failures += 1
        log.warning("notice not delivered", channel=self.name, kind=notice.kind, run=notice.run, why=why)
        return False
