"""What the ledger tells of runs: which there were, and each of them made again, wherever its events lie.

A run's events may lie in two files, because the first one failed in the middle. They are put together by the
ids of the events, which are unique, and never by the clock alone.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import pairwise
from pathlib import Path

from panic.broker.outcomes import EXIT_CODES, Verdict, worst
from panic.config import LedgerFiles, fallback_name
from panic.errors import UsageError
from panic.ledger import elsewhere, reader
from panic.ledger.chain import Head
from panic.ledger.events import Event, decode
from panic.process import Process, is_alive
from panic.record import Finished, Joined, Kind, LastPress, Pressed, Resumed
from panic.replay import Replay
from panic.report import Report

_HEADINGS = (Kind.PRESSED, Kind.JOINED, Kind.RESUMED, Kind.FINISHED, Kind.RESET)
RESUMABLE_S = 300.0
"""So long after its deadline a run may still be taken up; then it is yesterday's, and today's book is another."""

LAST = "last"

_TOLD_MOST = 5
"""So many faults of one file are named."""

_EVENT_ID = re.compile(rb'"id":"([!-~]+?)"')
_NUMBER = re.compile("[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Summary:
    """One run in the list of them.

    Attributes:
        alive: Whether its process still works on it; None where that cannot be told from this machine.
        joined: The presses that became a part of it.
        began: The place of its press among all that is on record: greater than those of all before it.
        ended: The same of its end; 0 where it has none.
        pressed_last: The same of its last press, be it one that became a part of it.
    """

    run: str
    pressed: Pressed
    finished: Finished | None
    resumed: tuple[Resumed, ...] = ()
    alive: bool | None = None
    joined: tuple[Joined, ...] = ()
    began: int = 0
    ended: int = 0
    pressed_last: int = 0

    @property
    def last_press(self) -> LastPress:
        """Its last press."""
        last = self.joined[-1].trigger.at if self.joined else self.pressed.started_at
        return LastPress(self.run, last, 1 + len(self.joined))

    @property
    def is_clear(self) -> bool:
        """Whether it ended clear, by its own word."""
        return self.finished is not None and self.finished.verdict is Verdict.CLEAR

    @property
    def process(self) -> Process:
        """The process that had the run last."""
        return self.resumed[-1].process if self.resumed else self.pressed.process

    @property
    def deadline(self) -> datetime:
        """When the process that had it last was to end it at the latest."""
        began = self.resumed[-1].at if self.resumed else self.pressed.started_at
        return began + timedelta(seconds=self.pressed.deadline_s)

    @property
    def resumable_until(self) -> datetime:
        """When nobody may take it up any more, however often somebody did."""
        return self.pressed.started_at + timedelta(seconds=self.pressed.deadline_s + RESUMABLE_S)

    def resumable(self, now: datetime) -> bool:
        """Whether the time to take it up has come, and not passed: a clock may have been set back."""
        return self.finished is None and self.pressed.started_at <= now < self.resumable_until

    def state(self, now: datetime) -> str:
        """Give its state in a word or two."""
        if self.finished is not None:
            return str(self.finished.verdict)
        if self.alive:
            return "under way"
        if self.resumable(now):
            return "unfinished"
        return "unfinished, " + ("of the future" if now < self.pressed.started_at else "too old to resume")


@dataclass(frozen=True, slots=True)
class Past:
    """One run as its record tells it.

    Attributes:
        head: The ledger's head after the run's last event in the file that holds it.
        last_seq: The greatest number of an event of the run in the main file; 0 where it has none there.
        leg: The last process's part of it.
        events: Its events that can be read, in their order.
        damage: What is wrong with the files that hold the record, in words.
        faults: Which of its events are not what was written, in words.
    """

    replay: Replay
    head: Head | None
    last_seq: int
    leg: str
    events: tuple[Event, ...]
    damage: tuple[str, ...]
    faults: tuple[str, ...]

    def report(self) -> Report:
        """Tell the run again: as its report was printed, but nothing is clear where anything is wrong.

        Raises:
            UsageError: The record does not tell who pressed, or of which accounts.
        """
        try:
            return self.replay.report(self.head, (*self.damage, *self.faults))
        except ValueError as error:
            raise UsageError(f"run {self.replay.run}: {error}") from error


@dataclass(frozen=True, slots=True)
class Headings:
    """The beginnings and ends of all runs, and the resets.

    Attributes:
        events: Each once, in their order: a file's own, whatever the clock said; by their times across files.
        runs: The runs, in the order of their presses.
        damage: What is wrong with the ledger, in words.
    """

    events: tuple[Event, ...]
    runs: tuple[Summary, ...]
    damage: tuple[str, ...]


def files(ledger: LedgerFiles) -> tuple[Path, ...]:
    """Give the ledger's files that there are.

    Raises:
        UsageError: The settings name no ledger.
    """
    main = places(ledger)[0]
    return (*reader.files(main, ledger.second), *others(ledger).files)


def places(ledger: LedgerFiles) -> tuple[Path, Path]:
    """Give the names of the ledger's two files, whether they are there or not.

    Raises:
        UsageError: The settings name no ledger.
    """
    if ledger.file is None:
        raise UsageError("the settings name no [ledger] file")
    return ledger.file, ledger.second


def looked(ledger: LedgerFiles) -> list[str]:
    """Name the ledger's files, and say whether they are there.

    Raises:
        UsageError: The settings name no ledger.
    """
    there = files(ledger)
    named = dict.fromkeys((*places(ledger), *there))
    return [str(file) if file in there else f"{file} (not there)" for file in named]


def others(ledger: LedgerFiles) -> elsewhere.Elsewhere:
    """Look for second files that were written with another TMPDIR, or by somebody else.

    Raises:
        UsageError: The settings name no ledger.
    """
    main, second = places(ledger)
    name = fallback_name(main)
    found = elsewhere.search(name, reader.files(main, second))
    # Where the settings name the second file, everybody has the same.
    return found if second.name == name else found._replace(hidden=())


def headings(ledger: LedgerFiles) -> Headings:
    """Read the headings of every run on record, and check that they are what was written.

    Raises:
        UsageError: The settings name no ledger.
    """
    volumes = [reader.read(file, kinds=_HEADINGS) for file in files(ledger)]
    damage = [f"{volume.file}: {volume.damage}" for volume in volumes if volume.damage]
    damage += [f"{volume.file}: {fault}" for volume in volumes for fault in _some(reader.faults_of_part(volume))]
    damage += others(ledger).strange
    damage += _told_twice(volumes)
    events = _merged(volumes)
    by_run: dict[str, list[int]] = {}
    for place, event in enumerate(events, 1):
        if event.kind != Kind.RESET:
            by_run.setdefault(event.run, []).append(place)
    summaries = [one for run, its in by_run.items() if (one := _summary(run, its, events, damage))]
    summaries.sort(key=lambda one: one.began)
    return Headings(tuple(events), tuple(summaries), tuple(damage))


def _told_twice(volumes: Sequence[reader.Volume]) -> list[str]:
    """Name the events that two files tell, and not alike: a second file must not overrule the first."""
    if len(volumes) < 2:  # noqa: PLR2004  (nothing to compare)
        return []
    once: dict[tuple[str, str], Event] = {}
    odd = {one.id: None for one in _events(volumes) if once.setdefault((one.run, one.id), one) != one}
    return [f"event {id_}: two files tell it, and not alike" for id_ in odd]


def _merged(volumes: Sequence[reader.Volume]) -> list[Event]:
    """Put the events of several files in one order, each once."""
    once: dict[tuple[str, str], Event] = {}
    for event in merge(*(_events([volume]) for volume in volumes), key=lambda event: event.at):
        once.setdefault((event.run, event.id), event)
    return list(once.values())


def runs(ledger: LedgerFiles, shown: int = 0) -> tuple[list[Summary], list[str]]:
    """Give every run on record, unfinished ones first and then the latest, and what is wrong with the ledger.

    The verdicts of the first `shown` are checked against their records.
    """
    found = headings(ledger)
    told = list(reversed(found.runs))
    told.sort(key=lambda one: one.finished is not None)
    first = checked(ledger, told[:shown])
    edited = [
        f"run {one.run}: its record is not what was written: panic show {one.run}"
        for one, before in zip(first, told, strict=False)
        if one is not before
    ]
    return [*first, *told[shown:]], [*found.damage, *edited]


def checked(ledger: LedgerFiles, found: Iterable[Summary], *, retold: bool = False) -> list[Summary]:
    """Give the runs again, each with no better verdict than its record supports.

    Args:
        ledger: Where they lie.
        found: The runs.
        retold: Whether to make each report again, and not only look for events that were edited or are missing.
    """
    return [_checked(ledger, one, one.finished, retold=retold) if one.finished else one for one in found]


def _checked(ledger: LedgerFiles, one: Summary, end: Finished, *, retold: bool) -> Summary:
    verdict = worst(end.verdict, Verdict.UNVERIFIED)
    if retold:
        past = recall(ledger, one.run)
        with suppress(UsageError):
            verdict = past.report().verdict
        is_whole = not (past.damage or past.faults) and verdict is end.verdict
    else:
        is_whole = not _is_broken([reader.read(file, run=one.run) for file in files(ledger)])
    return one if is_whole else replace(one, finished=replace(end, verdict=verdict, exit_code=EXIT_CODES[verdict]))


def _is_broken(volumes: Sequence[reader.Volume]) -> bool:
    """Whether any of a run's events is not what was written, or missing."""
    ids = [found[1].decode() for one in volumes for row in one.rows if (found := _EVENT_ID.search(row.record))]
    is_edited = any(one.rows and (one.damage or not reader.are_as_written(one)) for one in volumes)
    return is_edited or bool(gaps(ids)) or bool(_told_twice(volumes))


def walk(ledger: LedgerFiles) -> Iterator[str]:
    """Read all of every file, and say what is not what was written, or is missing between two events."""
    for file in files(ledger):
        volume = reader.read(file, whole=True)
        told = (volume.damage, *_some(reader.faults(volume)))
        yield from (f"{file}: {words}" for words in told if words)


def _some(told: Sequence[str]) -> Iterable[str]:
    more = len(told) - _TOLD_MOST
    return (*told[:_TOLD_MOST], f"and {more:,} more of its events") if more > 0 else told


def by_last_press(recorded: Sequence[LastPress], here: Sequence[LastPress]) -> list[str]:
    """Put runs in the order of their last presses, the latest last.

    Args:
        recorded: Those on record, in their order.
        here: Those of this process; as long as the last press of one is not on record, its time gives its place.
    """
    now = datetime.now(UTC)
    told = {one.run: one for one in recorded}
    late = [one for one in here if one.run not in told or told[one.run].presses < one.presses]
    order = [one for run, one in told.items() if run not in {one.run for one in late}]
    for one in sorted(late, key=lambda one: one.at):
        place = len(order)
        while place and one.at < order[place - 1].at <= now:  # a clock that was set back makes nothing later
            place -= 1
        order.insert(place, one)
    return [one.run for one in order]


def find(ledger: LedgerFiles, name: str, here: Sequence[LastPress] = ()) -> str:
    """Give the id of the run that a person means: whole, its beginning, or `last`.

    Args:
        ledger: Where runs are on record; it may be none where there are runs of this process.
        name: What it is called.
        here: The runs of this process, on record or not yet.

    Raises:
        UsageError: None is called so, or several are.
    """
    if not name:
        raise UsageError(f"no run is named: say its id, the beginning of it, or {LAST}; panic runs lists them")
    found = headings(ledger).runs if ledger.file is not None or not here else ()
    recorded = [one.last_press for one in sorted(found, key=lambda one: one.pressed_last)]
    known = by_last_press(recorded, here)[::-1]
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
    events = in_order(_events(volumes))
    replay = Replay.of(run, events)
    head = None
    for volume in volumes:
        for row in volume.rows:
            if row.kind == Kind.FINISHED and events and _id(row) == events[-1].id:
                head = Head(row.seq, row.hash)
    main = volumes[0].rows if volumes and volumes[0].file == ledger.file else ()
    faults += [*_told_twice(volumes), *replay.oddities]
    # What was damaged long ago, and holds nothing of a run that came to its end, says nothing about it.
    damage = [f"{one.file}: {one.damage}" for one in volumes if one.damage and (one.rows or not replay.finished)]
    damage += gaps(event.id for event in events)
    return Past(
        replay=replay,
        head=head,
        last_seq=max((row.seq for row in main), default=0),
        leg=leg_of(events[-1]) if events else "",
        events=tuple(events),
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


def gaps(ids: Iterable[str]) -> list[str]:
    """Count through the events of each process: name those that are missing between or before two others."""
    legs: dict[str, set[int]] = {}
    for leg, _, number in (id_.rpartition("-") for id_ in ids):
        if _NUMBER.fullmatch(number):
            legs.setdefault(leg, set()).add(int(number))
    missing = [
        (leg, before + 1, after - 1)
        for leg, numbers in legs.items()
        for before, after in pairwise(sorted({0, *numbers}))
        if after > before + 1
    ]
    names = [f"{leg}-{first}" + (f" to {leg}-{last}" if last > first else "") for leg, first, last in missing]
    return [f"event {name}: missing, though others of the same process are there" for name in names]


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


def _events(volumes: Sequence[reader.Volume]) -> Iterator[Event]:
    """Give the events that can be read; of the others the reader tells."""
    for volume in volumes:
        for row in volume.rows:
            with suppress(ValueError):
                yield decode(row.record)


def _summary(run: str, places: Sequence[int], all_: Sequence[Event], damage: list[str]) -> Summary | None:
    events = {place: all_[place - 1] for place in places}
    replay = Replay.of(run, in_order(events.values()))
    damage += [f"run {run}: {words}" for words in replay.oddities]
    if replay.pressed is None:
        damage.append(f"run {run}: who pressed is not on record")
        return None
    began = min(place for place, event in events.items() if event.kind == Kind.PRESSED)
    ends = [place for place, event in events.items() if event.kind == Kind.FINISHED]
    return replace(
        summary(replay),
        began=began,
        ended=max(ends, default=0) if replay.finished else 0,
        pressed_last=max(place for place, event in events.items() if event.kind in {Kind.PRESSED, Kind.JOINED}),
    )


def summary(replay: Replay) -> Summary:
    """Sum a run up.

    Raises:
        ValueError: The record does not tell who pressed.
    """
    if replay.pressed is None:
        raise ValueError("the record does not tell who pressed, and why")
    alive = None if replay.process is None or replay.finished else is_alive(replay.process)
    return Summary(replay.run, replay.pressed, replay.finished, tuple(replay.resumed), alive, tuple(replay.joined))
