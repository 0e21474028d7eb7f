"""A case from its first DELETE to its end, at brokers of every kind."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from panic.broker.answers import Answer
from panic.broker.outcomes import Outcome, Standing, Verdict
from panic.broker.pages import Parameters
from panic.engine.timetable import Do, Step
from tests.kit.builders import (
    BLIND,
    PACE,
    a_case,
    a_pace,
    a_read,
    an_answer,
    an_order,
    cancelled,
    drive,
    look,
    no_answer,
    times,
)


def gaps(moments: list[float]) -> list[float]:
    """The waits between moments."""
    return [later - earlier for earlier, later in pairwise(moments)]


Broker = Callable[[Do, Parameters | None, float], Answer]


def stuck(do: Do, _query: Parameters | None, at: float) -> Answer:
    """A broker that never finishes a cancel."""
    order = an_order("a", "PENDING_CANCEL")
    return an_answer(began=at, orders=(order,)) if do is Do.CANCEL else a_read(order, began=at)


def always(answer: Answer, took: float = 0.0) -> Broker:
    """A broker that knows one answer."""
    return lambda _do, _query, at: answer._replace(began=at, ended=at + took)


def down_for_cancels(do: Do, _query: Parameters | None, at: float) -> Answer:
    """A broker whose reads still show an order."""
    return an_answer(503, began=at) if do is Do.CANCEL else a_read(an_order(), began=at)


@pytest.mark.parametrize("jitter", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize(
    ("broker", "least", "most"),
    [
        (stuck, 7, 7),
        (always(an_answer(503)), 8, 10),
        (always(an_answer(503), 0.5), 8, 10),
        (down_for_cancels, 8, 10),
        *((always(an_answer(429, retry_after=seconds), 0.01), 3, 99) for seconds in (None, 1.0, 17.0, 20.0)),
        *((always(no_answer(), took), 7, 10) for took in (0.0, 1.0, 4.9, 5.0)),
    ],
)
def test_an_account_that_is_not_clear_gets_a_delete_every_twenty_seconds(
    broker: Broker, least: int, most: int, jitter: float
):
    """To the deadline but for the hush, no more than a broker on its knees can bear, and it is read as well."""
    case, pace = a_case(), a_pace()
    done = drive(case, pace, broker, jitter)
    cancels = times(done, Do.CANCEL)

    assert max(gaps(cancels)) <= 20.05
    assert pace.deadline - cancels[-1] <= 20.05
    assert least <= len(cancels) <= most
    assert times(done, Do.READ)
    assert Verdict.CLEAR is not case.verdict


def test_the_hush_keeps_what_reads_have_shown():
    """In the last two seconds what was accepted is read, not cancelled again."""
    pace = a_pace(18.5)
    case = cancelled(a_case(), an_answer(orders=(an_order("a", "PENDING_CANCEL"),)))
    done = drive(case, pace, stuck)

    assert [] == times(done, Do.CANCEL)
    assert 17.5 == min(at for at in times(done, Do.READ) if at > 16.5)
    assert Standing.PENDING is case.standing


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

    def broker(do: Do, _query: Parameters | None, at: float) -> Answer:
        return (an_answer(status) if do is Do.CANCEL else read)._replace(began=at, ended=at + 0.01)

    done = drive(case, PACE, broker)

    assert ([0.0], verdict) == (times(done, Do.CANCEL), case.verdict)
    assert (bool(looks), looks) == (case.timetable.is_over, case.timetable.looks)


def test_a_refusal_after_an_acceptance_does_not_end_the_account():
    """The orders that were accepted are still looked after."""
    case = cancelled(a_case(), an_answer(), an_answer(403, began=1.0))
    look(case, a_read(an_order("a", "PENDING_CANCEL"), began=2.0))

    assert (Outcome.ACCEPTED, False) == (case.outcome, case.timetable.is_over)
    assert times(drive(case, PACE, stuck), Do.CANCEL)


@pytest.mark.parametrize("status", [200, 404, 401, 403, 400])
def test_without_verification_the_first_conclusive_delete_ends_the_account(status: int):
    """Nothing is read, so nothing is clear."""
    case = a_case()
    answers = [503, None, status]
    done = drive(case, BLIND, lambda _do, _query, at: an_answer(answers[case.cancels], began=at))

    assert 3 == len(times(done, Do.CANCEL)) == len(done)
    assert (True, Standing.UNREAD) == (case.timetable.is_over, case.standing)
    assert Step(Do.REST) == case.step(0.0, BLIND)
