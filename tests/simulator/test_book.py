"""The lives of orders, on a clock that is turned by hand, and what the truth says of them."""

from typing import Any

import pytest

from panic.simulator import Fault, SimAccount, SimOrder, Truth
from panic.simulator.book import Book, Clock, Order
from panic.simulator.faults import course_of

SETTLE_S = 2.0


class Hands:
    """A clock's hands."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class Trading:
    """One book and its clock."""

    def __init__(self, *orders: SimOrder) -> None:
        self.hands = Hands()
        clock = Clock(self.hands, self.hands.at, 1_761_918_000_000_000)
        self.book = Book(SimAccount(1, orders=orders), clock, settle_s=SETTLE_S, seed=0)

    def cancel(self, *faults: Fault) -> list[Order]:
        return self.book.cancel(lambda _: True, course_of(faults, SETTLE_S))

    def after(self, seconds: float) -> Truth:
        self.hands.at += seconds
        return self.book.truth()

    def statuses(self) -> list[str]:
        self.book.settle()
        return [order.status for order in self.book.orders.values()]


def test_a_cancel_takes_its_time():
    """Accepted is not cancelled: the orders stay open until the cancel settles."""
    trading = Trading(SimOrder(), SimOrder(filled=30, status="PARTIALLY_FILLED"))
    found = trading.cancel()

    early, late = trading.after(1.9), trading.after(0.2)

    assert 2 == len(found)
    assert early.open == early.pending == tuple(order.id for order in found)
    assert () == early.canceled
    assert () == late.open == late.pending
    assert early.open == late.canceled
    assert {} == late.filled


def test_orders_under_way_are_not_found_again():
    """A second DELETE finds nothing while the first one's orders are still pending."""
    trading = Trading(SimOrder())
    trading.cancel()

    assert [] == trading.cancel()
    assert 2 == trading.book.executed


@pytest.mark.parametrize(
    ("seed", "is_open"),
    [
        ({"status": "PENDING_NEW"}, True),
        ({"status": "NEW"}, True),
        ({"status": "PARTIALLY_FILLED", "filled": 1}, True),
        ({"status": "FILLED"}, False),
        ({"status": "CANCELED"}, False),
        ({"status": "REJECTED"}, False),
        ({"status": "EXPIRED"}, False),
        ({"status": "PENDING_REPLACE"}, True),
        ({"status": "REPLACED"}, True),
        ({"status": "REPLACED", "filled": 100}, False),
        ({"status": "DONE_FOR_DAY"}, False),
        ({"status": "DONE_FOR_DAY", "time_in_force": "GOOD_TILL_CANCEL"}, True),
        ({"status": "CALCULATED"}, False),
        ({"status": "CALCULATED", "time_in_force": "GOOD_TILL_DATE"}, True),
        ({"status": "STOPPED"}, True),
        ({"status": "SUSPENDED"}, True),
        ({"status": "OTHER"}, True),
        ({"status": "NEVER_HEARD_OF"}, True),
    ],
)
def test_what_is_open_can_be_cancelled(seed: dict[str, Any], is_open: bool):
    """A DELETE finds exactly the orders that have not ended."""
    trading = Trading(SimOrder(**seed))

    assert is_open == bool(trading.book.truth().open)
    assert is_open == bool(trading.cancel())


@pytest.mark.parametrize("status", ["PENDING_TRIGGER", "NEVER_HEARD_OF"])
def test_overlooked(status: str):
    """What no DELETE names is not cancelled by any, at any age, and stays open."""
    trading = Trading(SimOrder(status=status, age_s=399 * 86_400, overlooked=True), SimOrder())
    hidden, found = trading.book.orders

    assert [found] == [order.id for order in trading.cancel()]
    assert [] == trading.cancel()
    assert ((hidden,), (found,)) == (trading.after(SETTLE_S).open, trading.book.truth().canceled)


def test_seeded_as_pending():
    """An order that starts in PENDING_CANCEL is cancelled once the settling time is over."""
    trading = Trading(SimOrder(status="PENDING_CANCEL"))

    assert 1 == len(trading.after(1.0).pending)
    assert [] == trading.cancel()
    assert 1 == len(trading.after(1.0).canceled)


def test_seeded_as_ended():
    """What had ended before the start counts neither as cancelled nor as filled since."""
    truth = Trading(SimOrder(status="CANCELED"), SimOrder(status="FILLED")).book.truth()

    assert Truth(account_id=1) == truth


def test_stuck():
    """A stuck cancel stays pending for ever."""
    trading = Trading(SimOrder())
    trading.cancel(Fault("stuck"))

    assert 1 == len(trading.after(1e6).pending)


def test_stuck_until_asked_again():
    """A DELETE that is not stuck frees an order whose cancel was."""
    trading = Trading(SimOrder())
    trading.cancel(Fault("stuck"))
    trading.after(60)

    assert 1 == len(trading.cancel())
    assert 1 == len(trading.after(SETTLE_S).canceled)


def test_slow_settle():
    """A slow cancel takes the seconds that it says."""
    trading = Trading(SimOrder())
    trading.cancel(Fault("slow_settle", seconds=30))

    assert 1 == len(trading.after(29).pending)
    assert 1 == len(trading.after(1).canceled)


def test_fills():
    """The market is faster than the cancel: everything fills."""
    trading = Trading(SimOrder(filled=30, status="PARTIALLY_FILLED"))
    order = trading.cancel(Fault("fills"))[0]
    truth = trading.after(SETTLE_S)

    assert "FILLED" == order.status
    assert {order.id: 70} == truth.filled
    assert () == truth.canceled == truth.open


def test_part_fills():
    """Some shares fill before the rest is cancelled."""
    trading = Trading(SimOrder())
    order = trading.cancel(Fault("part_fills", count=25))[0]
    truth = trading.after(SETTLE_S)

    assert ("CANCELED", 25, 0) == (order.status, order.filled, order.leaves)
    assert {order.id: 25} == truth.filled
    assert [(order, 25, SETTLE_S)] == [(one.order, one.quantity, one.at) for one in trading.book.executions]


def test_part_fills_of_a_small_order():
    """Where no shares are left to cancel, the order is filled."""
    trading = Trading(SimOrder(quantity=10))
    order = trading.cancel(Fault("part_fills", count=25))[0]
    truth = trading.after(SETTLE_S)

    assert ("FILLED", 10) == (order.status, order.filled)
    assert {order.id: 10} == truth.filled


def test_replaced():
    """An order that turns REPLACED is still open and is cancelled under the same id."""
    trading = Trading(SimOrder())
    order = trading.cancel(Fault("replaced"))[0]
    early = trading.book.truth()

    assert ("REPLACED", 100) == (order.status, order.leaves)
    assert ((order.id,), ()) == (early.open, early.pending)
    assert (order.id,) == trading.after(SETTLE_S).canceled


def test_reappears():
    """An algorithm puts in new orders some time after each DELETE."""
    trading = Trading(SimOrder())
    trading.cancel(Fault("reappears", seconds=5, count=2))
    before, after = trading.after(4.9), trading.after(0.2)
    names = [order.client_order_id for order in trading.book.orders.values()]

    assert (0, 2) == (len(before.open), len(after.open))
    assert ["sim-1-1", "requote-1-1", "requote-1-2"] == names
    assert 2 == len(trading.cancel())


def test_executed_late():
    """What is due happens in its order, however late somebody looks: the requote came before the cancel."""
    trading = Trading(SimOrder())
    trading.cancel(Fault("reappears", seconds=1))
    trading.cancel(Fault("executed_late", seconds=3))
    truth = trading.after(100)

    assert 2 == len(truth.canceled)
    assert () == truth.open
    assert 2 == truth.executed


def test_added_later():
    """An order that is added while the house is open is born then, and may turn into another status."""
    trading = Trading()
    trading.after(7)
    order = trading.book.add(SimOrder(status="PENDING_NEW"), becomes="NEW", after=1)

    assert 7 == order.created
    assert ["PENDING_NEW"] == trading.statuses()
    trading.after(1)
    assert ["NEW"] == trading.statuses()


def test_cancelled_before_it_became_new():
    """A cancel outruns what was to become of an order."""
    trading = Trading()
    trading.book.add(SimOrder(status="PENDING_NEW"), becomes="NEW", after=1)
    trading.cancel()
    trading.after(1.5)

    assert ["PENDING_CANCEL"] == trading.statuses()


def test_ids_do_not_depend_on_who_is_asked_first():
    """The same seed, account and place make the same id."""
    ids = [Trading(SimOrder(), SimOrder()).book.truth().open for _ in range(2)]

    assert ids[0] == ids[1]
    assert 2 == len(set(ids[0]))


def test_stamp():
    """Nine decimals, exact to the microsecond."""
    clock = Clock(Hands(), 1000.0, 1_761_918_000_000_001)

    assert "2025-10-31T13:40:00.000001000Z" == clock.stamp(0.0)
    assert "2025-10-31T13:39:00.250001000Z" == clock.stamp(-59.75)
