"""One account under a run: what is due next, what its answers mean, what it tells, and when it is over."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.broker.answers import Answer, Receipt
from panic.broker.outcomes import Body, Outcome, Standing, Verdict
from panic.engine.case import Case
from panic.engine.pacing import Pace
from panic.engine.timetable import NEVER, Do, Step
from tests.kit.builders import (
    BLIND,
    PACE,
    WATCH,
    a_case,
    a_pace,
    a_read,
    an_answer,
    an_order,
    cancelled,
    drive,
    look,
    look_clear,
    no_answer,
    times,
    wall,
)


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


def test_a_whole_look_without_open_orders_is_clear():
    """With the time at which it began, and the run is done with the account."""
    case = cancelled(a_case(), an_answer())
    look_clear(case, at=1.0)

    assert (Standing.CLEAR, wall(1.0), Verdict.CLEAR) == (case.standing, case.proof.as_of, case.verdict)
    assert (True, 1.0) == (case.timetable.is_over, case.proof.clear_since)
    assert Step(Do.REST) == case.step(1.0, PACE)


def test_an_order_once_seen_ended_is_not_asked_for_again():
    """Until a DELETE names it as not ended."""
    case = cancelled(a_case(), an_answer(orders=(an_order("x", "PENDING_CANCEL"),)))
    look(case, a_read(began=1.0), a_read(an_order("x", "CANCELED"), began=1.0))
    seen = case.tally.orders["x"].seen_ended
    cancelled(case, an_answer(began=2.0, orders=(an_order("x", "CANCELED"),)))
    seen_still = case.tally.orders["x"].seen_ended
    cancelled(case, an_answer(began=3.0, orders=(an_order("x", "PENDING_CANCEL"), an_order(""))))

    assert (True, True, False) == (seen, seen_still, case.tally.orders["x"].seen_ended)
    assert {"x"} == set(case.tally.orders) == set(case.tally.accepted)


@pytest.mark.parametrize("failure", [no_answer(), an_answer(503), an_answer(200, Body.INVALID)])
def test_a_page_that_failed_is_asked_for_twice_more(failure: Answer):
    """Then the look is given up; a page that came gives the next one its tries back."""
    page = a_read(an_order("x", "CANCELED"), next_token="t", total=5)
    looks = []
    for answers in ([failure] * 2, [failure] * 3, [failure, failure, page, failure, failure]):
        case = cancelled(a_case(), an_answer())
        look(case, *answers)
        looks.append(case.look is not None)

    assert [True, False, True] == looks
    assert Standing.UNREAD is case.standing


def test_being_told_to_wait_is_no_failure_of_a_page():
    """The look goes on when the broker lets it."""
    case = cancelled(a_case(), an_answer())
    look(case, *[an_answer(429)] * 9, a_read(began=1.0), a_read(began=1.0))

    assert Standing.CLEAR is case.standing


def test_a_broken_look_leaves_the_standing_as_it_was():
    """The last conclusive read counts, and a broken one that saw an open order is conclusive."""
    case = cancelled(a_case(), an_answer(), pace=WATCH)
    look_clear(case, 1.0, WATCH)
    look(case, *[no_answer(began=6.0)] * 3, pace=WATCH)
    standing, as_of = case.standing, case.proof.as_of
    look(case, a_read(an_order(), began=9.0, next_token="t", total=9), an_answer(403, began=9.5), pace=WATCH)

    assert (Standing.CLEAR, wall(1.0)) == (standing, as_of)
    assert (Standing.OPEN, wall(9.0)) == (case.standing, case.proof.as_of)


def test_an_order_that_is_named_in_the_middle_of_a_look_must_be_seen_ended_too():
    """The look did not ask for it: the next one does."""
    case = cancelled(a_case(), an_answer())
    look(case, an_answer(500, began=1.0, orders=(an_order("z"),)))
    look_clear(case, 1.1)
    standing = case.standing
    look_clear(case, 2.0)

    assert (Standing.UNREAD, Standing.CLEAR) == (standing, case.standing)
    assert wall(2.0) == case.proof.as_of


def test_a_look_that_a_delete_cut_short_is_none_and_its_orders_must_be_seen_ended():
    """Its first page may be older than what the DELETE did; every order that any answer named counts."""
    case = cancelled(a_case(), an_answer(503))
    look(case, a_read(an_order("old"), next_token="t", total=2))
    cancelled(case, an_answer(404, began=0.5))
    cut = case.look
    look(case, a_read(began=1.0), a_read(began=1.1))

    assert cut is None
    assert {"old"} == set(case.tally.orders)
    assert Standing.UNREAD is case.standing


def test_who_asks_to_look_again_is_not_answered_by_an_older_look():
    """It began before they asked."""
    case = cancelled(a_case(), an_answer())
    look(case, a_read(an_order("a", "CANCELED"), next_token="t", total=2))
    under_way, _ = case.look, case.look_again(1.0)

    assert (False, None) == (under_way is None, case.look)


@pytest.mark.parametrize("failures", [0, 2])
def test_anothers_orders_end_a_look(failures: int):
    """They are neither asked for again nor taken for a refusal that a look could do without."""
    case = cancelled(a_case(), an_answer())
    case._size = 150  # it begins with the list, which may be refused
    look(case, *[an_answer(503, began=1.0)] * failures, an_answer(200, Body.FOREIGN, began=1.0))

    assert (None, Standing.UNREAD) == (case.look, case.standing)


@pytest.mark.parametrize(
    ("receipt", "holds"),
    [(Receipt(fresh=True), True), (Receipt(), False), (Receipt(fresh=True, revoked=True), False)],
    ids=["new connection", "used connection", "revoked"],
)
def test_doubt_takes_back_a_clear_over_a_connection_that_may_have_mixed_up_answers(receipt: Receipt, holds: bool):
    """It is read again at once, and cancelled again if it stays unread."""
    case = cancelled(a_case(), an_answer())
    look_clear(case, 1.0, receipt=receipt)
    due = (NEVER, NEVER) if holds else (18.0, 2.0)

    assert holds is not case.doubt(2.0)
    assert (Standing.CLEAR if holds else Standing.UNREAD) is case.standing
    assert due == (case.timetable.cancel_at, case.timetable.read_at)
    assert holds is not any("read again on a new connection" in note for note in case.notes)


@pytest.mark.parametrize(("doubts", "quiet_s", "stays"), [(0, 0.5, True), (1, 1.5, False), (1, 2.5, True)])
def test_a_clear_that_was_not_listened_to_is_none_once_answers_got_mixed_up(
    doubts: int, quiet_s: float, stays: bool
):
    """Whatever came over the connection in the next moments would have undone it, and the run is over."""
    case = cancelled(a_case(), an_answer())
    for _ in range(doubts):
        case.doubt(0.5)
    look_clear(case, 1.0, receipt=Receipt(fresh=True))
    case.take_back_unless_quiet(1.0 + quiet_s, 2.0)

    assert (Standing.CLEAR if stays else Standing.UNREAD) is case.standing
    assert stays == (not any("too late" in note for note in case.notes))


@pytest.mark.parametrize(
    "ask",
    [lambda case: case.look_again(19.0), lambda case: case.doubt(19.0), lambda case: case.resume(19.0, WATCH)],
    ids=["look again", "doubt", "resume"],
)
@pytest.mark.parametrize("status", [401, 400])
def test_a_refused_account_that_was_clear_is_read_again_and_never_cancelled(
    ask: Callable[[Case], object], status: int
):
    """The broker has said no, and says it again until somebody mends key or filters."""
    case = cancelled(a_case(), an_answer(status), pace=WATCH)
    look_clear(case, 1.0, WATCH)
    ask(case)
    done = drive(case, a_pace(90.0, watch_s=60.0), lambda _do, _query, at: no_answer(began=at, ended=at + 1))

    assert times(done, Do.READ)
    assert [] == times(done, Do.CANCEL)


@pytest.mark.parametrize(("is_clear", "due"), [(True, Do.READ), (False, Do.CANCEL)])
def test_a_resume_owes_a_first_delete_to_all_that_was_not_proven(is_clear: bool, due: Do):
    """What was proven is read at once, and counts as proven no more."""
    case = cancelled(a_case(), an_answer())
    if is_clear:
        look_clear(case, 1.0)
    case.resume(50.0, PACE)

    assert (not is_clear, Standing.UNREAD) == (case.owes_first, case.standing)
    assert Step(due, 50.0) == case.step(50.0, PACE)


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

    assert (set(), {"c"}) == (first, set(case.tally.reappeared))


def test_orders_that_a_broken_look_could_not_show_are_not_new():
    """They were on the pages that did not come."""
    case = cancelled(a_case(), an_answer())
    look(case, a_read(an_order("a"), next_token="t", total=2), an_answer(404))
    look(case, a_read(an_order("a"), an_order("b"), began=1.0))

    assert not case.tally.reappeared


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
