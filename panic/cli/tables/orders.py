"""Open orders for people: how many first, then where nobody could look, then by desk, symbol and side."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from rich.console import RenderableType
from rich.table import Table

from panic.cli.tables.drawing import LISTED_MOST, Text, indented, listed
from panic.kit.words import ago, money
from panic.report.headline import narrowing
from panic.report.open_orders import NotKnown, OpenOrder, OpenOrders, OrderSum

_Cell = TypeVar("_Cell")
_SYMBOLS_MOST = 15
_ALL_FROM, _NAMES_FROM = 72, 100
"""Columns of a terminal that show all of a table, and the names of accounts in it."""


def table(found: OpenOrders, width: int = 80) -> Iterable[RenderableType]:
    """Give what is open, where it could not be seen first; columns that `width` has no room for are left out."""
    style = "bold yellow" if found.not_known else "bold"
    yield Text(found.headline, style=style)
    yield Text(found.base_url, style="bold")
    scope = f"{found.scope}{narrowing(found.filters)}"
    yield Text(f"{scope} · read {found.at:%Y-%m-%d %H:%M:%S} UTC within {found.took_s:.1f} s")
    causes: dict[str, list[NotKnown]] = {}
    for one in found.not_known:
        causes.setdefault(one.why, []).append(one)
    for why, alike in list(causes.items())[:LISTED_MOST]:
        who = listed([" ".join(str(word) for word in (one.account, one.name) if word) for one in alike])
        orders = sum(one.orders for one in alike)
        seen = f"; {orders:,} open orders were seen" if orders else ""
        words = f"{who}: {why}{seen}" if len(alike) == 1 else f"{len(alike):,} accounts: {why}{seen}: {who}"
        yield Text(f"NOT KNOWN  {words}", style="bold yellow")
    if len(causes) > LISTED_MOST:
        yield Text(f"and {len(causes) - LISTED_MOST:,} causes more: --format json lists them all")
    if not found.orders:
        return
    yield from _sums("desk", found.groups, lambda one: one.group or "(no group)", width)
    yield from _sums(
        "symbol and side", found.symbols, lambda one: f"{one.symbol or '(no symbol)'} {one.side}", width
    )
    yield from _orders("largest", found.largest, found.at, width)
    yield from _orders("oldest", found.oldest, found.at, width)


def _sums(
    title: str, sums: Sequence[OrderSum], name: Callable[[OrderSum], str], width: int
) -> Iterable[RenderableType]:
    yield Text()
    grid = _grid(title, *_fitting(("orders", "notional", "accounts", "GTC", "on close"), width))
    for one in sums[:_SYMBOLS_MOST]:
        worth = money(one.notional) if one.priced else "-"
        counts = (one.orders, worth, one.accounts, one.outlive_the_day or "", one.on_close or "")
        cells = [Text(f"{n:,}" if isinstance(n, int) else n) for n in counts]
        grid.add_row(Text(name(one)), *_fitting(cells, width))
    yield grid
    if len(sums) > _SYMBOLS_MOST:
        yield indented(f"and {len(sums) - _SYMBOLS_MOST:,} more: --format json has them all")


def _orders(title: str, orders: Sequence[OpenOrder], now: datetime, width: int) -> Iterable[RenderableType]:
    if not orders:
        return
    yield Text()
    grid = _grid(title, *_fitting(("quantity", "account", "price", "notional", "entered", ""), width))
    for one in orders:
        worth = "" if one.notional is None else money(one.notional)
        age = ago((now - one.created_at).total_seconds()) if one.created_at else ""
        mark = "GTC" if one.outlives_the_day else "close" if one.on_close else ""
        quantity, price = ("" if n is None else f"{n:,f}" for n in (one.leaves, one.price))
        whose = f"{one.account} {one.name}" if width >= _NAMES_FROM else str(one.account)
        cells = _fitting((quantity, whose, price, worth, age, mark), width)
        grid.add_row(*map(Text, (f"{one.side} {one.symbol} {one.type}", *cells)))
    yield grid


def _fitting(cells: Sequence[_Cell], width: int) -> Sequence[_Cell]:
    """Give those that there is room for: on a small terminal the first two, which matter most."""
    return cells if width >= _ALL_FROM else cells[:2]


def _grid(title: str, *columns: str) -> Table:
    grid = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    grid.add_column(title, min_width=20)
    for name in columns:
        is_text = name in {"", "entered", "account"}
        grid.add_column(name, justify="left" if is_text else "right", no_wrap=True)
    return grid
