"""A press from code: its caller hears of it while it goes on, and has its report even of a cancelled call."""

import asyncio
import re
from collections.abc import Callable
from typing import Final

from panic.config import Settings
from panic.engine.case import Case
from panic.engine.events import What
from panic.kit.errors import UsageError
from panic.ledger.writer import open_ledger
from panic.report.document import Report
from panic.run.overview import Overview, Progress
from panic.run.press import Press, prepare
from panic.run.run import Run

EVERY_S: Final = 0.1
"""How long after one progress the next may follow, seconds."""

_ARGUMENTS: Final = {
    "all": "Scope(all=True)",
    "group": "Scope(groups=…)",
    "account": "Scope(accounts=…)",
    "side": "Filters(side=…)",
    "type": "Filters(type=…)",
    "instrument-type": "Filters(instrument_type=…)",
    "instrument": "Filters(instrument_ids=…)",
    "reason": "reason",
    "deadline": "deadline_s",
    "concurrency": "concurrency",
    "watch": "watch_s",
}


class _Telling:
    """Tells a caller how far a run has come, when something has changed and not too often."""

    def __init__(self, tell: Callable[[Progress], None] | None) -> None:
        self._tell, self._next_at = tell, 0.0
        self.overview: Overview | None = None

    def observe(self, _what: What, case: Case | None) -> None:
        """Take an event of the engine."""
        if self._tell is None or self.overview is None or case is None:
            return
        self.overview.observe(case)
        if (now := asyncio.get_running_loop().time()) >= self._next_at:
            self._next_at = now + EVERY_S
            self.tell()

    def tell(self) -> None:
        """Tell it now; what a caller makes of it is the caller's, and no part of the run."""
        if self._tell is not None and self.overview is not None:
            try:
                self._tell(self.overview.progress)
            except Exception as error:  # noqa: BLE001  (a press goes on, whoever watches)
                context = {"message": "on_progress raised; the press goes on", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)


async def press(
    settings: Settings,
    how: Press,
    on_progress: Callable[[Progress], None] | None,
    on_report: Callable[[Report], None] | None,
) -> Report:
    """Press, as `panic.press` says."""
    try:
        prepared = prepare(settings, how)
    except UsageError as error:
        error.args = (_in_code(str(error)),)
        raise
    telling, ledger = _Telling(on_progress), open_ledger(settings.ledger)
    try:
        run = Run(prepared, telling.observe, ledger=ledger)
        telling.overview = Overview(run)
        going = asyncio.create_task(run.go())
        try:
            report = await asyncio.shield(going)
        except asyncio.CancelledError:
            run.stop()
            _hand_over(await going, telling, on_report)  # cancelled once more, it ends at once
            raise
        _hand_over(report, telling, on_report)
        return report
    finally:
        if ledger is not None:
            ledger.close(0.0)


def _hand_over(report: Report, telling: _Telling, on_report: Callable[[Report], None] | None) -> None:
    telling.tell()
    if on_report is not None:
        on_report(report)


def _in_code(words: str) -> str:
    """Name arguments where a mistake is told in the options of the command line."""
    return re.sub(r"--([a-z-]+)(?: NAME| ID| TEXT)?", lambda one: _ARGUMENTS.get(one[1], one[0]), words)
