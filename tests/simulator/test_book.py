"""The lives of orders, on a clock that is turned by hand, and what the truth says of them."""

from typing import Any

import pytest

from panic.simulator import Fault, SimAccount, SimOrder, Truth
from panic.simulator.book import Book, Clock, Order
from panic.simulator.faults import course_of

SETTLE_S = 2.0


class Trading:
    """One book and its clock."""

    def __init__(self, *orders: SimOrder) -> None:
        self.at = 1000.0
        clock = Clock(lambda: self.at, self.at, 1_761_918_000_000_000)
        self.book = Book(SimAccount(1, orders=orders), clock, settle_s=SETTLE_S, seed=0)

    def cancel(self, *faults: Fault) -> list[Order]:
        return self.book.cancel(lambda _: True, course_of(faults, SETTLE_S))

    def after(self, seconds: float) -> Truth:
        self.at += seconds
        return self.book.truth()


def test_a_cancel_takes_its_time():
    """Accepted is not cancelled: open until it settles, and meanwhile a second DELETE finds nothing."""
    trading = Trading(SimOrder(), SimOrder(filled=30, status="PARTIALLY_FILLED"))
    found, again = trading.cancel(), trading.cancel()
    early, late = trading.after(1.9), trading.after(0.2)

    assert (2, [], 2) == (len(found), again, trading.book.executed)
    assert early.open == early.pending == late.canceled == tuple(order.id for order in found)
    assert () == early.canceled == late.open == late.pending
    assert {} == late.filled


OPEN: tuple[dict[str, Any], ...] = (
    *(
        {"status": status}
        for status in ("PENDING_NEW", "NEW", "PENDING_REPLACE", "REPLACED", "SUSPENDED", "UNHEARD_OF")
    ),
    {"status": "PARTIALLY_FILLED", "filled": 1},
    *({"status": status, "time_in_force": "GOOD_TILL_CANCEL"} for status in ("DONE_FOR_DAY", "CALCULATED")),
)
OVER: tuple[dict[str, Any], ...] = (
    *(
        {"status": status}
        for status in ("FILLED", "CANCELED", "REJECTED", "EXPIRED", "DONE_FOR_DAY", "CALCULATED")
    ),
    {"status": "REPLACED", "filled": 100},
)


@pytest.mark.parametrize("seed", [*OPEN, *OVER], ids=str)
def test_what_is_open_can_be_cancelled(seed: dict[str, Any]):
    """A DELETE finds exactly what has not ended; what had ended before the start counts for nothing."""
    trading, is_open = Trading(SimOrder(**seed)), seed in OPEN
    before = trading.book.truth()

    assert is_open == bool(before.open)
    assert is_open or before == Truth(account_id=1)
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


@pytest.mark.parametrize(
    ("fault", "first", "seconds", "last", "filled"),
    [
        (Fault("stuck"), "PENDING_CANCEL", 1e6, "PENDING_CANCEL", 0),
        (Fault("slow_settle", seconds=30), "PENDING_CANCEL", 29, "PENDING_CANCEL", 0),
        (Fault("slow_settle", seconds=30), "PENDING_CANCEL", 30, "CANCELED", 0),
        (Fault("fills"), "PENDING_CANCEL", SETTLE_S, "FILLED", 70),
        (Fault("part_fills", count=25), "PENDING_CANCEL", SETTLE_S, "CANCELED", 25),
        (Fault("part_fills", count=75), "PENDING_CANCEL", SETTLE_S, "FILLED", 70),
        (Fault("replaced"), "REPLACED", SETTLE_S, "CANCELED", 0),
    ],
)
def test_what_becomes_of_a_cancel(fault: Fault, first: str, seconds: float, last: str, filled: int):
    """At once and later, and how many shares of the 70 that were left filled meanwhile."""
    trading = Trading(SimOrder(filled=30, status="PARTIALLY_FILLED"))
    order = trading.cancel(fault)[0]
    early, status, truth = trading.book.truth(), order.status, trading.after(seconds)

    assert (first, (order.id,)) == (status, early.open)
    assert (last, {order.id: filled} if filled else {}) == (order.status, truth.filled)
    assert (last == "CANCELED", last == "PENDING_CANCEL") == (bool(truth.canceled), bool(truth.open))


def test_stuck_until_asked_again():
    """A DELETE that is not stuck frees an order whose cancel was."""
    trading = Trading(SimOrder())
    trading.cancel(Fault("stuck"))
    trading.after(60)

    assert 1 == len(trading.cancel())
    assert 1 == len(trading.after(SETTLE_S).canceled)


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

    assert ((), 2, 2) == (truth.open, len(truth.canceled), truth.executed)


def test_ids_do_not_depend_on_who_is_asked_first():
    """The same seed, account and place make the same id."""
    one, other = (Trading(SimOrder(), SimOrder()).book.truth().open for _ in range(2))

    assert one == other
    assert 2 == len(set(one))


def test_stamp():
    """Nine decimals, exact to the microsecond."""
    clock = Clock(lambda: 1000.0, 1000.0, 1_761_918_000_000_001)

    assert "2025-10-31T13:40:00.000001000Z" == clock.stamp(0.0)
    assert "2025-10-31T13:39:00.250001000Z" == clock.stamp(-59.75)
