"""The report, the one document of a run: the dataclasses are the schema that `json_schema` publishes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cache, partial
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from panic.accounts.plan import Plan, Scope
from panic.broker.outcomes import WORST_FIRST, Outcome, Standing, Verdict
from panic.engine.forecast import Forecast
from panic.report.order_list import NOTHING_OPEN, Fill, OrderReport, StillOpen

SCHEMA: Final = "panic-report/1"

RECORD_DAMAGED: Final = "record_damaged"


@dataclass(frozen=True, slots=True)
class RosterFacts:
    """The roster the plan was made from; `accounts` counts its readable rows, `age_s` since it was saved."""

    digest: str
    accounts: int
    age_s: float


class Source(StrEnum):
    """Where a press comes from."""

    CLI = "cli"
    LIBRARY = "library"
    API = "api"
    ROOM = "room"
    HOOK = "hook"
    SCHEDULE = "schedule"
    DRILL = "drill"


AUTOMATED: Final = frozenset({Source.HOOK, Source.SCHEDULE})


@dataclass(frozen=True, slots=True)
class Trigger:
    """What started the run; `source` is one of `Source`."""

    source: str
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FiltersReport:
    """The broker's order filters; null and empty mean every order."""

    side: str | None
    type: str | None
    instrument_type: str | None
    instrument_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScopeReport:
    """What was asked for."""

    all: bool
    groups: tuple[str, ...]
    accounts: tuple[int, ...]
    filters: FiltersReport
    verify: bool
    watch_s: float


def scope_report(scope: Scope, *, verify: bool, watch_s: float) -> ScopeReport:
    """Describe what was asked for."""
    filters = scope.filters
    shown = FiltersReport(
        side=filters.side or None,
        type=filters.type or None,
        instrument_type=filters.instrument_type or None,
        instrument_ids=filters.instrument_ids,
    )
    return ScopeReport(scope.all, scope.groups, scope.accounts, shown, verify, watch_s)


@dataclass(frozen=True, slots=True)
class Resumption:
    """A later process that resumed this run after the one before it had died."""

    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Joining:
    """A later press that became a part of this run; `sent_again` counts the accounts sent again for it."""

    source: str
    by: str
    reason: str
    at: datetime
    sent_again: int


@dataclass(frozen=True, slots=True)
class LatchReport:
    """What `--latch` did: whether all that was asked for is engaged, what that means, and whether no more is."""

    engaged: bool
    text: str
    as_asked: bool


@dataclass(frozen=True, slots=True)
class Pace:
    """How many requests a second the broker let through for a credential, and how many it refused with a 429."""

    credential: str
    requests_per_second: float
    refused: int


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds from the press to the last account's first DELETE, to every account concluded, and to the end.

    Null is what never happened; `deadline_s` is how long the run was allowed to take. For `waited_s` requests
    waited because the broker limits their pace; `paces` names the credentials that it limits.
    """

    last_first_delete_s: float | None
    settled_s: float | None
    total_s: float
    deadline_s: float
    waited_s: float = 0.0
    paces: tuple[Pace, ...] = ()


@dataclass(frozen=True, slots=True)
class Orders:
    """Distinct orders: named by accepted cancels, seen cancelled, seen filling in the run, open at the end."""

    accepted: int = 0
    canceled: int = 0
    filled: int = 0
    open: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over all accounts."""

    accounts: int
    verdicts: dict[Verdict, int]
    outcomes: dict[Outcome, int]
    standings: dict[Standing, int]
    attempts: int
    orders: Orders
    fills: tuple[Fill, ...]
    still_open: StillOpen = NOTHING_OPEN


@dataclass(frozen=True, slots=True)
class Coverage:
    """What "clear" rests on.

    Every order within `lookback_s` had ended: by the broker's counts in `accounts_counted`, else each was read.
    `roster_checked` is whether the broker was asked which accounts there are, `unlisted_accounts` are the active
    ones that the roster neither lists nor excludes.
    """

    lookback_s: float
    accounts_clear: int
    accounts_counted: int
    named_orders: int
    named_seen_ended: int
    roster_checked: bool
    unlisted_accounts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Flag:
    """Something about the run as a whole that its reader must know."""

    code: str
    text: str


FILTER_NAMES_NOTHING: Final = "filter_names_nothing"
CLOCK_UNEXPLAINED: Final = "clock_unexplained"
NOT_ATTEMPTED: Final = "not_attempted"
ROSTER_SHRANK: Final = "roster_shrank"
UNLISTED: Final = "unlisted_accounts"
UNDER_WAY: Final = "under_way"
LEFT_OUT: Final = (UNLISTED, ROSTER_SHRANK, NOT_ATTEMPTED)
"""The flags that are told before anything else: accounts that nobody cancelled in."""
NEVER_CLEAR = frozenset({FILTER_NAMES_NOTHING, CLOCK_UNEXPLAINED})
"""Codes of the flags that keep a run from being clear, whatever was read."""


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """One HTTP request on the wire."""

    method: str
    at: datetime
    status: int | None
    request_id: str | None
    error: str | None
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class AccountReport:
    """One account, exactly once. `id` is null only for a roster row whose id cannot be read.

    `order_list` has every order that an answer of the run named, except those that had ended at first sight. Only
    where the account was `read_whole` after its last cancel, nothing else was open then.
    """

    id: int | None
    name: str
    group: str
    owner: str
    outcome: Outcome
    standing: Standing
    as_of: datetime | None
    verdict: Verdict
    next_step: str
    notes: tuple[str, ...]
    orders: Orders
    attempts: tuple[AttemptReport, ...]
    order_list: tuple[OrderReport, ...] = ()
    read_whole: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The run's one document, worst accounts first.

    A run that did not come to its end is unverified at best. `ledger_head` is the ledger's head once it held the
    whole run, "number:hash"; null where it does not.
    """

    schema: Literal["panic-report/1"]
    version: str
    run_id: str
    finished: bool
    verdict: Verdict
    exit_code: int
    drill: bool
    base_url: str
    contact: str
    roster: RosterFacts
    trigger: Trigger
    scope: ScopeReport
    started_at: datetime
    finished_at: datetime
    joined: tuple[Joining, ...]
    resumed: tuple[Resumption, ...]
    latch: LatchReport | None
    timings: Timings
    totals: Totals
    coverage: Coverage
    flags: tuple[Flag, ...]
    ledger_head: str | None
    accounts: tuple[AccountReport, ...]

    def to_json(self) -> str:
        """Write it as JSON by the schema of `panic-report/1`, indented."""
        return to_json(self).decode()


adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)
"""Each is made when it is first needed: before its first DELETE a press needs few of them."""

_NO_ACCOUNTS: Final = b"[]\n}"


def to_json(report: Report) -> bytes:
    """Write a report as JSON, indented, UTF-8."""
    return b"".join(pieces(report))


def pieces(report: Report) -> Iterator[bytes]:
    """Write it account by account: that of 100,000 accounts takes as much memory as all the rest of the run."""
    frame = adapter(Report).dump_json(replace(report, accounts=()), indent=2)
    if not report.accounts:
        yield frame
        return
    yield frame.removesuffix(_NO_ACCOUNTS)
    before, write = b"[\n    ", partial(adapter(AccountReport).dump_json, indent=2)
    for account in report.accounts:
        yield before + write(account).replace(b"\n", b"\n    ")
        before = b",\n    "
    yield b"\n  ]\n}"


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of a report."""
    schema = adapter(Report).json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def counts(found: Mapping[Verdict, int]) -> str:
    """Give the accounts of each verdict in words, worst first."""
    return ", ".join(f"{found[verdict]:,} {verdict}" for verdict in WORST_FIRST if verdict in found)


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What a press would do: `accounts` in the order of their first DELETEs, `unsent` with the reason.

    `groups` counts the accounts of each; those of none stand under "".

    `forecast` is how many seconds it takes, where the broker's pace is known; `open_orders` says what is open,
    or why that was not asked.
    """

    schema: Literal["panic-plan/1"]
    base_url: str
    scope: str
    filters: dict[str, str]
    accounts: tuple[int, ...]
    unsent: tuple[str, ...]
    groups: dict[str, int]
    forecast: Forecast | None = None
    open_orders: str | None = None


def plan_json(
    plan: Plan, base_url: str, forecast: Forecast | None = None, open_orders: str | None = None
) -> bytes:
    """Write a plan as JSON."""
    found = PlanReport(
        schema="panic-plan/1",
        base_url=base_url,
        scope=str(plan.scope),
        filters=plan.scope.filters.query(),
        accounts=tuple(account.id for account in plan.accounts),
        unsent=tuple(str(one.problem) for one in plan.unsent),
        groups=plan.groups,
        forecast=forecast,
        open_orders=open_orders,
    )
    return adapter(PlanReport).dump_json(found, indent=2)
