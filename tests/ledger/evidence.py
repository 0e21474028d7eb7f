"""Runs on record, ledgers made of them, their evidence, and what somebody who owns the file can do to it."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from panic._version import VERSION
from panic.ledger.events import GENESIS, Event, Head, encode, link
from panic.ledger.evidence.export import Asked, export, report_of, write, write_row
from panic.ledger.evidence.verify import Finding, Verification, parse, read_row
from panic.ledger.reader import Row, Volume, links
from panic.ledger.record import Kind
from panic.report.document import to_json
from tests.ledger import runs

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RUN = "20260302T120000Z-abc123"
OTHER = "20260302T120001Z-def456"
ASKED = Asked(RUN)
ALWAYS = Asked(until=NOON + timedelta(days=365))
ANCHORED, CONSISTENT, ALTERED = Finding

Lines = list[bytes]


def a_run(
    run: str = RUN, *, at: datetime = NOON, reason: str = "runaway algo", end: bool = True, leg: str = ""
) -> list[Event]:
    """The events of a run that cleared two accounts, a second apart; `end` says whether it came to its end."""
    press = runs.pressed()
    trigger = {**press.body["trigger"], "reason": reason}
    its = [
        press._replace(body={**press.body, "trigger": trigger, "version": VERSION}),
        runs.plan_of(1, 2, unsent=()),
        runs.sending(3, (1, 1), (2, 1)),
        runs.told(4, runs.accepted(1)),
        runs.told(5, runs.accepted(2)),
        runs.told(6, runs.clear(1), runs.clear(2), kind=Kind.STANDING),
        runs.finished(7),
    ]
    return moved(its if end else its[:-1], run, at, leg or run.replace("-", "")[-6:])


def moved(its: Iterable[Event], run: str, at: datetime, leg: str) -> list[Event]:
    """The same as events of another run and process, a second apart."""
    return [
        one._replace(run=run, id=f"{leg}-{n}", at=(at + timedelta(seconds=n)).isoformat(timespec="microseconds"))
        for n, one in enumerate(its, 1)
    ]


def resumed() -> list[Event]:
    """Somebody resumes the run half a day later, and completes it."""
    return moved([runs.resumed(1), *a_run()[-2:]], RUN, NOON + timedelta(hours=12), "again")


def volume(recorded: Iterable[Event], name: str = "ledger.db") -> Volume:
    """A ledger file that holds these events."""
    head, rows = GENESIS, list[Row]()
    for event in recorded:
        record = encode(event)
        head = link(head, record)
        rows.append(Row(head.seq, event.run, event.kind, record, head.hash))
    return Volume(Path("/somewhere", name), tuple(rows), head, before=links(rows))


def exported(ledger: Volume, asked: Asked = ASKED) -> Lines:
    """The evidence of what was asked for."""
    return list(export(ledger, asked, by="auditor@desk", at=NOON)[1])


def head_of(ledger: Volume, seq: int) -> Head:
    """The head after an event."""
    return next(Head(row.seq, row.hash) for row in ledger.rows if row.seq == seq)


def faults_of(found: Verification) -> list[tuple[str, int | None]]:
    """The kind of each fault, and the number of the event it names."""
    return [(str(fault.kind), fault.event) for fault in found.faults]


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
