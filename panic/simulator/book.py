"""The orders of one account, their lives, and the truth about them."""

import heapq
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from hashlib import blake2b
from itertools import count

from panic.simulator.faults import Course, Fault

# The list of the specification of 2025-10-31, and what the broker's own SDK 0.11 added to it.
SPECIFIED = frozenset(
    {
        *("PENDING_NEW", "NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED", "EXPIRED"),
        *("PENDING_CANCEL", "PENDING_REPLACE", "REPLACED", "DONE_FOR_DAY", "STOPPED", "SUSPENDED"),
        *("CALCULATED", "OTHER"),
    }
)
STATUSES = SPECIFIED | {"QUEUED", "PENDING_TRIGGER"}
ENDED = frozenset({"FILLED", "CANCELED", "REJECTED", "EXPIRED"})
CHEAPER = Decimal("0.05")
"""Dollars a share by which what fills after the start is cheaper than an order's price."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SimOrder:
    """An order to put into a book."""

    symbol: str = "AAPL"  # empty for an order of several legs, which is shown without symbol and instrument
    side: str = "BUY"  # a side of an older release is shown as well
    order_type: str = "LIMIT"
    instrument_type: str = "COMMON_STOCK"
    quantity: int = 100
    filled: int = 0
    time_in_force: str = "DAY"
    status: str = "NEW"  # any text; one that nobody knows is open
    client_order_id: str = ""  # generated when empty
    age_s: float = 60.0  # how long before the simulator's start it was created
    overlooked: bool = False  # no DELETE names or cancels it; alone in its account it hides behind a 404


@dataclass(frozen=True, slots=True)
class SimAccount:
    """An account to simulate: its orders at the start and what goes wrong with it."""

    id: int
    name: str = ""
    orders: tuple[SimOrder, ...] = ()
    faults: tuple[Fault, ...] = ()
    status: str = "ACTIVE"


@dataclass(frozen=True, slots=True)
class Truth:
    """The true state of one account since the start, whatever was answered; orders by their ids."""

    account_id: int
    open: tuple[str, ...] = ()  # those that have not ended, PENDING_CANCEL included
    pending: tuple[str, ...] = ()  # those in PENDING_CANCEL
    canceled: tuple[str, ...] = ()
    filled: dict[str, int] = field(default_factory=dict)  # shares; only of orders with any
    prices: dict[str, Decimal] = field(default_factory=dict)  # dollars a share of these
    deletes: int = 0  # DELETEs that arrived for the account, refused ones included
    executed: int = 0  # DELETEs that reached the book, whether or not they found an order


@dataclass(frozen=True, slots=True)
class Clock:
    """The loop's clock, anchored once to the wall: a virtual loop then moves both."""

    time: Callable[[], float]
    started: float
    epoch_us: int

    def now(self) -> float:
        """Seconds since the start."""
        return self.time() - self.started

    def microseconds(self, at: float) -> int:
        """Whole microseconds since 1970 of a time since the start; exact, so that filters include it."""
        return self.epoch_us + round(at * 1_000_000)

    def moment(self, at: float) -> datetime:
        """The wall-clock time, in UTC, of a time since the start."""
        return _EPOCH + timedelta(microseconds=self.microseconds(at))

    def stamp(self, at: float) -> str:
        """The same as the broker writes it, with nine decimals."""
        return self.moment(at).isoformat(timespec="microseconds")[:26] + "000Z"


@dataclass(slots=True, eq=False)
class Order:
    """A live order. `ahead` is the course of the cancel that is under way, if one is."""

    id: str
    account_id: int
    seed: SimOrder
    client_order_id: str
    status: str
    filled: int
    created: float
    updated: float
    already_filled: int
    ahead: Course | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing can happen to it any more; a DAY order is over when its day is."""
        if self.status == "REPLACED":
            return self.seed.quantity == self.filled
        if self.status in {"DONE_FOR_DAY", "CALCULATED"}:
            return self.seed.time_in_force == "DAY"
        return self.status in ENDED

    @property
    def leaves(self) -> int:
        """Shares that may still fill."""
        return 0 if self.status in ENDED else self.seed.quantity - self.filled

    @property
    def price(self) -> Decimal:
        """What it waits for, dollars a share: about what one costs, and another price for each order."""
        return price_of(self.seed.symbol) + Decimal(int(self.id[:2], 16)) / 100

    @property
    def average(self) -> Decimal:
        """Dollars a share of its fills: those since the start were a little cheaper."""
        return self.price - CHEAPER * (self.filled - self.already_filled) / max(self.filled, 1)

    @property
    def cancellable(self) -> bool:
        """Whether a DELETE finds it; not while its cancel is under way, the harder case: it may still fill."""
        return not (self.ended or self.ahead or self.seed.overlooked)


@cache
def instrument_id(symbol: str) -> str:
    """The instrument's UUID, the same in every simulator."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, symbol.upper()))


@cache
def price_of(symbol: str) -> Decimal:
    """What a share costs, dollars, the same in every simulator; from 20 to 520."""
    cents = int.from_bytes(blake2b(symbol.encode(), digest_size=4).digest())
    return Decimal(2_000 + cents % 50_000) / 100


class Book:
    """One account's orders. What is due happens when somebody looks, so idle accounts cost nothing."""

    def __init__(self, account: SimAccount, clock: Clock, *, settle_s: float, seed: int) -> None:
        self.account = account
        self.orders: dict[str, Order] = {}
        self.deletes = 0
        self.executed = 0
        self._clock = clock
        self._seed = seed
        self._requotes = 0
        self._due: list[tuple[float, int, Callable[[float], object]]] = []
        self._turn = count()
        for seeded in account.orders:
            order = self._enter(seeded, -seeded.age_s)
            if order.status == "PENDING_CANCEL":
                self._ahead(order, Course(settle_s), settle_s)

    def settle(self) -> float:
        """Let everything that is due happen, in its order; returns the time since the start."""
        now = self._clock.now()
        while self._due and self._due[0][0] <= now:
            at, _, happen = heapq.heappop(self._due)
            happen(at)
        return now

    def cancel(self, matches: Callable[[Order], bool], course: Course) -> list[Order]:
        """Execute a DELETE: the orders that it found, already in the course's first status."""
        now = self.settle()
        if course.starts_in > 0:
            self._at(now + course.starts_in, partial(self._cancel, matches, course))
            return []
        return self._cancel(matches, course, now)

    def truth(self) -> Truth:
        """What is so now."""
        self.settle()
        orders = self.orders.values()
        fills = {order.id: order.filled - order.already_filled for order in orders}
        return Truth(
            account_id=self.account.id,
            open=_ids(order for order in orders if not order.ended),
            pending=_ids(order for order in orders if order.status == "PENDING_CANCEL"),
            canceled=_ids(o for o in orders if o.status == "CANCELED" and o.seed.status != "CANCELED"),
            filled={id_: shares for id_, shares in fills.items() if shares},
            prices={id_: self.orders[id_].price - CHEAPER for id_, shares in fills.items() if shares},
            deletes=self.deletes,
            executed=self.executed,
        )

    def _enter(self, seed: SimOrder, at: float) -> Order:
        id_ = self._id(f"{len(self.orders)}")
        client_id = seed.client_order_id or f"sim-{self.account.id}-{len(self.orders) + 1}"
        filled = seed.quantity if seed.status == "FILLED" else seed.filled
        order = Order(id_, self.account.id, seed, client_id, seed.status, filled, at, at, filled)
        self.orders[id_] = order
        return order

    def _id(self, name: str) -> str:
        # Not from a running generator: which account is asked first must not change anybody's ids.
        whole = f"{self._seed}/{self.account.id}/{name}".encode()
        return str(uuid.UUID(bytes=blake2b(whole, digest_size=16).digest(), version=4))

    def _cancel(self, matches: Callable[[Order], bool], course: Course, at: float) -> list[Order]:
        self.executed += 1
        found = [order for order in self.orders.values() if order.cancellable and matches(order)]
        for order in found:
            order.status, order.updated, order.ahead = course.first, at, None
            if course.settle_s is not None:
                self._ahead(order, course, at + course.settle_s)
        for delay, number in course.reappear:
            self._at(at + delay, partial(self._reappear, number))
        return found

    def _reappear(self, number: int, at: float) -> None:
        for _ in range(number):
            self._requotes += 1
            self._enter(SimOrder(client_order_id=f"requote-{self.account.id}-{self._requotes}"), at)

    def _ahead(self, order: Order, course: Course, at: float) -> None:
        order.ahead = course
        self._at(at, partial(self._advance, order, course))

    def _advance(self, order: Order, course: Course, at: float) -> None:
        if order.ahead is not course:  # a later DELETE has put it on another course
            return
        leaves = order.seed.quantity - order.filled
        order.filled += leaves if course.fill is None else min(course.fill, leaves)
        order.status = "FILLED" if order.filled == order.seed.quantity else course.last
        order.updated, order.ahead = at, None

    def _at(self, at: float, happen: Callable[[float], object]) -> None:
        heapq.heappush(self._due, (at, next(self._turn), happen))


def _ids(orders: Iterable[Order]) -> tuple[str, ...]:
    return tuple(order.id for order in orders)
