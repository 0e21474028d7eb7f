"""A piece of the ledger becomes evidence: its rows without a gap, and what they come to."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime

from panic._version import VERSION
from panic.kit.errors import UsageError
from panic.kit.words import clip
from panic.ledger.chain import Head
from panic.ledger.events import decode
from panic.ledger.evidence.form import SCHEMA, Header, moment, report_of, write, write_row
from panic.ledger.reader import Row, Volume
from panic.ledger.record import Kind
from panic.report.document import to_json


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
