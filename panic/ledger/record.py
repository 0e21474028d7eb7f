"""What is recorded of a run: the bodies of its events."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

from pydantic import AwareDatetime, Field, InstanceOf, StrictInt

from panic.accounts.plan import Plan, Unsent
from panic.accounts.roster import Account, BadRow
from panic.broker.outcomes import Verdict
from panic.kit.errors import Problem
from panic.kit.process import Process
from panic.report.document import Flag, LatchReport, RosterFacts, ScopeReport, Timings, Trigger, adapter

SCHEMA: Final = "panic-run/1"

_T = TypeVar("_T")

Count = Annotated[int, Field(strict=True, ge=0)]
Text = InstanceOf[str]
"""Any text, even with half a surrogate pair, which the broker's JSON can hold."""


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
    CLAIMED = "claimed"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Pressed:
    """Who pressed, why, with which settings, and in which process the run began; `key` is as of `Press`."""

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

    def joined_by(self, joined: "Joined") -> "Pressed":
        """Give it with what a press that became a part of the run made of it."""
        scope = replace(self.scope, watch_s=max(self.scope.watch_s, joined.watch_s))
        return replace(self, deadline_s=max(self.deadline_s, joined.deadline_s), scope=scope)


@dataclass(frozen=True, slots=True)
class Resumed:
    """Which process resumed the run, and for whom."""

    at: AwareDatetime
    by: str
    version: str
    process: Process


@dataclass(frozen=True, slots=True)
class Joined:
    """Another press that became a part of the run, which may take `deadline_s` from its start now.

    The accounts are those sent again for it; none if it counts as the same press as the one before it.
    """

    trigger: Trigger
    accounts: tuple[int, ...]
    deadline_s: float
    watch_s: float
    scope: ScopeReport
    latch: bool
    key: str = ""


class LastPress(NamedTuple):
    """The last press of a run, which began it or became a part of it, and how many presses it had by then."""

    run: str
    at: datetime
    presses: int

    @classmethod
    def of(cls, run: str, pressed: Pressed, joined: Sequence[Joined]) -> "LastPress":
        """Give it of a run."""
        last = joined[-1].trigger if joined else pressed.trigger
        return cls(run, last.at, 1 + len(joined))


@dataclass(frozen=True, slots=True)
class Sending:
    """Which DELETEs were about to leave: the account of each, and its number within this sweep."""

    deletes: tuple[tuple[StrictInt, Count], ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """How the run ended: everything in its report that no other event holds.

    `verdicts` counts the accounts of each, so that a list of runs can tell; earlier ledgers have none.
    """

    version: str
    verdict: Verdict
    exit_code: int
    finished_at: AwareDatetime
    timings: Timings
    roster_checked: bool
    unlisted: tuple[int, ...]
    verdicts: dict[Verdict, int] = field(default_factory=dict)


def body(event: Pressed | Joined | Resumed | Finished | Flag | LatchReport) -> dict[str, Any]:
    """Give an event's body as JSON values."""
    found: dict[str, Any] = adapter(type(event)).dump_python(event, mode="json")
    return found


def read(kind: type[_T], words: object) -> _T:
    """Read an event's body again; a ValueError where it is none of this kind."""
    found: _T = adapter(kind).validate_python(words)
    return found


_Row = tuple[StrictInt, Text, Text, Text, StrictInt, Text]


@dataclass(frozen=True, slots=True)
class _Planned:
    accounts: tuple[_Row, ...]
    unsent: tuple[
        tuple[Text]
        | tuple[Text, StrictInt | None, Text]
        | tuple[Text, StrictInt, Text, Text, Text, StrictInt, Text],
        ...,
    ]


def planned(plan: Plan) -> dict[str, Any]:
    """Give a plan as JSON values."""
    return {
        "accounts": [_row(account) for account in plan.accounts],
        "unsent": [[one.why, *(_row(one.account) if one.account else _bad(one.row))] for one in plan.unsent],
    }


def _row(account: Account) -> list[Any]:
    return [account.id, account.name, account.group, account.owner, account.priority, account.credential]


def _bad(row: BadRow | None) -> list[Any]:
    return [row.id, row.text] if row else []


def read_plan(words: Any) -> tuple[tuple[Account, ...], tuple[Unsent, ...]]:
    """Read a plan again, its accounts and those that could not be reached; a ValueError where it is none."""
    found = read(_Planned, words)
    accounts = tuple(Account(*row) for row in found.accounts)
    if len({account.id for account in accounts}) != len(accounts):
        raise ValueError("an account stands in the plan twice")
    return accounts, tuple(_unsent(*row) for row in found.unsent)


def _unsent(why: str, *cells: Any) -> Unsent:
    match cells:
        case ():
            return Unsent(why)
        case (id_, text):
            return Unsent(why, row=BadRow(0, text, id_, Problem(why, "")))
    return Unsent(why, account=Account(*cells))


_NUMBER = re.compile("[0-9]{1,18}")


def gaps(ids: Iterable[str]) -> list[str]:
    """Name events missing between others in a process's numbering; a missing end is not seen."""
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
