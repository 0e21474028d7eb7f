"""Orders as the broker describes them, read tolerantly, and which of them are still open.

The API had eleven breaking changes in its first three months, so nothing here fails on a field that is
missing, null, of another type or new. What cannot be read counts as the dangerous thing: an unknown status
is open, and an order whose fields are missing matches every filter.
"""

import re
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import NamedTuple

ENDED_STATUSES = ("FILLED", "CANCELED", "REJECTED", "EXPIRED")
"""An order in one of these has ended for good: it keeps its status, or moves to another of them."""

_ENDED_FOR_A_DAY_ORDER = frozenset({"DONE_FOR_DAY", "CALCULATED"})

OPEN_STATUSES_BEFORE = (
    *("PENDING_NEW", "NEW", "PARTIALLY_FILLED", "PENDING_CANCEL", "PENDING_REPLACE", "REPLACED"),
    *("DONE_FOR_DAY", "STOPPED", "SUSPENDED", "CALCULATED", "OTHER"),
)
"""Every other status that the specification of 2025-10-31 knows."""

OPEN_STATUSES = (*OPEN_STATUSES_BEFORE, "QUEUED", "PENDING_TRIGGER")
"""Every status that is known now and can be an open order's. It saves work; it proves nothing, since the next
status is not on it."""

SIDES = ("BUY", "SELL")
"""What a cancel may be narrowed to. SELL includes short sales, which older releases called SELL_SHORT."""

TYPES = ("MARKET", "LIMIT", "STOP", "STOP_LIMIT", "TRAILING_STOP", "TRAILING_STOP_LIMIT", "OTHER")
SHARES_A_CONTRACT = 100
"""What one option contract of the exchanges is for; an adjusted one may differ."""

INSTRUMENT_TYPES = ("COMMON_STOCK", "INDEX", "OPTION", "CASH")


class Order(NamedTuple):
    """One order as an answer named it; what is missing or null is empty.

    A named tuple because thousands are made in the rush of a press, and a frozen dataclass takes thrice as long.
    """

    id: str = ""
    account_id: int | None = None
    client_order_id: str = ""
    symbol: str = ""
    side: str = ""
    type: str = ""
    instrument_type: str = ""
    instrument_id: str = ""
    time_in_force: str = ""
    status: str = ""
    filled_quantity: str = ""
    leaves_quantity: str = ""
    limit_price: str = ""
    stop_price: str = ""
    average_fill_price: str = ""
    created_at: str = ""

    @property
    def leaves(self) -> Decimal | None:
        """Quantity that can still fill, shares or contracts; None where it cannot be read."""
        return _number(self.leaves_quantity)

    @property
    def price(self) -> Decimal | None:
        """The price it waits for, its limit before its stop, in dollars a share; None where it has none."""
        limit = _number(self.limit_price)
        return _number(self.stop_price) if limit is None else limit

    @property
    def notional(self) -> Decimal | None:
        """What can still fill at its price, dollars; None where quantity or price is not known."""
        if self.leaves is None or self.price is None:
            return None
        return abs(self.leaves * self.price * self.multiplier)

    @property
    def multiplier(self) -> int:
        """How many shares its quantity counts by."""
        return SHARES_A_CONTRACT if self.is_option else 1

    @property
    def is_option(self) -> bool:
        """Whether it is counted in contracts."""
        return self.instrument_type == "OPTION" or bool(_OSI.fullmatch(_letters(self.symbol)))

    @property
    def outlives_the_day(self) -> bool:
        """Whether it would come back tomorrow if nobody cancelled it: good till cancel, or till a date."""
        return self.time_in_force in {"GOOD_TILL_CANCEL", "GOOD_TILL_DATE"}

    @property
    def is_on_close(self) -> bool:
        """Whether it takes part in the closing auction."""
        return self.time_in_force in {"AT_CLOSE", "AT_THE_CLOSE"}

    @property
    def filled(self) -> Decimal:
        """Cumulative filled quantity, shares or contracts; 0 when it cannot be read."""
        return _number(self.filled_quantity) or Decimal()

    def price_since(self, first: "Order") -> Decimal | None:
        """Average price of what filled since an earlier sight of it, dollars a share, to four decimals.

        It follows from both average prices; None where one is not known, or where they were rounded so much that
        it may be wrong by more than a hundredth.
        """
        filled, filled_first = _number(self.filled_quantity), _number(first.filled_quantity)
        average, average_first = _number(self.average_fill_price), _number(first.average_fill_price)
        if filled is None or average is None or filled_first is None or not filled > filled_first >= 0:
            return None
        if filled_first == 0:
            return a_price(average)
        if average_first is None:
            return None
        since = filled - filled_first
        price = (filled * average - filled_first * average_first) / since
        slack = (filled * _half_digit(average) + filled_first * _half_digit(average_first)) / since
        return a_price(price) if price * average > 0 and slack <= abs(price) / 100 else None

    def after(self, earlier: "Order") -> "Order":
        """Give it with what an earlier sight of it told and this one leaves out, of what stays as it is."""
        if self.limit_price and all(self[2:9]):
            return self
        known = {name: old for name in _LASTING if not getattr(self, name) and (old := getattr(earlier, name))}
        return self._replace(**known) if known else self

    @property
    def cancel_side(self) -> str:
        """Its side as a cancel names it; older releases show short sales as SELL_SHORT."""
        return "SELL" if self.side == "SELL_SHORT" else self.side

    @property
    def is_ended(self) -> bool:
        """Whether nothing of this order can trade any more."""
        if self.status in ENDED_STATUSES:
            return True
        if self.status == "REPLACED":  # a replaced order keeps its id here and may live on
            return _number(self.leaves_quantity) == 0
        return self.status in _ENDED_FOR_A_DAY_ORDER and self.time_in_force == "DAY"

    @property
    def is_pending(self) -> bool:
        """Whether the broker has accepted its cancel but not finished it."""
        return self.status == "PENDING_CANCEL"


_LASTING = (
    *("client_order_id", "symbol", "side", "type", "instrument_type", "instrument_id", "time_in_force"),
    *("limit_price", "stop_price", "created_at"),
)


def a_price(number: Decimal) -> Decimal | None:
    """Give a price to four decimals at most; None where it is none that anybody trades at."""
    return number.quantize(_FOUR_DECIMALS).normalize() if number.adjusted() < _MAGNITUDE_MOST else None


def _half_digit(average: Decimal) -> Decimal:
    """How much rounding may have changed an average: half its last digit, and half a cent at most."""
    exponent = average.as_tuple().exponent
    return Decimal((0, (5,), min(exponent if isinstance(exponent, int) else 0, -2) - 1))


def order(raw: object) -> Order:
    """Read one element of an answer's `data`; anything becomes an order, if need be a blank one."""
    if not isinstance(raw, dict):
        return Order()
    field = raw.get
    symbol = field("symbol")
    return Order(
        _text(field("id")),
        _whole(field("account_id")),
        _text(field("client_order_id")),
        symbol if isinstance(symbol, str) else "",  # a symbol that is a number is no symbol
        _text(field("side")),
        _text(field("order_type")),
        _text(field("instrument_type")),
        _text(field("instrument_id")),
        _text(field("time_in_force")),
        _text(field("status")),
        _text(field("filled_quantity")),
        _text(field("leaves_quantity")),
        _text(field("limit_price")),
        _text(field("stop_price")),
        _text(field("average_fill_price")),
        _text(field("created_at")),
    )


def _text(value: object) -> str:
    if type(value) is str:
        return value
    return str(value) if isinstance(value, (int, float)) else ""


def _whole(value: object) -> int | None:
    if type(value) is int:
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,19}\s*", value, re.ASCII):
        return int(value)
    return None


_DIGITS_MOST = 40
_FOUR_DECIMALS = Decimal("0.0001")
_MAGNITUDE_MOST = 18
"""No order is for more than 10^18 shares; a larger number is not added up."""


def _number(text: str) -> Decimal | None:
    return _parsed(text) if len(text) <= _DIGITS_MOST else None


@lru_cache(maxsize=4096)  # the orders of a report hold the same few numbers again and again
def _parsed(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and number.adjusted() <= _MAGNITUDE_MOST else None


@dataclass(frozen=True, slots=True)
class Filters:
    """The broker's own order filters of a cancel; empty means every order.

    The same filters are matched locally against what a read shows, because GET knows neither `side` nor
    `type`. With filters, "clear" means that no order which they name is open.
    """

    side: str = ""
    type: str = ""
    instrument_type: str = ""
    instrument_ids: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.side or self.type or self.instrument_type or self.instrument_ids)

    def query(self) -> dict[str, str]:
        """Give the query parameters of the DELETE."""
        parameters = {
            "side": self.side,
            "type": self.type,
            "instrument_type": self.instrument_type,
            "instrument_ids": ",".join(self.instrument_ids),
        }
        return {name: value for name, value in parameters.items() if value}

    def matches(self, order: Order) -> bool:
        """Tell whether an order may be one that the filters name. When in doubt, it is."""
        return (
            _may_equal(self.side, order.cancel_side, SIDES)
            and _may_equal(self.type, order.type, TYPES)
            and _may_equal(self.instrument_type, order.instrument_type, INSTRUMENT_TYPES)
            and (not self.instrument_ids or any(_may_name(wanted, order) for wanted in self.instrument_ids))
        )

    def unmet_by(self, order: Order) -> "Filters":
        """Give what is left to look for once an order was seen: the filters it does not match.

        Each instrument counts by itself, whatever else the order is; without any, the order must match all
        of the filters. Here a missing field matches nothing.
        """
        if self.instrument_ids:
            left = tuple(wanted for wanted in self.instrument_ids if not _surely_names(wanted, order))
            return replace(self, instrument_ids=left) if left else Filters()
        is_one = (
            self.side in {"", order.cancel_side}
            and self.type in {"", order.type}
            and self.instrument_type in {"", order.instrument_type}
        )
        return Filters() if is_one else self


def _may_equal(wanted: str, shown: str, known: tuple[str, ...]) -> bool:
    return not wanted or shown == wanted or shown not in known or shown == "OTHER"


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_OSI = re.compile(r"([A-Z0-9]+)[0-9]{6}[CP][0-9]{8}")
"""An option's symbol: its underlier, six digits of a date, call or put, eight digits of a price."""


def _may_name(wanted: str, order: Order) -> bool:
    if _UUID.fullmatch(wanted):
        return not order.instrument_id or order.instrument_id.lower() == wanted.lower()
    asked, shown = _letters(wanted), _letters(order.symbol)
    if not shown or shown == asked:
        return True
    if order.instrument_type in {"COMMON_STOCK", "INDEX", "CASH"}:
        return False
    # An option may be shown by its OSI symbol or by its underlier or class: one cannot be told from the other.
    return bool(_OSI.fullmatch(asked)) != bool(_OSI.fullmatch(shown))


def _surely_names(wanted: str, order: Order) -> bool:
    if _UUID.fullmatch(wanted):
        return order.instrument_id.lower() == wanted.lower()
    shown = _letters(order.symbol)
    option = _OSI.fullmatch(shown)
    return _letters(wanted) in {shown, option[1] if option else shown} and shown != ""


def _letters(symbol: str) -> str:
    """Normalise a symbol's spelling: BRK.B, BRK/B and BRK B are the same."""
    return "".join(c for c in symbol.upper() if c.isalnum())
