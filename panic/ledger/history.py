"""Runs in the ledger: which there were, and each of them rebuilt from its events."""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from math import inf
from pathlib import Path
from time import monotonic

from panic.broker.outcomes import EXIT_CODES, Verdict, worst
from panic.config import LedgerFiles
from panic.kit.collector import Pause
from panic.kit.errors import UsageError
from panic.kit.process import is_alive
from panic.kit.words import clip, closest
from panic.ledger import reader
from panic.ledger.events import Event, Head, decode
from panic.ledger.reader import Row, Volume, faults
from panic.ledger.record import Joined, Kind, LastPress, Pressed, gaps
from panic.ledger.replay import Replay, report_of
from panic.ledger.summary import Summary
from panic.report.document import Report

_HEADINGS = (Kind.PRESSED, Kind.JOINED, Kind.RESUMED, Kind.FINISHED, Kind.RESET)

LAST = "last"

_TOLD_MOST = 5
"""How many faults of a ledger are named."""

_KNOWN_MOST = 4096

_EVENT_ID = re.compile(rb'"id":"([!-~]+?)"')


@dataclass(frozen=True, slots=True)
class Past:
    """One run as its record tells it, what is wrong with the file that holds it, and which events were changed.

    `head` is the ledger's after the run's end, if it has one, and `last_seq` the number of its last event, or 0.
    """

    replay: Replay
    head: Head | None
    last_seq: int
    damage: tuple[str, ...]
    faults: tuple[str, ...]

    def report(self, *, now: bool = False) -> Report:
        """Rebuild the report as it was printed, but with nothing clear if anything is wrong.

        With `now`, it says whether a process on this machine still works on it, which a record alone cannot say.
        """
        process = self.replay.process if now and self.replay.finished is None else None
        under_way = process is not None and is_alive(process) is True
        try:
            return report_of(self.replay, self.head, (*self.damage, *self.faults), under_way=under_way)
        except ValueError as error:
            raise UsageError(f"run {self.replay.run}: {error}") from error


@dataclass(frozen=True, slots=True)
class Headings:
    """The beginnings and ends of all runs, and the resets, in the order of the file, whatever the clock said."""

    events: tuple[Event, ...]
    runs: tuple[Summary, ...]
    damage: tuple[str, ...]


def _file(ledger: LedgerFiles) -> Path:
    if ledger.file is None:
        raise UsageError("the settings name no [ledger] file")
    return ledger.file


def looked(ledger: LedgerFiles) -> list[str]:
    """Name the ledger's file, and say whether it is there."""
    file = _file(ledger)
    return [str(file) if os.path.lexists(file) else f"{file} (not there)"]


def read(ledger: LedgerFiles, *, run: str = "", kinds: Collection[str] = (), whole: bool = False) -> Volume:
    """Read the ledger as `reader.read` does; one that does not exist yet is empty."""
    file = _file(ledger)
    return reader.read(file, run=run, kinds=kinds, whole=whole) if os.path.lexists(file) else Volume(file)


def headings(ledger: LedgerFiles) -> Headings:
    """Read the headings of every run on record, and check that they are what was written."""
    volume = read(ledger, kinds=_HEADINGS)
    damage, events = _wrong(volume), list[Event]()
    for row, event in _decoded(volume):
        if event is None:
            damage.append(f"{volume.file}: {_unreadable(row)}")
        else:
            events.append(event)
    by_run: dict[str, dict[int, Event]] = {}
    for place, event in enumerate(events, 1):
        if event.kind != Kind.RESET:
            by_run.setdefault(event.run, {})[place] = event
    summaries = [one for run, its in by_run.items() if (one := _summary(run, its, damage))]
    summaries.sort(key=lambda one: one.began)
    return Headings(tuple(events), tuple(summaries), tuple(damage))


def _summary(run: str, events: Mapping[int, Event], damage: list[str]) -> Summary | None:
    replay = Replay.of(run, events.values())
    damage += [f"run {run}: {words}" for words in replay.oddities]
    if replay.pressed is None:
        damage.append(f"run {run}: who pressed is not on record")
        return None
    began = min(place for place, event in events.items() if event.kind == Kind.PRESSED)
    ends = [place for place, event in events.items() if event.kind == Kind.FINISHED]
    return replace(
        Summary.of(replay),
        began=began,
        ended=max(ends, default=0) if replay.finished else 0,
        pressed_last=max(place for place, event in events.items() if event.kind in {Kind.PRESSED, Kind.JOINED}),
    )


def runs(ledger: LedgerFiles, shown: int = 0, within_s: float = inf) -> tuple[list[Summary], list[str]]:
    """List every run, unfinished ones first and then the latest, and name damage.

    The first `shown` get no better verdict than their record supports. It is said which of them could not be
    judged within so many seconds; the next time it goes faster.
    """
    found, until = headings(ledger), monotonic() + within_s
    told = list(reversed(found.runs))
    told.sort(key=lambda one: one.finished is not None)
    edited = list[str]()
    for place, one in enumerate(told[:shown]):
        if monotonic() >= until:
            edited.append(f"run {one.run} and those after it: their records were not looked at, which takes long")
            break
        if (judged := checked(ledger, one)) is not one:
            edited.append(f"run {one.run}: its record is not what was written: panic show {one.run}")
            told[place] = judged
    return told, [*found.damage, *edited]


def checked(ledger: LedgerFiles, one: Summary, *, retold: bool = False) -> Summary:
    """Give a run again, with no better verdict than its record supports.

    If it is said to be clear, or with `retold`, its report is made again; else only events that were edited or are
    missing are looked for.
    """
    end = one.finished
    if end is None:
        return one
    volume = read(ledger, run=one.run)
    if one.is_clear or retold:
        verdict, is_whole = _judged(volume, one.run)
        is_whole = is_whole and verdict is end.verdict
    else:
        verdict, is_whole = None, not _is_broken(volume)
    if is_whole:
        return one
    verdict = verdict or worst(end.verdict, Verdict.UNVERIFIED)
    return replace(one, finished=replace(end, verdict=verdict, exit_code=EXIT_CODES[verdict], verdicts={}))


_known: dict[bytes, tuple[Verdict | None, bool]] = {}
"""What records come to, by the hash over all their bytes: a fold takes far longer than that."""


def _judged(volume: Volume, run: str) -> tuple[Verdict | None, bool]:
    """Give the verdict that a run's record comes to, None if to none, and whether it is as it was written."""
    seal = sha256(repr((volume.file, run, volume.damage, volume.before)).encode())
    for row in volume.rows:
        seal.update(row.record + row.hash.encode())
    key = seal.digest()
    if key not in _known:
        while len(_known) >= _KNOWN_MOST:
            del _known[next(iter(_known))]
        with Pause():
            past, verdict = past_of(volume, run), None
            with suppress(UsageError):
                verdict = past.report().verdict
        _known[key] = verdict, not (past.damage or past.faults)
    return _known[key]


def _is_broken(volume: Volume) -> bool:
    """Whether any of a run's events is not what was written, or missing."""
    ids = [found[1].decode() for row in volume.rows if (found := _EVENT_ID.search(row.record))]
    return bool(volume.damage or faults(volume, alone=True) or gaps(ids))


def walk(ledger: LedgerFiles) -> list[str]:
    """Read the whole ledger, and say what is missing or not as it was written."""
    return _wrong(read(ledger, whole=True))


def _wrong(volume: Volume) -> list[str]:
    told = volume.wrong()
    if (more := len(told) - _TOLD_MOST) > 0:
        told = (*told[:_TOLD_MOST], f"and {more:,} more of its events")
    return [f"{volume.file}: {words}" for words in told]


def pressed_with(ledger: LedgerFiles, key: str) -> tuple[str, datetime] | None:
    """Give the run of the press that is on record by this key, and when it was made; None for none."""
    for one in headings(ledger).runs:
        presses: tuple[Pressed | Joined, ...] = (one.pressed, *one.joined)
        for press in presses:
            if press.key == key:
                return one.run, press.trigger.at
    return None


def by_last_press(recorded: Sequence[LastPress], here: Sequence[LastPress]) -> list[str]:
    """Put runs in the order of their last presses: those on record in their order, those of this process beside.

    As long as the last press of one of these is not on record, its time gives its place.
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
    """Resolve a run's id as typed: whole, its beginning, or `last`; `here` are the runs of this process."""
    if not name:
        raise UsageError(f"no run is named: say its id, the beginning of it, or {LAST}; panic runs lists them")
    found = headings(ledger) if ledger.file is not None or not here else Headings((), (), ())
    recorded = [one.last_press for one in sorted(found.runs, key=lambda one: one.pressed_last)]
    known = by_last_press(recorded, here)[::-1]
    if name == LAST and known:
        return known[0]
    meant = [run for run in known if run == name] or [run for run in known if run.startswith(name)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise UsageError(f"run {name}: {len(meant)} are called so: {', '.join(meant[:5])}; say more of it")
    if not known:
        damage = f": {found.damage[0]}" if found.damage else ""
        raise UsageError(f"no run {'can be read' if damage else 'is on record'} in {ledger.file}{damage}")
    latest = f"the latest are {', '.join(known[:5])}"
    hint = f" Did you mean {LAST}?" if closest(name, [LAST]) else ""
    raise UsageError(f"run {name} is not in {ledger.file}: {latest}; panic runs lists them.{hint}")


def recall(ledger: LedgerFiles, run: str) -> Past:
    """Make a run again from its record."""
    return past_of(read(ledger, run=run), run)


def past_of(volume: Volume, run: str) -> Past:
    """Make a run again from the events of a file, which hold no other run's."""
    decoded = list(_decoded(volume))
    events = [event for _, event in decoded if event is not None]
    replay = Replay.of(run, events)
    last = volume.rows[-1] if volume.rows else None
    is_ended = bool(decoded and decoded[-1][1] is not None and decoded[-1][1].kind == Kind.FINISHED)
    wrong = [*faults(volume, alone=True), *(_unreadable(row) for row, event in decoded if event is None)]
    return Past(
        replay=replay,
        head=Head(last.seq, last.hash) if last and is_ended else None,
        last_seq=last.seq if last else 0,
        damage=(
            *([f"{volume.file}: {volume.damage}"] if volume.damage else ()),
            *gaps(event.id for event in events),
        ),
        faults=tuple(dict.fromkeys([*(f"{volume.file}: {fault}" for fault in wrong), *replay.oddities])),
    )


def _decoded(volume: Volume) -> Iterator[tuple[Row, Event | None]]:
    """Give the events; None for one whose record cannot be read."""
    for row in volume.rows:
        event = None
        with suppress(ValueError):
            event = decode(row.record)
        yield row, event


def _unreadable(row: Row) -> str:
    return f"event {row.seq} ({clip(row.kind, 40)}): its record cannot be read"
