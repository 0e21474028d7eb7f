"""Paged lists: where the next page is, and whether the whole list came; nothing here makes requests.

What is missing or null in an answer's `metadata` may be missing. What is there and cannot be read may say that
there is more, so it is never taken for the last page. One reader of it serves lists of orders and of accounts.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from panic.orders import Order

PAGE_SIZE = 1000
"""The broker's largest page: fewest requests."""

MOST_PAGES = 1000
"""A million orders in one account; beyond it the broker is handing out page tokens without end."""

MOST_ORDERS = MOST_PAGES * PAGE_SIZE

_ROUND = ((10 * PAGE_SIZE, 100), (float("inf"), 10_000))
"""A count may be where the broker stopped counting, which is a round number: up to the first figure a multiple of
the second is not believed. Up to there everything is read instead; beyond, few honest counts are that round."""

FULL = "a full page, and nobody says whether more follow"
_HEEDLESS = "the broker does not heed the filter by status"

Parameters = tuple[tuple[str, str], ...]
"""Of one GET; the filters are repeated on every page."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, of orders or of anything else (which it then does not hold).

    Attributes:
        next_token: Token of the page after it, empty on the last.
        total: The broker's count of all items on all pages; None when it gives none.
    """

    orders: tuple[Order, ...] = ()
    next_token: str = ""
    total: int | None = None


def page_of(metadata: object, orders: tuple[Order, ...] = ()) -> Page:
    """Read an answer's `metadata`.

    Raises:
        ValueError: It cannot be read, or says that there are more pages and not how to ask for them.
    """
    if metadata is None:
        return Page(orders)
    if not isinstance(metadata, Mapping):
        raise ValueError("the metadata cannot be read")  # noqa: TRY004  (the broker's mistake, not a caller's)
    total = _count(metadata.get("total_items"))
    pages, number = _count(metadata.get("total_pages")), _count(metadata.get("page_number"))
    token = metadata.get("next_page_token")
    if token is not None and not isinstance(token, str):
        raise ValueError("the next page's token cannot be read")
    if not token and pages is not None and (number or 1) < pages:
        raise ValueError(f"there are {pages} pages, and nobody says how to ask for them")
    return Page(orders, token or "", total)


def _count(value: object) -> int | None:
    if value is None or type(value) is int:
        return value
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value, re.ASCII):
        return int(value)
    raise ValueError("a count cannot be read")


@dataclass(slots=True)
class Pages:
    """One question, and what its pages have shown so far.

    Attributes:
        size: How many orders are asked for on a page.
        most: The number of orders after which no more pages are asked for.
        only: The statuses that are asked for; empty for any.
        needed: Whether the look ends if the broker does not answer it.
        is_last: Whether the page read last says that there is none after it.
        is_cut: Whether more orders may follow: it says so, or it is full and says nothing.
        refused: Whether the broker rejects the question.
        wrong: Why this is not the whole answer, once no more will come; empty if it is.
    """

    parameters: Parameters
    size: int
    most: int
    only: Collection[str]
    needed: bool
    ids: set[str] = field(default_factory=set)
    nameless: int = 0
    tokens: set[str] = field(default_factory=set)
    totals: set[int | None] = field(default_factory=set)
    is_last: bool = False
    is_cut: bool = False
    refused: bool = False
    wrong: str = ""

    def take(self, page: Page) -> str:
        """Add a page; give the token of the next one to ask for, or nothing."""
        self.ids.update(order.id for order in page.orders if order.id)
        self.nameless += sum(not order.id for order in page.orders)
        self.totals.add(page.total)
        self.is_last = not page.next_token
        self.is_cut = not self.is_last or (not self.tokens and len(page.orders) >= self.size)
        if self.only and any(order.status not in self.only for order in page.orders):
            self.wrong = _HEEDLESS
        elif self.is_last:
            self.wrong = self._sum()
        elif page.next_token in self.tokens or len(self.tokens) + 1 >= MOST_PAGES:
            self.wrong = "the broker's pages have no end"
        elif self.shown >= self.most:
            self.wrong = f"over {self.shown:,} orders"
        self.tokens.add(page.next_token)
        return "" if self.wrong else page.next_token

    @property
    def shown(self) -> int:
        """How many orders it has shown."""
        return len(self.ids) + self.nameless

    @property
    def count(self) -> int | None:
        """The broker's own count of what was asked for; None where it is missing or cannot be right."""
        total = next(iter(self.totals)) if len(self.totals) == 1 and self.wrong != _HEEDLESS else None
        if total is None or (total != self.shown if self.is_last else total <= self.shown):
            return None
        return None if total > self.shown and _is_round(total) else total

    def _sum(self) -> str:
        total = next(iter(self.totals))
        if len(self.totals) > 1:
            return "the number of orders changed between pages"
        if self.tokens and (total is None or self.nameless):
            return "several pages, and no total or no ids to check them against"
        if total is not None and total != self.shown:
            return f"the broker counts {total} orders and shows {self.shown}"
        if self.is_cut and total is None:
            return FULL
        return ""


def _is_round(count: int) -> bool:
    return count % next(round_ for most, round_ in _ROUND if count <= most) == 0
