"""An account's case on record: each event holds what changed of what the report and a resume need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from operator import attrgetter
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field, InstanceOf, StrictBool, StrictInt

from panic.accounts.roster import Account
from panic.broker.outcomes import Outcome, Standing
from panic.engine.case import Attempt, Case, Proof
from panic.engine.tally import Tracked
from panic.kit.clock import Clock, time_of_day
from panic.ledger.record import Count, Text, read
from panic.orders import Order

_STATE = (
    *("outcome", "own_envelope", "standing", "as_of", "open"),
    *("seen_open", "looks", "counted", "whole", "nameless"),
)
_UNSEEN: Mapping[str, tuple[Order, bool]] = {}


class Image(NamedTuple):
    """What is on record of a case: its state, how long each list that only grows is, and its orders.

    Small, since a run keeps one for each account.
    """

    state: tuple[Any, ...]
    attempts: int
    notes: int
    accepted: int
    reappeared: int
    orders: Mapping[str, tuple[Order, bool]]


def changes(case: Case, known: dict[int, Image], clock: Clock) -> dict[str, Any]:
    """Give what changed in a case since its image in `known`, as JSON values; empty if nothing did.

    Its image of now takes the place of that.
    """
    now, before, tally = _image(case), known.get(case.account.id, _BLANK), case.tally
    if now == before:
        return {}
    known[case.account.id] = now
    found = {name: new for name, new, old in zip(_STATE, now.state, before.state, strict=True) if new != old}
    lists = {
        "attempts": [_attempt(one, clock) for one in case.attempts[before.attempts :]],
        "notes": [*islice(case.notes, before.notes, None)],
        "orders": [
            _row(id_, tally.orders[id_], before.orders.get(id_))
            for id_, seen in now.orders.items()
            if seen != before.orders.get(id_)
        ],
        "accepted": [*islice(tally.accepted, before.accepted, None)],
        "reappeared": [*islice(tally.reappeared, before.reappeared, None)],
    }
    return {"account": case.account.id, **found, **{name: rows for name, rows in lists.items() if rows}}


def _image(case: Case) -> Image:
    tally = case.tally
    seen = {id_: (one.last, one.seen_ended) for id_, one in tally.orders.items()} if tally.orders else _UNSEEN
    return Image(
        _state(case), len(case.attempts), len(case.notes), len(tally.accepted), len(tally.reappeared), seen
    )


def _state(case: Case) -> tuple[Any, ...]:
    """Give what takes the place of what it was before, in the order of its names."""
    proof = case.proof
    return (
        case.outcome,
        case.own_envelope,
        proof.standing,
        proof.as_of,
        proof.open,
        case.seen_open,
        case.tally.looks,
        proof.is_counted,
        proof.is_whole,
        [_whole_row("", one, one, ended=False) for one in case.tally.nameless],
    )


_LASTING = (
    *("symbol", "side", "client_order_id"),
    *("type", "time_in_force", "instrument_type", "limit_price", "stop_price"),
)
_MOVING = ("leaves_quantity", "average_fill_price")
"""What an order's row holds beside id, status and fill: what stays as it is, and what changes as it fills."""

_lasting, _moving = attrgetter(*_LASTING), attrgetter(*_MOVING)

_BLANK = _image(Case(Account(0)))


def _attempt(one: Attempt, clock: Clock) -> list[Any]:
    at = one.at.timestamp() if one.at else clock.epoch(one.began)
    return [one.method, at, one.elapsed, one.status, one.request_id, one.error]


def _row(id_: str, one: Tracked, known_so: tuple[Order, bool] | None) -> list[Any]:
    if known_so is not None and _lasting(known_so[0]) == _lasting(one.last):
        return [id_, one.last.status, one.seen_ended, one.last.filled_quantity, *_moving(one.last)]
    return _whole_row(id_, one.first, one.last, ended=one.seen_ended)


def _whole_row(id_: str, first: Order, last: Order, *, ended: bool) -> list[Any]:
    seen, lasting = [id_, last.status, ended, last.filled_quantity], _lasting(last)
    return [*seen, *lasting[:3], first.filled_quantity, first.average_fill_price, *lasting[3:], *_moving(last)]


def apply(case: Case, found: Any) -> None:
    """Bring a case to where it stood when these were recorded; a ValueError, and nothing, if they are none."""
    before = dict(zip(_STATE, _state(case), strict=True))
    told = read(_Changes, {**before, **found} if isinstance(found, dict) else found)
    if not case.tally.orders.keys() | {row[0] for row in told.orders} >= set(told.reappeared):
        raise ValueError("an order reappeared that nobody saw")
    for method, epoch, elapsed, status, request_id, error in told.attempts:
        case.attempts.append(Attempt(method, 0.0, elapsed, status, request_id, error, time_of_day(epoch)))
        case.cancels += method == "DELETE"
    case.outcome, case.own_envelope, case.seen_open = told.outcome, told.own_envelope, told.seen_open
    case.proof = Proof(told.standing, told.as_of, told.open, told.counted, is_whole=told.whole)
    if case.standing is Standing.CLEAR:
        case.first_clear = case.first_clear or case.proof.as_of
    for note in told.notes:
        case.note(note)
    for row in told.orders:
        _restore_order(case, row)
    case.tally.nameless = tuple(_orders_in(row, case.account.id)[1] for row in told.nameless)
    case.tally.looks = told.looks
    case.tally.accepted.update(dict.fromkeys(told.accepted))
    case.tally.reappeared.update(dict.fromkeys(told.reappeared))


def moment(words: Any) -> datetime:
    """Read a time as it is on record; a ValueError where it is none, or has no zone."""
    at = datetime.fromisoformat(words) if isinstance(words, str) else words
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise ValueError("no time with a zone")
    return at


_Moment = Annotated[InstanceOf[datetime], BeforeValidator(moment)]
_Epoch = Annotated[float, Field(strict=True, ge=0, lt=2**37)]
_Seconds = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_OldRow = tuple[Text, Text, StrictBool, Text, Text, Text, Text]
_OldRowSinceFirst = tuple[Text, Text, StrictBool, Text, Text, Text, Text, Text]
"""Of older releases: what was seen last; the longer one with how filled the order was at first."""

_ShortRow = tuple[Text, Text, StrictBool, Text, Text, Text]
_OrderRow = tuple[
    Text, Text, StrictBool, Text, Text, Text, Text, Text, Text, Text, Text, Text, Text, Text, Text, Text
]
"""A short one leaves out what is on record of the order already."""


@dataclass(frozen=True, slots=True)
class _Changes:
    """What `changes` gives, and the state from before where it is left out."""

    account: StrictInt
    outcome: Outcome
    own_envelope: StrictBool
    standing: Standing
    as_of: _Moment | None
    open: Count
    seen_open: tuple[Count, _Moment] | None
    looks: Count
    counted: StrictBool
    whole: StrictBool
    nameless: tuple[_OrderRow, ...]
    attempts: tuple[tuple[Text, _Epoch, _Seconds, StrictInt | None, Text, Text], ...] = ()
    notes: tuple[Text, ...] = ()
    orders: tuple[_OrderRow | _ShortRow | _OldRowSinceFirst | _OldRow, ...] = ()
    accepted: tuple[Text, ...] = ()
    reappeared: tuple[Text, ...] = ()


def _restore_order(case: Case, row: Sequence[Any]) -> None:
    known = case.tally.orders.get(row[0])
    first, last = _orders_in(row, case.account.id, known)
    if known is None:
        case.tally.orders[row[0]] = Tracked(first, last, row[2])
    else:
        known.last, known.seen_ended = last, row[2]


def _orders_in(row: Sequence[Any], account: int, known: Tracked | None = None) -> tuple[Order, Order]:
    """Read what a row tells of an order at its first sight and at its last."""
    id_, status, _, filled, *more = row
    last = known.last if known else Order()
    at_first, moving = more[3:5], more[10:]
    if len(more) == len(_MOVING):
        at_first, moving = [], more
    else:
        last = Order(**_named(_LASTING, [*more[:3], *more[5:10]]))
    seen = {"id": id_, "account_id": account, "status": status, "filled_quantity": filled}
    last = last._replace(**seen, **_named(_MOVING, moving))
    return last._replace(**_named(("filled_quantity", "average_fill_price"), at_first)), last


def _named(names: Sequence[str], values: Sequence[str]) -> dict[str, Any]:
    """Give values by their names; older releases wrote fewer."""
    return dict(zip(names, values, strict=False))
