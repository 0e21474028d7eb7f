"""A ledger's events become evidence: lines of text that say no more than what was asked for."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from panic._version import VERSION
from panic.errors import UsageError
from panic.evidence.form import LINE_MOST, Asked, Entry, Header, VolumeLine, write
from panic.evidence.runs import retell
from panic.ledger.chain import Head, digest, link
from panic.ledger.events import Event, decode
from panic.ledger.reader import Row, Volume
from panic.words import clip


class _Part(NamedTuple):
    """What goes into the file of one volume, what of it does not fit its chain, and the runs that are left out."""

    line: VolumeLine
    entries: list[Entry]
    broken: list[Entry]
    left_out: set[str]


def export(volumes: Sequence[Volume], asked: Asked, *, by: str, at: datetime) -> Iterator[bytes]:
    """Give the lines of the evidence of a run or a period.

    From its first event on everything up to the end of the ledger is in it, the rest by its digest only: so a
    head that is kept at any later time proves what is told.

    Args:
        volumes: All files of the ledger, read whole, damaged ones too.
        asked: What to export.
        by: Who exports it.
        at: When.

    Raises:
        UsageError: The ledger holds nothing of it.
    """
    parts = [part for volume in volumes if (part := _part(volume, asked)).entries or part.line.damage]
    if not any(part.entries for part in parts):
        damage = "".join(f"; {part.line.name}: {part.line.damage}" for part in parts)
        raise UsageError(f"the ledger holds nothing of {asked}{damage}")
    reports = [line for line in _reports(parts, asked) if len(line) <= LINE_MOST]
    lines = 2 + sum(1 + len(part.entries) for part in parts) + len(reports)
    header = Header(VERSION, at.isoformat(), clip(by), asked, lines)
    return _sealed(header, parts, reports)


def _sealed(header: Header, parts: Sequence[_Part], reports: Sequence[bytes]) -> Iterator[bytes]:
    seal = sha256()
    for line in _lines(header, parts, reports):
        seal.update(line)
        yield line
    yield write({"seal": seal.hexdigest()})


def _lines(header: Header, parts: Sequence[_Part], reports: Sequence[bytes]) -> Iterator[bytes]:
    yield write(header.words())
    for part in parts:
        yield write(part.line.words())
        for entry in part.entries:
            try:
                yield write(entry.words())
            except (ValueError, RecursionError):  # it was read, but is nested to the limit
                yield write(entry._replace(event=None).words())
    yield from reports


def _part(volume: Volume, asked: Asked) -> _Part:
    """Choose what goes into the file, from the first event on that is asked for or does not fit to the one before.

    Who changes an event may make it look like none of it: then the file must show that something does not fit. A
    volume that is known to be damaged says so itself.
    """
    head = base = volume.base
    entries, broken, left_out = list[Entry](), list[Entry](), set[str]()
    for row in volume.rows:
        entry, is_asked_for = _look(row, asked)
        if not is_asked_for:
            left_out.add(entry.event.run if entry.event else row.run)
        fits = _follows(head, entry)
        head = Head(row.seq, row.hash)
        if not fits:
            broken.append(entry)
        if entries or is_asked_for or not (volume.damage or fits):
            entries.append(entry if is_asked_for else Entry(entry.seq, entry.hash, entry.digest))
        else:
            base = head
    return _Part(VolumeLine(volume.file.name, base, clip(volume.damage)), entries, broken, left_out)


def _follows(head: Head, entry: Entry) -> bool:
    try:
        return link(head, entry.digest) == (entry.seq, entry.hash)
    except (ValueError, OverflowError):  # the head's hash is none, or its number
        return False


def _look(row: Row, asked: Asked) -> tuple[Entry, bool]:
    """Read a row, unless its first bytes show that it is another run's, and tell whether it is asked for."""
    event: Event | None = None
    if not asked.run or row.run in {asked.run, ""} or row.record.startswith(_beginning(asked.run)):
        try:
            event = decode(row.record)
        except ValueError:
            event = None
    entry = Entry(row.seq, row.hash, digest(row.record), row.record, event)
    return entry, asked.holds(event) if event else not asked.run or row.run == asked.run


def _beginning(run: str) -> bytes:
    return write({"run": run})[:-2] + b","


def _reports(parts: Sequence[_Part], asked: Asked) -> Iterator[bytes]:
    """Make the report of each run that lies wholly in it."""
    runs: dict[str, list[Entry]] = {}
    for part in parts:
        for entry in part.entries:
            if entry.event and entry.event.run:
                runs.setdefault(entry.event.run, []).append(entry)
    for run, entries in runs.items():
        if any(run in part.left_out for part in parts) or (asked.run and run != asked.run):
            continue
        broken = [one for part in parts for one in part.broken if one.event and one.event.run == run]
        retold = retell(run, entries, broken)
        if retold.report is not None:
            head = str(retold.head) if retold.head else None
            yield write({"report": retold.report, "run": run, "head": head})
