"""An account's case on record: each event holds what changed of what the report and a resume need."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StrictBool, StrictInt

from panic.broker.outcomes import Outcome, Standing
from panic.engine.case import Attempt, Case, Proof
from panic.engine.tally import Tracked
from panic.kit.clock import Clock, time_of_day
from panic.ledger.record import Count, Text, read
from panic.orders import Order

_STATE = ("outcome", "own_envelope", "standing", "as_of", "open", "seen_open", "looks", "counted")


def _state(case: Case) -> tuple[Any, ...]:
    proof = case.proof
    seen = proof.as_of, proof.open, case.seen_open
    return (case.outcome, case.own_envelope, case.standing, *seen, case.tally.looks, proof.is_counted)


@dataclass(slots=True)
class Mark:
    """How much of a case is on record."""

    attempts: int = 0
    notes: int = 0
    state: tuple[Any, ...] = (Outcome.NOT_ATTEMPTED, False, Standing.UNREAD, None, 0, None, 0, False)
    orders: dict[str, tuple[Order, bool]] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    reappeared: set[str] = field(default_factory=set)


def changes(case: Case, mark: Mark, clock: Clock) -> dict[str, Any]:
    """Give what changed in a case since it was last recorded, as JSON values; empty if nothing did."""
    state, tally = _state(case), case.tally
    found: dict[str, Any] = {
        "attempts": [_attempt(one, clock) for one in case.attempts[mark.attempts :]],
        "notes": list(case.notes)[mark.notes :],
        "orders": [row for id_, tracked in tally.orders.items() if (row := _order(id_, tracked, mark))],
        "accepted": sorted(tally.accepted - mark.accepted),
        "reappeared": sorted(tally.reappeared - mark.reappeared),
    }
    found = {name: new for name, new in found.items() if new}
    found |= {name: new for name, new, old in zip(_STATE, state, mark.state, strict=True) if new != old}
    mark.attempts, mark.notes, mark.state = len(case.attempts), len(case.notes), state
    mark.accepted.update(tally.accepted)
    mark.reappeared.update(tally.reappeared)
    return {"account": case.account.id, **found} if found else found


def _attempt(one: Attempt, clock: Clock) -> list[Any]:
    at = one.at.timestamp() if one.at else clock.epoch(one.began)
    return [one.method, at, one.elapsed, one.status, one.request_id, one.error]


def _order(id_: str, tracked: Tracked, mark: Mark) -> list[Any]:
    last, ended = tracked.last, tracked.seen_ended
    known = mark.orders.get(id_)
    if known is not None and known[0] is last and known[1] is ended:
        return []
    mark.orders[id_] = (last, ended)
    symbol = last.symbol or tracked.first.symbol
    row = [id_, last.status, ended, last.filled_quantity, symbol, last.side, last.client_order_id]
    return [*row, tracked.first.filled_quantity] if known is None and tracked.first is not last else row


def apply(case: Case, found: Any) -> None:
    """Bring a case to where it stood when these were recorded; a ValueError, and nothing, if they are none."""
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
        _restore_order(case, row)
    case.tally.accepted.update(found.get("accepted", ()))
    case.tally.reappeared.update(found.get("reappeared", ()))


def moment(words: str) -> str:
    """Give a time as it is on record; a ValueError where it is none, or has no zone."""
    if datetime.fromisoformat(words).tzinfo is None:
        raise ValueError("a time without a zone")
    return words


_Moment = Annotated[Text, AfterValidator(moment)]
_Epoch = Annotated[float, Field(strict=True, ge=0, lt=2**37)]
_Seconds = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_OrderRow = tuple[Text, Text, StrictBool, Text, Text, Text, Text]


@dataclass(frozen=True, slots=True)
class _Changes:
    """What `changes` gives; all that is left out stayed as it was."""

    account: StrictInt
    attempts: tuple[tuple[Text, _Epoch, _Seconds, StrictInt | None, Text, Text], ...] = ()
    outcome: Outcome = Outcome.NOT_ATTEMPTED
    own_envelope: StrictBool = False
    standing: Standing = Standing.UNREAD
    as_of: _Moment | None = None
    open: Count = 0
    seen_open: tuple[Count, _Moment] | None = None
    looks: Count = 0
    counted: StrictBool = False
    notes: tuple[Text, ...] = ()
    orders: tuple[_OrderRow | tuple[Text, Text, StrictBool, Text, Text, Text, Text, Text], ...] = ()
    accepted: tuple[Text, ...] = ()
    reappeared: tuple[Text, ...] = ()


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


def _restore_order(case: Case, row: Sequence[Any]) -> None:
    id_, status, ended, filled, symbol, side, client_order_id, *at_first = row
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
        first = last._replace(filled_quantity=at_first[0]) if at_first else last
        case.tally.orders[id_] = Tracked(first, last, ended)
    else:
        known.last, known.seen_ended = last, ended
