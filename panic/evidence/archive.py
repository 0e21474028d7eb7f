"""Old events leave the ledger: as evidence in a file that was checked, and only then.

Any doubt, and nothing is removed. What is removed is the ledger's beginning, up to a point that cuts no run in two
and that comes before every run which may yet be taken up, is still engaged or has gone on since. A ledger of two
files is cut one file after the other: where the second cannot be, the error says what has left the first.
"""

import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from panic.errors import PanicError
from panic.evidence.answer import Wrong
from panic.evidence.export import export
from panic.evidence.form import Asked, moment
from panic.evidence.intake import lines_of
from panic.evidence.verify import verify
from panic.files import new_file
from panic.ledger.chain import Head
from panic.ledger.events import Event, decode, encode
from panic.ledger.reader import Volume, read
from panic.ledger.upkeep import Removal, remove
from panic.legs import in_order
from panic.record import Kind
from panic.replay import Replay
from panic.summary import Summary
from panic.words import clip

_HEADINGS = (Kind.PRESSED, Kind.JOINED, Kind.RESUMED, Kind.FINISHED)


@dataclass(frozen=True, slots=True)
class Archived:
    """What became of it.

    Attributes:
        file: The archive; None where there was nothing to archive, and so no file was written.
        sha256: Of its bytes, hexadecimal; empty without a file.
        events: How many events left the ledger.
        runs: Of how many runs.
        heads: For each ledger file from which some did, the last of them: the head that anchors the archive.
        stopped: What older events had to stay, and why, in words.
    """

    file: Path | None
    sha256: str
    events: int
    runs: int
    heads: dict[str, str]
    stopped: tuple[str, ...]


def archive(
    files: Sequence[Path],
    before: datetime,
    output: Path,
    *,
    by: str,
    at: datetime,
    reason: str = "",
    engaged: Collection[str] = (),
) -> Archived:
    """Move everything before a moment from the ledger into a new file.

    Args:
        files: All files of the ledger.
        before: The first moment to stay.
        output: The file to write.
        by: Who archives.
        at: When: a run that may be taken up then stays.
        reason: Why, if anybody says.
        engaged: The runs that left something engaged which no reset has ended: they stay as well.

    Raises:
        UsageError: The file cannot be written.
        PanicError: The ledger or the file is not beyond doubt, or a ledger file cannot be cut; nothing was
            removed, or the error says what was.
    """
    volumes = [read(file, whole=True) for file in files]
    _refuse_doubt(volumes)
    events = [[decode(row.record) for row in volume.rows] for volume in volumes]
    staying = dict.fromkeys(engaged, "is still engaged: panic reset ends that") | dict(_unfinished(events, at))
    counts = _cut(events, before, staying)
    parts = [_beginning(*pair) for pair in zip(volumes, counts, strict=True)]
    stops = list(_stops(volumes, events, counts, before, staying))
    if not any(counts):
        return Archived(None, "", 0, 0, {}, tuple(stops))
    with new_file(output) as stream:
        leaving = [part for part in parts if part.rows]
        for line in export(leaving, Asked(until=before), by=by, at=at):
            stream.write(line)
        stream.flush()
        found = _verified(output, leaving)
    runs = {event.run for its, count in zip(events, counts, strict=True) for event in its[:count]} - {""}
    words = {"by": clip(by), "reason": clip(reason, 1000), "before": before.isoformat(), "file": output.name}
    heads: dict[str, str] = {}
    for volume, part in zip(volumes, parts, strict=True):
        if part.rows:
            told = {"events": len(part.rows), "head": str(part.head), "sha256": found, "runs": sorted(runs)}
            try:
                _remove(volume, part, frozenset(runs), {**words, **told}, at)
            except PanicError as error:
                if not heads:
                    raise
                raise _partly(error, heads, output) from error
            heads[part.file.name] = str(part.head)
            _check_what_is_left(volume.file, heads, output)
    return Archived(output, found, sum(counts), len(runs), heads, tuple(stops))


def _refuse_doubt(volumes: Iterable[Volume]) -> None:
    for volume in volumes:
        if wrong := volume.wrong():
            remedy = "Back it up, and find out who changed it; a file that was set aside can be moved elsewhere."
            raise PanicError(f"nothing was removed: {clip(str(volume.file))}: {clip(wrong[0])}. {remedy}")


# ── how far ─────────────────────────────────────────────────────────────────────────────────────────────────


def _cut(events: Sequence[Sequence[Event]], before: datetime, staying: dict[str, str]) -> list[int]:
    """Count the events that may go from the beginning of each volume; `staying` gets the other runs that stay."""
    for event in (event for its in events for event in its if event.run):
        if not _is_before(event, before):
            staying.setdefault(event.run, "has gone on since")
    while True:
        counts = [_first(its, staying, before) for its in events]
        rest = {event.run for its, count in zip(events, counts, strict=True) for event in its[count:]}
        more = rest - staying.keys() - {""}
        if not more:
            return counts
        staying.update(dict.fromkeys(more, "goes on behind events that stay"))


def _unfinished(events: Iterable[Iterable[Event]], now: datetime) -> Iterator[tuple[str, str]]:
    """Give the runs that may yet go on, and why."""
    headings: dict[str, list[Event]] = {}
    archived: set[str] = set()
    for event in (event for its in events for event in its):
        if event.run:
            headings.setdefault(event.run, []).extend([event] if event.kind in _HEADINGS else [])
        elif event.kind == Kind.ARCHIVED:  # of a run in two files the first may have gone when the power failed
            archived.update(event.body["runs"])
    for run, its in headings.items():
        replay = Replay.of(run, in_order(its))
        if run in archived or replay.finished is not None:
            continue
        if replay.pressed is None:
            yield run, "did not come to its end, and who pressed is not on record"
            continue
        one = Summary.of(replay)
        if one.alive or now < one.deadline:
            yield run, "may be under way"
        elif now < one.resumable_until:
            yield run, "may yet be taken up"


def _first(events: Sequence[Event], staying: dict[str, str], before: datetime) -> int:
    """Find the first event that must stay."""
    for number, event in enumerate(events):
        if event.run in staying or not _is_before(event, before):
            return number
    return len(events)


def _is_before(event: Event, before: datetime) -> bool:
    at = moment(event.at)
    return at is not None and at < before


def _stops(
    volumes: Sequence[Volume],
    events: Sequence[Sequence[Event]],
    counts: Sequence[int],
    before: datetime,
    staying: dict[str, str],
) -> Iterator[str]:
    """Say which run keeps older events in the ledger."""
    for volume, its, count in zip(volumes, events, counts, strict=True):
        left = sum(_is_before(event, before) for event in its[count:])
        if left:
            first = its[count]
            who = f"run {first.run} {staying[first.run]}" if first.run in staying else "it is not older itself"
            yield clip(
                f"{volume.file.name}: {left:,} older events stay from event {volume.rows[count].seq} on: {who}"
            )


def _beginning(volume: Volume, count: int) -> Volume:
    rows = volume.rows[:count]
    return replace(volume, rows=rows, head=Head(rows[-1].seq, rows[-1].hash) if rows else volume.base)


# ── out of the ledger ───────────────────────────────────────────────────────────────────────────────────────


def _verified(file: Path, parts: Sequence[Volume]) -> str:
    """Read the archive again, and make sure that it tells every event; give its SHA-256."""
    seal = sha256()

    def lines(stream: Any) -> Iterator[bytes]:
        for line in lines_of(stream):
            seal.update(line)
            yield line

    with file.open("rb") as stream:
        found = verify(lines(stream), [part.head for part in parts])
    wrong = [fault.text for fault in found.faults if fault.kind is not Wrong.RUN]
    told = [(one.name, one.in_full, one.anchored) for one in found.volumes]
    if wrong or told != [(clip(part.file.name), len(part.rows), part.head.seq) for part in parts]:
        what = clip(wrong[0]) if wrong else "it does not tell every event"
        raise PanicError(
            f"nothing was removed: {clip(str(file))} does not hold what it should: {what}. Try again."
        )
    return seal.hexdigest()


def _remove(volume: Volume, part: Volume, runs: frozenset[str], words: dict[str, Any], at: datetime) -> None:
    event = Event("", Kind.ARCHIVED, f"{secrets.token_hex(4)}-1", at.isoformat(timespec="microseconds"), words)
    removal = Removal(volume.file, volume.base, part.head, len(part.rows), volume.head, runs)
    remove(removal, (event.run, event.kind, encode(event)))


def _check_what_is_left(file: Path, heads: dict[str, str], output: Path) -> None:
    if wrong := read(file, whole=True).wrong():
        error = PanicError(f"{clip(str(file))} is not whole after the removal: {clip(wrong[0])}.")
        raise _partly(error, heads, output)


def _partly(error: PanicError, heads: dict[str, str], output: Path) -> PanicError:
    """Say what has left the ledger all the same."""
    names, kept = clip(", ".join(heads)), ", ".join(heads.values())
    where = f"they are in {clip(str(output))}, which is whole: keep it, and the head of each: {kept}"
    return PanicError(f"{error} But events have left {names}; {where}")
