"""The broker's endpoints as plain functions: a call in, an answer out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from panic.simulator.answers import Answer, account_json, failure, order_json, success
from panic.simulator.book import SPECIFIED, STATUSES, Order
from panic.simulator.faults import Fault, course_of
from panic.simulator.house import House
from panic.simulator.market import MARKET, NEW_YORK, market_hours
from panic.simulator.queries import BadQueryError, Query, cancel_filter, list_filter, page_of
from panic.simulator.spoils import INSTEAD, Scene, spoilt

_LARGEST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request, as an endpoint sees it."""

    house: House
    request_id: str
    key: str
    query: Query
    path: Mapping[str, str]
    faults: tuple[Fault, ...] = ()

    @property
    def account_id(self) -> int:
        """The account in the path; only for an admitted call that has one."""
        return int(self.path["account_id"])

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


Endpoint = Callable[[Call], Answer]


def answer(endpoint: Endpoint, call: Call) -> Answer:
    """What is told: the truth, or what the faults make of it. Carries the request out unless they forbid."""
    if (fault := call.decisive) is None or fault.executed:
        return spoilt(_truth(endpoint, call), call.faults)
    if fault.kind in INSTEAD:
        account_id = call.account_id if "account_id" in call.path else 0
        return INSTEAD[fault.kind](Scene(fault, call.request_id, account_id, call.house.clock))
    return call.refuse(503, "The wire swallows this")


def _truth(endpoint: Endpoint, call: Call) -> Answer:
    try:
        return endpoint(call)
    except BadQueryError as bad:
        return call.refuse(400, f"Failed to deserialize query string: {bad}")


def admit(call: Call) -> Answer | None:
    """The refusal that no endpoint is asked about; None for a call that may go on."""
    if call.key not in call.house.setup.keys:
        return call.refuse(401, "The caller is not authenticated")
    if "account_id" not in call.path:
        return None
    if not call.path["account_id"].isdecimal():
        return call.refuse(400, "account_id: no integer")
    if not call.house.may_use(call.key, call.account_id):
        return call.refuse(403, "The caller may not use this account")
    if call.account_id not in call.house.accounts:
        return call.refuse(404, "There is no such account")
    return None


def _list_accounts(call: Call) -> Answer:
    page, shown = page_of(call.query, _LARGEST_PAGE), call.house.visible(call.key)
    return call.succeed([account_json(account) for account in page.of(shown)], page.metadata(len(shown)))


def _list_orders(call: Call) -> Answer:
    page = page_of(call.query, min([_LARGEST_PAGE, *(f.count for f in call.faults if f.kind == "paged")]))
    unfiltered = {name: text for name, text in call.query.items() if name != "status"}
    found = _found(call, unfiltered if call.has("ignores_status") else call.query)
    pages = page.metadata(len(found))
    if call.has("counts_unfiltered"):
        pages["total_items"] = len(_found(call, unfiltered))
    return call.succeed([order_json(order, call.house.clock) for order in page.of(found)], pages)


def _found(call: Call, query: Query) -> list[Order]:
    matches = list_filter(query, call.house.clock, SPECIFIED if call.has("refuses_status") else STATUSES)
    book = call.house.desk(call.account_id).book
    book.settle()
    # Oldest first: the specification fixes no order, and a new order then shifts no page already read.
    return [order for order in book.orders.values() if matches(order)]


def _cancel_orders(call: Call) -> Answer:
    course = course_of(call.faults, call.house.setup.settle_s)
    found = call.house.desk(call.account_id).book.cancel(cancel_filter(call.query), course)
    if not found:
        return call.refuse(404, "No orders match the specified filters")
    return call.succeed([order_json(order, call.house.clock) for order in found])


def _clock(call: Call) -> Answer:
    clock = call.house.clock
    return call.succeed({"clock": clock.stamp(clock.now())})


def _market_hours(call: Call) -> Answer:
    now = call.house.clock.moment(call.house.clock.now())
    if (market := call.query.get("market", MARKET)) != MARKET:
        return call.refuse(400, f"market: unknown variant `{market}`")
    try:
        day = date.fromisoformat(call.query.get("date") or now.astimezone(NEW_YORK).date().isoformat())
    except ValueError:
        return call.refuse(400, "date: not YYYY-MM-DD")
    return call.succeed([market_hours(day, now, call.house.setup.special_days)])


_ORDERS = "/v1/accounts/{account_id}/orders"
ENDPOINTS: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/v1/accounts", _list_accounts),
    ("GET", _ORDERS, _list_orders),
    ("DELETE", _ORDERS, _cancel_orders),
    ("GET", "/v1/calendars/market-hours", _market_hours),
    ("GET", "/v1/clock", _clock),
)
