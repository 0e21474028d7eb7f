"""The answer to whether evidence is what was recorded."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import TypeAdapter


class Wrong(StrEnum):
    """What can be wrong with evidence, worst first."""

    HEAD = "other head"
    RECORD = "edited record"
    HASH = "edited hash"
    MISSING = "missing"
    TWICE = "twice"
    ORDER = "order"
    RUN = "incomplete run"
    REPORT = "report"
    STRAY = "not asked for"
    LINE = "line"
    TRUNCATED = "truncated"
    SEAL = "seal"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        kind: What sort of thing.
        text: In words, of bounded length.
        volume: The ledger file it is about; "" for none.
        event: The number of the event it is about; None for none.
    """

    kind: Wrong
    text: str
    volume: str = ""
    event: int | None = None


class State(StrEnum):
    """How much of a run is in the evidence."""

    WHOLE = "whole"
    NO_END = "without its end"
    NO_BEGINNING = "without its beginning"
    INCOMPLETE = "incomplete"


class Finding(StrEnum):
    """The answer in a word."""

    ANCHORED = "anchored"
    CONSISTENT = "consistent, not anchored"
    PARTLY = "consistent, not wholly anchored"
    ALTERED = "altered or damaged"


EXIT_CODES = {Finding.ANCHORED: 0, Finding.CONSISTENT: 10, Finding.PARTLY: 10, Finding.ALTERED: 20}


@dataclass(frozen=True, slots=True)
class VolumeFound:
    """One ledger file's events in the evidence.

    Attributes:
        name: The ledger file, without its folder.
        first: The number of its first event here; None if there is none.
        last: That of the last.
        in_full: How many events are told; of the others there is the digest only.
        anchored: The greatest number up to which a head proves every event told; None where there is none.
        damage: What could not be read of the ledger file when it was exported.
    """

    name: str
    first: int | None
    last: int | None
    in_full: int
    anchored: int | None
    damage: str


@dataclass(frozen=True, slots=True)
class RunFound:
    """One run, made again from the events in the evidence and from nothing else.

    Attributes:
        state: Whether all of it is here.
        verdict: What its events come to; null where they come to nothing.
        drill, base_url: Whether it was one, and which broker it spoke to; empty where no event here tells.
        by, reason, started_at: Who pressed, why and when; likewise.
        events: How many of its events are told.
        anchored: Whether a head proves each of them.
        report: How the report in the file compares with them.
    """

    run: str
    state: State
    verdict: str | None
    drill: bool
    base_url: str
    by: str
    reason: str
    started_at: str
    events: int
    anchored: bool
    report: str


@dataclass(frozen=True, slots=True)
class Verification:
    """The answer.

    Attributes:
        said: What the header says of the file; it is sealed, and proves nothing.
        faults: What is wrong, worst first; `more_faults` are not listed.
        doubts: Why it is not wholly anchored though nothing is wrong.
        notes: What a reader should know besides.
    """

    finding: Finding
    exit_code: int
    said: str
    volumes: tuple[VolumeFound, ...]
    runs: tuple[RunFound, ...]
    faults: tuple[Fault, ...]
    more_faults: int
    doubts: tuple[str, ...]
    notes: tuple[str, ...]


def to_json(found: Verification) -> bytes:
    """Write the answer as JSON."""
    return TypeAdapter(Verification).dump_json(found, indent=2)
