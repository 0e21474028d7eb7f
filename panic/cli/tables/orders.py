"""Open orders for people: how many first, then where nobody could look, then by desk, symbol and side."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from rich.console import RenderableType
from rich.table import Table

from panic.cli.tables.drawing import LISTED_MOST, Text, indented
from panic.kit.words import ago, money
from panic.report.headline import narrowing
from panic.report.open_orders import OpenOrder, OpenOrders, OrderSum

_SYMBOLS_MOST = 15


def table(found: OpenOrders) -> Iterable[RenderableType]:
    """Give what is open, where it could not be seen first."""
    style = "bold yellow" if found.not_known else "bold"
    yield Text(found.headline, style=style)
    yield Text(found.base_url, style="bold")
    scope = f"{found.scope}{narrowing(found.filters)}"
    yield Text(f"{scope} · read {found.at:%Y-%m-%d %H:%M:%S} UTC within {found.took_s:.1f} s")
    for one in found.not_known[:LISTED_MOST]:
        who = " ".join(str(word) for word in (one.account, one.name) if word)
        seen = f"; {one.orders:,} open orders were seen" if one.orders else ""
        yield Text(f"NOT KNOWN  {who}: {one.why}{seen}", style="bold yellow")
    if len(found.not_known) > LISTED_MOST:
        yield Text(f"and {len(found.not_known) - LISTED_MOST:,} more: --format json lists them all")
    if not found.orders:
        return
    yield from _sums("desk", found.groups, lambda one: one.group or "(no group)")
    yield from _sums("symbol and side", found.symbols, lambda one: f"{one.symbol or '(no symbol)'} {one.side}")
    yield from _orders("largest", found.largest, found.at)
    yield from _orders("oldest", found.oldest, found.at)


def _sums(title: str, sums: Sequence[OrderSum], name: Callable[[OrderSum], str]) -> Iterable[RenderableType]:
    yield Text()
    grid = _grid(title, "orders", "accounts", "notional", "GTC", "on close")
    for one in sums[:_SYMBOLS_MOST]:
        worth = money(one.notional) if one.priced else "-"
        counts = (one.orders, one.accounts, worth, one.outlive_the_day or "", one.on_close or "")
        grid.add_row(Text(name(one)), *(Text(f"{n:,}" if isinstance(n, int) else n) for n in counts))
    yield grid
    if len(sums) > _SYMBOLS_MOST:
        yield indented(f"and {len(sums) - _SYMBOLS_MOST:,} more: --format json has them all")


def _orders(title: str, orders: Sequence[OpenOrder], now: datetime) -> Iterable[RenderableType]:
    if not orders:
        return
    yield Text()
    grid = _grid(title, "quantity", "price", "notional", "entered", "", "account")
    for one in orders:
        numbers = ("" if n is None else f"{n:,f}" for n in (one.leaves, one.price))
        worth = "" if one.notional is None else money(one.notional)
        age = ago((now - one.created_at).total_seconds()) if one.created_at else ""
        mark = "GTC" if one.outlives_the_day else "on close" if one.on_close else ""
        cells = (f"{one.side} {one.symbol} {one.type}", *numbers, worth, age, mark, f"{one.account} {one.name}")
        grid.add_row(*map(Text, cells))
    yield grid


def _grid(title: str, *columns: str) -> Table:
    grid = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    grid.add_column(title, min_width=20)
    for name in columns:
        is_text = name in {"", "entered", "account"}
        grid.add_column(name, justify="left" if is_text else "right", no_wrap=True)
    return grid
