"""What a case tells of an account's orders, and of odd evidence."""

from decimal import Decimal

import pytest

from panic.broker.answers import Answer
from panic.broker.outcomes import Body
from tests.kit.builders import WATCH, a_case, a_read, an_answer, an_order, cancelled, look


def test_fills_are_counted_from_first_sight():
    """What had filled before the run is none of its doing."""
    case = cancelled(a_case(), an_answer(orders=(an_order("a", "PENDING_CANCEL", filled_quantity="40"),)))
    before = case.tally.orders["a"].filled
    look(case, a_read(an_order("a", "PENDING_CANCEL", filled_quantity="70"), began=1.0))
    look(case, a_read(), a_read(an_order("a", "CANCELED", filled_quantity="90.5"), began=2.0))

    assert (Decimal(), Decimal("50.5")) == (before, case.tally.orders["a"].filled)


@pytest.mark.parametrize("filled", ["", "10", "x", "-5", "1e999999", "-1e99999999", "1e-99999999"])
def test_a_fill_is_never_negative(filled: str):
    """Nor does an absurd one break the report: an answer that says less than before has lost something."""
    case = cancelled(a_case(), an_answer(orders=(an_order("a", filled_quantity="40"),)))
    look(case, a_read(an_order("a", "CANCELED", filled_quantity=filled)), a_read())

    assert Decimal() == case.tally.orders["a"].filled


def test_orders_that_appear_after_a_look_are_new():
    """Something is still trading; those of the first look were there before."""
    case = cancelled(a_case(), an_answer(orders=(an_order("a", "PENDING_CANCEL"),)), pace=WATCH)
    look(case, a_read(an_order("a", "PENDING_CANCEL"), an_order("b"), began=1.0), pace=WATCH)
    first = set(case.tally.reappeared)
    look(case, a_read(an_order("a", "PENDING_CANCEL"), an_order("c"), an_order(""), began=2.0), pace=WATCH)

    assert (set(), {"c"}) == (first, case.tally.reappeared)


def test_orders_that_a_broken_look_could_not_show_are_not_new():
    """They were on the pages that did not come."""
    case = cancelled(a_case(), an_answer())
    look(case, a_read(an_order("a"), next_token="t", total=2), an_answer(404))
    look(case, a_read(an_order("a"), an_order("b"), began=1.0))

    assert set() == case.tally.reappeared


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        ([], ""),
        (["algo7-001"], "algo7-001"),
        (["algo7-001", "algo7-002", "algo7-1"], "algo7-"),
        (["algo7", "algo7-002"], "algo7"),
        (["x", "y"], ""),
        (["algo7", ""], ""),
    ],
)
def test_the_common_beginning_of_new_orders_tells_whose_they_are(names: list[str], prefix: str):
    """A strategy numbers its orders."""
    case = cancelled(a_case(), an_answer())
    look(case, a_read(an_order("z")))
    new = [an_order(f"n{i}", client_order_id=name) for i, name in enumerate(names)]
    look(case, a_read(*new, an_order("z", "CANCELED")))

    assert len(names) == len(case.tally.reappeared)
    assert prefix == case.tally.reappeared_prefix(str)


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (an_answer(404), "not in the broker's own words"),
        (an_answer(200, Body.OVERLONG), "longer than we read"),
        (an_answer(200, Body.FOREIGN), "another account's orders"),
        (an_answer(200, note="the broker answered 2xx with an error inside"), "with an error inside"),
    ],
)
def test_odd_evidence_becomes_a_note_once(answer: Answer, note: str):
    """However often it comes."""
    case = cancelled(a_case(), answer, answer)

    assert [True] == [note in text for text in case.notes]


@pytest.mark.parametrize(
    "before",
    [
        [],
        [an_answer()],
    ],
)
def test_open_orders_after_a_404_become_a_note(before: list[Answer]):
    """The broker contradicts itself: somebody must look."""
    case = cancelled(a_case(), *before, an_answer(404, began=1.0, own_envelope=True))
    look(case, a_read(an_order(), began=2.0))

    assert ["open orders were seen after the broker answered 404, nothing to cancel"] == list(case.notes)
