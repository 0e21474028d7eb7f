"""The parts of a run that different processes had: its events in order, and those that are missing."""

import re
from collections.abc import Iterable
from itertools import pairwise

from panic.ledger.events import Event
from panic.ledger.record import Kind

_NUMBER = re.compile("[0-9]{1,18}")


def leg_of(event: Event) -> str:
    """Give the process's part of the run that an event belongs to."""
    return event.id.rpartition("-")[0]


def in_order(events: Iterable[Event]) -> list[Event]:
    """Put the events of one run in order: by the process that made them, and its own count.

    Each process says after which other it resumed the run; those that do not are in the order of their times.
    """
    events = list(events)
    first: dict[str, str] = {}
    follows: dict[str, str] = {}
    for event in events:
        leg = leg_of(event)
        first[leg] = min(first.get(leg, event.at), event.at)
        if event.kind == Kind.RESUMED and isinstance(event.body, dict):
            follows[leg] = str(event.body.get("after", ""))
    pressed = {leg_of(event) for event in events if event.kind == Kind.PRESSED}
    ranks = {leg: (leg not in pressed, _generation(leg, follows), at, leg) for leg, at in first.items()}

    def place(event: Event) -> tuple[tuple[bool, int, str, str], int]:
        n = event.id.rpartition("-")[2]
        return ranks[leg_of(event)], int(n) if _NUMBER.fullmatch(n) else 0

    return sorted(events, key=place)


def _generation(leg: str, follows: dict[str, str]) -> int:
    seen: set[str] = set()
    while leg and leg not in seen:
        seen.add(leg)
        leg = follows.get(leg, "")
    return len(seen)


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
