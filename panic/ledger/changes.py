"""An account's case on record: each event holds what changed of what the report and a resume need."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, InstanceOf, StrictBool, StrictInt

from panic.accounts.roster import Account
from panic.broker.outcomes import Outcome, Standing
from panic.engine.case import Attempt, Case, Proof
from panic.engine.tally import Tracked
from panic.kit.clock import Clock, time_of_day
from panic.ledger.record import Count, Text, read
from panic.orders import Order

Image = dict[str, Any]
"""What a report and a resume need of a case, by its name on record; a dict stands for a list that grows."""


def changes(case: Case, known: dict[int, Image], clock: Clock) -> dict[str, Any]:
    """Give what changed in a case since its image in `known`, as JSON values; empty if nothing did.

    Its image of now takes the place of that.
    """
    now, before, found = _image(case), known.get(case.account.id, _BLANK), dict[str, Any]()
    for name, new in now.items():
        old = before[name]
        if not isinstance(new, dict):
            if new != old:
                found[name] = new
        elif rows := [one for key, one in new.items() if key not in old or old[key] != one]:
            found[name] = [_row(one, clock) for one in rows]
    known[case.account.id] = now
    return {"account": case.account.id, **found} if found else found


def _image(case: Case) -> Image:
    tally = case.tally
    return {
        **_state(case),
        "attempts": dict(enumerate(case.attempts)),
        "notes": {note: note for note in case.notes},
        "orders": {id_: (id_, one.first, one.last, one.seen_ended) for id_, one in tally.orders.items()},
        "accepted": {id_: id_ for id_ in sorted(tally.accepted)},
        "reappeared": {id_: id_ for id_ in sorted(tally.reappeared)},
    }


def _state(case: Case) -> Image:
    proof = case.proof
    return {
        "outcome": case.outcome,
        "own_envelope": case.own_envelope,
        "standing": proof.standing,
        "as_of": proof.as_of,
        "open": proof.open,
        "seen_open": case.seen_open,
        "looks": case.tally.looks,
        "counted": proof.is_counted,
    }


_BLANK = _image(Case(Account(0)))


def _row(one: str | Attempt | tuple[str, Order, Order, bool], clock: Clock) -> Any:
    if isinstance(one, str):
        return one
    if isinstance(one, Attempt):
        at = one.at.timestamp() if one.at else clock.epoch(one.began)
        return [one.method, at, one.elapsed, one.status, one.request_id, one.error]
    id_, first, last, ended = one
    row = [id_, last.status, ended, last.filled_quantity, last.symbol, last.side, last.client_order_id]
    at_first = [first.filled_quantity, first.average_fill_price]
    return [*row, *at_first, *(getattr(last, name) for name in _MORE)]


def apply(case: Case, found: Any) -> None:
    """Bring a case to where it stood when these were recorded; a ValueError, and nothing, if they are none."""
    told = read(_Changes, {**_state(case), **found} if isinstance(found, dict) else found)
    if not case.tally.orders.keys() | {row[0] for row in told.orders} >= set(told.reappeared):
        raise ValueError("an order reappeared that nobody saw")
    for method, epoch, elapsed, status, request_id, error in told.attempts:
        case.attempts.append(Attempt(method, 0.0, elapsed, status, request_id, error, time_of_day(epoch)))
        case.cancels += method == "DELETE"
    case.outcome, case.own_envelope, case.seen_open = told.outcome, told.own_envelope, told.seen_open
    case.proof = Proof(told.standing, told.as_of, told.open, told.counted)
    if case.standing is Standing.CLEAR:
        case.first_clear = case.first_clear or case.proof.as_of
    for note in told.notes:
        case.note(note)
    for row in told.orders:
        _restore_order(case, row)
    case.tally.looks = told.looks
    case.tally.accepted.update(told.accepted)
    case.tally.reappeared.update(told.reappeared)


def moment(words: Any) -> datetime:
    """Read a time as it is on record; a ValueError where it is none, or has no zone."""
    at = datetime.fromisoformat(words) if isinstance(words, str) else words
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise ValueError("no time with a zone")
    return at


_Moment = Annotated[InstanceOf[datetime], BeforeValidator(moment)]
_Epoch = Annotated[float, Field(strict=True, ge=0, lt=2**37)]
_Seconds = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_MORE = (
    *("type", "time_in_force", "instrument_type"),
    *("leaves_quantity", "limit_price", "stop_price", "average_fill_price"),
)
"""What the second half of an order's row holds, in this order."""

_OldRow = tuple[Text, Text, StrictBool, Text, Text, Text, Text]
_OldRowSinceFirst = tuple[Text, Text, StrictBool, Text, Text, Text, Text, Text]
_OrderRow = tuple[
    Text, Text, StrictBool, Text, Text, Text, Text, Text, Text, Text, Text, Text, Text, Text, Text, Text
]
"""Ledgers of older releases have shorter rows, the longer ones with how filled the order was at first."""


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
    attempts: tuple[tuple[Text, _Epoch, _Seconds, StrictInt | None, Text, Text], ...] = ()
    notes: tuple[Text, ...] = ()
    orders: tuple[_OrderRow | _OldRowSinceFirst | _OldRow, ...] = ()
    accepted: tuple[Text, ...] = ()
    reappeared: tuple[Text, ...] = ()


def _restore_order(case: Case, row: Sequence[Any]) -> None:
    id_, status, ended, filled, symbol, side, client_order_id, *more = row
    filled_first, average_first, *told = (*more, "") if more else (filled, "")
    last = Order(
        id=id_,
        status=status,
        filled_quantity=filled,
        symbol=symbol,
        side=side,
        client_order_id=client_order_id,
        account_id=case.account.id,
        **dict(zip(_MORE, told, strict=False)),
    )
    known = case.tally.orders.get(id_)
    if known is None:
        first = last._replace(filled_quantity=filled_first, average_fill_price=average_first)
        case.tally.orders[id_] = Tracked(first, last, ended)
    else:
        known.last, known.seen_ended = last, ended
