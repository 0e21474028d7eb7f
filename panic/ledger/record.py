"""What of a run is put on record: the bodies of its events."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

from pydantic import AwareDatetime, Field, InstanceOf, StrictInt, TypeAdapter

from panic.broker.outcomes import Verdict
from panic.kit.process import Process
from panic.report.document import Flag, LatchReport, RosterFacts, ScopeReport, Timings, Trigger

SCHEMA: Final = "panic-run/1"

_T = TypeVar("_T")


class Kind(StrEnum):
    """What an event tells."""

    PRESSED = "pressed"
    PLANNED = "planned"
    ATTEMPT = "attempt"
    OUTCOME = "outcome"
    STANDING = "standing"
    FLAG = "flag"
    LATCHED = "latched"
    JOINED = "joined"
    RESUMED = "resumed"
    FINISHED = "finished"
    RESET = "reset"
    ARCHIVED = "archived"
    CLAIMED = "claimed"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Pressed:
    """Who pressed, why, with which settings, and in which process the run began.

    Attributes:
        key: As of `Press`.
    """

    schema: Literal["panic-run/1"]
    version: str
    drill: bool
    base_url: str
    contact: str
    settings_digest: str
    roster: RosterFacts
    trigger: Trigger
    scope: ScopeReport
    started_at: AwareDatetime
    deadline_s: float
    concurrency: int
    latch: bool
    process: Process
    key: str = ""


@dataclass(frozen=True, slots=True)
class Resumed:
    """Which process took the run up again, and whose.

    Attributes:
        after: The leg it goes on from: of two processes' clocks one may be slow.
    """

    at: AwareDatetime
    by: str
    version: str
    process: Process
    after: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """Another press that became a part of the run.

    Attributes:
        accounts: Which accounts were sent again for it; empty where it is one with the press before it.
        deadline_s: How long the run may take now, seconds from its start.
        watch_s: How long it goes on reading now, seconds.
        latch: Whether it leaves its scope engaged, and which that is.
        key: As of `Pressed`.
    """

    trigger: Trigger
    accounts: tuple[int, ...]
    deadline_s: float
    watch_s: float
    scope: ScopeReport
    latch: bool
    key: str = ""


class LastPress(NamedTuple):
    """The last press of a run: the one that began it, or one that became a part of it.

    Attributes:
        at: When.
        presses: How many the run had by then.
    """

    run: str
    at: datetime
    presses: int


Count = Annotated[int, Field(strict=True, ge=0)]
Text = InstanceOf[str]
"""Any text, also one with half a surrogate pair, which the broker's JSON can hold."""


@dataclass(frozen=True, slots=True)
class Sending:
    """Which DELETEs were about to leave: the account of each, and the how many-eth of this sweep it was."""

    deletes: tuple[tuple[StrictInt, Count], ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """How the run ended: everything of its report that no other event tells."""

    version: str
    verdict: Verdict
    exit_code: int
    finished_at: AwareDatetime
    timings: Timings
    roster_checked: bool
    unlisted: tuple[int, ...]


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:  # made when they are first needed: a press needs few of them
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def body(event: Pressed | Joined | Resumed | Finished | Flag | LatchReport) -> dict[str, Any]:
    """Give an event's body as JSON values."""
    found: dict[str, Any] = _adapter(type(event)).dump_python(event, mode="json")
    return found


def read(kind: type[_T], words: object) -> _T:
    """Read an event's body again.

    Raises:
        ValueError: It is none of this kind.
    """
    found: _T = _adapter(kind).validate_python(words)
    return found
