"""What reads prove: no order that is not ended can hide, whatever its status is called."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic.broker.outcomes import Standing
from panic.broker.pages import MOST_PAGES, PAGE_SIZE, Page
from panic.broker.proof import FIRST_PAGE, Look, Receipt
from panic.orders import ENDED_STATUSES, OPEN_STATUSES, OPEN_STATUSES_BEFORE, Filters, Order
from tests.builders import STALE, a_page, an_order, wall

SINCE = "2025-01-26T00:00:07Z"
"""400 days before 7 s of loop time."""


def a_look(*named: str, filters: Filters | None = None, size: int = 0, miscounts: bool = False) -> Look:
    """A look that begins at 7 s of loop time."""
    matches = (filters or Filters()).matches
    return Look(
        began=7.0, now=wall(7.0), since=wall(7.0), matches=matches, named=named, size=size, miscounts=miscounts
    )


def asked(look: Look) -> dict[str, str]:
    """The parameters of the request to make next."""
    items = look.query().items()
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


EVERYTHING = {"from": SINCE}
LISTED = EVERYTHING | {"page_size": "1000", "status": ",".join(OPEN_STATUSES)}
LISTED_BEFORE = LISTED | {"status": ",".join(OPEN_STATUSES_BEFORE)}
ENDED = EVERYTHING | {"page_size": "1", "status": ",".join(ENDED_STATUSES)}
ALL = EVERYTHING | {"page_size": "1"}
SMALL, BIG, WHOLE = (EVERYTHING | {"page_size": size} for size in ("100", "1000", "999"))


@pytest.mark.parametrize(
    ("shelf", "size", "is_counted", "requests"),
    [
        (a_shelf(FIRST_PAGE - 1), 0, False, [SMALL]),
        (a_shelf(50), 0, False, [SMALL, LISTED]),
        (a_shelf(FIRST_PAGE), 0, False, [SMALL, LISTED]),
        (a_shelf(BUSY), 0, False, [SMALL, BIG]),
        (a_shelf(999), 0, False, [SMALL, BIG]),
        (a_shelf(BUSY), BUSY, False, [LISTED, BIG]),
        (a_shelf(LARGE), 0, True, [SMALL, LISTED, ENDED, ALL]),
        (a_shelf(LARGE), LARGE, True, [LISTED, ENDED, ALL]),
        (a_shelf(LARGE, refuses=frozenset({"QUEUED"})), LARGE, True, [LISTED, LISTED_BEFORE, ENDED, ALL]),
        (a_shelf(1400), 1400, False, [LISTED, ENDED, ALL, WHOLE, WHOLE | {"page_token": "999"}]),
    ],
    ids=["quiet", "50", "100", "busy", "999", "busy, known", "large", "large, known", "older broker", "round"],
)
def test_an_account_without_open_orders_is_clear_after_these_questions(
    shelf: Shelf, size: int, is_counted: bool, requests: list[dict[str, str]]
):
    """400 days back; one page where it holds all, counts where it does not, everything where counts are round."""
    look = shelf.show(a_look(size=size))

    assert requests == shelf.requests
    assert (Standing.CLEAR, is_counted) == (look.standing, look.is_counted)
    assert (0 if len(shelf.orders) <= FIRST_PAGE else len(shelf.orders)) == look.size


@pytest.mark.parametrize("orders", [BUSY, LARGE])
def test_while_something_is_open_a_later_look_is_one_request(orders: int):
    """Nothing else has to be known."""
    shelf = a_shelf(orders, an_order("open", "PENDING_CANCEL"))

    assert Standing.PENDING is shelf.show(a_look(size=orders)).standing
    assert [LISTED] == shelf.requests


def test_a_look_goes_400_days_back_from_the_earlier_of_two_clocks():
    """A clock that is ahead would ask for the orders of tomorrow."""
    look = Look(began=7.0, now=wall(7.0), since=wall(-3600.0), matches=Filters().matches, named=())

    assert ("2025-01-25T23:00:00Z", wall(7.0)) == (asked(look)["from"], look.at)
    assert timedelta(days=400) == wall(7.0) - datetime.fromisoformat(SINCE)


@pytest.mark.parametrize("ended", [0, FIRST_PAGE - 1, FIRST_PAGE, BUSY, 3000])
@pytest.mark.parametrize("size", [0, LARGE])
@pytest.mark.parametrize("status", ["AWAITING_MOONRISE", "", "NEW", "PENDING_CANCEL"])
def test_no_status_hides_an_order(ended: int, size: int, status: str):
    """Known or not, and among however many that have ended."""
    look = a_shelf(ended, an_order("hidden", status)).show(a_look(size=size))

    assert (Standing.PENDING if status == "PENDING_CANCEL" else Standing.OPEN) is look.standing
    assert ["hidden"] == list(look.open)


def test_an_unknown_status_among_too_many_orders_to_read_is_told_by_the_counts():
    """Nobody sees the order, and nobody says clear."""
    shelf = a_shelf(10_050, HIDDEN)
    look = shelf.show(a_look())

    assert look.standing is None
    assert "the broker counts 10,051 orders, 10,050 of them ended, and lists 0 others" == look.broke_off
    assert len(shelf.requests) < 10


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


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("heeds", [True, False])
@pytest.mark.parametrize(("ended", "size"), [(3, 0), (BUSY, 0), (LARGE, 0), (LARGE, LARGE)])
def test_no_lie_about_counts_hides_an_order(lie: str, heeds: bool, ended: int, size: int):
    """Nor does a filter by status that the broker does not heed."""
    look = a_shelf(ended, HIDDEN, counts=LIES[lie], heeds=heeds).show(a_look(size=size))

    assert look.standing in {None, Standing.OPEN}


@pytest.mark.parametrize(
    ("lie", "page_most"),
    [("missing", 50), ("missing", 60), ("missing", 1000), ("of the page", 50), ("of the page", 1000)],
)
@pytest.mark.parametrize(("ended", "size"), [(99, 0), (BUSY, 0), (1000, 0), (LARGE, 0), (LARGE, LARGE)])
def test_a_broker_that_shows_a_page_and_never_says_that_more_follows_hides_nothing_on_the_list(
    lie: str, page_most: int, ended: int, size: int
):
    """Neither a full page nor one without a count is the whole by itself."""
    shelf = a_shelf(ended, an_order("open"), counts=LIES[lie], page_most=page_most, tokens=False)

    assert shelf.show(a_look(size=size)).standing in {None, Standing.OPEN}


def test_an_empty_list_without_a_count_does_not_show_that_counts_heed_the_filter():
    """They may be of everything, and then always add up."""
    shelf = a_shelf(LARGE, HIDDEN, counts=lambda _, shown, all_: all_ if shown else None)

    assert shelf.show(a_look()).standing in {None, Standing.OPEN}


@pytest.mark.parametrize("when", range(1, 6))
@pytest.mark.parametrize("words", [("FILLED", "CALCULATED"), ("NEW", "CALCULATED"), ("CALCULATED", "FILLED")])
def test_an_order_that_goes_from_one_end_to_another_makes_up_for_none_that_hides(
    when: int, words: tuple[str, str]
):
    """The broker may calculate the filled ones at the end of the day, while they are counted."""
    shelf = a_shelf(LARGE, an_order("x", words[0], time_in_force="DAY"), HIDDEN)

    def change(requests: int) -> None:
        if requests == when:
            shelf.orders["x"] = an_order("x", words[1], time_in_force="DAY")

    shelf.before = change
    assert shelf.show(a_look(size=LARGE)).standing in {None, Standing.OPEN}


def test_a_page_that_is_too_long_to_read_leaves_the_counts():
    """A thousand orders of many legs are more than one answer may be."""
    shelf = a_shelf(1059)
    look = a_look(size=BUSY)
    shelf.orders.pop("old-00000")
    look.take(a_page())  # nothing is on the list
    look.refuse("longer than we read")

    assert (Standing.CLEAR, True) == (shelf.show(look).standing, look.is_counted)


def test_counts_that_never_add_up_are_not_tried_again():
    """Estimates are right now and then, and trying until they are would be a lottery."""
    first = a_shelf(20_010, HIDDEN).show(a_look())
    shelf = a_shelf(20_011)
    second = shelf.show(a_look(size=first.size, miscounts=first.miscounts))

    assert (True, None) == (first.miscounts, second.standing)
    assert 1 == len(shelf.requests)


def test_a_counted_account_is_asked_for_the_instruments_that_nobody_saw():
    """Else a symbol that it traded last month would pass for a misspelt one."""
    shelf = a_shelf(LARGE)
    look = Look(began=7.0, now=wall(7.0), matches=Filters().matches, named=(), unmet=("AAPL", "MSFT"))

    assert Standing.CLEAR is shelf.show(look).standing
    assert {"instrument_ids": "AAPL,MSFT", "page_size": "1"}.items() <= shelf.requests[-1].items()


def test_a_broker_that_refuses_every_status_is_read_whole():
    """Then nothing can be counted."""
    refuses = frozenset({*ENDED_STATUSES, *OPEN_STATUSES})

    assert Standing.CLEAR is a_shelf(LARGE, refuses=refuses).show(a_look()).standing
    assert Standing.OPEN is a_shelf(LARGE, HIDDEN, refuses=refuses).show(a_look()).standing


@pytest.mark.parametrize(
    "spared",
    [
        an_order("x", "REPLACED", leaves_quantity="0"),
        an_order("x", "DONE_FOR_DAY", time_in_force="DAY"),
        an_order("x", "CALCULATED", time_in_force="DAY"),
        an_order("x", "NEW", side="SELL"),
    ],
)
def test_what_has_ended_by_its_fields_or_is_spared_counts_beside_what_has_ended(spared: Order):
    """It is looked at between the two counts, one by one."""
    shelf = a_shelf(LARGE, spared)
    look = shelf.show(a_look(filters=Filters(side="BUY")))

    assert (Standing.CLEAR, True) == (look.standing, look.is_counted)
    assert 5 == len(shelf.requests)
    assert None is not a_shelf(LARGE, spared, HIDDEN).show(a_look(filters=Filters(side="BUY"))).open.get("hidden")


def test_an_order_that_ends_after_it_was_listed_does_not_count_twice():
    """Twice counted it would make up for one that hides."""
    shelf = a_shelf(LARGE, an_order("x", "DONE_FOR_DAY", time_in_force="DAY"), HIDDEN)

    def end(requests: int) -> None:
        if requests == 2:  # it was listed, and nothing was counted yet
            shelf.orders["x"] = an_order("x", "EXPIRED")

    shelf.before = end
    assert Standing.OPEN is shelf.show(a_look()).standing


@pytest.mark.parametrize("when", range(1, 5))
def test_an_order_that_arrives_while_a_look_goes_on_is_no_clear_unless_it_came_before_the_last_question(when: int):
    """Counts that were taken at two moments still prove something only of the last one."""
    shelf = a_shelf(LARGE)

    def arrive(requests: int) -> None:
        if requests == when:
            shelf.orders["new"] = HIDDEN._replace(id="new")

    shelf.before = arrive
    standing = shelf.show(a_look()).standing
    assert (Standing.CLEAR if when == 4 else Standing.OPEN) is standing


def test_a_newer_order_that_is_spared_makes_up_for_none_that_hides():
    """Counts of what was there when the look began are held against the list of the same time."""
    shelf = a_shelf(LARGE, HIDDEN, an_order("new", side="SELL"))

    assert Standing.OPEN is shelf.show(a_look(filters=Filters(side="BUY"))).standing


def test_orders_that_come_and_end_between_two_counts_are_counted_again():
    """A strategy whose orders are rejected one after the other hides nothing."""
    shelf = a_shelf(LARGE)

    def reject(requests: int) -> None:
        if requests == 3:
            shelf.orders["new"] = an_order("new", "REJECTED")

    shelf.before = reject
    look = shelf.show(a_look())
    assert (Standing.CLEAR, True) == (look.standing, look.is_counted)
    assert {"to": "2026-03-02T00:00:07Z"}.items() <= shelf.requests[-2].items()  # what is newer was read by itself
    assert "2026-03-02T00:00:07Z" == shelf.requests[-1]["from"]


@pytest.mark.parametrize(("count", "requests"), [(1, [1]), (50, [50]), (51, [50, 1]), (120, [50, 50, 20])])
def test_at_most_fifty_orders_are_named_in_a_request(count: int, requests: list[int]):
    """A longer URL does not pass every proxy, and every id is asked for exactly once."""
    ids = [f"id-{n:03}" for n in range(count)]
    look, found = a_look(*ids), []
    look.take(a_page(), STALE)
    while not look.finished:
        found.append(asked(look)["order_ids"].split(","))
        look.take(a_page(*(an_order(id_, "CANCELED") for id_ in found[-1])), STALE)

    assert requests == [len(some) for some in found]
    assert ids == sorted(id_ for some in found for id_ in some)
    assert Standing.CLEAR is look.standing


def test_very_many_named_orders_are_looked_for_among_those_of_the_last_day():
    """A page shows a thousand of them, a request by ids fifty."""
    ids = [f"id-{n:04}" for n in range(2000)]
    shelf = a_shelf(LARGE, *(an_order(id_, "CANCELED") for id_ in ids))

    assert Standing.CLEAR is shelf.show(a_look(*ids)).standing
    assert len(shelf.requests) < 10


def test_an_order_that_was_named_and_hides_from_the_list_is_asked_for_before_anything_is_counted():
    """While it is open nothing else has to be known."""
    shelf = a_shelf(LARGE, HIDDEN)

    assert Standing.OPEN is shelf.show(a_look("hidden", size=LARGE)).standing
    assert 2 == len(shelf.requests)


@pytest.mark.parametrize("question", [0, 1])
def test_the_filters_are_repeated_on_every_page(question: int):
    """A page token alone may come back with everything."""
    look = a_look(*(["a"] if question else []), size=0 if question else LARGE)
    for _ in range(question):
        look.take(a_page(), STALE)
    first = asked(look)
    look.take(a_page(an_order("x"), next_token="next", total=2), STALE)

    assert "page_token" not in first
    assert {**first, "page_token": "next"} == asked(look)


@pytest.mark.parametrize("question", [0, 1])
@pytest.mark.parametrize(
    ("status", "standing"),
    [("NEW", Standing.OPEN), ("HELD", Standing.OPEN), ("", Standing.OPEN), ("PENDING_CANCEL", Standing.PENDING)],
)
def test_an_open_order_ends_the_look_at_any_question(question: int, status: str, standing: Standing):
    """There is nothing more to prove."""
    look = a_look("a")
    pages = [a_page()] * question + [a_page(an_order("a", status))]

    assert standing is after(look, *pages)
    assert ["a"] == list(look.open)


def test_all_pages_of_the_list_are_read_before_an_open_order_ends_the_look():
    """The report says how many orders are open."""
    look = a_look(size=LARGE)
    look.take(a_page(an_order("a"), next_token="t", total=2), STALE)

    assert not look.finished
    assert Standing.OPEN is after(look, a_page(an_order("b"), total=2))
    assert ["a", "b"] == list(look.open)


def test_an_open_order_on_the_first_page_is_counted_among_all_that_are_open():
    """The first page of a busy account is not all there is."""
    opened = [an_order(f"open-{n}", "NEW") for n in range(LARGE)]
    look = a_shelf(5, *opened).show(a_look())

    assert (Standing.OPEN, LARGE) == (look.standing, len(look.open))


@pytest.mark.parametrize(
    ("page", "wrong"),
    [
        (a_page(total=1), "the broker counts 1 orders and shows 0"),
        (a_page(an_order("a", "FILLED"), total=0), "the broker counts 0 orders and shows 1"),
    ],
)
def test_a_page_that_does_not_add_up_proves_nothing(page: Page, wrong: str):
    """Something may have slipped from it."""
    look = a_look()

    assert after(look, page) is None
    assert wrong == look.broke_off


@pytest.mark.parametrize(
    ("pages", "wrong"),
    [
        (
            [a_page(an_order("a", "FILLED"), next_token="t", total=2), a_page(an_order("a", "FILLED"), total=2)],
            "the broker counts 2 orders and shows 1",
        ),
        (
            [a_page(an_order("a", "FILLED"), next_token="t", total=2), a_page(total=1)],
            "the number of orders changed between pages",
        ),
        (
            [a_page(an_order("a", "FILLED"), next_token="t", total=1), a_page()],
            "the number of orders changed between pages",
        ),
        (
            [a_page(an_order("a", "FILLED"), next_token="t"), a_page(an_order("b", "FILLED"), total=None)],
            "several pages, and no total or no ids to check them against",
        ),
        (
            [a_page(an_order("", "FILLED"), next_token="t", total=2), a_page(an_order("b", "FILLED"), total=2)],
            "several pages, and no total or no ids to check them against",
        ),
        (
            [a_page(next_token="t", total=0), a_page(next_token="t", total=0)],
            "the broker's pages have no end",
        ),
        (
            [a_page(next_token=token, total=0) for token in ("t", "u", "t")],
            "the broker's pages have no end",
        ),
    ],
)
def test_pages_of_everything_that_do_not_add_up_prove_nothing(pages: list[Page], wrong: str):
    """Orders may have slipped from a page not yet read to one already read."""
    look = a_look(size=LARGE)
    look.take(a_page(an_order("z", "FILLED")))  # it heeds no filter, so that everything is read

    assert after(look, *pages) is None
    assert f"the broker does not heed the filter by status; {wrong}" == look.broke_off


def test_pages_of_everything_that_add_up_prove():
    """Distinct ids number the total, which every page repeats."""
    look = a_look(size=LARGE)
    look.take(a_page(an_order("z", "FILLED")))
    pages = [a_page(an_order("a", "FILLED"), next_token="t", total=2), a_page(an_order("b", "FILLED"), total=2)]

    assert Standing.CLEAR is after(look, *pages)


def test_nameless_orders_are_counted_one_by_one():
    """Nobody can tell whether they are the same."""
    nameless = an_order("", "CANCELED")

    assert Standing.CLEAR is after(a_look(), a_page(nameless, nameless, total=2))
    assert Standing.OPEN is after(a_look(), a_page(an_order("", "NEW"), an_order("", "CANCELED"), total=2))


def test_pages_without_end_end():
    """Ever new tokens are refused after a million orders."""
    look, pages = a_look(size=LARGE), 0
    while asked(look).get("status"):
        look.take(a_page(next_token=f"t{pages}", total=0), STALE)
        pages += 1

    assert MOST_PAGES == pages


@pytest.mark.parametrize("status", ["NEW", "PENDING_CANCEL"])
def test_a_broken_look_that_saw_an_open_order_proves_open(status: str):
    """Not pending: what it did not see may be anything."""
    look = a_look(size=LARGE)
    look.take(a_page(an_order("a", status), next_token="t", total=2), STALE)
    look.break_off("no answer in time")

    assert look.finished
    assert Standing.OPEN is look.standing


@pytest.mark.parametrize("why", ["no answer in time", ""])
@pytest.mark.parametrize("pages", [[], [a_page(an_order("a", "CANCELED"), next_token="t", total=9)]])
def test_a_broken_look_that_saw_none_proves_nothing(pages: list[Page], why: str):
    """Above all not clear."""
    look = a_look()
    for page in pages:
        look.take(page, STALE)
    look.break_off(why)

    assert look.standing is None
    assert (why or "no valid answer") == look.broke_off


def test_a_named_order_that_is_not_shown_is_not_clear():
    """The broker said that it was there."""
    look = a_look("a", "b")

    assert after(look, a_page(), a_page(an_order("b", "CANCELED"))) is None
    assert "order a was named by the broker and is not shown by it any more" == look.broke_off


def test_a_named_order_that_is_not_ended_is_open_though_no_filter_names_it():
    """The broker itself has said that it belongs to the cancel."""
    look = a_look("a", filters=Filters(side="BUY"))

    assert Standing.OPEN is after(look, a_page(an_order("a", side="SELL")))


def test_orders_that_the_filters_spare_do_not_count_as_open():
    """With filters, clear means that no order which they name is open."""
    page = a_page(an_order("a", side="SELL"))

    assert Standing.CLEAR is after(a_look(filters=Filters(side="BUY")), page)
    assert Standing.OPEN is after(a_look(filters=Filters(side="SELL")), page)


def test_an_order_that_ends_between_two_pages_is_open_until_the_next_look():
    """Answers that disagree are no evidence of the end."""
    look = a_look(size=LARGE)
    look.take(a_page(an_order("a"), an_order("b"), next_token="t", total=2), STALE)
    look.take(a_page(an_order("a", "DONE_FOR_DAY", time_in_force="DAY"), total=2), STALE)

    assert Standing.OPEN is look.standing


@pytest.mark.parametrize("statuses", [("CANCELED", "NEW"), ("NEW", "CANCELED")])
def test_an_answer_that_shows_an_order_both_open_and_ended_shows_it_open(statuses: tuple[str, str]):
    """One answer that contradicts itself is no evidence of the end."""
    page = a_page(*(an_order("a", status) for status in statuses))

    assert Standing.OPEN is after(a_look(), page)


def test_a_look_keeps_the_receipt_of_every_answer():
    """One connection that mixed something up is enough to doubt it, even afterwards."""
    look, receipts = a_look("a"), [Receipt(fresh=True), Receipt()]
    for receipt in receipts:
        look.take(a_page(), receipt)

    assert receipts == look.receipts


ids = [f"id-{n}" for n in range(6)]
statuses = st.sampled_from(["CANCELED", "FILLED", "REPLACED", "DONE_FOR_DAY", "NEW", "PENDING_CANCEL", "HELD", ""])
changes = st.dictionaries(st.integers(1, 9), st.tuples(st.sampled_from(ids), statuses), max_size=4)


@settings(max_examples=50)
@given(
    ended=st.sampled_from([0, 40, BUSY, LARGE]),
    others=st.dictionaries(st.sampled_from(ids), statuses, max_size=4),
    changes=changes,
    named=st.sets(st.sampled_from(ids), max_size=3),
    lie=st.sampled_from(["", *LIES]),
    heeds=st.booleans(),
    refuses=st.sampled_from([frozenset[str](), frozenset({"QUEUED"}), frozenset({"CANCELED"})]),
    size=st.sampled_from(SIZES),
)
def test_clear_is_never_said_while_an_order_is_open(  # the whole of what a look is for
    ended: int,
    others: dict[str, str],
    changes: dict[int, tuple[str, str]],
    named: set[str],
    lie: str,
    heeds: bool,
    refuses: frozenset[str],
    size: int,
):
    """Whatever the orders are called, whatever changes meanwhile and whatever the broker counts."""
    shelf = a_shelf(
        ended, *(an_order(id_, status) for id_, status in others.items()), heeds=heeds, refuses=refuses
    )
    shelf.counts = LIES.get(lie, shelf.counts)

    def change(requests: int) -> None:
        id_, status = changes.get(requests, ("", ""))
        was = shelf.orders.get(id_)
        if id_ and not (was and was.is_ended and was.status in ENDED_STATUSES):  # what has ended stays so
            shelf.orders[id_] = an_order(id_, status)

    shelf.before = change
    look = shelf.show(a_look(*named, size=size))
    if look.standing is Standing.CLEAR:
        assert [] == [order for order in shelf.orders.values() if not order.is_ended]
        assert named <= set(look.orders)


@settings(max_examples=25)
@given(st.sets(st.sampled_from(ids)), st.sampled_from([0, 94, 95, 500, 994, 995, 1300]), st.sampled_from(SIZES))
def test_an_honest_broker_whose_orders_have_ended_is_believed(named: set[str], ended: int, size: int):
    """The other way round: nothing needless is doubted."""
    shelf = a_shelf(ended, *(an_order(id_, "FILLED") for id_ in ids))

    assert Standing.CLEAR is shelf.show(a_look(*named, size=size)).standing
