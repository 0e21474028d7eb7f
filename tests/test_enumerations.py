"""The tables that panic and the simulator go by against the enumerations of the broker's newest SDK.

A word that the SDK has and a table lacks fails, with the word. A word of an older release may stay: servers and
orders of that release may.
"""

from collections.abc import Collection, Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from clearstreet.types import SecurityType
from clearstreet.types.v1 import AccountStatus, DayType, OrderStatus, OrderType, RequestOrderType, Side
from clearstreet.types.v1.order_cancel_all_open_orders_params import OrderCancelAllOpenOrdersParams
from clearstreet.types.v1.order_get_orders_params import OrderGetOrdersParams

from panic import orders
from panic.broker import listing
from panic.orders import Order
from panic.service.schedule import calendar
from panic.simulator import book, queries

OF_A_DELETE = get_type_hints(OrderCancelAllOpenOrdersParams)
OF_A_LIST = get_type_hints(OrderGetOrdersParams)

THEIRS: dict[str, tuple[Any, ...]] = {
    "order status": (OrderStatus, OF_A_LIST["status"]),
    "side": (Side, OF_A_DELETE["side"]),
    "order type": (OrderType, RequestOrderType, OF_A_DELETE["type"]),
    "security type": (SecurityType, OF_A_DELETE["instrument_type"], OF_A_LIST["instrument_type"]),
    "account status": (AccountStatus,),
    "day type": (DayType,),
}


def words(hint: Any) -> Iterator[str]:
    """Every word of the literals in a type."""
    if get_origin(hint) is Literal:
        yield from get_args(hint)
    else:
        for part in get_args(hint):
            yield from words(part)


def theirs(table: str) -> set[str]:
    """Every word that the SDK has for a table, wherever it has it."""
    return {word for hint in THEIRS[table] for word in words(hint)}


def ended() -> set[str]:
    """The statuses of the SDK in which panic takes an order for ended that nothing speaks against."""
    done = {word: Order(status=word, leaves_quantity="0", time_in_force="DAY") for word in theirs("order status")}
    return {word for word, order in done.items() if order.is_ended}


@pytest.mark.parametrize(
    ("table", "ours"),
    [
        ("order status", {*orders.OPEN_STATUSES, *ended()}),
        ("side", orders.SIDES),
        ("order type", orders.TYPES),
        ("security type", orders.INSTRUMENT_TYPES),
        ("account status", {"ACTIVE", *listing._ASLEEP}),
        ("day type", {"TRADING_DAY", "EARLY_CLOSE", *calendar._CLOSED_TYPES}),
    ],
)
def test_panic_knows_every_word_of_the_newest_release(table: str, ours: Collection[str]):
    """A table that lacks a word fails with it: decide what the word means before the broker sends it."""
    assert theirs(table), "the SDK has moved this enumeration"
    assert [] == sorted(theirs(table) - set(ours))


@pytest.mark.parametrize(
    ("table", "its"),
    [
        ("order status", book.STATUSES),
        ("side", queries.SIDES),
        ("order type", queries.ORDER_TYPES),
        ("security type", queries.INSTRUMENT_TYPES),
    ],
)
def test_the_simulator_is_of_the_newest_release(table: str, its: Collection[str]):
    """It takes in a filter what the broker takes, and refuses what the broker refuses."""
    assert theirs(table) == set(its)
