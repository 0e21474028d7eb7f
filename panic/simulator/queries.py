"""What a request asks for: the broker's filters and its pages."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from panic.simulator.book import STATUSES, Clock, Order, instrument_id

SIDES = frozenset({"BUY", "SELL"})
ORDER_TYPES = frozenset({"MARKET", "LIMIT", "STOP", "STOP_LIMIT", "TRAILING_STOP", "TRAILING_STOP_LIMIT", "OTHER"})
INSTRUMENT_TYPES = frozenset({"COMMON_STOCK", "INDEX", "OPTION", "CASH"})
LARGEST_PAGE = 1000

T = TypeVar("T")
Matches = Callable[[Order], bool]
Query = Mapping[str, str]


class BadQueryError(ValueError):
    """A parameter that the broker answers with 400."""


def cancel_filter(query: Query) -> Matches:
    """The filters of the DELETE, all of which must match."""
    side = _one_of(query, "side", SIDES)
    order_type = _one_of(query, "type", ORDER_TYPES)
    instrument = _instrument_filter(query)
    return lambda order: (
        side in {None, _side(order)} and order_type in {None, order.seed.order_type} and instrument(order)
    )


def _side(order: Order) -> str:
    return "SELL" if order.seed.side == "SELL_SHORT" else order.seed.side


def list_filter(query: Query, clock: Clock, known: frozenset[str] = STATUSES) -> Matches:
    """The filters of the list, all of which must match; a status that is not `known` is refused."""
    statuses = _all_of(query, "status", known)
    names = _listed(query, "order_ids")
    instrument, created = _instrument_filter(query), _period(query, clock)
    return lambda order: (
        (not statuses or order.status in statuses)
        # The SDK's release takes client order ids here as well as the broker's own.
        and (not names or order.id in names or order.client_order_id in names)
        and instrument(order)
        and created(order.created)
    )


def _instrument_filter(query: Query) -> Matches:
    kind = _one_of(query, "instrument_type", INSTRUMENT_TYPES)
    wanted = {name.casefold() for name in _listed(query, "instrument_ids")}
    return lambda order: (
        kind in {None, order.seed.instrument_type if order.seed.symbol else ""}
        and (not wanted or bool(wanted & {order.seed.symbol.casefold(), instrument_id(order.seed.symbol)}))
    )


def _period(query: Query, clock: Clock) -> Callable[[float], bool]:
    first, last = _microseconds(query, "from"), _microseconds(query, "to")
    return lambda at: (
        (first is None or first <= clock.microseconds(at)) and (last is None or clock.microseconds(at) <= last)
    )


def _listed(query: Query, name: str) -> frozenset[str]:
    return frozenset(part.strip() for part in query.get(name, "").split(",") if part.strip())


def _one_of(query: Query, name: str, allowed: frozenset[str]) -> str | None:
    value = query.get(name)
    if value is not None and value not in allowed:
        raise BadQueryError(f"{name}: unknown variant `{value}`")
    return value


def _all_of(query: Query, name: str, allowed: frozenset[str]) -> frozenset[str]:
    values = _listed(query, name)
    if unknown := sorted(values - allowed):
        raise BadQueryError(f"{name}: unknown variant `{unknown[0]}`")
    return values


def _microseconds(query: Query, name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadQueryError(f"{name}: `{text}` is no timestamp") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


@dataclass(frozen=True, slots=True)
class Page:
    """A slice of a list."""

    offset: int
    limit: int

    def token(self, offset: int) -> str:
        """The opaque token of the page that starts at `offset`."""
        state = json.dumps({"offset": offset, "limit": self.limit}, separators=(",", ":"))
        return base64.urlsafe_b64encode(state.encode()).decode()

    def metadata(self, total: int) -> dict[str, Any]:
        """The pagination part of the envelope's metadata, for a list of `total` items."""
        after, before = self.offset + self.limit, max(0, self.offset - self.limit)
        return {
            "total_items": total,
            "total_pages": -(-total // self.limit),
            "page_number": self.offset // self.limit + 1,
            "next_page_token": self.token(after) if after < total else None,
            "previous_page_token": self.token(before) if self.offset else None,
        }

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """The items on this page."""
        return items[self.offset : self.offset + self.limit]


def page_of(query: Query, largest: int = LARGEST_PAGE) -> Page:
    """The page that is asked for, of `largest` items at most. A token outranks a page size."""
    if token := query.get("page_token"):
        return _page_from(token, largest)
    try:
        size = int(query.get("page_size", "1000"))
    except ValueError:
        raise BadQueryError("page_size: no integer") from None
    if not 1 <= size <= LARGEST_PAGE:
        raise BadQueryError("page_size: not between 1 and 1000")
    return Page(0, min(size, largest))


def _page_from(token: str, largest: int) -> Page:
    try:
        state = json.loads(base64.urlsafe_b64decode(token))
        page = Page(int(state["offset"]), min(int(state["limit"]), largest))
    except (binascii.Error, ValueError, TypeError, KeyError, RecursionError):
        raise BadQueryError("page_token: not one of ours") from None
    if page.offset < 0 or page.limit < 1:
        raise BadQueryError("page_token: not one of ours")
    return page
