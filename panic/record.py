"""What of a run is put on record: the bodies of its events, and an account's case as a chain of changes.

A case is recorded as what changed in it since the last time, and is made again from these changes. Only what
the report and a resume need is kept: attempts, outcome, standing, notes and the orders that answers named.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, AwareDatetime, Field, InstanceOf, StrictBool, StrictInt, TypeAdapter

from panic.broker.outcomes import Outcome, Standing, Verdict
from panic.clock import Clock, time_of_day
from panic.engine.case import Attempt, Case, Proof
from panic.engine.tally import Tracked
from panic.orders import Order
from panic.plan import Plan, Unsent
from panic.process import Process
from panic.report import Flag, LatchReport, RosterFacts, ScopeReport, Timings, Trigger
from panic.roster import Account, BadRow

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
        key: What was claimed before a scheduled press; "" for any other.
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


_Count = Annotated[int, Field(strict=True, ge=0)]


@dataclass(frozen=True, slots=True)
class Sending:
    """Which DELETEs were about to leave: the account of each, and the how many-eth of this sweep it was."""

    deletes: tuple[tuple[StrictInt, _Count], ...]


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


# ── the plan ────────────────────────────────────────────────────────────────────────────────────────────────


def planned(plan: Plan) -> dict[str, Any]:
    """Give a plan as JSON values: rows of cells, since a firm has thousands of accounts."""
    return {
        "accounts": [_row(account) for account in plan.accounts],
        "unsent": [[one.why, *(_row(one.account) if one.account else _bad(one.row))] for one in plan.unsent],
    }


def _row(account: Account) -> list[Any]:
    return [account.id, account.name, account.group, account.owner, account.priority, account.credential]


def _bad(row: BadRow | None) -> list[Any]:
    return [row.id, row.text] if row else []


def read_plan(words: Any) -> tuple[tuple[Account, ...], tuple[Unsent, ...]]:
    """Read a plan again: its accounts, and those that could not be reached.

    Raises:
        ValueError: It is no plan.
    """
    try:
        found = read(_Planned, words)
    except ValueError as error:
        raise ValueError("this is no plan") from error
    accounts = tuple(Account(*row) for row in found.accounts)
    if len({account.id for account in accounts}) != len(accounts):
        raise ValueError("this is no plan: an account stands in it twice")
    return accounts, tuple(_unsent(*row) for row in found.unsent)


_WHOLE_ROW = 6


def _unsent(why: str, *cells: Any) -> Unsent:
    if len(cells) == _WHOLE_ROW:
        return Unsent(why, account=Account(*cells))
    if not cells:
        return Unsent(why)
    from panic.errors import Problem  # noqa: PLC0415  (only a broken row of the roster needs one)

    id_, text = cells
    return Unsent(why, row=BadRow(0, text, id_, Problem(why, "")))


_Text = InstanceOf[str]
"""Any text, also one with half a surrogate pair, which the broker's JSON can hold."""

_Row = tuple[StrictInt, _Text, _Text, _Text, StrictInt, _Text]


@dataclass(frozen=True, slots=True)
class _Planned:
    accounts: tuple[_Row, ...]
    unsent: tuple[
        tuple[_Text]
        | tuple[_Text, StrictInt | None, _Text]
        | tuple[_Text, StrictInt, _Text, _Text, _Text, StrictInt, _Text],
        ...,
    ]


# ── a case ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Mark:
    """How much of a case is on record."""

    attempts: int = 0
    notes: int = 0
    state: tuple[Any, ...] = (Outcome.NOT_ATTEMPTED, False, Standing.UNREAD, None, 0, None, 0, False)
    orders: dict[str, tuple[Order, bool]] = field(default_factory=dict)
    accepted: frozenset[str] = frozenset()
    reappeared: frozenset[str] = frozenset()

    @classmethod
    def of(cls, case: Case) -> "Mark":
        """Give the mark of a case that is on record as it is."""
        orders = {id_: (tracked.last, tracked.seen_ended) for id_, tracked in case.tally.orders.items()}
        named = frozenset(case.tally.accepted), frozenset(case.tally.reappeared)
        return cls(len(case.attempts), len(case.notes), _state(case), orders, *named)


_STATE = ("outcome", "own_envelope", "standing", "as_of", "open", "seen_open", "looks", "counted")


def _state(case: Case) -> tuple[Any, ...]:
    return (
        case.outcome,
        case.own_envelope,
        case.standing,
        case.proof.as_of,
        case.proof.open,
        case.seen_open,
        case.tally.looks,
        case.proof.is_counted,
    )


def changes(case: Case, mark: Mark, clock: Clock) -> dict[str, Any]:
    """Give what changed in a case since it was last recorded, as JSON values; empty if nothing did."""
    found: dict[str, Any] = {}
    if len(case.attempts) > mark.attempts:
        found["attempts"] = [_attempt(one, clock) for one in case.attempts[mark.attempts :]]
        mark.attempts = len(case.attempts)
    state = _state(case)
    if state != mark.state:
        found.update(_differences(state, mark.state))
        mark.state = state
    if len(case.notes) > mark.notes:
        found["notes"] = list(case.notes)[mark.notes :]
        mark.notes = len(case.notes)
    if case.tally.orders and (orders := _orders(case, mark)):
        found["orders"] = orders
    if len(case.tally.accepted) > len(mark.accepted):
        found["accepted"] = sorted(case.tally.accepted - mark.accepted)
        mark.accepted = frozenset(case.tally.accepted)
    if len(case.tally.reappeared) > len(mark.reappeared):
        found["reappeared"] = sorted(case.tally.reappeared - mark.reappeared)
        mark.reappeared = frozenset(case.tally.reappeared)
    return {"account": case.account.id, **found} if found else found


def _differences(state: tuple[Any, ...], before: tuple[Any, ...]) -> dict[str, Any]:
    """Name what differs between two states."""
    return {name: new for name, new, old in zip(_STATE, state, before, strict=True) if new != old}


def _attempt(one: Attempt, clock: Clock) -> list[Any]:
    at = one.at.timestamp() if one.at else clock.epoch(one.began)
    return [one.method, at, one.elapsed, one.status, one.request_id, one.error]


def _orders(case: Case, mark: Mark) -> list[list[Any]]:
    found = []
    for id_, tracked in case.tally.orders.items():
        last, ended = tracked.last, tracked.seen_ended
        known = mark.orders.get(id_)
        if known is not None and known[0] is last and known[1] is ended:
            continue
        row = [
            id_,
            last.status,
            ended,
            last.filled_quantity,
            last.symbol or tracked.first.symbol,
            last.side,
            last.client_order_id,
        ]
        if known is None and tracked.first is not last:
            row.append(tracked.first.filled_quantity)
        mark.orders[id_] = (last, ended)
        found.append(row)
    return found


def apply(case: Case, found: Any) -> None:
    """Bring a case to where it stood when these changes were recorded.

    Raises:
        ValueError: They are none; the case is as it was.
    """
    read(_Changes, found)
    known = case.tally.orders.keys() | {row[0] for row in found.get("orders", ())}
    if not known >= set(found.get("reappeared", ())):
        raise ValueError("an order reappeared that nobody saw")
    for method, epoch, elapsed, status, request_id, error in found.get("attempts", ()):
        case.attempts.append(Attempt(method, 0.0, elapsed, status, request_id, error, time_of_day(epoch)))
        case.cancels += method == "DELETE"
    _restore_state(case, found)
    for note in found.get("notes", ()):
        case.note(note)
    for row in found.get("orders", ()):
        _restore_order(case, *row)
    case.tally.accepted.update(found.get("accepted", ()))
    case.tally.reappeared.update(found.get("reappeared", ()))


def _is_moment(words: str) -> str:
    if datetime.fromisoformat(words).tzinfo is None:
        raise ValueError("a time without a zone")
    return words


_Moment = Annotated[_Text, AfterValidator(_is_moment)]
_Epoch = Annotated[float, Field(strict=True, ge=0, lt=2**37)]
_Seconds = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_OrderRow = tuple[_Text, _Text, StrictBool, _Text, _Text, _Text, _Text]


@dataclass(frozen=True, slots=True)
class _Changes:
    """What `changes` gives; all that is left out stayed as it was."""

    account: StrictInt
    attempts: tuple[tuple[_Text, _Epoch, _Seconds, StrictInt | None, _Text, _Text], ...] = ()
    outcome: Outcome = Outcome.NOT_ATTEMPTED
    own_envelope: StrictBool = False
    standing: Standing = Standing.UNREAD
    as_of: _Moment | None = None
    open: _Count = 0
    seen_open: tuple[_Count, _Moment] | None = None
    looks: _Count = 0
    counted: StrictBool = False
    notes: tuple[_Text, ...] = ()
    orders: tuple[_OrderRow | tuple[_Text, _Text, StrictBool, _Text, _Text, _Text, _Text, _Text], ...] = ()
    accepted: tuple[_Text, ...] = ()
    reappeared: tuple[_Text, ...] = ()


def _restore_state(case: Case, found: dict[str, Any]) -> None:
    case.outcome = Outcome(found.get("outcome", case.outcome))
    case.own_envelope = found.get("own_envelope", case.own_envelope)
    case.tally.looks = found.get("looks", case.tally.looks)
    known = case.proof
    case.proof = Proof(
        Standing(found.get("standing", known.standing)),
        _moment(found["as_of"]) if "as_of" in found else known.as_of,
        found.get("open", known.open),
        found.get("counted", known.is_counted),
    )
    if case.standing is Standing.CLEAR:
        case.first_clear = case.first_clear or case.proof.as_of
    if "seen_open" in found:
        seen = found["seen_open"]
        case.seen_open = None if seen is None else (seen[0], datetime.fromisoformat(seen[1]))


def _moment(words: str | None) -> datetime | None:
    return None if words is None else datetime.fromisoformat(words)


def _restore_order(
    case: Case,
    id_: str,
    status: str,
    ended: bool,
    filled: str,
    symbol: str,
    side: str,
    client_order_id: str,
    filled_at_first: str | None = None,
) -> None:
    last = Order(
        id=id_,
        status=status,
        filled_quantity=filled,
        symbol=symbol,
        side=side,
        client_order_id=client_order_id,
        account_id=case.account.id,
    )
    known = case.tally.orders.get(id_)
    if known is None:
        first = last if filled_at_first is None else last._replace(filled_quantity=filled_at_first)
        case.tally.orders[id_] = Tracked(first, last, ended)
    else:
        known.last, known.seen_ended = last, ended
