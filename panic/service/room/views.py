"""What the control room is told: each a document with a published schema."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from pydantic import WithJsonSchema

from panic.broker.outcomes import Outcome, Standing, Verdict
from panic.engine.forecast import Forecast
from panic.report.document import (
    AttemptReport,
    Coverage,
    Flag,
    Joining,
    LatchReport,
    Orders,
    Resumption,
    Timings,
    Totals,
    Trigger,
)
from panic.report.order_list import OrderReport
from panic.run.engagement import HoldView
from panic.service.room.letters import Letter
from panic.service.selftest.findings import Finding

_FOUR = {"type": "array", "items": {"type": ["string", "null"]}, "minItems": 4, "maxItems": 4}

Identity = Annotated[tuple[str | None, str, str, str], WithJsonSchema(_FOUR)]
"""Who an account is: its id, name, group and owner. Tools that read OpenAPI know no list of different kinds."""

Points = tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True)
class RoomGroup:
    """A group of the roster, and how many accounts a press for it reaches."""

    name: str
    accounts: int


@dataclass(frozen=True, slots=True)
class RoomSelfTest:
    """The last self-test: `ok` and the times are null until one came to its end."""

    ok: bool | None
    ended_at: datetime | None
    age_s: float | None
    proven: str | None
    every_s: float
    under_way: bool
    states: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class RoomLatch:
    """What is engaged; where it is not `known`, `problem` says why; the ledger may warn."""

    known: bool
    engaged: bool
    problem: str
    holds: tuple[HoldView, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NextRun:
    """The next scheduled run; `why` says why then, if that needs a word."""

    name: str
    at: datetime
    what: str
    why: str
    drill: bool


@dataclass(frozen=True, slots=True)
class RoomRun:
    """A run under way here; times in seconds, and how many accounts are clear once all were sent."""

    run_id: str
    source: str
    by: str
    reason: str
    scope: str
    accounts: int
    clear: int
    drill: bool
    started_at: datetime
    elapsed_s: float
    deadline_s: float


@dataclass(frozen=True, slots=True)
class LastRun:
    """The run that was pressed last, or a later one did not answer for; without a verdict it did not end.

    Attributes:
        at: When it ended, or was pressed if it did not.
        accounts: How many it had, `not_clear` of them not clear; null where that was not counted.
        is_latest: Whether no run was pressed later.
    """

    run_id: str
    verdict: Verdict | None
    at: datetime
    drill: bool
    scope: str
    accounts: int | None
    not_clear: int | None
    is_latest: bool


@dataclass(frozen=True, slots=True)
class Room:
    """How things stand.

    Attributes:
        why: Why a press would not work, in one word; empty if it would.
        accounts: How many a press for all would reach; null where no roster could ever be read.
        last_problem: Why `last` may not be the last one; empty if it is.
        watching: How many pages follow the stream.
    """

    schema: Literal["panic-room/1"]
    version: str
    base_url: str
    contact: str
    drill: bool
    now: datetime
    ready: bool
    why: str
    problems: tuple[str, ...]
    accounts: int | None
    groups: tuple[RoomGroup, ...]
    self_test: RoomSelfTest | None
    latch: RoomLatch
    next_run: NextRun | None
    schedules: int
    live: tuple[RoomRun, ...]
    last: LastRun | None
    last_problem: str
    watching: int


@dataclass(frozen=True, slots=True)
class BoardAccount:
    """An account that is not clear, as the report tells it; its latest requests, newest first.

    Its id is text: a browser's numbers end before an int64 does. `open_orders` are the largest not seen ended.
    """

    id: str | None
    name: str
    group: str
    owner: str
    code: Letter
    verdict: Verdict
    outcome: Outcome
    standing: Standing
    as_of: datetime | None
    next_step: str
    notes: tuple[str, ...]
    orders: Orders
    open_orders: tuple[OrderReport, ...]
    attempts: int
    request_ids: tuple[AttemptReport, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """How many accounts had come how far after how many seconds since the press."""

    sent: Points
    accepted: Points
    clear: Points


@dataclass(frozen=True, slots=True)
class Board:
    """One run, account by account.

    Attributes:
        live: Whether it is under way in this service: then verdict, headline and exit code are provisional.
        finished: Whether it came to its end.
        deadline_s: When it ends at the latest, seconds since the press.
        forecast: How long it takes while the broker limits the pace; else null.
        order: Names the accounts in their order: who they are, `/accounts` says under the same name.
        codes: A letter for each of them.
        counts: How many accounts have which code.
        worst: Those that are not clear, worst first; `more` counts those beyond.
        totals: As in the report; null, as coverage and course, while the run is under way.
    """

    schema: Literal["panic-board/1"]
    run_id: str
    live: bool
    finished: bool
    drill: bool
    base_url: str
    contact: str
    verdict: Verdict
    headline: str
    exit_code: int
    trigger: Trigger
    scope: str
    verify: bool
    started_at: datetime
    finished_at: datetime | None
    elapsed_s: float
    deadline_s: float
    watch_s: float
    forecast: Forecast | None
    joined: tuple[Joining, ...]
    resumed: tuple[Resumption, ...]
    flags: tuple[Flag, ...]
    latch: LatchReport | None
    ledger_head: str | None
    order: str
    codes: str
    counts: dict[Letter, int]
    totals: Totals | None
    coverage: Coverage | None
    timings: Timings
    worst: tuple[BoardAccount, ...]
    more: int
    course: Course | None


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of a run, in the plan's order, those that could not be sent at the end; `order` names it."""

    schema: Literal["panic-accounts/1"]
    run_id: str
    order: str
    accounts: tuple[Identity, ...]
