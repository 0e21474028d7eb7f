"""What reads prove about one account: pure, one `Look` at a time.

"Clear" means that every order in the account, in the 400 days that a look goes back, has an ended status; an
unknown status counts as open. A list of open statuses cannot prove that: the next one will not be on it. So:

1. One page of everything, whatever its status. A quiet account fits on it, and that page is the proof.
   A busier one gets a larger page.
2. An account with more orders than that is counted: the ended ones first, then everything. What has ended
   stays ended, so if both numbers are the same, nothing that is not ended can be among the rest. Orders on the
   list of known statuses are looked at one by one between the two counts, and count as what they are.
3. If the counts are missing, contradict what is shown or do not add up, everything is read, page by page.
4. Every order that any answer of this run named, and that was not yet seen ended, is asked for by its id.

A look ends at the first question that shows an open order. One that broke off proves "open" if it saw an open
order, and nothing if it saw none.
"""

from collections.abc import Callable, Collection, Generator
from datetime import datetime, timedelta

from panic.broker.answers import Answer, Receipt
from panic.broker.outcomes import TRY_AGAIN, Body, Outcome, Standing
from panic.broker.pages import FULL, MOST_ORDERS, PAGE_SIZE, Page, Pages, Parameters
from panic.orders import ENDED_STATUSES, OPEN_STATUSES, OPEN_STATUSES_BEFORE, Order

LOOKBACK = timedelta(days=400)
"""Without `from` the broker's window is undocumented; 400 days is over the life of any good-till-cancel order."""

FIRST_PAGE = 100
"""Orders on the page that proves a quiet account: 70 kB, which thousands of accounts may send at once."""

MOST_READ = 10_000
"""The most orders to read one by one. More would take too long and prove no more."""

_OFTEN_CUT_TO = 50
"""Pages are cut to this, or to a multiple of it, by brokers that do not heed `page_size`."""

_UNCOUNTABLE = "the broker's counts are missing or cannot be right"

NAMED_AT_ONCE = 50
"""Order ids in one request: 50 UUIDs make a URL of 2 kB, which every proxy passes."""

NAMED_MANY = 500
"""Above this many named orders, look among those of the last day first: a page shows a thousand."""

RECENT = timedelta(hours=24)

_MORE_TRIES_A_PAGE = 2
"""A page that failed is asked for twice more before the look is given up: accounts with many pages need it."""

_LOCKED_OUT = frozenset({Outcome.UNAUTHENTICATED, Outcome.FORBIDDEN})
"""A key that may not read is not asked another way."""


def since(now: datetime, back: timedelta = LOOKBACK) -> tuple[str, str]:
    """Give the parameter that looks back from a moment."""
    return ("from", _stamp(now - back))


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


_Course = Generator[Pages, Pages, str]
"""Asks questions, and returns why the answers prove nothing, or "" if they do prove something."""


class Look:
    """One pass over the questions, fed a page at a time.

    Args:
        began: Loop time at which the look began, seconds; `now` on the wall clock.
        since: The moment from which the questions look back, if not `now`; no later than the broker's own time.
        matches: Whether an order is one this run is to cancel.
        named: Ids of the orders that answers of this run named and that were not yet seen ended.
        size: About how many orders an earlier look found in the account; 0 if there was none.
        miscounts: Whether the broker's counts did not add up in an earlier look.
        unmet: Instruments named by the filters for which no order was seen.

    Attributes:
        is_counted: Whether what it shows rests on the broker's counts rather than on reading everything.
    """

    def __init__(
        self,
        *,
        began: float,
        now: datetime,
        since: datetime | None = None,
        matches: Callable[[Order], bool],
        named: Collection[str],
        size: int = 0,
        miscounts: bool = False,
        unmet: Collection[str] = (),
    ) -> None:
        self.began = began
        self.at = now
        self.since = since or now
        self.size, self.miscounts = size, miscounts
        self._unmet = unmet
        self._told: set[int | None] = set()
        self.is_counted = False
        self.orders: dict[str, Order] = {}
        self.open: dict[str, Order] = {}
        self.broke_off = ""
        self.finished = False
        self._answered_whole = False
        self._failures = 0
        self.receipts: list[Receipt] = []
        self._matches = matches
        self._named = frozenset(named)
        self._token = ""
        self._course = self._ask()
        self._answers = next(self._course)

    def query(self) -> Parameters:
        """Give the parameters of the GET to make next; meaningless once the look has finished."""
        token = (("page_token", self._token),) if self._token else ()
        return (*self._answers.parameters, *token)

    def hear(self, answer: Answer) -> bool:
        """Take in an answer to `query`; tell whether it is to be asked again after a wait."""
        if answer.page is not None:
            self._failures = 0
            self.take(answer.page, answer.receipt)
            return False
        self._failures += not answer.is_limited  # being told to wait is no failure
        why = answer.error or f"HTTP {answer.evidence.status} without a list of orders"
        is_over = answer.outcome in _LOCKED_OUT or answer.evidence.body is Body.FOREIGN
        if not is_over and answer.outcome in TRY_AGAIN and self._failures <= _MORE_TRIES_A_PAGE:
            return True
        if is_over or not answer.is_answered:
            self.break_off(why)
        else:
            self._failures = 0
            self.refuse(why)
        return False

    def take(self, page: Page, receipt: Receipt | None = None) -> None:
        """Process the answer to `query`, and how far the connection it came over is to be trusted."""
        self.receipts.append(receipt or Receipt())
        if self.finished:
            return
        for order in page.orders:
            self._see(order)
        self._token = self._answers.take(page)
        if not self._token:
            self._go_on()

    def refuse(self, why: str) -> None:
        """Continue without an answer that the broker refuses, if the look does not need it."""
        if self._answers.needed:
            self.break_off(why)
            return
        self._answers.refused, self._answers.wrong = True, why or "the broker refuses the question"
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
        try:
            self._answers, self._token = self._course.send(self._answers), ""
        except StopIteration as end:
            if end.value:
                self.break_off(end.value)
            else:
                self.finished = self._answered_whole = True

    # ── the questions ───────────────────────────────────────────────────────────────────────────────────

    def _ask(self) -> _Course:
        others, least = None, 0
        if self.size:  # while something is open, the list of it is shorter than a page of everything
            others = yield from self._list()
            if self.open:
                return others.wrong
        for size in (FIRST_PAGE, PAGE_SIZE):
            if self.size <= size:
                found = yield self._question(size=size, most=1, needed=size == FIRST_PAGE)
                is_whole = not found.is_cut or (size == FIRST_PAGE and found.is_last and found.count is not None)
                if is_whole and not found.refused:
                    return found.wrong or (yield from self._bear_out(found, others))
                self._told |= found.totals
                self.size = least = max(found.count or 0, found.shown + 1, size + 1 if found.refused else 0)
        others = others or (yield from self._list())
        wrong = yield from self._ask_named()
        if self.open or wrong:
            return wrong or others.wrong
        why = others.wrong or (yield from self._count(others, least))
        if why:
            return (yield from self._read_everything(why, others))
        return (yield from self._look_for_instruments())

    def _bear_out(self, found: Pages, others: Pages | None) -> _Course:
        """Do not rely on one page alone if the broker may have cut it: ask for what is open as well.

        That applies to pages without a count, and to those as long as pages are often cut to, unless
        an earlier page has counted that many.
        """
        is_cut = found.shown and found.shown % _OFTEN_CUT_TO == 0 and found.shown not in self._told
        is_odd = found.totals == {None} or is_cut
        if is_odd and others is None and not self.open:
            others = yield from self._list()
            if self.open:
                return others.wrong
        return (yield from self._ask_named())

    def _list(self, *window: tuple[str, str]) -> Generator[Pages, Pages, Pages]:
        """Ask for the orders in a status that is known and does not end an order for good."""
        for statuses in (OPEN_STATUSES, OPEN_STATUSES_BEFORE):  # an older server refuses words it does not know
            found = yield self._question(*window, only=statuses, needed=False)
            if not found.refused:
                break
        return found

    def _count(self, others: Pages, least: int) -> _Course:
        """Compare the number of ended orders, plus those listed, with the number of all orders.

        If orders came in between, repeat it for only those that existed when the look began; the others are
        then looked at one by one.
        """
        if self.miscounts or others.count is None:  # an empty list must say 0, or nobody knows that filters count
            return _UNCOUNTABLE
        ended = everything = 0
        begun = ("to", _stamp(self.since))
        for window in ((), (begun,)):
            ends = yield self._question(*window, only=ENDED_STATUSES, size=1, most=1, needed=False)
            before = others
            if window or others.shown:  # one that ends after it was listed would count twice
                others = yield from self._list(*window)
                if self.open or others.wrong:
                    return others.wrong
            all_ = yield self._question(*window, size=1, most=1)
            if ends.count is None or all_.count is None or all_.count < max(least, PAGE_SIZE):
                return _UNCOUNTABLE  # fewer than a page holds, and it did not hold them
            ended, everything = ends.count, all_.count
            if ended + len(before.ids & others.ids) == everything:
                self.is_counted, self.size = True, everything
                return (yield from self._look_at_newer()) if window else ""
            least = 0
        self.size, self.miscounts = everything, before.ids == others.ids
        return (
            f"the broker counts {everything:,} orders, {ended:,} of them ended, and lists {others.shown:,} others"
        )

    def _look_at_newer(self) -> _Course:
        newer = yield self._question(back=timedelta())
        return newer.wrong

    def _read_everything(self, why: str, others: Pages) -> _Course:
        """Read every order if counting proves nothing, unless there are too many."""
        if self.open or self.size > MOST_READ:
            return why
        found = yield self._question(size=PAGE_SIZE - 1, most=MOST_READ)  # a thousand orders must not fill a page
        if found.is_cut:
            self.size = max(self.size, found.shown + 1)
            return f"{why}; {found.wrong or FULL}"
        return f"{why}; {found.wrong}" if found.wrong else (yield from self._bear_out(found, others))

    def _look_for_instruments(self) -> _Course:
        """Ask whether the account ever had an order in the instruments not seen so far: they may be misspelt."""
        if self._unmet:
            yield self._question(("instrument_ids", ",".join(self._unmet)), size=1, most=1, needed=False)
        return ""

    def _ask_named(self) -> _Course:
        """Ask for the orders that were named but not yet shown, unless an open order has been seen already."""
        if self.open:
            return ""
        if len(self._unseen()) > NAMED_MANY:  # most are of today: one page shows a thousand
            yield self._question(back=RECENT)
        missing = self._unseen()
        for start in range(0, len(missing), NAMED_AT_ONCE):
            found = yield self._question(("order_ids", ",".join(missing[start : start + NAMED_AT_ONCE])))
            if found.wrong or self.open:
                return found.wrong
        missing = self._unseen()
        return f"order {missing[0]} was named by the broker and is not shown by it any more" if missing else ""

    def _unseen(self) -> list[str]:
        return sorted(id_ for id_ in self._named if id_ not in self.orders)

    def _question(
        self,
        *parameters: tuple[str, str],
        size: int = PAGE_SIZE,
        most: int = MOST_ORDERS,
        back: timedelta = LOOKBACK,
        only: Collection[str] = (),
        needed: bool = True,
    ) -> Pages:
        status = (("status", ",".join(only)),) if only else ()
        given = (*status, *parameters, since(self.since, back), ("page_size", str(size)))
        return Pages(given, size, most, only, needed)
