"""What is open now, account by account, summed up: the dataclasses are the schema `panic-orders/1`. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal

from pydantic import TypeAdapter

from panic.accounts.plan import Plan
from panic.accounts.roster import Account
from panic.broker.outcomes import EXIT_CODES, Verdict
from panic.kit.words import counted, money
from panic.orders import Order
from panic.report.order_list import Scrub, readable

_SHOWN = 5
"""How many orders are named as the largest, and as the oldest."""

_LATEST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Seen:
    """The open orders that were seen in an account, and why there may be more; empty if there are not."""

    account: Account
    orders: Sequence[Order] = ()
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """One open order: `leaves` shares or contracts can still fill, at `price` dollars, for `notional` dollars.

    `type`, `status` and the like are the broker's words. What it does not tell is null, as a market order's price.
    """

    account: int
    name: str
    group: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    status: str
    leaves: Decimal | None
    price: Decimal | None
    notional: Decimal | None
    outlives_the_day: bool
    on_close: bool
    created_at: datetime | None
    instrument_type: str
    id: str
    client_order_id: str


@dataclass(frozen=True, slots=True)
class OrderSum:
    """Open orders counted together: all, those of a group, or those of a symbol and side.

    `notional` is in dollars, of the `priced` orders; `outlive_the_day` counts good-till-cancel and -date ones.
    """

    group: str
    symbol: str
    side: str
    orders: int
    accounts: int
    priced: int
    notional: Decimal
    outlive_the_day: int
    on_close: int


@dataclass(frozen=True, slots=True)
class NotKnown:
    """An account that was not read whole, and why; its id is null where the roster's row cannot be read."""

    account: int | None
    name: str
    group: str
    why: str
    orders: int


@dataclass(frozen=True, slots=True)
class OpenOrders:
    """Every open order of a scope. The sums leave out what was not seen in the accounts `not_known`.

    The largest sums and orders come first; `more` orders are not listed.
    """

    schema: Literal["panic-orders/1"]
    base_url: str
    scope: str
    filters: dict[str, str]
    at: datetime
    took_s: float
    exit_code: int
    headline: str
    accounts: int
    not_known: tuple[NotKnown, ...]
    total: OrderSum
    groups: tuple[OrderSum, ...]
    symbols: tuple[OrderSum, ...]
    largest: tuple[OpenOrder, ...]
    oldest: tuple[OpenOrder, ...]
    orders: tuple[OpenOrder, ...]
    more: int = 0

    @property
    def is_blind(self) -> bool:
        """Whether nothing is known: not one account could be read."""
        return len(self.not_known) == self.accounts and not self.total.orders

    def first(self, most: int) -> "OpenOrders":
        """Give it with only so many of the orders."""
        return replace(self, orders=self.orders[:most], more=max(len(self.orders) - most, 0))


_DOCUMENT: TypeAdapter[OpenOrders] = TypeAdapter(OpenOrders)


def to_json(found: OpenOrders) -> bytes:
    """Write it as JSON, indented, UTF-8."""
    return _DOCUMENT.dump_json(found, indent=2)


def fold(
    seen: Iterable[Seen],
    plan: Plan,
    *,
    base_url: str,
    at: datetime,
    took_s: float,
    scrub: Scrub = str,
) -> OpenOrders:
    """Sum up what was seen in the accounts of a plan; `scrub` takes secrets out of what the broker says."""
    seen = tuple(seen)
    orders = sorted((_told(one.account, order, scrub) for one in seen for order in one.orders), key=_largest_first)
    not_known = (*_unsent(plan), *_doubted(seen))
    total, accounts = _sum(orders), len(seen) + len(plan.unsent)
    oldest = sorted(orders, key=lambda one: one.created_at or _LATEST)[:_SHOWN]
    return OpenOrders(
        schema="panic-orders/1",
        base_url=base_url,
        scope=str(plan.scope),
        filters=plan.scope.filters.query(),
        at=at,
        took_s=round(took_s, 3),
        exit_code=EXIT_CODES[Verdict.UNVERIFIED] if not_known else 0,
        headline=_headline(total, accounts, len(not_known)),
        accounts=accounts,
        not_known=not_known,
        total=total,
        groups=_sums(orders, lambda one: (one.group, "", "")),
        symbols=_sums(orders, lambda one: ("", one.symbol, one.side)),
        largest=tuple(one for one in orders[:_SHOWN] if one.notional is not None),
        oldest=tuple(one for one in oldest if one.created_at is not None),
        orders=tuple(orders),
    )


def _told(account: Account, order: Order, scrub: Scrub) -> OpenOrder:
    order = readable(order, scrub)
    return OpenOrder(
        account=account.id,
        name=account.name,
        group=account.group,
        symbol=order.symbol,
        side=order.cancel_side,
        type=order.type,
        time_in_force=order.time_in_force,
        status=order.status,
        leaves=order.leaves,
        price=order.price,
        notional=order.notional,
        outlives_the_day=order.outlives_the_day,
        on_close=order.is_on_close,
        created_at=_moment(order.created_at),
        instrument_type=order.instrument_type,
        id=order.id,
        client_order_id=order.client_order_id,
    )


def _moment(stamp: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(stamp)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _largest_first(order: OpenOrder) -> tuple[bool, Decimal, int, str]:
    return order.notional is None, -(order.notional or Decimal()), order.account, order.id


def _sums(orders: Iterable[OpenOrder], key: Callable[[OpenOrder], tuple[str, str, str]]) -> tuple[OrderSum, ...]:
    """Sum up by group, symbol and side, as far as `key` tells them apart; the largest first."""
    together: dict[tuple[str, str, str], list[OpenOrder]] = {}
    for order in orders:
        together.setdefault(key(order), []).append(order)
    found = [_sum(some, *names) for names, some in together.items()]
    return tuple(sorted(found, key=lambda one: (-one.notional, -one.orders, one.group, one.symbol, one.side)))


def _sum(orders: Sequence[OpenOrder], group: str = "", symbol: str = "", side: str = "") -> OrderSum:
    prices = [order.notional for order in orders if order.notional is not None]
    return OrderSum(
        group,
        symbol,
        side,
        orders=len(orders),
        accounts=len({order.account for order in orders}),
        priced=len(prices),
        notional=sum(prices, Decimal()),
        outlive_the_day=sum(order.outlives_the_day for order in orders),
        on_close=sum(order.on_close for order in orders),
    )


def _unsent(plan: Plan) -> Iterable[NotKnown]:
    for one in plan.unsent:
        account = one.account or Account(0)
        id_ = one.row.id if one.row else account.id
        yield NotKnown(id_, account.name, account.group, one.why, 0)


def _doubted(seen: Iterable[Seen]) -> Iterable[NotKnown]:
    for one in seen:
        if one.doubt:
            account = one.account
            yield NotKnown(account.id, account.name, account.group, one.doubt, len(one.orders))


def _headline(total: OrderSum, accounts: int, not_known: int) -> str:
    """Say it in a line; a sum that may lack something never looks whole."""
    blind = f"{not_known:,} of {counted(accounts)} could not be read whole; " if not_known else ""
    if not total.orders:
        return f"{blind}no open order was seen" if blind else f"no open order in {counted(accounts)}"
    marks = [(total.outlive_the_day, "good-till-cancel"), (total.on_close, "on close")]
    marked = ", ".join(f"{count:,} {what}" for count, what in marks if count)
    where = f"in {total.accounts:,} of {counted(accounts)}{'; ' if marked else ''}{marked}"
    return f"{blind}{'at least ' if blind else ''}{counted(total.orders, 'open order')}{_worth(total)}, {where}"


def _worth(total: OrderSum) -> str:
    if not total.priced:
        return ", none with a known price"
    known = "" if total.priced == total.orders else f" (of {total.priced:,} with a known price)"
    return f", about {money(total.notional)}{known}"
