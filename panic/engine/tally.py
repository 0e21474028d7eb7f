"""The orders that answers of a run named in one account: which have ended, what filled, and what is new."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from panic.broker.findings import Findings
from panic.kit.words import clip
from panic.orders import Filters, Order

_NOTHING = Decimal()  # one for all: most orders of a run do not fill


@dataclass(slots=True)
class Tracked:
    """An order that an answer of this run named: how filled it was at first, and how it was seen last."""

    first: Order
    last: Order
    seen_ended: bool = False

    @property
    def filled(self) -> Decimal:
        """Quantity filled since this run first saw the order."""
        if self.last.filled_quantity == self.first.filled_quantity:
            return _NOTHING
        return max(_NOTHING, self.last.filled - self.first.filled)

    @property
    def fill_price(self) -> Decimal | None:
        """Average price of that, dollars a share; None where the sights do not tell it."""
        return self.last.price_since(self.first) if self.filled else None


@dataclass(slots=True)
class Tally:
    """What is known of an account's orders.

    Attributes:
        unmet: The filters that no order seen so far matches.
        orders: By id; each has to be seen ended before the account is clear.
        nameless: Open ones without an id that the last look showed.
        accepted: Those whose cancel the broker has accepted.
        reappeared: Those that came after a look had seen everything.
        looks: How many looks have seen everything: orders that appear after one are new.
    """

    unmet: Filters = field(default_factory=Filters)
    orders: dict[str, Tracked] = field(default_factory=dict)
    nameless: tuple[Order, ...] = ()
    accepted: dict[str, None] = field(default_factory=dict)
    reappeared: dict[str, None] = field(default_factory=dict)
    looks: int = 0

    def name(self, orders: Iterable[Order]) -> None:
        """Remember orders that an answer named."""
        for order in orders:
            self._meet(order)
            if order.id and not order.is_ended:
                self.orders.setdefault(order.id, Tracked(order, order)).seen_ended = False

    def accept(self, orders: Collection[Order], filters: Filters) -> None:
        """Note the orders whose cancel was accepted."""
        self.accepted.update((order.id, None) for order in orders if order.id)
        if orders and len(filters.instrument_ids) <= 1:  # the broker itself says that they match
            self.unmet = Filters()

    def learn(self, found: Findings) -> None:
        """Bring the orders up to date with what a look has shown."""
        self.nameless = tuple(order for order in found.open.values() if not order.id)
        for id_, order in found.orders.items():
            self._meet(order)
            tracked = self.orders.get(id_)
            if tracked is not None:
                tracked.last = order.after(tracked.last)
                tracked.seen_ended = order.is_ended
            elif id_ in found.open and order.id:
                self.orders[id_] = Tracked(order, order)
                if self.looks:
                    self.reappeared[id_] = None

    def not_ended(self) -> list[str]:
        """Give the orders that were not yet seen ended."""
        return [id_ for id_, tracked in self.orders.items() if not tracked.seen_ended]

    def reappeared_prefix(self, scrub: Callable[[str], str] = str) -> str:
        """Give the common prefix of the client order ids of the orders that reappeared, scrubbed first."""
        names = [clip(scrub(self.orders[id_].last.client_order_id)) for id_ in self.reappeared]
        first, last = min(names, default=""), max(names, default="")
        return first[: next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]

    def _meet(self, order: Order) -> None:
        if self.unmet:
            self.unmet = self.unmet.unmet_by(order)
