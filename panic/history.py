"""What the ledger tells of runs: which there were, and each of them made again, wherever its events lie.

A run's events may lie in two files, because the first one failed in the middle. They are put together by the
ids of the events, which are unique, and never by the clock alone.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from panic.config import LedgerFiles
from panic.errors import UsageError
from panic.ledger import reader
from panic.ledger.chain import Head
from panic.ledger.events import Event, decode
from panic.process import Process, is_alive
from panic.record import Finished, Kind, Pressed, Resumed
from panic.replay import Replay

_HEADINGS = (Kind.PRESSED, Kind.JOINED, Kind.RESUMED, Kind.FINISHED)
RESUMABLE_S = 300.0
"""So long after its deadline a run may still be taken up; then it is yesterday's, and today's book is another."""

LAST = "last"

_NUMBER = re.compile("[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Summary:
    """One run in the list of them.

    Attributes:
        alive: Whether its process still works on it; None where that cannot be told from this machine.
    """

    run: str
    pressed: Pressed
    finished: Finished | None
    resumed: tuple[Resumed, ...] = ()
    alive: bool | None = None

    @property
    def process(self) -> Process:
        """The process that had the run last."""
        return self.resumed[-1].process if self.resumed else self.pressed.process

    @property
    def deadline(self) -> datetime:
        """When it was to end at the latest."""
        began = self.resumed[-1].at if self.resumed else self.pressed.started_at
        return began + timedelta(seconds=self.pressed.deadline_s)

    @property
    def resumable_until(self) -> datetime:
        """When nobody may take it up any more."""
        return self.deadline + timedelta(seconds=RESUMABLE_S)

    def state(self, now: datetime) -> str:
        """Give its state in a word or two."""
        if self.finished is not None:
            return str(self.finished.verdict)
        if self.alive:
            return "under way"
        return "unfinished" if now < self.resumable_until else "unfinished, too old to resume"


@dataclass(frozen=True, slots=True)
class Past:
    """One run as its record tells it.

    Attributes:
        head: The ledger's head after the run's last event in the file that holds it.
        last_seq: The greatest number of an event of the run in the main file; 0 where it has none there.
        leg: The last process's part of it.
        damage: What is wrong with the files that hold the record, in words.
        faults: Which of its events are not what was written, in words.
    """

    replay: Replay
    head: Head | None
    last_seq: int
    leg: str
    damage: tuple[str, ...]
    faults: tuple[str, ...]


def files(ledger: LedgerFiles) -> tuple[Path, ...]:
    """Give the ledger's files that there are.

    Raises:
        UsageError: The settings name no ledger.
    """
    if ledger.file is None:
        raise UsageError("the settings name no [ledger] file")
    return reader.files(ledger.file, ledger.second)


def runs(ledger: LedgerFiles) -> tuple[list[Summary], list[str]]:
    """Give every run on record, unfinished ones first and then the latest, and what is wrong with the ledger."""
    volumes = [reader.read(file, kinds=_HEADINGS) for file in files(ledger)]
    found: dict[str, dict[str, Event]] = {}
    damage = [f"{volume.file}: {volume.damage}" for volume in volumes if volume.damage]
    for event in _events(volumes, damage):
        found.setdefault(event.run, {})[event.id] = event
    summaries = [one for run, events in found.items() if (one := _summary(run, events.values(), damage))]
    summaries.sort(key=lambda one: one.pressed.started_at, reverse=True)
    summaries.sort(key=lambda one: one.finished is not None)
    return summaries, damage


def find(ledger: LedgerFiles, name: str) -> str:
    """Give the id of the run that a person means: whole, its beginning, or `last`.

    Raises:
        UsageError: None is called so, or several are.
    """
    pressed = {one.run: one.pressed.started_at for one in runs(ledger)[0]}
    known = sorted(pressed, key=lambda run: (pressed[run], run), reverse=True)
    if name == LAST and known:
        return known[0]
    meant = [run for run in known if run == name] or [run for run in known if run.startswith(name)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise UsageError(f"run {name}: {len(meant)} are called so: {', '.join(meant[:5])}; say more of it")
    latest = f"the latest are {', '.join(known[:5])}" if known else "there is none yet"
    raise UsageError(f"run {name} is not in {ledger.file}: {latest}; panic runs lists them")


def recall(ledger: LedgerFiles, run: str) -> Past:
    """Make a run again from its record."""
    volumes = [reader.read(file, run=run) for file in files(ledger)]
    faults = [
        f"{volume.file}: {fault}"
        for volume in volumes
        for fault in reader.faults_of_rows(volume.rows, volume.before)
    ]
    events = in_order(_events(volumes, faults))
    replay = Replay.of(run, events)
    head = None
    for volume in volumes:
        for row in volume.rows:
            if row.kind == Kind.FINISHED and events and _id(row) == events[-1].id:
                head = Head(row.seq, row.hash)
    main = volumes[0].rows if volumes and volumes[0].file == ledger.file else ()
    faults += replay.oddities
    # What was damaged long ago, and holds nothing of a run that came to its end, says nothing about it.
    damage = [f"{one.file}: {one.damage}" for one in volumes if one.damage and (one.rows or not replay.finished)]
    return Past(
        replay=replay,
        head=head,
        last_seq=max((row.seq for row in main), default=0),
        leg=leg_of(events[-1]) if events else "",
        damage=tuple(damage),
        faults=tuple(dict.fromkeys(faults)),
    )


def in_order(events: Iterable[Event]) -> list[Event]:
    """Put the events of one run in order, each once: by the process that made them, and its own count.

    Each process says after which other it took the run up; those that do not are in the order of their times.
    """
    once = {event.id: event for event in events}
    first: dict[str, str] = {}
    follows: dict[str, str] = {}
    for event in once.values():
        leg = leg_of(event)
        first[leg] = min(first.get(leg, event.at), event.at)
        if event.kind == Kind.RESUMED and isinstance(event.body, dict):
            follows[leg] = str(event.body.get("after", ""))
    pressed = {leg_of(event) for event in once.values() if event.kind == Kind.PRESSED}
    ranks = {leg: (leg not in pressed, _generation(leg, follows), at, leg) for leg, at in first.items()}

    def place(event: Event) -> tuple[tuple[bool, int, str, str], int]:
        n = event.id.rpartition("-")[2]
        return ranks[leg_of(event)], int(n) if _NUMBER.fullmatch(n) else 0

    return sorted(once.values(), key=place)


def leg_of(event: Event) -> str:
    """Give the process's part of the run that an event belongs to."""
    return event.id.rpartition("-")[0]


def _generation(leg: str, follows: dict[str, str]) -> int:
    seen: set[str] = set()
    while leg and leg not in seen:
        seen.add(leg)
        leg = follows.get(leg, "")
    return len(seen)


def _id(row: reader.Row) -> str:
    try:
        return decode(row.record).id
    except ValueError:
        return ""


def _events(volumes: Sequence[reader.Volume], damage: list[str]) -> Iterable[Event]:
    for volume in volumes:
        for row in volume.rows:
            try:
                yield decode(row.record)
            except ValueError:
                damage.append(f"{volume.file}: event {row.seq} ({row.kind}) cannot be read")


def _summary(run: str, events: Iterable[Event], damage: list[str]) -> Summary | None:
    replay = Replay.of(run, in_order(events))
    damage += [f"run {run}: {words}" for words in replay.oddities]
    if replay.pressed is None:
        damage.append(f"run {run}: who pressed is not on record")
        return None
    return summary(replay)


def summary(replay: Replay) -> Summary:
    """Sum a run up.

    Raises:
        ValueError: The record does not tell who pressed.
    """
    if replay.pressed is None:
        raise ValueError("the record does not tell who pressed, and why")
    alive = None if replay.process is None or replay.finished else is_alive(replay.process)
    return Summary(replay.run, replay.pressed, replay.finished, tuple(replay.resumed), alive)
