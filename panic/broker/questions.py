"""The questions of one look, in their order: why they prove what they prove is said in `proof.py`.

Each part is a generator that asks with `yield` and is given the pages of the answer. It returns why the answers
prove nothing, or "" if they do prove something; it stops early where an open order was found.
"""

from collections.abc import Collection, Generator
from datetime import datetime, timedelta

from panic.broker.findings import Findings
from panic.broker.pages import FULL, MOST_ORDERS, PAGE_SIZE, Pages
from panic.orders import ENDED_STATUSES, OPEN_STATUSES, OPEN_STATUSES_BEFORE

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

Course = Generator[Pages, Pages, str]


def since(now: datetime, back: timedelta = LOOKBACK) -> tuple[str, str]:
    """Give the parameter that looks back from a moment."""
    return ("from", _stamp(now - back))


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def ask(found: Findings) -> Course:
    """Ask whatever it takes to prove that nothing is open, or that something is; or to see all that is."""
    others, least = None, 0
    if found.size:  # while something is open, the list of it is shorter than a page of everything
        others = yield from _listed(found)
        if found.is_decided:
            return others.wrong
    for size in (FIRST_PAGE, PAGE_SIZE):
        if found.size <= size:
            page = yield _question(found, size=size, most=1, needed=size == FIRST_PAGE)
            is_whole = not page.is_cut or (size == FIRST_PAGE and page.is_last and page.count is not None)
            if is_whole and not page.refused:
                return page.wrong or (yield from _bear_out(found, page, others))
            found.told |= page.totals
            found.size = least = max(page.count or 0, page.shown + 1, size + 1 if page.refused else 0)
    others = others or (yield from _listed(found))
    wrong = yield from _ask_named(found)
    if found.is_decided or wrong:
        return wrong or others.wrong
    why = others.wrong or (yield from _count(found, others, least))
    if why:
        return (yield from _read_everything(found, why, others))
    return (yield from _look_for_instruments(found))


def _bear_out(found: Findings, page: Pages, others: Pages | None) -> Course:
    """Do not rely on one page alone if the broker may have cut it: ask for what is open as well.

    That applies to pages without a count, and to those as long as pages are often cut to, unless
    an earlier page has counted that many.
    """
    is_cut = page.shown and page.shown % _OFTEN_CUT_TO == 0 and page.shown not in found.told
    is_odd = page.totals == {None} or is_cut
    wants_list = is_odd and others is None and not found.is_decided
    if wants_list:
        others = yield from _listed(found)
        if found.is_decided:
            return others.wrong
    return (yield from _ask_named(found))


def _listed(found: Findings, *window: tuple[str, str]) -> Generator[Pages, Pages, Pages]:
    """Ask for the orders in a status that is known and does not end an order for good."""
    for statuses in (OPEN_STATUSES, OPEN_STATUSES_BEFORE):  # an older server refuses words it does not know
        pages = yield _question(found, *window, only=statuses, needed=False)
        if not pages.refused:
            break
    return pages


def _count(found: Findings, others: Pages, least: int) -> Course:
    """Compare the number of ended orders, plus those listed, with the number of all orders.

    If orders came in between, repeat it for only those that existed when the look began; the others are
    then looked at one by one.
    """
    if found.miscounts or others.count is None:  # an empty list must say 0, or nobody knows that filters count
        return _UNCOUNTABLE
    ended = everything = 0
    begun = ("to", _stamp(found.since))
    for window in ((), (begun,)):
        ends = yield _question(found, *window, only=ENDED_STATUSES, size=1, most=1, needed=False)
        before = others
        if window or others.shown:  # one that ends after it was listed would count twice
            others = yield from _listed(found, *window)
            if found.is_decided or others.wrong:
                return others.wrong
        all_ = yield _question(found, *window, size=1, most=1)
        if ends.count is None or all_.count is None or all_.count < max(least, PAGE_SIZE):
            return _UNCOUNTABLE  # fewer than a page holds, and it did not hold them
        ended, everything = ends.count, all_.count
        if ended + len(before.ids & others.ids) == everything:
            found.is_counted, found.size = True, everything
            return (yield from _look_at_newer(found)) if window else ""
        least = 0
    found.size, found.miscounts = everything, before.ids == others.ids
    return f"the broker counts {everything:,} orders, {ended:,} of them ended, and lists {others.shown:,} others"


def _look_at_newer(found: Findings) -> Course:
    newer = yield _question(found, back=timedelta())
    return newer.wrong


def _read_everything(found: Findings, why: str, others: Pages) -> Course:
    """Read every order if counting proves nothing, unless there are too many."""
    if found.is_decided or found.size > MOST_READ:
        return why
    all_ = yield _question(found, size=PAGE_SIZE - 1, most=MOST_READ)  # a thousand orders must not fill a page
    if all_.is_cut:
        found.size = max(found.size, all_.shown + 1)
        return f"{why}; {all_.wrong or FULL}"
    return f"{why}; {all_.wrong}" if all_.wrong else (yield from _bear_out(found, all_, others))


def _look_for_instruments(found: Findings) -> Course:
    """Ask whether the account ever had an order in the instruments not seen so far: they may be misspelt."""
    if found.unmet:
        yield _question(found, ("instrument_ids", ",".join(found.unmet)), size=1, most=1, needed=False)
    return ""


def _ask_named(found: Findings) -> Course:
    """Ask for the orders that were named but not yet shown, unless an open order has been seen already."""
    if found.is_decided:
        return ""
    if len(found.unseen()) > NAMED_MANY:  # most are of today: one page shows a thousand
        yield _question(found, back=RECENT)
    missing = found.unseen()
    for start in range(0, len(missing), NAMED_AT_ONCE):
        pages = yield _question(found, ("order_ids", ",".join(missing[start : start + NAMED_AT_ONCE])))
        if pages.wrong or found.is_decided:
            return pages.wrong
    missing = found.unseen()
    return f"order {missing[0]} was named by the broker and is not shown by it any more" if missing else ""


def _question(
    found: Findings,
    *parameters: tuple[str, str],
    size: int = PAGE_SIZE,
    most: int = MOST_ORDERS,
    back: timedelta = LOOKBACK,
    only: Collection[str] = (),
    needed: bool = True,
) -> Pages:
    status = (("status", ",".join(only)),) if only else ()
    given = (*status, *parameters, since(found.since, back), ("page_size", str(size)))
    return Pages(given, size, most, only, needed)
