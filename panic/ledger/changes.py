"""An account's case on record, as a chain of changes: each event has what changed in it since the one before.

Only what the report and a resume need is kept: attempts, outcome, standing, notes and orders that answers named.
"""

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


_Moment = Annotated[Text, AfterValidator(_is_moment)]
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
