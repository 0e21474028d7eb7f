"""What becomes of a run once every account is concluded; whoever watches it is told of that and of each event."""

import asyncio
from collections.abc import Sequence

import structlog

from panic.engine.case import Case
from panic.engine.clearing import Sweep
from panic.engine.deadline import Deadline
from panic.engine.events import Observer, What
from panic.engine.slots import NOBODY, Slots
from panic.engine.tasks import Tasks
from panic.engine.timetable import NEVER

log = structlog.get_logger()

BESIDE_MOST_S = 4.0
"""How long work beside the accounts may still take once all are settled."""


class Settling:
    """Tells `observe` of each event; an account that may have been concluded is watched, and then let go."""

    def __init__(
        self,
        cases: Sequence[Case],
        sweep: Sweep,
        slots: Slots,
        deadline: Deadline,
        tasks: Tasks,
        observe: Observer,
    ) -> None:
        self._cases, self._sweep, self._slots, self._deadline = cases, sweep, slots, deadline
        self._tasks, self._observe = tasks, observe

    def tell(self, what: What, case: Case) -> None:
        """Tell of an event; if it concludes the last account, begin to watch them."""
        self._tell_observer(what, case)
        sweep = self._sweep
        if what is not What.SENDING and sweep.settles(case):
            loop = asyncio.get_running_loop()
            sweep.settled_at = loop.time()
            sweep.watch_until = sweep.settled_at + self._deadline.pace.watch_s
            loop.call_at(sweep.watch_until, self._end_watch)
            loop.call_later(BESIDE_MOST_S, self._tasks.cancel, NOBODY)
            self._tell_observer(What.SETTLED, None)

    def take_back(self, case: Case) -> None:
        """Note that a case that was concluded, or may have been, is so no longer."""
        self._sweep.settles(case)
        self._tell_observer(What.DOUBTED, case)

    def reopen(self) -> None:
        """Let a later press settle once more, and watch anew after that."""
        self._sweep.settled_at, self._sweep.watch_until = None, NEVER

    def _end_watch(self) -> None:
        """End what only watches, also where it waits for a turn; anything else is due again at once."""
        if asyncio.get_running_loop().time() >= self._sweep.watch_until:  # else there was a press meanwhile
            self._slots.recall({case.account.id for case in self._cases})
            self._deadline.wake_all()

    def _tell_observer(self, what: What, case: Case | None) -> None:
        try:
            self._observe(what, case)
        except Exception as error:  # whoever watches must not end the work on an account
            text = f"what watches the run: {type(error).__name__}"
            if text not in self._tasks.failures:
                self._tasks.failures.append(text)
                if structlog.is_configured():
                    log.exception("observer_failed")
