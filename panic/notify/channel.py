"""One channel: a thread that empties its outbox. If it hangs, it hangs alone."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from panic import background
from panic.errors import Problem
from panic.notify.delivery import Undelivered
from panic.notify.notice import Notice
from panic.notify.outbox import Outbox

log = structlog.get_logger()

_HANGING_MOST = 3
"""Deliveries that were given up and still hang; with so many, nothing more is tried until one of them ends."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a channel is waited for, seconds.

    Attributes:
        delivery_s: One delivery; one that takes longer is given up, and may still get through.
        page_waits: The waits before a page is tried again; the pager repeats it in any case.
        other_waits: The same for everything else.
        start_rest_s: The start of a run is told so much later: a delivery takes processor time, which belongs to
            the first DELETEs.
    """

    delivery_s: float = 20.0
    page_waits: tuple[float, ...] = (2.0, 8.0, 20.0)
    other_waits: tuple[float, ...] = (2.0,)
    start_rest_s: float = 1.0


class Channel:
    """Delivers notices one after another on a daemon thread of its own.

    Args:
        name: Its name in the settings.
        examine: Tells what is wrong with it; may hang.
        deliver: Sends one notice or raises `Undelivered`; may hang.
        patience: How long it is waited for.
    """

    def __init__(
        self,
        name: str,
        examine: Callable[[], tuple[Problem, ...]],
        deliver: Callable[[Notice], None],
        patience: Patience,
    ) -> None:
        self.name = name
        self.outbox = Outbox()
        self.problems: tuple[Problem, ...] = ()
        self.undelivered = 0
        self._examine = examine
        self._deliver = deliver
        self._patience = patience
        self._hanging = 0
        self._counting = threading.Lock()
        self._thread = f"notify-{name}"

    @property
    def failures(self) -> int:
        """The notices that did not get through, and those that were dropped because too many waited."""
        return self.undelivered + self.outbox.dropped

    def start(self) -> None:
        """Begin.

        Raises:
            RuntimeError: No thread is to be had.
        """
        threading.Thread(target=self._run, name=f"panic-{self._thread}", daemon=True).start()

    def _run(self) -> None:
        with suppress(Exception):  # a file on a dead file system; the deliveries will tell
            self.problems = background.within(self._examine, self._patience.delivery_s, self._thread)
        while (notice := self.outbox.take()) is not None:
            why = self._try_all(notice)
            if why:
                self.undelivered += 1
                with suppress(Exception):
                    log.warning(
                        "notice not delivered", channel=self.name, kind=notice.kind, run=notice.run, why=why
                    )

    def _try_all(self, notice: Notice) -> str:
        """Deliver a notice, trying again as often as it is worth; give "" or why not."""
        waits = self._patience.page_waits if notice.kind == "page" else self._patience.other_waits
        if notice.kind == "start":
            self.outbox.pause(self._patience.start_rest_s)
        why = self._try(notice)
        for wait in waits:
            if not why or not self.outbox.pause(wait):
                break
            why = self._try(notice)
        return why

    def _try(self, notice: Notice) -> str:
        with self._counting:
            if self._hanging >= _HANGING_MOST:
                return f"{self._hanging} earlier deliveries still hang"
            self._hanging += 1
        try:
            background.within(lambda: self._counted(notice), self._patience.delivery_s, self._thread)
        except Undelivered as error:
            return str(error)
        except TimeoutError:
            return f"no end within {self._patience.delivery_s:g} s"
        except RuntimeError:
            with self._counting:
                self._hanging -= 1
            return "no thread is to be had"
        except BaseException as error:  # noqa: BLE001  (its text may hold the address)
            return f"it failed ({type(error).__name__})"
        return ""

    def _counted(self, notice: Notice) -> None:
        try:
            self._deliver(notice)
        except Undelivered:
            raise
        except BaseException as error:  # noqa: BLE001  (its text may hold the address)
            raise Undelivered(f"it failed ({type(error).__name__})") from None
        finally:
            with self._counting:
                self._hanging -= 1
