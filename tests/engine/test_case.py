"""One account under a run: what is due next, what its answers mean, and when it is over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.broker.answers import Answer
from panic.broker.outcomes import Body, Outcome, Standing, Verdict
from panic.engine.pacing import Pace
from panic.engine.timetable import Do, Step
from panic.orders import Filters
from tests.kit.builders import (
    BLIND,
    PACE,
    WATCH,
    a_case,
    a_pace,
    a_read,
    an_answer,
    an_order,
    begin_look,
    cancelled,
    look,
    look_clear,
    no_answer,
    wall,
)

# ── DELETE ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("pace", [PACE, WATCH, BLIND, a_pace(0.1)])
def test_a_new_case_is_cancelled_at_once(pace: Pace):
    """Nothing goes before the first DELETE, not even the hush of a very short run."""
    assert Step(Do.CANCEL, 0.0) == a_case().step(0.0, pace)
    assert Verdict.UNKNOWN is a_case().verdict


@given(st.lists(st.sampled_from([200, 404, 401, 403, 400, 429, 503, None, 302]), max_size=6))
def test_the_outcome_is_folded_over_all_deletes(statuses: list[int | None]):
    """As the table has it, with every attempt on record."""
    case = cancelled(a_case(), *(an_answer(status, request_id=f"r{status}") for status in statuses))
    answered = [s for s in statuses if s not in {None, 302}]

    assert (200 in statuses) == (case.outcome is Outcome.ACCEPTED)
    assert len(statuses) == case.cancels == len(case.attempts)
    assert statuses == [attempt.status for attempt in case.attempts]
    if answered and 200 not in statuses:
        assert case.outcome is cancelled(a_case(), an_answer(answered[-1])).outcome


def test_a_404_after_an_unanswered_delete_shows_as_both():
    """The unanswered one may have cancelled what the 404 did not find."""
    case = cancelled(a_case(), no_answer(ended=5.0), an_answer(404, began=6.0, request_id="r2"))

    assert Outcome.NOTHING_TO_CANCEL is case.outcome
    assert [("DELETE", None, "no answer in time"), ("DELETE", 404, "")] == [
        (attempt.method, attempt.status, attempt.error) for attempt in case.attempts
    ]
    assert [(0.0, 5.0), (6.0, 0.0)] == [(attempt.began, attempt.elapsed) for attempt in case.attempts]


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ([an_answer(404, own_envelope=True)], Verdict.UNVERIFIED),
        ([an_answer(404)], Verdict.UNKNOWN),
        ([an_answer(404), an_answer(404, own_envelope=True)], Verdict.UNVERIFIED),
        ([an_answer(404, own_envelope=True), an_answer(404)], Verdict.UNKNOWN),
        ([an_answer(404, own_envelope=True), no_answer()], Verdict.UNVERIFIED),
        ([an_answer(404, own_envelope=True), an_answer(503, own_envelope=True)], Verdict.UNKNOWN),
        ([an_answer(200), an_answer(404)], Verdict.UNVERIFIED),
    ],
)
def test_the_envelope_counts_of_the_answer_that_named_the_outcome(answers: list[Answer], verdict: Verdict):
    """A stranger's 404 proves nothing at all."""
    assert verdict is cancelled(a_case(), *answers).verdict


# ── reads that count, and reads that do not ────────────────────────────────────────────────────────────────


def test_a_whole_look_without_open_orders_is_clear():
    """With the time at which it began, and the run is done with the account."""
    case = cancelled(a_case(), an_answer())
    look_clear(case, at=1.0)

    assert (Standing.CLEAR, wall(1.0), Verdict.CLEAR) == (case.standing, case.proof.as_of, case.verdict)
    assert (True, 1.0) == (case.timetable.is_over, case.proof.clear_since)
    assert Step(Do.REST) == case.step(1.0, PACE)


def test_a_read_begun_before_the_last_delete_ended_never_counts():
    """Its first page may be older than what the DELETE did."""
    case = cancelled(a_case(), an_answer(ended=0.1, orders=(an_order("x", "PENDING_CANCEL"),)))
    look(case, a_read(began=0.6))
    cancelled(case, an_answer(began=0.7, ended=0.8))
    look(case, a_read(began=0.9))

    assert Standing.UNREAD is case.standing
    assert case.look is not None
    assert 0.9 == case.look.began


def test_a_delete_takes_back_what_reads_have_shown():
    """A standing is what was seen after the last DELETE, or nothing."""
    case = cancelled(a_case(), an_answer())
    look(case, a_read(an_order(), began=1.0))
    standing = case.standing
    cancelled(case, an_answer(began=2.0))

    assert (1, wall(1.0)) == case.seen_open
    assert Standing.OPEN is standing
    assert (Standing.UNREAD, None) == (case.standing, case.proof.as_of)


def test_orders_of_a_look_that_a_delete_cut_short_must_be_seen_ended_too():
    """Every order that any answer of this run named counts, whatever became of the look."""
    case = cancelled(a_case(), an_answer(503))
    look(case, a_read(an_order("old"), next_token="t", total=2))
    cancelled(case, an_answer(404, began=0.5))
    look(case, a_read(began=1.0), a_read(began=1.1))

    assert Standing.CLEAR is not case.standing
    assert {"old"} <= set(case.tally.orders)


@pytest.mark.parametrize("status", ["CANCELED", "NEW"])
def test_an_order_that_a_delete_named_must_be_seen_ended(status: str):
    """It is asked for by its id, unless the look has shown it already."""
    case = cancelled(a_case(), an_answer(orders=(an_order("x", "PENDING_CANCEL"),)))
    look(case, a_read(began=1.0))
    query = dict(begin_look(case, 1.0).query().parameters)
    look(case, a_read(an_order("x", status), began=1.0))

    assert "x" == query["order_ids"]
    assert (Standing.CLEAR if status == "CANCELED" else Standing.OPEN) is case.standing


def test_an_order_once_seen_ended_is_not_asked_for_again():
    """Until a DELETE names it as not ended."""
    case = cancelled(a_case(), an_answer(orders=(an_order("x", "PENDING_CANCEL"),)))
    look(case, a_read(began=1.0), a_read(an_order("x", "CANCELED"), began=1.0))
    seen = case.tally.orders["x"].seen_ended
    cancelled(case, an_answer(began=2.0, orders=(an_order("x", "CANCELED"),)))
    seen_still = case.tally.orders["x"].seen_ended
    cancelled(case, an_answer(began=3.0, orders=(an_order("x", "PENDING_CANCEL"), an_order(""))))

    assert (True, True, False) == (seen, seen_still, case.tally.orders["x"].seen_ended)
    assert {"x"} == set(case.tally.orders) == case.tally.accepted


def test_a_named_order_that_is_not_shown_keeps_the_account_from_clear():
    """And the report says why."""
    case = cancelled(a_case(), an_answer(orders=(an_order("x", "PENDING_CANCEL"),)))
    look(case, *[a_read(began=1.0)] * 3)

    assert Standing.UNREAD is case.standing
    assert ["a read proved nothing: order x was named by the broker and is not shown by it any more"] == list(
        case.notes
    )


@pytest.mark.parametrize(
    "failure",
    [no_answer(), an_answer(503), an_answer(200, Body.INVALID)],
)
def test_a_page_that_failed_is_asked_for_twice_more(failure: Answer):
    """Then the look is given up, and the next one begins anew."""
    case = cancelled(a_case(), an_answer())
    looks = []
    for _ in range(3):
        look(case, failure)
        looks.append(case.look is not None)

    assert [True, True, False] == looks
    assert Standing.UNREAD is case.standing


def test_being_told_to_wait_is_no_failure_of_a_page():
    """The look goes on when the broker lets it."""
    case = cancelled(a_case(), an_answer())
    look(case, *[an_answer(429)] * 9, a_read(began=1.0), a_read(began=1.0))

    assert Standing.CLEAR is case.standing


def test_an_order_that_a_failed_answer_names_must_be_seen_ended_too():
    """Whatever its status: the broker knows of it."""
    case = cancelled(a_case(), an_answer(503, orders=(an_order("x"), an_order("y", "FILLED"))))
    look(case, an_answer(500, orders=(an_order("z"),)), *[a_read(began=1.0)] * 3)

    assert {"x", "z"} == set(case.tally.orders)
    assert set() == case.tally.accepted
    assert Standing.UNREAD is case.standing


def test_an_order_that_is_named_in_the_middle_of_a_look_must_be_seen_ended_too():
    """The look did not ask for it: the next one does."""
    case = cancelled(a_case(), an_answer())
    look(case, an_answer(500, began=1.0, orders=(an_order("z"),)))
    look_clear(case, 1.1)
    standing = case.standing
    look_clear(case, 2.0)

    assert (Standing.UNREAD, Standing.CLEAR) == (standing, case.standing)
    assert wall(2.0) == case.proof.as_of


@pytest.mark.parametrize("second", ["NEW", "a status that nobody knows"])
def test_orders_without_a_name_do_not_stand_for_each_other(second: str):
    """Each counts, and one that is open makes the account open."""
    case = cancelled(a_case(), an_answer(404))
    look(case, a_read(an_order("", "PENDING_CANCEL"), an_order("", second), an_order("", "FILLED"), began=1.0))

    assert (Standing.OPEN, 2) == (case.standing, case.proof.open)


def test_a_page_that_came_gives_the_next_page_its_tries_back():
    """An account of many pages would never be proven otherwise."""
    case = cancelled(a_case(), an_answer())
    for n in range(4):
        page = a_read(an_order(f"x{n}", "CANCELED"), next_token=f"t{n}", total=5)
        look(case, no_answer(), page)

    assert case.look is not None
    assert not case.notes


@pytest.mark.parametrize("status", [404, 401, 200, 302])
def test_an_answer_that_is_no_read_is_never_clear(status: int):
    """A 404 to a read says nothing about orders."""
    case = cancelled(a_case(), an_answer())
    look(case, *[an_answer(status, error="no list")] * 3)

    assert Standing.UNREAD is case.standing
    assert ["a read proved nothing: no list"] == list(case.notes)


def test_a_broken_look_leaves_the_standing_as_it_was():
    """The last conclusive read counts, and a broken one that saw an open order is conclusive."""
    case = cancelled(a_case(), an_answer(), pace=WATCH)
    look_clear(case, 1.0, WATCH)
    look(case, *[no_answer(began=6.0)] * 3, pace=WATCH)
    standing, as_of = case.standing, case.proof.as_of
    look(case, a_read(an_order(), began=9.0, next_token="t", total=9), an_answer(403, began=9.5), pace=WATCH)

    assert (Standing.CLEAR, wall(1.0)) == (standing, as_of)
    assert (Standing.OPEN, wall(9.0)) == (case.standing, case.proof.as_of)


def test_reads_see_only_what_the_filters_name():
    """An order that was spared is not open, and no note is made of it."""
    case = cancelled(a_case(filters=Filters(side="BUY")), an_answer(404))
    sell = an_order("s", side="SELL")
    look(case, a_read(sell), a_read(sell))

    assert (Standing.CLEAR, {}, 0) == (case.standing, case.tally.orders, case.proof.open)
