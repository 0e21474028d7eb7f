"""What one look has found in an account so far."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

from panic.orders import Order


@dataclass(slots=True)
class Findings:
    """The orders that the pages of a look showed, and what else the next question depends on.

    Attributes:
        since: The moment from which the questions look back; no later than the broker's own time.
        matches: Whether an order is one this run is to cancel.
        named: Ids of the orders that answers of this run named and that were not yet seen ended.
        unmet: Instruments named by the filters for which no order was seen.
        size: About how many orders the account has, as an earlier look or this one found; 0 if nobody knows.
        miscounts: Whether the broker's counts did not add up, in an earlier look or in this one.
        every: Whether every open order is wanted, and not just whether there is one.
        is_counted: Whether what it shows rests on the broker's counts rather than on reading everything.
        told: The broker's counts of everything, as its pages told them.
        orders: All that were shown, by id.
        open: Those of them that this run is to cancel and that have not ended.
    """

    since: datetime
    matches: Callable[[Order], bool]
    named: frozenset[str] = frozenset()
    unmet: Collection[str] = ()
    size: int = 0
    miscounts: bool = False
    every: bool = False
    is_counted: bool = False
    told: set[int | None] = field(default_factory=set)
    orders: dict[str, Order] = field(default_factory=dict)
    open: dict[str, Order] = field(default_factory=dict)

    def see(self, order: Order) -> None:
        """Add an order that a page shows."""
        key = order.id or f"(nameless {len(self.orders)})"
        if key in self.open:  # shown twice: open wins, whichever came first
            return
        self.orders[key] = order
        if not order.is_ended and (order.id in self.named or self.matches(order)):
            self.open[key] = order

    @property
    def is_decided(self) -> bool:
        """Whether nothing needs to be asked any more: there is an open order, and that was the question."""
        return bool(self.open) and not self.every

    def unseen(self) -> list[str]:
        """Give the orders that were named and not shown."""
        return sorted(id_ for id_ in self.named if id_ not in self.orders)
