"""One account under a run: what is due next, what its answers mean, and when it is over."""

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.broker.answers import Answer
from panic.broker.outcomes import Body, Outcome, Standing, Verdict
from panic.broker.pages import Query
from panic.broker.proof import Receipt
from panic.engine.case import Case
from panic.engine.pacing import Pace
from panic.engine.timetable import NEVER, Do, Step
from panic.orders import Filters
from tests.builders import (
    a_case,
    a_pace,
    a_page,
    a_read,
    an_answer,
    an_order,
    begin_look,
    drive,
    look,
    look_clear,
    no_answer,
    times,
    wall,
)

PACE = a_pace()
WATCH = a_pace(watch_s=15.0)
BLIND = a_pace(verify=False)
CANCEL, READ, REST = Do.CANCEL, Do.READ, Do.REST


def cancelled(case: Case, *answers: Answer, pace: Pace = PACE) -> Case:
    """Feed answers to DELETEs of a case."""
    for answer in answers:
        case.cancelled(answer, pace)
    return case


def gaps(moments: list[float]) -> list[float]:
    """The waits between moments."""
    return [later - earlier for earlier, later in pairwise(moments)]


# ── DELETE ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("pace", [PACE, WATCH, BLIND, a_pace(0.1)])
def test_a_new_case_is_cancelled_at_once(pace: Pace):
    """Nothing goes before the first DELETE, not even the hush of a very short run."""
    assert Step(CANCEL, 0.0) == a_case().step(0.0, pace)
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
    assert Step(REST) == case.step(1.0, PACE)


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


# ── what is due next ───────────────────────────────────────────────────────────────────────────────────────

Broker = Callable[[Do, Query | None, float], Answer]


def stuck(do: Do, _query: Query | None, at: float) -> Answer:
    """A broker that never finishes a cancel."""
    order = an_order("a", "PENDING_CANCEL")
    return an_answer(began=at, orders=(order,)) if do is CANCEL else a_read(order, began=at)


def always(answer: Answer, took: float = 0.0) -> Broker:
    """A broker that knows one answer."""
    return lambda _do, _query, at: answer._replace(began=at, ended=at + took)


def down_for_cancels(do: Do, _query: Query | None, at: float) -> Answer:
    """A broker whose reads still show an order."""
    return an_answer(503, began=at) if do is CANCEL else a_read(an_order(), began=at)


@pytest.mark.parametrize("jitter", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize(
    ("broker", "least", "most"),
    [
        (stuck, 7, 7),
        (always(an_answer(503)), 8, 10),
        (always(an_answer(503), 0.5), 8, 10),
        (down_for_cancels, 8, 10),
        *((always(an_answer(429, retry_after=seconds), 0.01), 3, 99) for seconds in (None, 0.0, 1.0, 17.0, 20.0)),
        *((always(no_answer(), took), 7, 10) for took in (0.0, 1.0, 4.9, 5.0)),
    ],
)
def test_an_account_that_is_not_clear_gets_a_delete_every_twenty_seconds(
    broker: Broker, least: int, most: int, jitter: float
):
    """To the deadline but for the hush, no more than a broker on its knees can bear, and it is read as well."""
    case, pace = a_case(), a_pace()
    done = drive(case, pace, broker, jitter)
    cancels = times(done, CANCEL)

    assert max(gaps(cancels)) <= 20.05
    assert pace.deadline - cancels[-1] <= 20.05
    assert least <= len(cancels) <= most
    assert times(done, READ)
    assert Verdict.CLEAR is not case.verdict


def test_an_account_that_only_answers_429_is_clear_if_a_read_says_so():
    """The first look is not put behind the DELETEs."""

    def broker(do: Do, _query: Query | None, at: float) -> Answer:
        return an_answer(429, began=at, retry_after=2.0) if do is CANCEL else a_read(began=at)

    case = a_case()
    done = drive(case, a_pace(), broker)

    assert Verdict.CLEAR is case.verdict
    assert len(times(done, CANCEL)) <= 2


def test_the_hush_keeps_what_reads_have_shown():
    """In the last two seconds what was accepted is read, not cancelled again."""
    pace = a_pace(18.5)
    case = cancelled(a_case(), an_answer(orders=(an_order("a", "PENDING_CANCEL"),)))
    done = drive(case, pace, stuck)

    assert [] == times(done, CANCEL)
    assert 17.5 == min(at for at in times(done, READ) if at > 16.5)
    assert Standing.PENDING is case.standing


# ── ends ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [400, 401, 403, 410])
@pytest.mark.parametrize(
    ("read", "verdict", "looks"),
    [
        (a_read(), Verdict.CLEAR, 1),
        (a_read(an_order("a")), Verdict.REFUSED, 1),
        (a_read(an_order("a", "PENDING_CANCEL")), Verdict.REFUSED, 1),
        (an_answer(401), Verdict.REFUSED, 1),
        (an_answer(404), Verdict.REFUSED, 1),
        (an_answer(429), Verdict.REFUSED, 0),
        (an_answer(503), Verdict.REFUSED, 5),
        (no_answer(), Verdict.REFUSED, 5),
    ],
)
def test_a_refused_account_is_sent_one_delete_and_read_until_a_look_says_something(
    status: int, read: Answer, verdict: Verdict, looks: int
):
    """No further DELETE will help it; five looks that fail are enough."""
    case = a_case()

    def broker(do: Do, _query: Query | None, at: float) -> Answer:
        return (an_answer(status) if do is CANCEL else read)._replace(began=at, ended=at + 0.01)

    done = drive(case, PACE, broker)

    assert ([0.0], verdict) == (times(done, CANCEL), case.verdict)
    assert (bool(looks), looks) == (case.timetable.is_over, case.timetable.looks)


def test_a_refusal_after_an_acceptance_does_not_end_the_account():
    """The orders that were accepted are still looked after."""
    case = cancelled(a_case(), an_answer(), an_answer(403, began=1.0))
    look(case, a_read(an_order("a", "PENDING_CANCEL"), began=2.0))

    assert (Outcome.ACCEPTED, False) == (case.outcome, case.timetable.is_over)
    assert times(drive(case, PACE, stuck), CANCEL)


@pytest.mark.parametrize("status", [200, 404, 401, 403, 400])
def test_without_verification_the_first_conclusive_delete_ends_the_account(status: int):
    """Nothing is read, so nothing is clear."""
    case = a_case()
    answers = [503, None, status]
    done = drive(case, BLIND, lambda _do, _query, at: an_answer(answers[case.cancels], began=at))

    assert 3 == len(times(done, CANCEL)) == len(done)
    assert (True, Standing.UNREAD) == (case.timetable.is_over, case.standing)
    assert Step(REST) == case.step(0.0, BLIND)


def test_a_watched_account_is_read_on_and_cancelled_when_orders_reappear():
    """Every five seconds; what is open is cancelled at once."""
    appears = {2: "new"}
    clears: list[float] = []

    def broker(do: Do, query: Query | None, at: float) -> Answer:
        if do is CANCEL:
            return an_answer(began=at, orders=(an_order("new", "PENDING_CANCEL"),) if at else ())
        clears.append(at)
        if len(case.attempts) > 1 and case.standing is Standing.CLEAR and appears:
            return a_read(an_order(appears.pop(2)), began=at)
        ended = dict(query.parameters).get("order_ids") if query else None
        return a_read(*([an_order("new", "CANCELED")] if ended else []), began=at)

    case = a_case()
    done = drive(case, a_pace(30.0, watch_s=15.0), broker)

    assert [0.0, 5.501] == [round(at, 3) for at in times(done, CANCEL)]
    assert {"new"} == case.tally.reappeared
    assert (Standing.CLEAR, False, True) == (case.standing, case.timetable.is_over, case.is_concluded)


# ── what is told about the orders ──────────────────────────────────────────────────────────────────────────


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


# ── doubt ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("failures", [0, 2])
def test_anothers_orders_end_a_look(failures: int):
    """They are neither asked for again nor taken for a refusal that a look could do without."""
    case = cancelled(a_case(), an_answer())
    case._reading._size = 150  # it begins with the list, which may be refused
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


@pytest.mark.parametrize(
    ("act", "standing"),
    [(lambda case: case.doubt(2.0), Standing.OPEN), (lambda case: case.look_again(2.0), Standing.OPEN)],
    ids=["doubt", "look again"],
)
def test_what_was_seen_open_is_open_whatever_is_doubted(act: Callable[[Case], bool], standing: Standing):
    """Whosever order it was."""
    case = cancelled(a_case(), an_answer())
    look(case, a_read(an_order("a"), began=1.0))

    assert not act(case)
    assert standing is case.standing


def test_a_look_under_way_in_the_moment_of_doubt_proves_nothing():
    """What it has seen may be another's, and the answer still to come as well."""
    case = cancelled(a_case(), an_answer(orders=(an_order("x", "PENDING_CANCEL"),)))
    look(case, a_read(began=1.0))
    goes_on = case.look is not None
    case.doubt(1.5)
    case.read(a_read(an_order("x", "CANCELED"), began=1.0, ended=2.0), PACE)

    assert goes_on
    assert case.look is None
    assert Standing.UNREAD is case.standing


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


# ── somebody asks again ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ask", [lambda case: case.look_again(2.0), Case.press_again], ids=["look", "press"])
def test_a_look_under_way_is_older_than_who_asks_again(ask: Callable[[Case], object]):
    """What it still brings proves nothing, and what it has shown open has to be seen ended."""
    case = cancelled(a_case(), an_answer(404))
    look(case, a_read(an_order("x"), began=1.0, next_token="t", total=2))
    ask(case)
    case.read(a_read(an_order("y", "FILLED"), began=1.0, ended=2.5, total=2), PACE)

    assert (None, Standing.UNREAD) == (case.look, case.standing)
    assert {"x"} == set(case.tally.orders)


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

    assert times(done, READ)
    assert [] == times(done, CANCEL)


@pytest.mark.parametrize(("is_clear", "due"), [(True, READ), (False, CANCEL)])
def test_who_takes_a_run_up_owes_a_first_delete_to_all_that_was_not_proven(is_clear: bool, due: Do):
    """What was proven is read at once, and counts as proven no more."""
    case = cancelled(a_case(), an_answer())
    if is_clear:
        look_clear(case, 1.0)
    case.resume(50.0, PACE)

    assert (not is_clear, Standing.UNREAD) == (case.owes_first, case.standing)
    assert Step(due, 50.0) == case.step(50.0, PACE)


# ── all together ───────────────────────────────────────────────────────────────────────────────────────────

STATUSES = st.sampled_from(["NEW", "PENDING_CANCEL", "CANCELED", "FILLED", "HELD"])
SOME_ORDERS = st.lists(st.builds(an_order, st.sampled_from("abc"), STATUSES), max_size=2).map(tuple)
ANSWERS = st.builds(
    lambda status, orders, took, retry_after, token, is_read: an_answer(
        status,
        ended=took,
        orders=orders,
        retry_after=retry_after,
        page=a_page(*orders, next_token=token, total=None) if status == 200 and is_read else None,
    ),
    st.sampled_from([200, 200, 200, 404, 403, 429, 503, None]),
    SOME_ORDERS,
    st.sampled_from([0.0, 0.01, 0.7]),
    st.sampled_from([None, None, None, 1.0]),
    st.sampled_from(["", "", "", "t"]),
    st.sampled_from([True, True, False]),
)


@given(st.lists(ANSWERS, min_size=1, max_size=25), st.sampled_from([PACE, WATCH, BLIND, a_pace(6.0)]))
def test_whatever_is_answered_a_case_ends_and_clear_rests_on_reads(answers: list[Answer], pace: Pace):
    """Any broker: the run ends, and a clear account was seen clear after its last DELETE."""
    case, told, last_cancel = a_case(), iter(answers * 40), [0.0]
    reads: list[tuple[float, Answer]] = []

    def broker(do: Do, _query: Query | None, at: float) -> Answer:
        answer = next(told, no_answer())
        answer = answer._replace(began=at, ended=at + answer.ended)
        if do is CANCEL:
            last_cancel[0] = answer.ended
            reads.clear()
            return answer._replace(page=None)
        reads.append((at, answer))
        return answer._replace(orders=())

    drive(case, pace, broker)

    if case.standing is Standing.CLEAR:
        pages = [told_.page for at, told_ in reads if told_.page and at >= last_cancel[0]]
        assert pages
        assert all(tracked.seen_ended for tracked in case.tally.orders.values())
    assert (case.verdict is Verdict.CLEAR) == (case.standing is Standing.CLEAR)
    assert 1 <= case.cancels
