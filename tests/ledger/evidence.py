"""Runs on record, ledgers made of them, their evidence, and what somebody who owns the file can do to it."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from panic._version import VERSION
from panic.accounts.plan import Plan, Scope
from panic.accounts.roster import Account
from panic.broker.outcomes import Verdict
from panic.kit.process import Process
from panic.ledger.events import GENESIS, Event, Head, encode, link
from panic.ledger.evidence.export import Asked, export, report_of, write, write_row
from panic.ledger.evidence.verify import Finding, Verification, parse, read_row
from panic.ledger.reader import Row, Volume
from panic.ledger.record import Finished, Kind, Resumed, body, planned
from panic.report.document import Timings, Trigger, to_json
from tests.ledger.runs import a_press

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RUN = "20260302T120000Z-abc123"
OTHER = "20260302T120001Z-def456"
ASKED = Asked(RUN)
ALWAYS = Asked(until=NOON + timedelta(days=365))
ANCHORED, CONSISTENT, ALTERED = Finding

Lines = list[bytes]


def stamp(at: datetime) -> str:
    """A time as events have it."""
    return at.isoformat(timespec="microseconds")


def a_run(
    run: str = RUN,
    *,
    at: datetime = NOON,
    reason: str = "runaway algo",
    leg: str = "",
    accounts: Sequence[int] = (1, 2),
    end: bool = True,
) -> list[Event]:
    """The events of a run that cleared its accounts, a second apart; `end` says whether it came to its end."""
    trigger = Trigger("cli", "joe@desk", reason, at)
    pressed = a_press(version=VERSION, trigger=trigger, started_at=at, process=Process("host", 1))
    plan = Plan(Scope(all=True), tuple(map(Account, accounts)), ())
    recorded: list[tuple[Kind, Any]] = [
        (Kind.PRESSED, body(pressed)),
        (Kind.PLANNED, planned(plan)),
        (Kind.ATTEMPT, {"deletes": [[id_, 1] for id_ in accounts]}),
        *((Kind.OUTCOME, {"accounts": [_accepted(id_, at)]}) for id_ in accounts),
        (Kind.STANDING, {"accounts": [_clear(id_, at) for id_ in accounts]}),
    ]
    if end:
        timings = Timings(0.1, 2.0, 5.0, 120.0)
        finished = Finished(VERSION, Verdict.CLEAR, 0, at + timedelta(seconds=5), timings, True, ())
        recorded.append((Kind.FINISHED, body(finished)))
    return events(recorded, run, at, leg or run.replace("-", "")[-6:])


def events(recorded: Iterable[tuple[str, Any]], run: str, at: datetime, leg: str) -> list[Event]:
    """Events of one process, a second apart."""
    return [
        Event(run, kind, f"{leg}-{n}", stamp(at + timedelta(seconds=n)), words)
        for n, (kind, words) in enumerate(recorded, 1)
    ]


def _accepted(id_: int, at: datetime) -> dict[str, Any]:
    attempt = ["DELETE", at.timestamp() + 0.25, 0.0125, 200, f"request-{id_}", ""]
    return {"account": id_, "attempts": [attempt], "outcome": "accepted", "accepted": [f"order-{id_}"]}


def _clear(id_: int, at: datetime) -> dict[str, Any]:
    return {"account": id_, "standing": "clear", "as_of": at.isoformat(), "looks": 1}


def resumed(run: str = RUN, *, after: datetime = NOON, leg: str = "again") -> list[Event]:
    """Somebody resumes a run half a day later, and completes it."""
    at = after + timedelta(hours=12)
    claim = body(Resumed(at, "jane@desk", VERSION, Process("host", 2)))
    later = events([(one.kind, one.body) for one in a_run(run, at=at)[-2:]], run, at, f"{leg}2")
    return [Event(run, Kind.RESUMED, f"{leg}-0", stamp(at), claim), *later]


def volume(recorded: Iterable[Event], name: str = "ledger.db", base: Head = GENESIS) -> Volume:
    """A ledger file that holds these events."""
    head, rows = base, []
    for event in recorded:
        record = encode(event)
        head = link(head, record)
        rows.append(Row(head.seq, event.run, event.kind, record, head.hash))
    return Volume(Path("/somewhere", name), base, tuple(rows), head)


def exported(ledger: Volume, asked: Asked = ASKED) -> Lines:
    """The evidence of what was asked for."""
    return list(export(ledger, asked, by="auditor@desk", at=NOON)[1])


def head_of(ledger: Volume, seq: int) -> Head:
    """The head after an event."""
    return next(Head(row.seq, row.hash) for row in ledger.rows if row.seq == seq)


def faults_of(found: Verification) -> list[tuple[str, int | None]]:
    """The kind of each fault, and the number of the event it names."""
    return [(str(fault.kind), fault.event) for fault in found.faults]


# ── what somebody can do who owns the file ──────────────────────────────────────────────────────────────────


def edited(lines: Sequence[bytes], number: int, change: Callable[[Any], Any]) -> Lines:
    """Change the words of one line."""
    words = json.loads(lines[number])
    words = change(words) or words
    return [*lines[:number], write(words), *lines[number + 1 :]]


def relinked(lines: Iterable[bytes]) -> Lines:
    """Compute everything again: numbers, hashes, heads, and the report."""
    words, *rest = map(parse, lines)
    head = base = Head.parse(words["base"])
    rows: list[Row] = []
    for row in (read_row(line) for line in rest if "seq" in line):
        head = link(head, row.record)
        rows.append(row._replace(seq=head.seq, hash=head.hash))
    report = json.loads(to_json(report_of(words["run"], tuple(rows), base, words["ledger"])))
    header = write({**words, "head": str(head)})
    return [header, *map(write_row, rows), write({"run": words["run"], "report": report})]
