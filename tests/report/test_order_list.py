"""What the report tells of orders, one by one and added up."""

from decimal import Decimal
from typing import Any

import pytest

from panic.accounts.plan import Unsent
from panic.accounts.roster import Account
from panic.broker.outcomes import Standing
from panic.orders import Order
from panic.report.document import Report, to_json
from panic.report.order_list import Fill, OrderReport, StillOpen
from tests.kit.builders import a_read, an_answer, an_order, look
from tests.report.test_report import a_report, a_worked_case, the

LIMIT = {"symbol": "AAPL", "side": "SELL", "type": "LIMIT", "limit_price": "150.00", "client_order_id": "algo-1"}
OPEN = {**LIMIT, "time_in_force": "DAY", "filled_quantity": "0", "leaves_quantity": "300"}


def a_run(named: tuple[Order, ...], *shown: Order, **more: Any) -> Report:
    """The report of an account whose cancel named these orders, and whose read showed those."""
    case = a_worked_case(1, an_answer(orders=named))
    look(case, a_read(*shown, began=1.0))
    return a_report(case, **more)


def test_an_order_is_told_with_all_that_is_known_of_it():
    """What it is, what is left of it, and what became of it."""
    first = an_order("a", "PENDING_CANCEL", **{**OPEN, "filled_quantity": "100", "average_fill_price": "150.10"})
    last = an_order("a", "NEW", **{**OPEN, "filled_quantity": "200", "average_fill_price": "150.20"})
    new = an_order("b", leaves_quantity="5")
    bare = OrderReport("b", "", "", "", "", "", "NEW", Decimal(5), None, None, open=True)
    report = a_run((first,), last, new)

    known = (
        "a",
        "algo-1",
        "AAPL",
        "SELL",
        "LIMIT",
        "DAY",
        "NEW",
        Decimal(300),
        Decimal("150.00"),
        Decimal(45_000),
    )
    filled = {"filled": Decimal(100), "fill_price": Decimal("150.3"), "fill_notional": Decimal(15_030)}
    told_of = OrderReport(*known, open=True, accepted=True, **filled)  # type: ignore[arg-type]
    assert (told_of, bare) == the(report, 1).order_list
    assert StillOpen(2, Decimal(45_000), 1) == report.totals.still_open
    assert "2 orders open, about $45,000 and 1 without a price" == str(report.totals.still_open)
    assert ("SELL 300 AAPL at 150.00", "order b") == (told_of.words, bare.words)


def test_an_order_that_appeared_after_the_cancel_is_told_as_such():
    """Something is still trading."""
    case = a_worked_case(1, an_answer(orders=(an_order("a"),)), standing=Standing.CLEAR)
    look(case, a_read(an_order("new"), began=2.0))
    orders = the(a_report(case), 1).order_list

    assert [("a", False, True, False), ("new", True, False, True)] == [
        (one.id, one.open, one.accepted, one.reappeared) for one in orders
    ]


def test_what_an_answer_leaves_out_an_earlier_one_has_told():
    """But not what may have changed."""
    report = a_run((an_order("a", **OPEN),), an_order("a", "NEW"))
    (order,) = the(report, 1).order_list

    assert ("AAPL", "SELL", "algo-1", Decimal("150.00")) == (
        order.symbol,
        order.side,
        order.client_order_id,
        order.price,
    )
    assert (None, None) == (order.leaves, order.notional)


def test_what_is_open_is_never_told_as_if_it_were_all_where_an_account_was_not_read():
    """Neither of one that was read no more, nor of one that could not be sent; clear ones count for nothing."""
    unread = a_worked_case(1, an_answer(orders=(an_order("a", **OPEN),)))
    clear = a_worked_case(2, an_answer(orders=(an_order("b", **OPEN),)), standing=Standing.CLEAR)
    report = a_report(unread, clear, unsent=(Unsent("no key", account=Account(5)),))

    assert StillOpen(1, Decimal(45_000), 0, unread_accounts=2) == report.totals.still_open
    words = "1 order not seen ended, about $45,000; 2 accounts unread"
    assert words == str(report.totals.still_open)
    assert "" == str(StillOpen(unread_accounts=3))


def test_an_open_order_without_an_id_is_told_with_what_is_known():
    """As long as the last look showed it."""
    named = an_order("a", **OPEN)
    case = a_worked_case(1, an_answer(orders=(named,)))
    look(case, a_read(named, an_order("", **OPEN), began=1.0))
    seen = the(a_report(case), 1)
    look(case, a_read(named, began=2.0))

    assert [("a", True, "algo-1"), ("", True, "algo-1")] == [
        (o.id, o.open, o.client_order_id) for o in seen.order_list
    ]
    assert 2 == seen.orders.open
    assert ["a"] == [order.id for order in the(a_report(case), 1).order_list]


def test_a_read_that_broke_off_does_not_tell_all_that_is_open():
    """It saw an open order, and not the rest of the account."""
    whole, cut = (a_worked_case(id_, an_answer()) for id_ in (1, 2))
    look(whole, a_read(an_order("a", **OPEN), began=1.0))
    look(cut, a_read(an_order("b", **OPEN), next_token="more", began=1.0), an_answer(403, began=2.0))
    report = a_report(whole, cut)

    assert [(1, Standing.OPEN, True), (2, Standing.OPEN, False)] == [
        (one.id, one.standing, one.read_whole) for one in report.accounts
    ]
    assert "2 orders not seen ended, about $90,000; 1 account unread" == str(report.totals.still_open)


def test_fills_are_added_up_with_their_prices():
    """By symbol and side; what has no known price is no part of average and sum; a contract is for a hundred."""
    named = tuple(an_order(id_, "PENDING_CANCEL", **OPEN) for id_ in "abc")
    prices = (("a", "100", "150.00"), ("b", "300", "151.00"), ("c", "50", ""))
    ended = {**OPEN, "leaves_quantity": "0"}
    shown = [
        an_order(id_, "FILLED", **{**ended, "filled_quantity": filled, "average_fill_price": price})
        for id_, filled, price in prices
    ]
    option = {"symbol": "AAPL  251219C00150000", "side": "BUY", "filled_quantity": "0"}
    bought = {**option, "filled_quantity": "2", "average_fill_price": "1.25"}
    report = a_run((*named, an_order("o", **option)), *shown, an_order("o", "FILLED", **bought))

    sold = Fill("AAPL", "SELL", Decimal(450), Decimal("150.75"), Decimal(60_300), Decimal(50))
    contracts = Fill("AAPL  251219C00150000", "BUY", Decimal(2), Decimal("1.25"), Decimal(250))
    assert (sold, contracts) == report.totals.fills
    assert "SELL 450 AAPL at 150.75 (50 of it at a price not known), BUY 2 AAPL" in the(report, 1).notes[0]


@pytest.mark.parametrize("field", ["id", "client_order_id", "symbol", "side", "type", "time_in_force", "status"])
def test_no_text_of_an_order_carries_a_key_or_what_steers_a_terminal(field: str):
    """Whoever wrote it."""
    order = an_order(id_="a", leaves_quantity="1")._replace(**{field: "\x1b[2J hunter2"})  # type: ignore[arg-type]
    report = a_run((order,), order, scrub=lambda text: text.replace("hunter2", "[key]"))

    assert " [2J [key]" == getattr(the(report, 1).order_list[0], field)
    assert b"hunter2" not in to_json(report)
