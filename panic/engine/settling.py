"""When a run may end before its deadline: which accounts are concluded, and for how long they are watched."""

from collections.abc import Iterable

from panic.engine.case import Case
from panic.engine.timetable import NEVER


class Settling:
    """Which accounts are not concluded, and since when none is.

    Attributes:
        at: Loop time at which all accounts were concluded; None while one is not.
        watch_until: Until when reading goes on after that.
    """

    def __init__(self) -> None:
        self.at: float | None = None
        self.watch_until = NEVER
        self._unconcluded: set[int] = set()

    def begin(self, cases: Iterable[Case]) -> None:
        """Wait for all of these."""
        self._unconcluded = {case.account.id for case in cases}

    def note(self, case: Case) -> bool:
        """Note where a case stands; tell whether all are concluded now for the first time."""
        if case.is_concluded:
            self._unconcluded.discard(case.account.id)
        else:
            self._unconcluded.add(case.account.id)
        return not self._unconcluded and self.at is None

    def settle(self, now: float, watch_s: float) -> None:
        """Begin the watch."""
        self.at, self.watch_until = now, now + watch_s

    def reopen(self) -> None:
        """Settle once more, and watch anew after that."""
        self.at, self.watch_until = None, NEVER
