"""What an earlier process left: runs to take up again, and runs that somebody has to be told of."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from panic import history
from panic.config import Settings
from panic.errors import PanicError, UsageError
from panic.hooks.decisions import Earlier
from panic.hooks.taken import KEPT_TIMES, Call
from panic.ledger.events import Event, decode
from panic.ledger.reader import Row
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
    known = set(_told(settings))
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


def hook_calls(settings: Settings) -> list[Call]:
    """Find out which signed calls of hooks an earlier process took, and whose copies might still be let in.

    Raises:
        UsageError: There is no ledger.
        OSError: It cannot be read.
    """
    found, finished, now = [], _finished(settings), datetime.now(UTC).timestamp()
    for event in _audits(settings):
        body = event.body
        hook = settings.hooks.get(str(body.get("hook")))
        if hook is None or body["what"] not in _TAKEN or not body.get("id") or body.get("act") == "joined":
            continue
        until = datetime.fromisoformat(event.at).timestamp() + KEPT_TIMES * hook.tolerance_s
        if until >= now:
            run = str(body["run_id"])
            earlier = Earlier(str(body["digest"]), int(body["timestamp"]), run, is_over=run in finished)
            found.append(Call(str(body["hook"]), str(body["id"]), earlier, until))
    return found


_TAKEN = ("hook_pressed", "hook_recorded", "hook_paged")


def _finished(settings: Settings) -> set[str]:
    return {row.run for row in _rows(settings, Kind.FINISHED)}


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


def _told(settings: Settings) -> Iterator[str]:
    """Give the runs that people were paged for; an older service had that acknowledged."""
    for event in _audits(settings):
        if event.body["what"] in {"paged", "acknowledge"}:
            yield str(event.body.get("run_id"))


def _audits(settings: Settings) -> Iterator[Event]:
    """Give who did what; what is not as it was written is left out."""
    for row in _rows(settings, Kind.AUDIT):
        with suppress(ValueError):
            event = decode(row.record)
            if isinstance(event.body, dict) and "what" in event.body:
                yield event


def _rows(settings: Settings, kind: Kind) -> tuple[Row, ...]:
    found = history.read(settings.ledger, kinds=(kind,))
    if found.damage and not found.rows:
        raise OSError(found.damage)
    return found.rows
