"""What the events in evidence come to, run by run: the same way for whoever exports and whoever checks."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from panic.broker.outcomes import Verdict
from panic.evidence.form import Entry
from panic.history import in_order
from panic.ledger.chain import Head
from panic.ledger.events import Event
from panic.record import Finished, Kind, Pressed
from panic.replay import Replay
from panic.report import to_json
from panic.words import clip

_BEGINNINGS = frozenset({Kind.PRESSED, Kind.RESUMED})
_ID = re.compile(r"([^-]{1,40})-([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Retold:
    """A run as far as the events at hand tell.

    Attributes:
        pressed: Who pressed, and why; None where no event tells.
        finished: How it ended; None where its last process did not come to its end.
        has_beginning: Whether each of its processes is told of from its first event on.
        gaps: Events between two of the same process that are not here, by their ids.
        oddities: Events that tell nothing, in words.
        verdict: What its worst account comes to by the events as they are told; None where there is no report.
        report: Its report, as JSON values, where nothing is clear if anything is wrong; None where there is none.
        head: The ledger's head after its last event; None where it has no end.
    """

    pressed: Pressed | None
    finished: Finished | None
    has_beginning: bool
    gaps: tuple[str, ...]
    oddities: tuple[str, ...]
    verdict: Verdict | None
    report: dict[str, Any] | None
    head: Head | None


def retell(run: str, entries: Sequence[Entry], broken: Sequence[Entry] = ()) -> Retold:
    """Make a run again from its events, wherever they stand; `broken` are those that do not fit their chain."""
    told: list[tuple[Event, Head]] = []
    oddities: list[str] = []
    for one in entries:
        if one.event and _ID.fullmatch(one.event.id):
            told.append((one.event, Head(one.seq, one.hash)))
        else:
            oddities.append(f"{one}: it has no proper id")
    events = in_order(event for event, _ in told)
    has_beginning, gaps = _legs(events)
    replay, verdict, report, head = Replay(run), None, None, None
    try:
        replay = Replay.of(run, events)
        ends = [head for event, head in told if event.kind == Kind.FINISHED and event.id == events[-1].id]
        head = ends[-1] if ends and replay.finished else None
        found = replay.report(head)
        verdict = found.accounts[0].verdict
        damage = [f"{one}: it is not what was written" for one in broken]
        damage += [*(f"event {gap}: missing" for gap in gaps), *oddities, *replay.oddities]
        once: dict[str, Event] = {}
        damage += [f"event {e.id}: told twice, and not alike" for e, _ in told if once.setdefault(e.id, e) != e]
        report = json.loads(to_json(replay.report(head, tuple(damage)) if damage else found))
    except Exception as error:  # noqa: BLE001  (what foreign events do to the fold is a finding, and no failure)
        oddities.append(f"no report can be made of them: {clip(str(error)) or type(error).__name__}")
    return Retold(
        pressed=replay.pressed,
        finished=replay.finished,
        has_beginning=has_beginning and replay.pressed is not None,
        gaps=gaps,
        oddities=tuple(map(clip, (*oddities, *replay.oddities))),
        verdict=verdict,
        report=report,
        head=head,
    )


def _legs(events: Iterable[Event]) -> tuple[bool, tuple[str, ...]]:
    """Count through the events of each process: those that are left out must not go unnoticed.

    A process pressed, or took the run up: that may stand by itself, since it is said before anything else.
    """
    legs: dict[str, dict[int, str]] = {}
    for event in events:
        leg, _, number = event.id.rpartition("-")
        legs.setdefault(leg, {})[int(number)] = event.kind
    gaps: list[str] = []
    for leg, kinds in legs.items():
        for before, after in pairwise(sorted(kinds)):
            if after > before + 1:
                first, last = f"{leg}-{before + 1}", f"{leg}-{after - 1}"
                gaps.append(first if first == last else f"{first} to {last}")
    claims = sum(set(kinds.values()) == {Kind.RESUMED} for kinds in legs.values())
    unclaimed = sum(_BEGINNINGS.isdisjoint(kinds.values()) for kinds in legs.values())
    return unclaimed <= claims and all(min(kinds) <= 1 for kinds in legs.values()), tuple(gaps)
