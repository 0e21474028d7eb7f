"""What earlier processes left: runs to resume, and runs to tell somebody about."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import structlog

from panic.config import Settings
from panic.kit import background
from panic.kit.background import Start
from panic.kit.errors import PanicError, UsageError
from panic.ledger import history
from panic.ledger.writer import Writer
from panic.report.document import AUTOMATED, Report
from panic.run import resume
from panic.run.press import Prepared
from panic.service.audit import entries
from panic.service.desk import Desk
from panic.service.notify import Notice, Notifier, notices_of

log = structlog.get_logger()

TOLD_FOR: Final = timedelta(hours=24)
"""Nobody is told about runs that ended longer ago."""

BY: Final = "panic serve"
"""Who resumes a run that an earlier process left."""

LOOK_S: Final = 30.0
"""How long the ledger may take to say what was left; presses do not wait for that."""


@dataclass(frozen=True)
class Recovery:
    """Resumes what earlier processes left, and tells people of the rest; a run that is resumed they know of."""

    settings: Settings
    ledger: Writer | None
    desk: Desk
    notifier: Notifier
    say: Callable[[str], None]
    env: Mapping[str, str]
    reading: Start = background.begin

    async def go(self) -> None:
        """Look at the ledger, and deal with each run by itself."""
        try:
            async with asyncio.timeout(LOOK_S):
                found = await self.reading(partial(look, self.settings), "look-back")
        except (TimeoutError, PanicError, OSError, RuntimeError, ValueError) as error:
            text = f"what earlier processes left could not be read: {type(error).__name__}. Run: panic runs"
            self.notifier.tell(Notice("page", "", "panic serve: the ledger does not answer", text, "look-back"))
            log.exception("look_back_failed")
            return
        for run, report in found.items():
            try:
                if report is None:
                    await self._resume(run)
                else:
                    self._page("finished", report)
            except Exception as error:  # the others are still dealt with
                log.exception("look_back_failed", run_id=run)
                text = f"{type(error).__name__}. Run: panic resume {run}, or press again"
                self.notifier.tell(Notice("page", run, f"run {run} could not be resumed", text, run))

    async def _resume(self, run: str) -> None:
        found = await background.begin(lambda: self._claim(run), "resume")
        if isinstance(found, Prepared):
            self.desk.start(found, automated=found.press.source in AUTOMATED)
            self.notifier.remember(run)
            log.warning("run_resumed", run_id=run)
            self.say(f"panic: run {run} is resumed: the process that had it died")
            return
        log.error("run_interrupted", run_id=run, why=found)
        self.say(f"panic: run {run} was interrupted and is not resumed: {found}")
        self._page("interrupted", await self.reading(partial(_report, self.settings, run), "report"))

    def _claim(self, run: str) -> Prepared | str:
        """Claim in the ledger what is left of a run, and make it ready; or say why that cannot be."""
        try:
            return resume.prepare(self.settings, self.ledger, run, BY, self.env)
        except PanicError as error:
            return str(error)

    def _page(self, what: str, report: Report | None) -> None:
        for notice in () if report is None else notices_of(what, report):
            if notice.kind == "page":
                self.notifier.tell(notice)


def look(settings: Settings) -> dict[str, Report | None]:
    """Find what earlier processes left: runs that did not end; with a report, those not clear and told to nobody.

    It may take long.

    Raises:
        PanicError: The ledger cannot be read.
    """
    if settings.ledger.file is None:
        return {}
    summaries, _ = history.runs(settings.ledger)
    since = datetime.now(UTC) - TOLD_FOR
    told = {str(event.body.get("run_id")) for event in entries(settings) if event.body["what"] == "paged"}
    recent = [one for one in summaries if one.deadline > since and not one.pressed.drill]
    found: dict[str, Report | None] = {}
    for one in (history.checked(settings.ledger, one) for one in recent):
        is_lost = one.finished is None and not one.alive
        is_untold = one.finished is not None and not one.is_clear and one.run not in told
        report = _report(settings, one.run) if is_untold else None
        if is_lost or report:
            found[one.run] = report
    return found


def _report(settings: Settings, run: str) -> Report | None:
    try:
        return history.recall(settings.ledger, run).report()
    except UsageError:
        return None
