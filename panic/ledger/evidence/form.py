"""How evidence is written down: lines of JSON, each in the one way in which it can be written.

header   what was asked for, who exported it and when, and the ledger's heads before and after the rows
row      an event of the ledger with its number and its hash, without a gap from the first to the last
report   what the rows of a run come to
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from panic.ledger.chain import Head
from panic.ledger.events import decode
from panic.ledger.history import past_of
from panic.ledger.reader import Row, Volume
from panic.report.document import Report

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
    """The first line. It is not chained: whoever can write the file can write anything here.

    Attributes:
        ledger: The ledger's file, without its folder.
        run: The run that was asked for; "" for a period.
        since: From when on; "" for no such end.
        until: Before when, likewise.
        base: What the first row is linked to.
        head: The last row's.
        damage: What could not be read of the ledger, in words.
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
    """Make a run's report again from rows without a gap: the same for whoever exports and whoever checks.

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
