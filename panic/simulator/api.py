"""The broker's endpoints as plain functions: a call in, an answer out."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from panic.simulator.answers import (
    Answer,
    account_json,
    execution_json,
    failure,
    order_json,
    success,
)
from panic.simulator.book import SPECIFIED, STATUSES, Order, SimOrder
from panic.simulator.faults import Fault, course_of
from panic.simulator.house import Desk, House
from panic.simulator.market import MARKETS, NEW_YORK, market_hours
from panic.simulator.queries import (
    BadQueryError,
    Query,
    cancel_filter,
    execution_filter,
    list_filter,
    page_of,
)
from panic.simulator.spoils import INSTEAD, Scene, spoilt

_NO_ORDERS = "No orders match the specified filters"


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request, as an endpoint sees it."""

    house: House
    request_id: str
    key: str
    query: Query
    path: Mapping[str, str]
    body: bytes
    faults: tuple[Fault, ...] = ()

    @property
    def account_id(self) -> int:
        """The account in the path, of an admitted call that has one."""
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

    def orders(self, orders: list[Order]) -> list[dict[str, Any]]:
        """Orders as JSON."""
        return [order_json(order, self.house.clock) for order in orders]


Endpoint = Callable[[Call], Answer]
DeskEndpoint = Callable[[Call, Desk], Answer]


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
    meter = call.house.meter
    if meter is not None and not meter.admits(call.key, call.house.clock.now()):
        headers = {} if (after := meter.limit.retry_after) is None else {"Retry-After": after}
        return replace(call.refuse(429, "Too many requests"), headers=headers)
    return _admit_to_account(call) if "account_id" in call.path else None


def _admit_to_account(call: Call) -> Answer | None:
    if not call.path["account_id"].isdecimal():
        return call.refuse(400, "account_id: no integer")
    if not call.house.may_use(call.key, call.account_id):
        return call.refuse(403, "The caller may not use this account")
    if call.account_id not in call.house.accounts:
        return call.refuse(404, "There is no such account")
    return None


def _at_desk(endpoint: DeskEndpoint) -> Endpoint:
    return lambda call: endpoint(call, call.house.desk(call.account_id))


def _list_accounts(call: Call) -> Answer:
    page = page_of(call.query, call.house.setup.page_size)
    shown = call.house.visible(call.key)
    return call.succeed([account_json(account) for account in page.of(shown)], page.metadata(len(shown)))


def _list_orders(call: Call, desk: Desk) -> Answer:
    largest = min([call.house.setup.page_size, *(fault.count for fault in call.faults if fault.kind == "paged")])
    page = page_of(call.query, largest)
    unfiltered = {name: text for name, text in call.query.items() if name != "status"}
    found = _found(call, desk, unfiltered if call.has("ignores_status") else call.query)
    pages = page.metadata(len(found))
    if call.has("counts_unfiltered"):
        pages["total_items"] = len(_found(call, desk, unfiltered))
    return call.succeed(call.orders(list(page.of(found))), pages)


def _found(call: Call, desk: Desk, query: Query) -> list[Order]:
    known = SPECIFIED if call.has("refuses_status") else STATUSES
    matches = list_filter(query, call.house.clock, known)
    desk.book.settle()
    # Oldest first: the specification fixes no order, and a new order then shifts no page already read.
    return [order for order in desk.book.orders.values() if matches(order)]


def _list_executions(call: Call, desk: Desk) -> Answer:
    page = page_of(call.query, call.house.setup.page_size)
    matches = execution_filter(call.query, call.house.clock)
    desk.book.settle()
    latest_first = sorted(desk.book.executions, key=lambda execution: execution.at, reverse=True)
    found = [execution for execution in latest_first if matches(execution)]
    shown = [execution_json(execution, call.house.clock) for execution in page.of(found)]
    return call.succeed(shown, page.metadata(len(found)))


def _cancel_orders(call: Call, desk: Desk) -> Answer:
    found = desk.book.cancel(cancel_filter(call.query), course_of(call.faults, call.house.setup.settle_s))
    return call.succeed(call.orders(found)) if found else call.refuse(404, _NO_ORDERS)


def _get_order(call: Call, desk: Desk) -> Answer:
    desk.book.settle()
    order = desk.book.orders.get(call.path["order_id"])
    return call.succeed(order_json(order, call.house.clock)) if order else _no_such_order(call, desk)


def _cancel_order(call: Call, desk: Desk) -> Answer:
    course = course_of(call.faults, call.house.setup.settle_s)
    found = desk.book.cancel(lambda order: order.id == call.path["order_id"], course)
    return call.succeed(order_json(found[0], call.house.clock)) if found else _no_such_order(call, desk)


def _no_such_order(call: Call, desk: Desk) -> Answer:
    return call.refuse(404, f"Order {call.path['order_id']} not found for account {desk.account.id}")


def _submit_orders(call: Call, desk: Desk) -> Answer:
    try:
        wanted = [_submitted(order) for order in json.loads(call.body)]
    except json.JSONDecodeError:
        return call.refuse(400, "The request body is not JSON")
    except (AttributeError, KeyError, TypeError, ValueError) as wrong:
        return call.refuse(422, f"The request body is no list of orders: {wrong!r}")
    settle_s = call.house.setup.settle_s
    entered = [desk.book.add(order, becomes="NEW", after=settle_s) for order in wanted]
    return call.succeed(call.orders(entered))


def _submitted(order: Any) -> SimOrder:
    return SimOrder(
        symbol=order.get("symbol") or order["instrument_id"],
        side=order["side"],
        order_type=order["order_type"],
        quantity=int(order["quantity"]),
        time_in_force=order["time_in_force"],
        status="PENDING_NEW",
        client_order_id=order.get("id") or "",
    )


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
    return call.succeed([market_hours(name, day, now, call.house.setup.special_days) for name in markets])


_ORDERS = "/v1/accounts/{account_id}/orders"
ENDPOINTS: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/v1/accounts", _list_accounts),
    ("GET", _ORDERS, _at_desk(_list_orders)),
    ("POST", _ORDERS, _at_desk(_submit_orders)),
    ("DELETE", _ORDERS, _at_desk(_cancel_orders)),
    ("GET", _ORDERS + "/{order_id}", _at_desk(_get_order)),
    ("GET", "/v1/accounts/{account_id}/executions", _at_desk(_list_executions)),
    ("DELETE", _ORDERS + "/{order_id}", _at_desk(_cancel_order)),
    ("GET", "/v1/calendars/market-hours", _market_hours),
    ("GET", "/v1/clock", _clock),
)
