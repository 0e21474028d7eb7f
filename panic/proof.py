"""What reads prove about one account: pure, one `Look` at a time.

A look asks three questions, each of as many pages as it takes, and stops at the first that shows an open
order. Only a look that got a whole answer to all three proves "clear":

1. Is any order in a status known as open, looking back 400 days?
2. Is any order of the last 24 hours not ended? No status filter: it can hide nothing, not even a status
   that did not exist when the filter was written.
3. Is every order that any answer of this run named, and that was not yet seen ended, ended?

A look that broke off proves "open" if it saw an open order, and nothing if it saw none.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from panic.orders import OPEN_STATUSES, Order
from panic.outcomes import Standing

OPEN_LOOKBACK = timedelta(days=400)
"""Without `from` the broker's window is undocumented; 400 days is over the life of any good-till-cancel order."""

RECENT_LOOKBACK = timedelta(hours=24)
"""One whole session in any time zone, weekends apart, for orders in statuses nobody has heard of."""

PAGE_SIZE = 1000
"""The broker's largest page: fewest requests."""

NAMED_AT_ONCE = 50
"""Order ids in one request: 50 UUIDs make a URL of 2 kB, which every proxy passes."""

MOST_PAGES = 1000
"""A million orders in one account; beyond it the broker is handing out page tokens without end."""


@dataclass(frozen=True, slots=True)
class Query:
    """One GET of an account's orders: the parameters, with the page to go on from."""

    parameters: tuple[tuple[str, str], ...]
    page_token: str = ""

    def items(self) -> tuple[tuple[str, str], ...]:
        """Give every parameter of the request; the filters are repeated on every page."""
        return (*self.parameters, ("page_token", self.page_token)) if self.page_token else self.parameters


@dataclass(frozen=True, slots=True)
class Page:
    """What one valid answer to a `Query` showed.

    Attributes:
        next_token: Token of the page after it, empty on the last.
        total: The broker's count of all items on all pages; None when it gives none.
    """

    orders: tuple[Order, ...]
    next_token: str = ""
    total: int | None = None


@dataclass(slots=True, eq=False)
class Receipt:
    """How far an answer's connection is to be trusted; it may be revoked later.

    Attributes:
        fresh: It had carried nothing before.
        revoked: After the answer it brought something that nobody had asked for.
    """

    fresh: bool = False
    revoked: bool = False


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class _Pages:
    """The pages of one question so far, and whether they add up."""

    ids: set[str] = field(default_factory=set)
    nameless: int = 0
    tokens: set[str] = field(default_factory=set)
    totals: set[int | None] = field(default_factory=set)

    def take(self, page: Page) -> str:
        """Count a page in; give what is wrong, or nothing."""
        self.ids.update(order.id for order in page.orders if order.id)
        self.nameless += sum(not order.id for order in page.orders)
        self.totals.add(page.total)
        if page.next_token in self.tokens or len(self.tokens) >= MOST_PAGES:
            return "the broker's pages have no end"
        if page.next_token:
            self.tokens.add(page.next_token)
            return ""
        return self._sum()

    def _sum(self) -> str:
        shown = len(self.ids) + self.nameless
        if len(self.totals) > 1:
            return "the number of orders changed between pages"
        total = next(iter(self.totals))
        if self.tokens and (total is None or self.nameless):
            return "several pages, and no total or no ids to check them against"
        if total is not None and total != shown:
            return f"the broker counts {total} orders and shows {shown}"
        return ""


class Look:
    """One pass over the three questions, fed a page at a time.

    Args:
        began: Loop time at which the look began, seconds.
        now: The same moment on the wall clock, aware.
        since: The moment from which the questions look back, if not `now`: no later than the broker's own time.
        matches: Whether an order is one this run is to cancel.
        named: Ids of the orders that answers of this run named and that were not yet seen ended.
    """

    def __init__(
        self,
        *,
        began: float,
        now: datetime,
        since: datetime | None = None,
        matches: Callable[[Order], bool],
        named: Collection[str],
    ) -> None:
        self.began = began
        self.at = now
        self._since = since or now
        self.orders: dict[str, Order] = {}
        self.open: dict[str, Order] = {}
        self.broke_off = ""
        self.finished = False
        self._answered_whole = False
        self.receipts: list[Receipt] = []
        self._matches = matches
        self._named = frozenset(named)
        self._questions = self._ask()
        self._parameters: tuple[tuple[str, str], ...] = next(self._questions)
        self._pages = _Pages()
        self._token = ""

    def query(self) -> Query:
        """Give the request to make next; meaningless once the look has finished."""
        return Query(self._parameters, self._token)

    def take(self, page: Page, receipt: Receipt | None = None) -> None:
        """Take in the answer to `query`, and how far the connection it came over is to be trusted."""
        self.receipts.append(receipt or Receipt())
        for order in page.orders:
            self._see(order)
        self._token = page.next_token
        if wrong := self._pages.take(page):
            self.break_off(wrong)
        elif not self._token:
            self._go_on()

    def break_off(self, why: str) -> None:
        """End the look early: what it saw open stays seen, what it did not see proves nothing."""
        self.broke_off = why or "no valid answer"
        self.finished = True
        self._answered_whole = False

    @property
    def standing(self) -> Standing | None:
        """What the finished look proves; None when it proves nothing."""
        if self.open:
            pending_only = self._answered_whole and all(order.is_pending for order in self.open.values())
            return Standing.PENDING if pending_only else Standing.OPEN
        return Standing.CLEAR if self._answered_whole else None

    def _see(self, order: Order) -> None:
        key = order.id or f"(nameless {len(self.orders)})"
        if key in self.open:  # shown twice: open wins, whichever came first
            return
        self.orders[key] = order
        if not order.is_ended and (order.id in self._named or self._matches(order)):
            self.open[key] = order

    def _go_on(self) -> None:
        self._pages = _Pages()
        following = None if self.open else next(self._questions, None)
        if following is not None:
            self._parameters = following
        elif not self.broke_off:
            self.finished = self._answered_whole = True

    def _ask(self) -> Iterator[tuple[tuple[str, str], ...]]:
        size = ("page_size", str(PAGE_SIZE))
        since = ("from", _stamp(self._since - OPEN_LOOKBACK))
        yield (("status", ",".join(OPEN_STATUSES)), since, size)
        yield (("from", _stamp(self._since - RECENT_LOOKBACK)), size)
        missing = sorted(id_ for id_ in self._named if id_ not in self.orders)
        for start in range(0, len(missing), NAMED_AT_ONCE):
            yield (("order_ids", ",".join(missing[start : start + NAMED_AT_ONCE])), since, size)
        if unseen := [id_ for id_ in missing if id_ not in self.orders]:
            self.break_off(f"order {unseen[0]} was named by the broker and is not shown by it any more")
