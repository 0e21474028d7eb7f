"""The orders that a report tells of: one by one, what filled of them, and those still open. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

from panic.engine.tally import Tally, Tracked
from panic.kit.words import clip, counted, money
from panic.orders import Order, a_price

NAMING: Final = " Not seen ended: "
"""What comes before the orders that an account's next step names."""

_TEXT_MOST = 100

_SHOWN: Final = (
    *("id", "client_order_id", "symbol", "side"),
    *("type", "instrument_type", "time_in_force", "status"),
)
"""The texts of an order."""

Scrub = Callable[[str], str]
"""Takes secrets out of foreign words."""


@dataclass(frozen=True, slots=True)
class OrderReport:
    """One order as it was seen last; a text that is missing is empty, a number that cannot be read null.

    Attributes:
        leaves: Quantity that can still fill, shares or contracts.
        price: Its limit, else its stop, dollars a share.
        notional: What can still fill at that price, dollars; null once the order has ended.
        open: Whether nobody has seen it ended.
        accepted: Whether the broker accepted its cancel; if not, no answer to a cancel of the run named it.
        reappeared: Whether it came after a look that had seen everything.
        filled: Quantity that filled between this run's first and last sight of it.
        fill_price: The average price of that, dollars a share; null where the sights do not tell it.
        fill_notional: Both multiplied, dollars.
    """

    id: str
    client_order_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    status: str
    leaves: Decimal | None
    price: Decimal | None
    notional: Decimal | None
    open: bool
    accepted: bool = False
    reappeared: bool = False
    filled: Decimal = Decimal()
    fill_price: Decimal | None = None
    fill_notional: Decimal | None = None

    @property
    def words(self) -> str:
        """What it still asks for: "SELL 300 AAPL at 150.00"; where hardly anything is known, which one it is."""
        if not self.side and not self.symbol:
            return f"order {self.id or self.client_order_id or 'without an id'}"
        quantity = "?" if self.leaves is None else f"{self.leaves:,f}"
        price = f"at {self.price:,f}" if self.price is not None else self.type.lower().replace("_", " ")
        return " ".join(part for part in (self.side, quantity, self.symbol, price) if part)


@dataclass(frozen=True, slots=True)
class StillOpen:
    """Orders that nobody has seen ended, in accounts that are not clear.

    `notional` is what can still fill at their prices, dollars, of all but the `unpriced` ones, whose price or
    quantity is not known. `unread_accounts` may hold more: nobody has read them whole since their last cancel.
    """

    orders: int = 0
    notional: Decimal = Decimal()
    unpriced: int = 0
    unread_accounts: int = 0

    def __str__(self) -> str:
        """Say it in words; "" where no order is known."""
        if not self.orders:
            return ""
        seen = "not seen ended" if self.unread_accounts else "open"
        words = f"{counted(self.orders, 'order')} {seen}"
        if self.unpriced < self.orders:
            words += f", about {money(self.notional)}"
            words += f" and {self.unpriced:,} without a price" if self.unpriced else ""
        if self.unread_accounts:
            words += f"; {counted(self.unread_accounts)} unread"
        return words


NOTHING_OPEN = StillOpen()


@dataclass(frozen=True, slots=True)
class Fill:
    """Quantity that filled between this run's first and last sight of the orders, by symbol and side.

    `price` is the average, dollars a share, and `notional` the sum, dollars, of all but the quantity `unpriced`,
    whose price is not known; null where none is.
    """

    symbol: str
    side: str
    quantity: Decimal
    price: Decimal | None = None
    notional: Decimal | None = None
    unpriced: Decimal = Decimal()

    @property
    def words(self) -> str:
        """Say it: "SELL 300 AAPL at 150.02"."""
        price = "" if self.price is None else f"at {self.price:,f}"
        unpriced = f"({self.unpriced:,f} of it at a price not known)" if price and self.unpriced else ""
        return " ".join(part for part in (self.side, f"{self.quantity:,f}", self.symbol, price, unpriced) if part)


def orders_of(tally: Tally, scrub: Scrub) -> tuple[OrderReport, ...]:
    """Tell of every order that an answer of the run named in an account."""
    named = (
        _told(one, scrub, accepted=id_ in tally.accepted, reappeared=id_ in tally.reappeared)
        for id_, one in tally.orders.items()
    )
    nameless = (_told(Tracked(one, one), scrub, accepted=False, reappeared=False) for one in tally.nameless)
    return (*named, *nameless)


def _told(one: Tracked, scrub: Scrub, *, accepted: bool, reappeared: bool) -> OrderReport:
    last, filled, price = readable(one.last, scrub), one.filled, one.fill_price
    return OrderReport(
        id=last.id,
        client_order_id=last.client_order_id,
        symbol=last.symbol,
        side=last.side,
        type=last.type,
        time_in_force=last.time_in_force,
        status=last.status,
        leaves=last.leaves,
        price=last.price,
        notional=None if one.seen_ended else last.notional,
        open=not one.seen_ended,
        accepted=accepted,
        reappeared=reappeared,
        filled=filled,
        fill_price=price,
        fill_notional=None if price is None else filled * price * last.multiplier,
    )


_shown = attrgetter(*_SHOWN)


def readable(order: Order, scrub: Scrub) -> Order:
    """Make what the broker says of an order fit to show; nearly all is already, which one look at it tells."""
    texts: tuple[str, ...] = _shown(order)
    together = " ".join(texts)
    if max(map(len, texts)) <= _TEXT_MOST and together.isprintable() and scrub(together) == together:
        return order
    fit: dict[str, Any] = {name: clip(scrub(text), _TEXT_MOST) for name, text in zip(_SHOWN, texts, strict=True)}
    return order._replace(**fit)


def largest_open(orders: Iterable[OrderReport]) -> list[OrderReport]:
    """Give those not seen ended, those that can cost most first; where that is not known, before all."""
    found = [order for order in orders if order.open]
    return sorted(found, key=lambda order: (order.notional is not None, -(order.notional or 0)))


def fills_of(orders: Iterable[OrderReport]) -> tuple[Fill, ...]:
    """Add up what filled, by symbol and side."""
    filled: dict[tuple[str, str], list[OrderReport]] = {}
    for order in orders:
        if order.filled:
            filled.setdefault((order.symbol, order.side), []).append(order)
    return tuple(_fill(symbol, side, found) for (symbol, side), found in sorted(filled.items()))


def _fill(symbol: str, side: str, orders: list[OrderReport]) -> Fill:
    quantity = sum((order.filled for order in orders), Decimal())
    priced = sum((order.filled for order in orders if order.fill_price is not None), Decimal())
    if not priced:
        return Fill(symbol, side, quantity, unpriced=quantity)
    paid = sum((order.filled * (order.fill_price or 0) for order in orders), Decimal())
    notional = sum((order.fill_notional or Decimal() for order in orders), Decimal())
    return Fill(symbol, side, quantity, a_price(paid / priced), notional, quantity - priced)


def still_open(accounts: Iterable[tuple[Sequence[OrderReport], bool]]) -> StillOpen:
    """Add up what is open in accounts that are not clear: their orders, and whether they were read."""
    accounts = list(accounts)
    found = [order for orders, _ in accounts for order in orders if order.open]
    return StillOpen(
        orders=len(found),
        notional=sum((order.notional or Decimal() for order in found), Decimal()),
        unpriced=sum(order.notional is None for order in found),
        unread_accounts=sum(not is_read for _, is_read in accounts),
    )
