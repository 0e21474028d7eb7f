"""A piece of the ledger becomes evidence: lines of JSON, each in the one way in which it can be written.

header   what was asked for, who exported it and when, and the ledger's heads before and after the rows
row      an event of the ledger with its number and its hash, without a gap from the first to the last
report   the report made from a run's rows
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from panic._version import VERSION
from panic.kit.errors import UsageError
from panic.kit.words import clip
from panic.ledger.chain import Head
from panic.ledger.events import decode
from panic.ledger.history import past_of
from panic.ledger.reader import Row, Volume
from panic.ledger.record import Kind
from panic.report.document import Report, to_json

SCHEMA = "panic-evidence/2"

LINE_MOST = 256 << 20
"""Bytes of a line: the report of fifty thousand accounts that were read thirty times each is shorter."""

_SEQ_MOST = 1 << 62
_encoder = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def write(words: Mapping[str, Any]) -> bytes:
    """Write a line.

    Raises:
        ValueError, RecursionError: JSON has no words for it, or it is nested too deeply.
    """
    return _encoder.encode(words).encode("ascii") + b"\n"


def parse(line: bytes) -> dict[str, Any]:
    """Read what `write` wrote, and nothing else.

    Raises:
        ValueError: It is not exactly what `write` would write.
    """
    try:
        words = json.loads(line)
        is_canonical = len(line) <= LINE_MOST and isinstance(words, dict) and write(words) == line
    except (ValueError, RecursionError):
        is_canonical = False
    if not is_canonical:
        raise ValueError("it is no line of evidence")
    return words  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Header:
    """The first line: what was asked for, and what the first row is linked to.

    It is not chained: anyone who can write the file can write anything here.
    """

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

    @classmethod
    def read(cls, words: dict[str, Any]) -> "Header":
        """Read the first line.

        Raises:
            ValueError: It is none.
        """
        if words.get("schema") != SCHEMA or list(words) != list(cls.__slots__):
            raise ValueError(f"this panic reads {SCHEMA}, and this is something else")
        if not all(isinstance(value, str) for value in words.values()):
            raise ValueError("its values are not what a header has")
        Head.parse(words["base"]), Head.parse(words["head"])
        return cls(**words)


def write_row(row: Row) -> bytes:
    """Write a row: its event as JSON, or its bytes where they are not written the one way."""
    try:
        line = write({"seq": row.seq, "hash": row.hash, "event": json.loads(row.record)})
    except (ValueError, RecursionError):
        line = b""
    if line and read_row(parse(line)).record == row.record:
        return line
    return write({"seq": row.seq, "hash": row.hash, "raw": b64encode(row.record).decode()})


def read_row(words: dict[str, Any]) -> Row:
    """Read a row; run and kind are empty where its event cannot be read.

    Raises:
        ValueError: It is none.
    """
    match words:
        case {"seq": int(seq), "hash": str(hashed), "event": event, **more} if not more:
            record = write(event)[:-1]
        case {"seq": int(seq), "hash": str(hashed), "raw": str(raw), **more} if not more:
            record = b64decode(raw, validate=True)
        case _:
            raise ValueError("it is no row")
    Head.parse(f"{seq}:{hashed}")
    if not 0 < seq < _SEQ_MOST:
        raise ValueError("it has no number")
    try:
        found = decode(record)
    except ValueError:
        return Row(seq, "", "", record, hashed)
    return Row(seq, found.run, found.kind, record, hashed)


def report_of(run: str, rows: list[Row], base: Head, ledger: str) -> Report:
    """Rebuild a run's report from rows without a gap: used by both export and verification.

    Raises:
        UsageError: They do not tell who pressed, or of which accounts.
    """
    before = [base.hash, *(row.hash for row in rows)]
    mine = [(row, hashed) for row, hashed in zip(rows, before, strict=False) if row.run == run]
    its, links = tuple(row for row, _ in mine), tuple(hashed for _, hashed in mine)
    return past_of(Volume(Path(ledger), base, its, before=links), run).report()


def moment(words: str) -> datetime | None:
    """Read a time, UTC where it does not say; None if it is none."""
    try:
        found = datetime.fromisoformat(words)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


# ── export ──────────────────────────────────────────────────────────────────────────────────────────────────


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
        with suppress(ValueError):
            at = moment(decode(row.record).at)
            return at is not None and (not self.since or self.since <= at) and (not self.until or at < self.until)
        return False


def export(volume: Volume, asked: Asked, *, by: str, at: datetime) -> tuple[Head, Iterator[bytes]]:
    """Give the head after the last row of a run or a period, and the lines of its evidence.

    What other runs wrote between its first row and its last is in it as well. The ledger must be read whole.

    Raises:
        UsageError: The ledger holds nothing of it.
    """
    places = [place for place, row in enumerate(volume.rows) if asked.holds(row)]
    if not places:
        what = f"run {asked.run}" if asked.run else "that period"
        raise UsageError(f"{volume.file} holds nothing of {what}{f'; {volume.damage}' if volume.damage else ''}")
    rows = list(volume.rows[places[0] : places[-1] + 1])
    before = volume.rows[places[0] - 1] if places[0] else None
    base = Head(before.seq, before.hash) if before else volume.base
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


def _lines(header: Header, rows: list[Row], base: Head) -> Iterator[bytes]:
    yield write(asdict(header))
    yield from map(write_row, rows)
    began, ended = ({row.run for row in rows if row.kind == kind} for kind in (Kind.PRESSED, Kind.FINISHED))
    for run in [header.run] if header.run else sorted(began & ended):
        with suppress(UsageError):  # who verifies it is told that it is missing
            yield write({"run": run, "report": json.loads(to_json(report_of(run, rows, base, header.ledger)))})
