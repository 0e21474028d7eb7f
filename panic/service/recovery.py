"""What earlier processes left: runs to resume, and runs that somebody has to be told of."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from panic.config import Settings
from panic.kit import background
from panic.kit.errors import PanicError, UsageError
from panic.ledger import history
from panic.ledger.summary import Summary
from panic.ledger.writer import Writer
from panic.report.document import AUTOMATED, Report
from panic.run import resume
from panic.run.press import Prepared
from panic.service.audit import entries
from panic.service.desk import Desk
from panic.service.notify import Notice, notices_of

log = structlog.get_logger()

TOLD_FOR: Final = timedelta(hours=24)
"""Of what ended longer ago nobody is told again."""

BY: Final = "panic serve"
"""Who resumes a run that an earlier process left."""

LOOK_S: Final = 30.0
"""So long the ledger may take to tell what was left; presses do not wait for that."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """One run that an earlier process left.

    Attributes:
        run: Its id.
        is_finished: Whether it came to its end.
        prepared: What is left of it, ready to be resumed; None where it may not be.
        report: Its report, where somebody has to be told of it: it was interrupted, or ended not clear.
        why: Why it is not resumed.
    """

    run: str
    is_finished: bool = False
    prepared: Prepared | None = None
    report: Report | None = None
    why: str = ""


class Recovery:
    """Resumes what earlier processes left, and tells people of the rest.

    Args:
        settings: Where the ledger is.
        ledger: Its writer; None where there is none.
        desk: Where runs are resumed.
        tell: Tells people.
        say: Tells whoever runs the service, one line at a time.
        remember: Told of each run that is resumed: people know of it.
        env: Where keys are looked for.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: Writer | None,
        desk: Desk,
        tell: Callable[[Notice], None],
        say: Callable[[str], None],
        remember: Callable[[str], None],
        env: Mapping[str, str] = os.environ,
    ) -> None:
        self._settings, self._ledger, self._desk, self._env = settings, ledger, desk, env
        self._tell, self._say, self._remember = tell, say, remember

    async def go(self) -> None:
        """Look at the ledger, and deal with each run by itself."""
        try:
            async with asyncio.timeout(LOOK_S):
                found = await background.begin(lambda: look(self._settings), "look-back")
        except (TimeoutError, PanicError, OSError, RuntimeError, ValueError) as error:
            text = f"what earlier processes left could not be read: {type(error).__name__}. Run: panic runs"
            self._tell(Notice("page", "", "panic serve: the ledger does not answer", text, "look-back"))
            log.exception("look_back_failed")
            return
        for one in found:
            try:
                await self._deal_with(one)
            except Exception as error:  # the others are looked after all the same
                log.exception("look_back_failed", run_id=one.run)
                text = f"{type(error).__name__}. Run: panic resume {one.run}, or press again"
                self._tell(Notice("page", one.run, f"run {one.run} could not be resumed", text, one.run))

    async def _deal_with(self, one: Earlier) -> None:
        run = one.run
        if not one.is_finished:
            one = await background.begin(lambda: prepare(self._settings, self._ledger, run, self._env), "resume")
        if one.prepared is not None:
            live = self._desk.start(one.prepared, automated=one.prepared.press.source in AUTOMATED)
            self._remember(run)
            log.warning("run_resumed", run_id=live.run.id)
            self._say(f"panic: run {run} is resumed: the process that had it died")
            return
        if one.why:
            log.error("run_interrupted", run_id=run, why=one.why)
            self._say(f"panic: run {run} was interrupted and is not resumed: {one.why}")
        if one.report is not None:
            for notice in notices_of("interrupted" if one.why else "finished", one.report):
                if notice.kind == "page":
                    self._tell(notice)


def look(settings: Settings) -> list[Earlier]:
    """Find out what earlier processes left, of runs that did not end no more than their ids.

    It reads the ledger, which may take long.

    Raises:
        PanicError: The ledger cannot be read.
    """
    if settings.ledger.file is None:
        return []
    summaries, _ = history.runs(settings.ledger)
    since = datetime.now(UTC) - TOLD_FOR
    told = set(_told(settings))
    recent = [one for one in summaries if one.deadline > since and not one.pressed.drill]
    checked = history.checked(settings.ledger, recent)
    return [earlier for one in checked if (earlier := _earlier(one, settings, told))]


def prepare(settings: Settings, ledger: Writer | None, run: str, env: Mapping[str, str]) -> Earlier:
    """Make ready what is left of a run. It claims it in the ledger: whoever calls this must start it."""
    try:
        return Earlier(run, prepared=resume.prepare(settings, ledger, run, BY, env))
    except PanicError as error:
        return Earlier(run, report=_report(settings, run), why=str(error))


def _earlier(one: Summary, settings: Settings, told: set[str]) -> Earlier | None:
    if one.finished is None:
        return None if one.alive else Earlier(one.run)
    if one.is_clear or one.run in told:
        return None
    return Earlier(one.run, is_finished=True, report=_report(settings, one.run))


def _report(settings: Settings, run: str) -> Report | None:
    try:
        return history.recall(settings.ledger, run).report()
    except UsageError:
        return None


def _told(settings: Settings) -> Iterator[str]:
    """Give the runs that people were paged for; an older service had that acknowledged."""
    for event in entries(settings):
        if event.body["what"] in {"paged", "acknowledge"}:
            yield str(event.body.get("run_id"))
