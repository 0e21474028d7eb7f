"""Walk the chain of one volume: is each event what was chained, and does it lead to a head that was kept?"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise

from panic.evidence.answer import Wrong
from panic.evidence.form import Entry, VolumeLine
from panic.evidence.intake import Faults
from panic.ledger.chain import Head, link

_HASH = re.compile(r"[0-9a-f]{64}")
_NOBODY_S = "0" * 64


class Met(Enum):
    """What became of a head that was kept, in one volume."""

    HERE = auto()
    UNTOLD = auto()
    OTHER = auto()
    BEFORE = auto()
    AFTER = auto()


@dataclass(frozen=True, slots=True)
class Step:
    """An event, the head after it, and whether it follows from the event before it."""

    entry: Entry
    head: Head
    follows: bool

    @property
    def fits(self) -> bool:
        """Whether nothing is wrong with it, its hash included."""
        return self.follows and self.head == (self.entry.seq, self.entry.hash)


@dataclass(frozen=True, slots=True)
class Walk:
    """A volume whose events were put in order, each once.

    Attributes:
        heads: Those after its events, and of each whether that event is told in full.
    """

    line: VolumeLine
    steps: tuple[Step, ...]
    heads: Mapping[Head, bool]

    @property
    def end(self) -> Head:
        """The head after its last event."""
        return self.steps[-1].head if self.steps else self.line.base

    def meet(self, kept: Head) -> Met:
        """Look for a head that was kept elsewhere. The base is what the file says: to meet it proves nothing."""
        if kept.seq < self.line.base.seq or kept == self.line.base:
            return Met.BEFORE
        if kept.seq > self.end.seq:
            return Met.AFTER
        if kept not in self.heads:
            return Met.OTHER
        return Met.HERE if self.heads[kept] else Met.UNTOLD

    def untold_between(self) -> int:
        """Count the events that are told by digest only and stand between two that are told."""
        told = [number for number, step in enumerate(self.steps) if step.entry.record is not None]
        return told[-1] - told[0] + 1 - len(told) if told else 0

    def anchored(self, kept: Sequence[Head]) -> set[int]:
        """Give the numbers of the events that lead to one of these heads without a break."""
        heads, found, leads = set(kept), set[int](), False
        for step in reversed(self.steps):
            leads = (leads or step.head in heads) and step.follows
            if leads:
                found.add(step.entry.seq)
        return found


def walk(line: VolumeLine, entries: Sequence[Entry], faults: Faults) -> Walk:
    """Walk a volume and note each fault in its chain."""
    once = _in_order(line, entries, faults)
    head, steps = line.base, list[Step]()
    for entry, after in zip(once, [*once, None][1:], strict=True):
        step = _step(line, head, entry, after, faults)
        head = step.head
        steps.append(step)
    return Walk(line, tuple(steps), {step.head: step.entry.record is not None for step in steps})


def _in_order(line: VolumeLine, entries: Sequence[Entry], faults: Faults) -> list[Entry]:
    for before, entry in pairwise(entries):
        if entry.seq < before.seq:
            text = f"{entry}: it stands after event {before.seq}: they were reordered"
            faults.add(Wrong.ORDER, text, line.name, entry.seq)
    once: dict[int, Entry] = {}
    for entry in entries:
        if once.setdefault(entry.seq, entry) is not entry:
            faults.add(Wrong.TWICE, f"{entry}: it stands twice: one was inserted", line.name, entry.seq)
    return [once[seq] for seq in sorted(once)]


def _step(line: VolumeLine, head: Head, entry: Entry, after: Entry | None, faults: Faults) -> Step:
    stored = Head(entry.seq, entry.hash if _HASH.fullmatch(entry.hash) else _NOBODY_S)
    if entry.record is not None and entry.event is None:
        faults.add(Wrong.RECORD, f"{entry}: its record cannot be read", line.name, entry.seq)
    if entry.seq != head.seq + 1:
        faults.add(Wrong.MISSING, _missing(head.seq + 1, entry.seq - 1), line.name, entry.seq)
        return Step(entry, stored, follows=False)
    right = link(head, entry.digest)
    if stored == right:
        return Step(entry, stored, follows=True)
    what = "digest" if entry.record is None else "record"
    if stored.hash == _NOBODY_S or (after and _leads(right, after)):
        faults.add(Wrong.HASH, f"{entry}: its hash was edited: its {what} has another", line.name, entry.seq)
        return Step(entry, right, follows=True)
    which = "it, or what it follows, was edited" if after and _leads(stored, after) else "one of them was edited"
    faults.add(Wrong.RECORD, f"{entry}: its {what} does not match its hash: {which}", line.name, entry.seq)
    return Step(entry, stored, follows=False)


def _leads(head: Head, after: Entry) -> bool:
    return link(head, after.digest) == (after.seq, after.hash)


def _missing(first: int, last: int) -> str:
    if last < first:
        return f"event {last + 1}: it cannot stand here: the volume begins after event {first - 1}"
    return f"event {first} is missing" if first == last else f"events {first} to {last} are missing"
