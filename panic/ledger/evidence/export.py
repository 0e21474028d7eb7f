"""A piece of the ledger becomes evidence: lines of JSON, each in the one way in which it can be written.

header   what was asked for, who exported it and when, and the ledger's heads before and after the rows
row      an event of the ledger with its number and its hash, without a gap from the first to the last
report   the report made from a run's rows
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from panic._version import VERSION
from panic.kit.errors import UsageError
from panic.kit.words import clip
from panic.ledger.events import GENESIS, Head, decode
from panic.ledger.history import past_of
from panic.ledger.reader import Row, Volume, links
from panic.ledger.record import Kind
from panic.report.document import Report, to_json

SCHEMA = "panic-evidence/2"

_encoder = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """A run, or a period: from `since` on and before `until`, None where it has no such end."""

    run: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def holds(self, row: Row) -> bool:
        """Tell whether a row is part of it."""
        if self.run:
            return row.run == self.run
        with suppress(ValueError, OverflowError):
            at = datetime.fromisoformat(decode(row.record).at).astimezone(UTC)
            return (not self.since or self.since <= at) and (not self.until or at < self.until)
        return False


@dataclass(frozen=True, slots=True)
class Header:
    """The first line. It is not chained: anyone who can write the file can write anything here."""

    schema: str
    version: str
    exported_at: str
    by: str
    ledger: str
    run: str
    since: str
    until: str
    base: str
    head: str
    damage: str

    def __str__(self) -> str:
        ends = (("from", self.since), ("before", self.until))
        what = f"run {self.run}" if self.run else " ".join(f"{word} {end}" for word, end in ends if end)
        return f"{what} of {self.ledger}, exported {self.exported_at} by {self.by} with panic {self.version}"


def export(volume: Volume, asked: Asked, *, by: str, at: datetime) -> tuple[Head, Iterator[bytes]]:
    """Give the head after the last row of a run or a period, and the lines of its evidence, if there is any.

    What other runs wrote between its first row and its last is in it as well. The ledger must be read whole.
    """
    places = [place for place, row in enumerate(volume.rows) if asked.holds(row)]
    if not places:
        what = f"run {asked.run}" if asked.run else "that period"
        raise UsageError(f"{volume.file} holds nothing of {what}{f'; {volume.damage}' if volume.damage else ''}")
    rows = volume.rows[places[0] : places[-1] + 1]
    before = volume.rows[places[0] - 1] if places[0] else None
    base = Head(before.seq, before.hash) if before else GENESIS
    head = Head(rows[-1].seq, rows[-1].hash)
    header = Header(
        schema=SCHEMA,
        version=VERSION,
        exported_at=at.isoformat(),
        by=clip(by),
        ledger=volume.file.name,
        run=asked.run,
        since=asked.since.isoformat() if asked.since else "",
        until=asked.until.isoformat() if asked.until else "",
        base=str(base),
        head=str(head),
        damage=volume.damage,
    )
    return head, _lines(header, rows, base)


def _lines(header: Header, rows: tuple[Row, ...], base: Head) -> Iterator[bytes]:
    yield write(asdict(header))
    for row in rows:
        yield write_row(row)
    began, ended = ({row.run for row in rows if row.kind == kind} for kind in (Kind.PRESSED, Kind.FINISHED))
    for run in [header.run] if header.run else sorted(began & ended):
        with suppress(UsageError):  # who verifies it is told that it is missing
            yield write({"run": run, "report": json.loads(to_json(report_of(run, rows, base, header.ledger)))})


def write(words: Mapping[str, Any]) -> bytes:
    """Write a line."""
    return _encoder.encode(words).encode("ascii") + b"\n"


def write_row(row: Row) -> bytes:
    """Write a row; what is no event of panic's is left out, and found missing by whoever verifies it."""
    try:
        decode(row.record)
        event = json.loads(row.record)
    except ValueError:
        event = None
    return write({"seq": row.seq, "hash": row.hash, "event": event})


def report_of(run: str, rows: tuple[Row, ...], base: Head, ledger: str) -> Report:
    """Rebuild a run's report from rows without a gap: used by both export and verification."""
    mine = [(row, before) for row, before in zip(rows, links(rows, base), strict=True) if row.run == run]
    its, before = tuple(row for row, _ in mine), tuple(hashed for _, hashed in mine)
    return past_of(Volume(Path(ledger), its, before=before), run).report()
