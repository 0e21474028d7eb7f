"""A broker's orders of one account, as a look may be shown them, with lies."""

from collections.abc import Callable
from dataclasses import dataclass, field

from panic.broker.findings import Findings
from panic.broker.outcomes import Standing
from panic.broker.pages import PAGE_SIZE, Page
from panic.broker.proof import Look
from panic.broker.questions import FIRST_PAGE
from panic.orders import Filters, Order
from tests.kit.builders import STALE, an_order, wall

SINCE = "2025-01-26T00:00:07Z"
"""400 days before 7 s of loop time."""


def a_look(
    *named: str,
    filters: Filters | None = None,
    unmet: tuple[str, ...] = (),
    size: int = 0,
    miscounts: bool = False,
    every: bool = False,
) -> Look:
    """A look that begins at 7 s of loop time."""
    matches = (filters or Filters()).matches
    found = Findings(wall(7.0), matches, frozenset(named), unmet, size, miscounts, every)
    return Look(found, began=7.0, now=wall(7.0))


def asked(look: Look) -> dict[str, str]:
    """The parameters of the request to make next."""
    items = look.query()
    assert len(items) == len(dict(items))
    return dict(items)


def after(look: Look, *pages: Page) -> Standing | None:
    """What a look proves after these pages, which must be all it needs."""
    for page in pages:
        assert not look.finished
        look.take(page, STALE)

    assert look.finished
    return look.standing


@dataclass
class Shelf:
    """A broker's orders of one account, how it lists them, and which lies it tells of them.

    The order called "new" comes after the look began; those called "id-…" are of its day; all others are older.

    Attributes:
        before: Called with how many requests were made, before each is answered: orders come and go.
        page_most: The most orders on a page, whatever is asked for.
        counts: What it makes of the true count; given that, what it shows, and the count without a filter.
        tokens: Whether it says where a list goes on.
        heeds: Whether it filters by status.
        refuses: Statuses it answers 400 to.
    """

    orders: dict[str, Order]
    before: Callable[[int], object] = lambda _: None
    page_most: int = 1000
    counts: Callable[[int, int, int], int | None] = lambda total, _shown, _all: total
    tokens: bool = True
    heeds: bool = True
    refuses: frozenset[str] = frozenset()
    requests: list[dict[str, str]] = field(default_factory=list)

    def show(self, look: Look) -> Look:
        """Answer a look until it has finished."""
        while not look.finished:
            self.before(len(self.requests))
            query = asked(look)
            self.requests.append(query)
            if self.refuses & set(query.get("status", "").split(",")):
                look.refuse("HTTP 400")
            else:
                look.take(self._page(query), STALE)
            assert len(self.requests) < 2000
        return look

    def _page(self, query: dict[str, str]) -> Page:
        statuses = query["status"].split(",") if "status" in query and self.heeds else None
        ids = query["order_ids"].split(",") if "order_ids" in query else None
        found = [
            order
            for order in self.orders.values()
            if (statuses is None or order.status in statuses) and (ids is None or order.id in ids)
            if _came(order) >= query["from"] and _came(order) <= query.get("to", "9")
        ]
        start, size = int(query.get("page_token", "0")), min(int(query["page_size"]), self.page_most)
        shown = found[start : start + size]
        token = str(start + size) if self.tokens and start + size < len(found) else ""
        return Page(tuple(shown), token, self.counts(len(found), len(shown), len(self.orders)))


def _came(order: Order) -> str:
    """When it came: while the look went on, an hour before it, or a month."""
    return (
        "2026-03-02T01" if order.id == "new" else "2026-03-01T23" if order.id.startswith("id-") else "2026-02-02"
    )


def a_shelf(ended: int, *others: Order, **fields: object) -> Shelf:
    """So many orders that were cancelled, and then some others."""
    orders = [an_order(f"old-{n:05}", "CANCELED") for n in range(ended)] + list(others)
    return Shelf({order.id: order for order in orders}, **fields)  # type: ignore[arg-type]


HIDDEN = an_order("hidden", "AWAITING_MOONRISE", time_in_force="GOOD_TILL_CANCEL")
"""Open, in a status that nobody has heard of."""


BUSY = FIRST_PAGE + 60
"""More orders than the first page holds, and fewer than the largest."""


LARGE = PAGE_SIZE + 60
"""More than any page holds."""


SIZES = (0, BUSY, LARGE)
"""What an earlier look may have found."""


LIES: dict[str, Callable[[int, int, int], int | None]] = {
    "missing": lambda *_: None,
    "of the page": lambda _, shown, __: shown,
    "unfiltered": lambda _, __, all_: all_,
    "capped at 100": lambda total, *_: min(total, 100),
    "capped at 130": lambda total, *_: min(total, 130),
    "capped at 1,000": lambda total, *_: min(total, 1000),
    "capped at 10,000": lambda total, *_: min(total, 10_000),
    "nothing": lambda *_: 0,
    "one too many": lambda total, *_: total + 1,
    "one too few": lambda total, *_: max(total - 1, 0),
}
