"""The broker's endpoints as plain functions: a call in, an answer out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from panic.simulator.answers import Answer, account_json, failure, order_json, success
from panic.simulator.book import SPECIFIED, STATUSES, Order
from panic.simulator.faults import Fault, course_of
from panic.simulator.house import Desk, House
from panic.simulator.market import MARKETS, NEW_YORK, market_hours
from panic.simulator.queries import LARGEST_PAGE, BadQueryError, Query, cancel_filter, list_filter, page_of
from panic.simulator.spoils import INSTEAD, Scene, spoilt

_NO_ORDERS = "No orders match the specified filters"


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request, as an endpoint sees it; `account` is the one in the path, if there is one."""

    house: House
    request_id: str
    key: str
    query: Query
    account: str | None
    faults: tuple[Fault, ...] = ()

    @property
    def account_id(self) -> int:
        """The account of an admitted call; 0 where it is about none."""
        return int(self.account or 0)

    @property
    def desk(self) -> Desk:
        """All there is about the account."""
        return self.house.desk(self.account_id)

    def has(self, kind: str) -> bool:
        """Whether a fault of this kind hits it."""
        return any(fault.kind == kind for fault in self.faults)

    @property
    def decisive(self) -> Fault | None:
        """The fault that alone says what is sent."""
        return next((fault for fault in self.faults if fault.decisive), None)

    def refuse(self, status: int, message: str) -> Answer:
        """An error in the envelope."""
        return failure(status, message, self.request_id)

    def succeed(self, data: Any, pagination: dict[str, Any] | None = None) -> Answer:
        """A 200 in the envelope."""
        return success(data, self.request_id, pagination)

    def orders(self, orders: Sequence[Order]) -> list[dict[str, Any]]:
        """Orders as JSON."""
        return [order_json(order, self.house.clock) for order in orders]


Endpoint = Callable[[Call], Answer]


def answer(endpoint: Endpoint, call: Call) -> Answer:
    """What is told: the truth, or what the faults make of it. Carries the request out unless they forbid."""
    if (fault := call.decisive) is None or fault.executed:
        return spoilt(_truth(endpoint, call), call.faults)
    if fault.kind in INSTEAD:
        return INSTEAD[fault.kind](Scene(fault, call.request_id, call.account_id, call.house.clock))
    return call.refuse(503, "The wire swallows this")


def _truth(endpoint: Endpoint, call: Call) -> Answer:
    try:
        return endpoint(call)
    except BadQueryError as bad:
        return call.refuse(400, f"Failed to deserialize query string: {bad}")


def admit(call: Call) -> Answer | None:
    """The refusal that no endpoint is asked about; None for a call that may go on."""
    if call.key not in call.house.keys:
        return call.refuse(401, "The caller is not authenticated")
    meter = call.house.meter
    if meter is not None and not meter.admits(call.key, call.house.clock.now()):
        headers = {} if (after := meter.limit.retry_after) is None else {"Retry-After": after}
        return replace(call.refuse(429, "Too many requests"), headers=headers)
    return None if call.account is None else _admit_to_account(call, call.account)


def _admit_to_account(call: Call, account: str) -> Answer | None:
    if not account.isdecimal():
        return call.refuse(400, "account_id: no integer")
    if not call.house.may_use(call.key, call.account_id):
        return call.refuse(403, "The caller may not use this account")
    if call.account_id not in call.house.accounts:
        return call.refuse(404, "There is no such account")
    return None


def _list_accounts(call: Call) -> Answer:
    page = page_of(call.query)
    shown = call.house.visible(call.key)
    return call.succeed([account_json(account) for account in page.of(shown)], page.metadata(len(shown)))


def _list_orders(call: Call) -> Answer:
    largest = min([LARGEST_PAGE, *(fault.count for fault in call.faults if fault.kind == "paged")])
    page = page_of(call.query, largest)
    unfiltered = {name: text for name, text in call.query.items() if name != "status"}
    found = _found(call, unfiltered if call.has("ignores_status") else call.query)
    pages = page.metadata(len(found))
    if call.has("counts_unfiltered"):
        pages["total_items"] = len(_found(call, unfiltered))
    return call.succeed(call.orders(page.of(found)), pages)


def _found(call: Call, query: Query) -> list[Order]:
    known = SPECIFIED if call.has("refuses_status") else STATUSES
    matches = list_filter(query, call.house.clock, known)
    book = call.desk.book
    book.settle()
    # Oldest first: the specification fixes no order, and a new order then shifts no page already read.
    return [order for order in book.orders.values() if matches(order)]


def _cancel_orders(call: Call) -> Answer:
    course = course_of(call.faults, call.house.settle_s)
    found = call.desk.book.cancel(cancel_filter(call.query), course)
    return call.succeed(call.orders(found)) if found else call.refuse(404, _NO_ORDERS)


def _clock(call: Call) -> Answer:
    clock = call.house.clock
    return call.succeed({"clock": clock.stamp(clock.now())})


def _market_hours(call: Call) -> Answer:
    now = call.house.clock.moment(call.house.clock.now())
    market = call.query.get("market")
    if market not in {None, *MARKETS}:
        return call.refuse(400, f"market: unknown variant `{market}`")
    try:
        day = date.fromisoformat(call.query.get("date") or now.astimezone(NEW_YORK).date().isoformat())
    except ValueError:
        return call.refuse(400, "date: not YYYY-MM-DD")
    markets = [market] if market else list(MARKETS)
    return call.succeed([market_hours(name, day, now, call.house.special_days) for name in markets])


_ORDERS = "/v1/accounts/{account_id}/orders"
ENDPOINTS: tuple[tuple[str, str, Endpoint], ...] = (
    ("/v1/accounts", "GET", _list_accounts),
    (_ORDERS, "GET", _list_orders),
    (_ORDERS, "DELETE", _cancel_orders),
    ("/v1/calendars/market-hours", "GET", _market_hours),
    ("/v1/clock", "GET", _clock),
)
