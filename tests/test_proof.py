"""What reads prove: three questions, and never a clear that was not seen."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.orders import OPEN_STATUSES, Filters, Order
from panic.outcomes import Standing
from panic.proof import MOST_PAGES, Look, Page, Query, Receipt
from tests.builders import MIDNIGHT, STALE, a_page, an_order, wall


def a_look(*named: str, filters: Filters | None = None) -> Look:
    """A look that begins at 7 s of loop time."""
    return Look(began=7.0, now=wall(7.0), since=wall(7.0), matches=(filters or Filters()).matches, named=named)


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


def test_three_questions_are_asked_in_their_order():
    """Open statuses over 400 days, any status over a day, then the named orders that were not yet seen."""
    look, since, size = a_look("b", "a", "c"), "2025-01-26T00:00:07Z", "1000"

    assert {"status": ",".join(OPEN_STATUSES), "from": since, "page_size": size} == asked(look)
    look.take(a_page(), STALE)
    assert {"from": "2026-03-01T00:00:07Z", "page_size": size} == asked(look)
    look.take(a_page(an_order("b", "CANCELED")), STALE)
    assert {"order_ids": "a,c", "from": since, "page_size": size} == asked(look)
    assert Standing.CLEAR is after(look, a_page(an_order("a", "FILLED"), an_order("c", "EXPIRED")))


def test_the_lookbacks_are_400_days_and_a_day():
    """Without `from` nobody knows how far back the broker looks."""
    look = a_look()
    asked_from = []
    while not look.finished:
        asked_from.append(datetime.strptime(asked(look)["from"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC))
        look.take(a_page(), STALE)

    assert [timedelta(days=400), timedelta(hours=24)] == [wall(7.0) - moment for moment in asked_from]
    assert look.at == MIDNIGHT + timedelta(seconds=7)


def test_the_questions_look_back_from_the_earlier_of_two_clocks():
    """A clock that is ahead would ask for the orders of tomorrow."""
    look = Look(began=7.0, now=wall(7.0), since=wall(-3600.0), matches=Filters().matches, named=())
    first = asked(look)["from"]
    look.take(a_page(), STALE)

    assert ("2025-01-25T23:00:00Z", "2026-02-28T23:00:00Z") == (first, asked(look)["from"])
    assert wall(7.0) == look.at


def test_no_third_question_when_all_named_orders_were_seen_ended():
    """An order that the second question showed needs no other look."""
    look = a_look("a")

    assert Standing.CLEAR is after(look, a_page(), a_page(an_order("a", "CANCELED")))


@pytest.mark.parametrize(("count", "requests"), [(1, [1]), (50, [50]), (51, [50, 1]), (120, [50, 50, 20])])
def test_at_most_fifty_orders_are_named_in_a_request(count: int, requests: list[int]):
    """A longer URL does not pass every proxy, and every id is asked for exactly once."""
    ids = [f"id-{n:03}" for n in range(count)]
    look, found = a_look(*ids), []
    look.take(a_page(), STALE)
    look.take(a_page(), STALE)
    while not look.finished:
        found.append(asked(look)["order_ids"].split(","))
        look.take(a_page(*(an_order(id_, "CANCELED") for id_ in found[-1])), STALE)

    assert requests == [len(some) for some in found]
    assert ids == sorted(id_ for some in found for id_ in some)
    assert Standing.CLEAR is look.standing


@pytest.mark.parametrize("question", [0, 1, 2])
def test_the_filters_are_repeated_on_every_page(question: int):
    """A page token alone may come back with everything."""
    look = a_look("a")
    for _ in range(question):
        look.take(a_page(), STALE)
    first = asked(look)
    look.take(a_page(an_order("x", "CANCELED"), next_token="next", total=2), STALE)

    assert "page_token" not in first
    assert {**first, "page_token": "next"} == asked(look)


def test_a_query_has_the_token_last():
    """And the first page has none."""
    assert (("a", "b"),) == Query((("a", "b"),)).items()
    assert (("a", "b"), ("page_token", "t")) == Query((("a", "b"),), "t").items()


@pytest.mark.parametrize("question", [0, 1, 2])
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


def test_pending_and_open_orders_together_are_open():
    """Pending means that nothing else is left."""
    look = a_look()

    assert Standing.OPEN is after(look, a_page(an_order("a", "PENDING_CANCEL"), an_order("b", "STOPPED")))


def test_all_pages_are_read_before_an_open_order_ends_the_look():
    """The report says how many orders are open."""
    look = a_look()
    look.take(a_page(an_order("a"), next_token="t", total=2), STALE)

    assert not look.finished
    assert Standing.OPEN is after(look, a_page(an_order("b"), total=2))
    assert ["a", "b"] == list(look.open)


@pytest.mark.parametrize(
    ("pages", "wrong"),
    [
        ([a_page(total=1)], "the broker counts 1 orders and shows 0"),
        ([a_page(an_order("a", "FILLED"), total=0)], "the broker counts 0 orders and shows 1"),
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
            [a_page(an_order("a", "FILLED"), next_token="t"), a_page(an_order("b", "FILLED"))],
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
@pytest.mark.parametrize("question", [0, 1, 2])
def test_pages_that_do_not_add_up_prove_nothing(question: int, pages: list[Page], wrong: str):
    """Orders may have slipped from a page not yet read to one already read."""
    look = a_look("z")

    assert after(look, *[a_page()] * question, *pages) is None
    assert wrong == look.broke_off


def test_pages_that_add_up_prove():
    """Distinct ids number the total, which every page repeats."""
    pages = [a_page(an_order("a", "FILLED"), next_token="t", total=2), a_page(an_order("b", "FILLED"), total=2)]

    assert Standing.CLEAR is after(a_look(), a_page(total=0), *pages)


def test_each_question_counts_its_own_pages():
    """A token or a total of one question says nothing about the next."""
    one = [a_page(an_order("a", "FILLED"), next_token="t", total=2), a_page(an_order("b", "FILLED"), total=2)]

    assert Standing.CLEAR is after(a_look(), *one, *one)


def test_nameless_orders_are_counted_one_by_one():
    """Nobody can tell whether they are the same."""
    nameless = an_order("", "CANCELED")

    assert Standing.CLEAR is after(a_look(), a_page(nameless, nameless, total=2), a_page(total=0))
    assert Standing.OPEN is after(a_look(), a_page(an_order("", "NEW"), an_order("", "CANCELED"), total=2))


def test_pages_without_end_end():
    """Ever new tokens are refused after a million orders."""
    look, pages = a_look(), 0
    while not look.finished:
        look.take(a_page(next_token=f"t{pages}", total=0), STALE)
        pages += 1

    assert MOST_PAGES + 1 == pages
    assert look.standing is None


@pytest.mark.parametrize("status", ["NEW", "PENDING_CANCEL"])
def test_a_broken_look_that_saw_an_open_order_proves_open(status: str):
    """Not pending: what it did not see may be anything."""
    look = a_look()
    look.take(a_page(an_order("a", status), next_token="t", total=2), STALE)
    look.break_off("no answer in time")

    assert look.finished
    assert Standing.OPEN is look.standing


@pytest.mark.parametrize("pages", [[], [a_page()], [a_page(an_order("a", "CANCELED"), next_token="t", total=9)]])
def test_a_broken_look_that_saw_none_proves_nothing(pages: list[Page]):
    """Above all not clear."""
    look = a_look()
    for page in pages:
        look.take(page, STALE)
    look.break_off("no answer in time")

    assert look.standing is None
    assert "no answer in time" == look.broke_off


def test_a_look_that_was_broken_off_without_a_word_proves_nothing():
    """That it broke off counts, not how it is called."""
    look = a_look()
    look.break_off("")

    assert look.standing is None


def test_a_named_order_that_is_not_shown_is_not_clear():
    """The broker said that it was there."""
    look = a_look("a", "b")

    assert after(look, a_page(), a_page(), a_page(an_order("b", "CANCELED"))) is None
    assert "order a was named by the broker and is not shown by it any more" == look.broke_off


def test_a_named_order_that_is_not_ended_is_open_though_no_filter_names_it():
    """The broker itself has said that it belongs to the cancel."""
    look = a_look("a", filters=Filters(side="BUY"))

    assert Standing.OPEN is after(look, a_page(an_order("a", side="SELL")))


def test_orders_that_the_filters_spare_do_not_count_as_open():
    """With filters, clear means that no order which they name is open."""
    page = a_page(an_order("a", side="SELL"))

    assert Standing.CLEAR is after(a_look(filters=Filters(side="BUY")), page, page)
    assert Standing.OPEN is after(a_look(filters=Filters(side="SELL")), page)


def test_an_order_that_ends_between_two_pages_is_open_until_the_next_look():
    """Answers that disagree are no evidence of the end."""
    look = a_look()
    look.take(a_page(an_order("a"), an_order("b", "FILLED"), next_token="t", total=2), STALE)
    look.take(a_page(an_order("a", "CANCELED"), total=2), STALE)

    assert Standing.OPEN is look.standing


@pytest.mark.parametrize("statuses", [("CANCELED", "NEW"), ("NEW", "CANCELED")])
def test_an_answer_that_shows_an_order_both_open_and_ended_shows_it_open(statuses: tuple[str, str]):
    """One answer that contradicts itself is no evidence of the end."""
    page = a_page(*(an_order("a", status) for status in statuses))

    assert Standing.OPEN is after(a_look(), page)


def test_a_look_keeps_the_receipt_of_every_answer():
    """One connection that mixed something up is enough to doubt it, even afterwards."""
    look, receipts = a_look(), [Receipt(fresh=True), Receipt()]
    for receipt in receipts:
        look.take(a_page(), receipt)

    assert receipts == look.receipts


ids = st.sampled_from(["", "a", "b", "c", "d"])
statuses = st.sampled_from(["CANCELED", "FILLED", "REPLACED", "NEW", "PENDING_CANCEL", "HELD"])
orders = st.builds(Order, id=ids, status=statuses, side=st.sampled_from(["BUY", "SELL", ""]))
ended_orders = st.builds(Order, id=ids, status=st.sampled_from(["CANCELED", "FILLED"]))
pages = st.builds(
    Page,
    st.lists(st.one_of(ended_orders, ended_orders, orders), max_size=3).map(tuple),
    st.sampled_from(["", "", "", "t", "u"]),
    st.sampled_from([None, None, 0, 1, 2, 3]),
)


@given(
    st.lists(pages, max_size=12),
    st.sets(st.sampled_from(["a", "b", "c"])),
    st.sampled_from([Filters(), Filters(side="BUY")]),
    st.booleans(),
)
def test_clear_is_never_said_without_the_evidence(
    told: list[Page], named: set[str], filters: Filters, breaks: bool
):
    """Whatever a broker answers: no clear but from whole, coherent, wholly ended answers."""
    look = a_look(*named, filters=filters)
    questions: list[list[Page]] = [[]]
    seen: set[str] = set()
    for page in told:
        if look.finished:
            break
        look.take(page, STALE)
        questions[-1].append(page)
        if not page.next_token:
            questions.append([])
        seen |= {order.id for order in page.orders}
    if breaks and not look.finished:
        look.break_off("no answer")
    if not look.finished or look.standing is not Standing.CLEAR:
        return

    taken = [question for question in questions if question]
    assert not look.broke_off
    assert len(taken) >= 2
    assert named <= seen
    for order in (order for question in taken for page in question for order in page.orders):
        spared = order.side == "SELL" and filters.side == "BUY" and order.id not in named
        assert order.status in {"CANCELED", "FILLED"} or spared
    for question in taken:
        totals = {page.total for page in question}
        shown = [order.id for page in question for order in page.orders]
        assert not question[-1].next_token
        assert len(totals) == 1
        assert totals == {None} or totals == {len({i for i in shown if i}) + shown.count("")}
        assert len(question) == 1 or (totals != {None} and "" not in shown)


@given(st.sets(st.text(min_size=1).filter(lambda id_: "," not in id_), max_size=120))
def test_a_look_ends_clear_when_all_is_ended_and_adds_up(named: set[str]):
    """The other way round: honest answers are believed."""
    look = a_look(*named)
    while not look.finished:
        wanted = asked(look).get("order_ids", "")
        look.take(a_page(*(an_order(id_, "CANCELED") for id_ in wanted.split(",") if id_)), STALE)

    assert Standing.CLEAR is look.standing
