"""What an earlier process left: runs to take up again, and runs that somebody has to be told of."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from panic import history
from panic.config import Settings
from panic.errors import PanicError, UsageError
from panic.ledger.events import decode
from panic.ledger.writer import Writer
from panic.record import Kind
from panic.report import Report
from panic.run import resume
from panic.run.press import Prepared
from panic.summary import Summary

TOLD_FOR = timedelta(hours=24)
"""Of what ended longer ago nobody is told anew."""


@dataclass(frozen=True, slots=True)
class Left:
    """One run that an earlier process left.

    Attributes:
        run: Its id.
        is_finished: Whether it came to its end.
        prepared: What is left of it, ready to go on; None where it may not.
        report: Its report, where somebody has to be told of it: it was interrupted, or ended not clear.
        why: Why it does not go on.
    """

    run: str
    is_finished: bool = False
    prepared: Prepared | None = None
    report: Report | None = None
    why: str = ""


def look_back(settings: Settings) -> list[Left]:
    """Find out what earlier processes left, of runs that did not end no more than their ids.

    It reads the ledger, which may take long.

    Raises:
        PanicError: The ledger cannot be read.
    """
    if settings.ledger.file is None:
        return []
    summaries, _ = history.runs(settings.ledger)
    since = datetime.now(UTC) - TOLD_FOR
    known = set(_acknowledged(settings))
    recent = [one for one in summaries if one.deadline > since and not one.pressed.drill]
    told = history.checked(settings.ledger, recent)
    return [left for one in told if (left := _left(one, settings, known))]


def take_up(
    settings: Settings, ledger: Writer | None, run: str, by: str, env: Mapping[str, str] = os.environ
) -> Left:
    """Make ready what is left of a run. It claims it in the ledger: whoever calls this must let it go on."""
    try:
        return Left(run, prepared=resume.prepare(settings, ledger, run, by, env))
    except PanicError as error:
        return Left(run, report=_report(settings, run), why=str(error))


def has_finished(settings: Settings, run: str) -> bool:
    """Whether the ledger says that a run came to its end; it reads the ledger, which may take long."""
    return settings.ledger.file is not None and history.recall(settings.ledger, run).replay.finished is not None


def _left(one: Summary, settings: Settings, known: set[str]) -> Left | None:
    if one.finished is None:
        return None if one.alive else Left(one.run)
    if one.is_clear or one.run in known:
        return None
    return Left(one.run, is_finished=True, report=_report(settings, one.run))


def _report(settings: Settings, run: str) -> Report | None:
    try:
        return history.recall(settings.ledger, run).report()
    except UsageError:
        return None


def _acknowledged(settings: Settings) -> Iterator[str]:
    for row in history.read(settings.ledger, kinds=(Kind.AUDIT,)).rows:
        try:
            body = decode(row.record).body
        except ValueError:
            continue
        if isinstance(body, dict) and body.get("what") == "acknowledge":
            yield str(body.get("run_id"))
