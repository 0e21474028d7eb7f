"""What reads prove: no order that is not ended can hide, whatever its status is called."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic.broker.outcomes import Standing
from panic.broker.questions import FIRST_PAGE
from panic.orders import ENDED_STATUSES, OPEN_STATUSES, OPEN_STATUSES_BEFORE, Filters, Order
from tests.kit.builders import a_page, an_order
from tests.kit.shelf import BUSY, HIDDEN, LARGE, LIES, SINCE, SIZES, Shelf, a_look, a_shelf

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
    assert (Standing.CLEAR, is_counted) == (look.standing, look.found.is_counted)
    assert (0 if len(shelf.orders) <= FIRST_PAGE else len(shelf.orders)) == look.found.size


@pytest.mark.parametrize("ended", [0, FIRST_PAGE - 1, FIRST_PAGE, BUSY, 3000])
@pytest.mark.parametrize("size", [0, LARGE])
@pytest.mark.parametrize("status", ["AWAITING_MOONRISE", "", "NEW", "PENDING_CANCEL"])
def test_no_status_hides_an_order(ended: int, size: int, status: str):
    """Known or not, and among however many that have ended; while a known one is open nothing else is asked."""
    shelf = a_shelf(ended, an_order("hidden", status))
    look = shelf.show(a_look(size=size))

    assert not (size and status in OPEN_STATUSES) or [LISTED] == shelf.requests
    assert (Standing.PENDING if status == "PENDING_CANCEL" else Standing.OPEN) is look.standing
    assert ["hidden"] == list(look.found.open)


def test_an_unknown_status_among_too_many_orders_to_read_is_told_by_the_counts():
    """Nobody sees the order, and nobody says clear."""
    shelf = a_shelf(10_050, HIDDEN)
    look = shelf.show(a_look())

    assert look.standing is None
    assert "the broker counts 10,051 orders, 10,050 of them ended, and lists 0 others" == look.broke_off
    assert len(shelf.requests) < 10


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

    assert (Standing.CLEAR, True) == (shelf.show(look).standing, look.found.is_counted)


def test_counts_that_never_add_up_are_not_tried_again():
    """Estimates are right now and then, and trying until they are would be a lottery."""
    first = a_shelf(20_010, HIDDEN).show(a_look())
    shelf = a_shelf(20_011)
    second = shelf.show(a_look(size=first.found.size, miscounts=first.found.miscounts))

    assert (True, None) == (first.found.miscounts, second.standing)
    assert 1 == len(shelf.requests)


def test_a_counted_account_is_asked_for_the_instruments_that_nobody_saw():
    """Else a symbol that it traded last month would pass for a misspelt one."""
    shelf = a_shelf(LARGE)
    look = a_look(unmet=("AAPL", "MSFT"))

    assert Standing.CLEAR is shelf.show(look).standing
    assert {"instrument_ids": "AAPL,MSFT", "page_size": "1"}.items() <= shelf.requests[-1].items()


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

    assert (Standing.CLEAR, True) == (look.standing, look.found.is_counted)
    assert 5 == len(shelf.requests)
    assert None is not a_shelf(LARGE, spared, HIDDEN).show(a_look(filters=Filters(side="BUY"))).found.open.get(
        "hidden"
    )


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
    assert (Standing.CLEAR, True) == (look.standing, look.found.is_counted)
    assert {"to": "2026-03-02T00:00:07Z"}.items() <= shelf.requests[-2].items()  # what is newer was read by itself
    assert "2026-03-02T00:00:07Z" == shelf.requests[-1]["from"]


def test_an_order_that_was_named_and_hides_from_the_list_is_asked_for_before_anything_is_counted():
    """While it is open nothing else has to be known."""
    shelf = a_shelf(LARGE, HIDDEN)

    assert Standing.OPEN is shelf.show(a_look("hidden", size=LARGE)).standing
    assert 2 == len(shelf.requests)


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
        assert named <= set(look.found.orders)


@settings(max_examples=25)
@given(st.sets(st.sampled_from(ids)), st.sampled_from([0, 94, 95, 500, 994, 995, 1300]), st.sampled_from(SIZES))
def test_an_honest_broker_whose_orders_have_ended_is_believed(named: set[str], ended: int, size: int):
    """The other way round: nothing needless is doubted."""
    shelf = a_shelf(ended, *(an_order(id_, "FILLED") for id_ in ids))

    assert Standing.CLEAR is shelf.show(a_look(*named, size=size)).standing
