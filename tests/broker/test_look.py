"""One look, page by page: which answers prove, and which prove nothing."""

from datetime import datetime, timedelta

import pytest

from panic.broker.findings import Findings
from panic.broker.outcomes import Standing
from panic.broker.pages import MOST_PAGES, Page
from panic.broker.proof import Look
from panic.orders import Filters
from tests.kit.builders import STALE, a_page, an_order, wall
from tests.kit.shelf import BUSY, HIDDEN, LARGE, LIES, SINCE, SIZES, a_look, a_shelf, after, asked


def test_a_look_goes_400_days_back_from_the_earlier_of_two_clocks():
    """A clock that is ahead would ask for the orders of tomorrow."""
    look = Look(Findings(wall(-3600.0), Filters().matches), began=7.0, now=wall(7.0))

    assert ("2025-01-25T23:00:00Z", wall(7.0)) == (asked(look)["from"], look.at)
    assert timedelta(days=400) == wall(7.0) - datetime.fromisoformat(SINCE)


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


A, B = (an_order(id_, "FILLED") for id_ in "ab")
CHANGED = "the number of orders changed between pages"
UNCHECKED = "several pages, and no total or no ids to check them against"
ENDLESS = "the broker's pages have no end"


@pytest.mark.parametrize(
    ("pages", "wrong"),
    [
        ([a_page(A, total=0)], "the broker counts 0 orders and shows 1"),
        ([a_page(A, next_token="t", total=2), a_page(A, total=2)], "the broker counts 2 orders and shows 1"),
        ([a_page(A, next_token="t", total=2), a_page(total=1)], CHANGED),
        ([a_page(A, next_token="t", total=1), a_page()], CHANGED),
        ([a_page(A, next_token="t"), a_page(B, total=None)], UNCHECKED),
        ([a_page(an_order("", "FILLED"), next_token="t", total=2), a_page(B, total=2)], UNCHECKED),
        ([a_page(next_token=token, total=0) for token in "tt"], ENDLESS),
        ([a_page(next_token=token, total=0) for token in "tut"], ENDLESS),
        ([a_page(next_token=f"t{n}", total=0) for n in range(MOST_PAGES)], ENDLESS),
    ],
)
def test_pages_of_everything_that_do_not_add_up_prove_nothing(pages: list[Page], wrong: str):
    """Orders may have slipped from a page not yet read to one already read; and there are no million of them."""
    look = a_look(size=LARGE)
    look.take(a_page(an_order("z", "FILLED")))  # it heeds no filter, so that everything is read

    assert after(look, *pages) is None
    assert f"the broker does not heed the filter by status; {wrong}" == look.broke_off


def test_nameless_orders_are_counted_one_by_one():
    """Nobody can tell whether they are the same."""
    nameless = an_order("", "CANCELED")

    assert Standing.CLEAR is after(a_look(), a_page(nameless, nameless, total=2))
    assert Standing.OPEN is after(a_look(), a_page(an_order("", "PENDING_CANCEL"), an_order("", "NEW"), total=2))


def test_a_broken_look_that_saw_a_pending_order_proves_open():
    """Not pending: what it did not see may be anything."""
    look = a_look(size=LARGE)
    look.take(a_page(an_order("a", "PENDING_CANCEL"), next_token="t", total=2), STALE)
    look.break_off("no answer in time")

    assert look.finished
    assert Standing.OPEN is look.standing


def test_a_named_order_that_is_not_shown_is_not_clear():
    """The broker said that it was there."""
    look = a_look("a", "b")

    assert after(look, a_page(), a_page(an_order("b", "CANCELED"))) is None
    assert "order a was named by the broker and is not shown by it any more" == look.broke_off


@pytest.mark.parametrize(
    ("named", "side", "standing"),
    [((), "BUY", Standing.CLEAR), ((), "SELL", Standing.OPEN), (("a",), "BUY", Standing.OPEN)],
)
def test_an_order_that_the_filters_spare_does_not_count_as_open(
    named: tuple[str, ...], side: str, standing: Standing
):
    """Unless the broker itself has said that it belongs to the cancel."""
    look = a_look(*named, filters=Filters(side=side))

    assert standing is after(look, a_page(an_order("a", side="SELL")))


@pytest.mark.parametrize("statuses", [("CANCELED", "NEW"), ("NEW", "CANCELED")])
def test_an_answer_that_shows_an_order_both_open_and_ended_shows_it_open(statuses: tuple[str, str]):
    """One answer that contradicts itself is no evidence of the end."""
    page = a_page(*(an_order("a", status) for status in statuses))

    assert Standing.OPEN is after(a_look(), page)


@pytest.mark.parametrize("ended", [0, BUSY, LARGE, 2 * LARGE])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lie", ["none", *LIES])
def test_a_look_for_every_open_order_shows_them_all_or_breaks_off(ended: int, size: int, lie: str):
    """Whatever their status: to have seen some of them is no end of it."""
    some = [an_order(f"o{n}", status) for n, status in enumerate(("NEW", "PENDING_CANCEL") * 40)]
    shelf = a_shelf(ended, *some, HIDDEN, counts=LIES.get(lie, lambda total, *_: total))
    look = shelf.show(a_look(size=size, every=True))
    is_whole = {*shelf.orders} - {f"old-{n:05}" for n in range(ended)} == {*look.found.open}

    assert is_whole or look.broke_off
    assert not look.broke_off or lie != "none"


def test_a_large_account_that_has_every_order_counted_is_not_read_one_by_one():
    """Its open orders are listed, and the counts of the rest add up."""
    shelf = a_shelf(20 * LARGE, an_order("a"), an_order("b", "SUSPENDED"))
    look = shelf.show(a_look(every=True))

    assert ({"a", "b"}, "") == ({*look.found.open}, look.broke_off)
    assert 5 == len(shelf.requests)
