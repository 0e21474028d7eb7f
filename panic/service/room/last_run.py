"""Which run was pressed last: here, at a terminal, or before this service began."""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final

from panic.config import LedgerFiles
from panic.kit.background import Aside
from panic.kit.errors import PanicError
from panic.ledger import history
from panic.ledger.record import LastPress
from panic.service.live import Live
from panic.service.room.views import LastRun

LEDGER_S: Final = 15.0
"""So often the ledger is asked; and after each run."""

PATIENCE_S: Final = 5.0

_NEVER: Final = float("-inf")


class LastRunWatch:
    """Knows which run the ledger told as the last.

    Args:
        ledger: Gives where it is.

    Attributes:
        problem: Why another may be the last; empty if none may.
    """

    def __init__(self, ledger: Callable[[], LedgerFiles]) -> None:
        self.problem = "it was not looked up yet"
        self._ledger = ledger
        self._recorded: tuple[LastPress, LastRun] | None = None
        self._read_at = _NEVER
        self._aside = Aside(1)  # a disk that hangs keeps its place: this one is only ours

    def expire(self) -> None:
        """Ask the ledger anew: a run has ended."""
        self._read_at = _NEVER

    async def refresh(self) -> None:
        """Ask the ledger, if it was long ago."""
        if monotonic() - self._read_at < LEDGER_S:
            return
        self._read_at, ledger = monotonic(), self._ledger()
        if ledger.file is None:
            self.problem = "there is no ledger, and nothing is known of other runs"
            return
        try:
            self._recorded = await self._aside.do(lambda: _recorded(ledger), "room-last", PATIENCE_S)
        except (TimeoutError, OSError, RuntimeError, ValueError, PanicError) as error:
            self.problem = f"the ledger does not answer: {type(error).__name__}"
        else:
            self.problem = ""

    def view(self, here: Mapping[str, Live]) -> LastRun | None:
        """Give the run that was pressed last, of those on record and those that are over here."""
        over = {run: live for run, live in here.items() if live.is_over}
        press, told = self._recorded or (None, None)
        order = history.by_last_press([press] if press else [], [live.run.last_press for live in over.values()])
        return _ended(over[order[-1]]) if order and order[-1] in over else told


def _ended(live: Live) -> LastRun:
    report, run = live.report, live.run
    verdict = report.verdict if report and report.finished else None
    return LastRun(run.id, verdict, report.finished_at if report else run.started_at, run.drill)


def _recorded(ledger: LedgerFiles) -> tuple[LastPress, LastRun] | None:
    one = max(history.runs(ledger)[0], key=lambda one: one.pressed_last, default=None)
    if one is None:
        return None
    (one,) = history.checked(ledger, [one])
    verdict = one.finished.verdict if one.finished else None
    at = one.finished.finished_at if one.finished else one.pressed.started_at
    return one.last_press, LastRun(one.run, verdict, at, one.pressed.drill)
