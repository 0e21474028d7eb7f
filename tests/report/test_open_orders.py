"""Open orders summed up: nothing is lost, nothing counts twice, and what is not known is said."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.accounts.plan import Plan, Unsent
from panic.accounts.roster import Account
from panic.kit.words import money
from panic.orders import Order
from panic.report.open_orders import OpenOrders, OrderSum, Seen, fold, to_json
from tests.kit.builders import EVERYTHING, MIDNIGHT, a_bad_row, an_order

_WORDS = st.sampled_from(
    ["", "NEW", "AAPL", "BUY", "LIMIT", "GOOD_TILL_CANCEL", "AT_CLOSE", "100", "1.5", "-3", "x"]
)
_STAMPS = st.sampled_from(
    ["", "x", "2026-03-01T23:00:00.123456789Z", "2026-02-01T00:00:00", "0001-01-01T00:00:00+14:00"]
)
_ORDERS = st.lists(
    st.builds(
        lambda id_, words, stamp: Order._make((id_, None, *words, stamp)),
        st.sampled_from("abc"),
        st.tuples(*[_WORDS] * 13),
        _STAMPS,
    ),
    max_size=6,
)
_SEEN = st.lists(
    st.tuples(st.sampled_from(["", "A", "B"]), _ORDERS, st.sampled_from(["", "no answer"])), max_size=6
).map(lambda rows: [Seen(Account(n, group=row[0]), *row[1:]) for n, row in enumerate(rows, 1)])


def of(*seen: Seen, unsent: tuple[Unsent, ...] = ()) -> OpenOrders:
    """What is open, by what was seen."""
    return fold(seen, Plan(EVERYTHING, (), unsent), base_url="https://b", at=MIDNIGHT, took_s=1.0)


def numbers(*sums: OrderSum) -> tuple[int, int, Decimal, int, int]:
    """What must be the same, however it is told apart."""
    return (
        sum(one.orders for one in sums),
        sum(one.priced for one in sums),
        sum((one.notional for one in sums), Decimal()),
        sum(one.outlive_the_day for one in sums),
        sum(one.on_close for one in sums),
    )


@given(_SEEN)
def test_every_order_is_summed_up_once(seen: list[Seen]):
    """By group, and by symbol and side, the sums are the total; and the accounts of the groups are all of them."""
    found = of(*seen)
    orders = [order for one in seen for order in one.orders]

    assert len(orders) == len(found.orders) == found.total.orders
    assert numbers(found.total) == numbers(*found.groups) == numbers(*found.symbols)
    assert sum(bool(one.orders) for one in seen) == found.total.accounts == sum(n.accounts for n in found.groups)
    assert sorted(order.id for order in orders) == sorted(one.id for one in found.orders)
    assert sum((order.notional or 0 for order in orders), Decimal()) == found.total.notional
    assert found.first(2).more == max(0, len(orders) - 2)
    assert json.loads(to_json(found))["total"]["orders"] == len(orders)


@given(_SEEN)
def test_a_sum_that_may_lack_something_never_looks_whole(seen: list[Seen]):
    """Whoever could not be read counts in the first line, and in the exit code."""
    found, doubted = of(*seen), sum(bool(one.doubt) for one in seen)

    assert doubted == len(found.not_known)
    assert (10 if doubted else 0) == found.exit_code
    assert bool(doubted) == ("could not be read whole" in found.headline)
    assert not doubted or not found.total.orders or "at least" in found.headline


GTC = {"time_in_force": "GOOD_TILL_CANCEL"}
LACKING = "1 of 2 accounts could not be read whole"
PRICED = an_order(limit_price="10", leaves_quantity="340")


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ([Seen(Account(1))], "no open order in 1 account"),
        (
            [
                Seen(Account(1), (an_order(**GTC), an_order(limit_price="10", leaves_quantity="340"))),
                Seen(Account(2)),
            ],
            "2 open orders, about $3,400 (of 1 with a known price), in 1 of 2 accounts; 1 good-till-cancel",
        ),
        (
            [Seen(Account(1), (an_order(time_in_force="AT_CLOSE"),), "HTTP 500"), Seen(Account(2))],
            f"{LACKING}; at least 1 open order, none with a known price, in 1 of 2 accounts; 1 on close",
        ),
        ([Seen(Account(1), (), "HTTP 403")], "1 of 1 account could not be read whole; no open order was seen"),
    ],
)
def test_the_first_line_says_it_all(seen: list[Seen], words: str):
    """How many orders, how much money, where, and what comes back tomorrow."""
    assert words == of(*seen).headline


def test_accounts_without_a_key_and_rows_that_cannot_be_read_are_not_known():
    """A press could not reach them either; nothing is open there for all that one knows."""
    unsent = (Unsent("no key", account=Account(7, "Seven", "arb")), Unsent("no number", row=a_bad_row(3)))
    found = of(Seen(Account(1)), unsent=unsent)
    told = [(one.account, one.group, one.why) for one in found.not_known]

    assert [(7, "arb", "no key"), (None, "", "no number")] == told
    assert (3, 10) == (found.accounts, found.exit_code)


def test_the_largest_and_the_oldest_are_named():
    """An option is for a hundred shares; what has no price is not the largest, what has no date not the oldest."""
    orders = [
        an_order("stock", limit_price="10", leaves_quantity="5", created_at="2026-03-01T00:00:00Z"),
        an_order("option", limit_price="1", leaves_quantity="5", instrument_type="OPTION"),
        an_order("market", leaves_quantity="900", created_at="2026-02-01T00:00:00.000000001Z"),
    ]
    found = of(Seen(Account(1), orders))

    assert ["option", "stock"] == [one.id for one in found.largest]
    assert ["market", "stock"] == [one.id for one in found.oldest]
    assert ["option", "stock", "market"] == [one.id for one in found.orders]


@pytest.mark.parametrize(
    ("dollars", "words"),
    [("0", "$0"), ("3400.4", "$3,400"), ("999999", "$999,999"), ("41230000", "$41.2 M"), ("2500000000", "$2.5 B")],
)
def test_money_is_said_as_people_say_it(dollars: str, words: str):
    """To the dollar below a million."""
    assert words == money(Decimal(dollars))
