"""When the next DELETE and the next read of an account are due, and how long to wait."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.broker.answers import Answer
from panic.broker.outcomes import REFUSED, Body, Standing
from panic.engine.pacing import JITTER, Pace, backoff
from panic.engine.timetable import NEVER, Do, Step, Timetable, resumed
from tests.kit.builders import a_pace, an_answer, no_answer

PACE, WATCH, BLIND = a_pace(), a_pace(watch_s=15.0), a_pace(verify=False)
CANCEL, READ = Do.CANCEL, Do.READ

Act = Callable[[Timetable], object]


def sent(answer: Answer, pace: Pace = PACE, *, was_open: bool = False) -> Act:
    """A DELETE is answered."""
    refused = answer.outcome in REFUSED
    return lambda it: it.cancelled(answer, pace, refused=refused, was_open=was_open, jitter=0.0)


def looked(standing: Standing | None, now: float, pace: Pace = PACE) -> Act:
    """A look is over."""
    return lambda it: it.looked(standing, now, pace)


def after(*acts: Act) -> Timetable:
    """The timetable after all of these."""
    timetable = Timetable()
    for act in acts:
        act(timetable)
    return timetable


OK, LATER, NO = an_answer(ended=0.2), an_answer(503, ended=0.2), an_answer(403, ended=0.2)


@pytest.mark.parametrize(
    ("acts", "cancel_at", "read_at"),
    [
        ([], 0.0, NEVER),
        ([sent(OK)], 18.0, 0.7),
        ([sent(an_answer(200, Body.INVALID))], 0.5, 0.5),
        ([sent(no_answer(ended=5.0))], 5.5, 5.5),
        ([sent(an_answer(404))], 18.0, 0.0),
        ([sent(NO)], NEVER, 0.2),
        ([sent(LATER)], 0.7, 0.2),
        ([sent(LATER)] * 2, 2.7, 0.2),
        ([sent(LATER)] * 3, 12.7, 0.2),
        ([sent(LATER)] * 4, 18.0, 0.2),
        ([sent(LATER)] * 3 + [sent(an_answer(404)), sent(LATER)], 0.7, 0.2),
        ([sent(an_answer(503, ended=17.9))] * 3, 18.0, 17.9),
        ([sent(an_answer(429, ended=0.2, retry_after=0.0))] * 9, 0.2, 0.2),
        ([sent(OK, BLIND)], NEVER, NEVER),
        ([sent(LATER, BLIND)], 0.7, NEVER),
    ],
)
def test_after_a_delete(acts: list[Act], cancel_at: float, read_at: float):
    """Waits grow from 0.5 s, and nothing puts the next DELETE off beyond twenty seconds after the last began."""
    timetable = after(*acts)

    assert (cancel_at, read_at) == pytest.approx((timetable.cancel_at, timetable.read_at))


def reopened(times: int) -> list[Act]:
    """A look shows open orders, and a DELETE follows at once, so many times."""
    return [act for _ in range(times) for act in (looked(Standing.OPEN, 0.0), sent(an_answer(), was_open=True))]


@pytest.mark.parametrize(
    ("acts", "cancel_at", "read_at"),
    [
        ([sent(OK), looked(Standing.CLEAR, 1.0)], NEVER, NEVER),
        ([sent(OK), looked(Standing.CLEAR, 1.0, WATCH)], NEVER, 6.0),
        ([sent(OK), looked(Standing.OPEN, 1.0)], 1.0, 1.5),
        ([sent(an_answer()), *reopened(1), looked(Standing.OPEN, 0.0)], 0.5, 0.5),
        ([sent(an_answer()), *reopened(2), looked(Standing.OPEN, 0.0)], 2.5, 0.5),
        ([sent(an_answer()), *reopened(3), looked(Standing.OPEN, 0.0)], 12.5, 0.5),
        ([sent(an_answer()), *reopened(9), looked(Standing.OPEN, 0.0)], 18.0, 0.5),
        ([*reopened(9), looked(Standing.CLEAR, 1.0, WATCH), looked(Standing.OPEN, 6.0, WATCH)], 6.0, 6.5),
        ([sent(OK), looked(Standing.CLEAR, 1.0, WATCH), looked(Standing.PENDING, 6.0, WATCH)], 18.0, 6.5),
        ([sent(OK), looked(Standing.PENDING, 1.0), looked(Standing.PENDING, 1.5)], 18.0, 2.25),
        ([sent(OK), looked(None, 1.0)], 18.0, 1.5),
        ([*[sent(LATER)] * 3, looked(Standing.OPEN, 1.0)], 12.7, 1.5),
        ([sent(OK, a_pace(6.0)), looked(None, 4.9, a_pace(6.0))], 18.0, 5.0),
        ([sent(OK), looked(Standing.CLEAR, 1.0), lambda it: it.read_again(9.0, refused=False)], 18.0, 9.0),
        ([sent(NO), looked(Standing.CLEAR, 1.0), lambda it: it.read_again(9.0, refused=True)], NEVER, 9.0),
        ([lambda it: it.end()], NEVER, NEVER),
    ],
)
def test_after_a_look(acts: list[Act], cancel_at: float, read_at: float):
    """What is open is cancelled at once and then with waits; a failing DELETE keeps its own time."""
    timetable = after(*acts)

    assert (cancel_at, read_at) == pytest.approx((timetable.cancel_at, timetable.read_at))
    assert timetable.is_over == (cancel_at == read_at == NEVER)


HELD = an_answer(429, ended=1.0, retry_after=7.0)


@pytest.mark.parametrize(
    ("timetable", "now", "hush_at", "step"),
    [
        (after(sent(an_answer(404))), 0.0, NEVER, Step(READ, 0.0)),
        (after(sent(OK)), 20.0, NEVER, Step(CANCEL, 20.0)),
        (after(sent(LATER), sent(LATER)), 20.0, NEVER, Step(READ, 20.0)),
        (after(*[sent(an_answer(429, ended=1.0, retry_after=0.0))] * 3), 1.0, NEVER, Step(CANCEL, 1.0)),
        (after(sent(HELD)), 1.0, NEVER, Step(CANCEL, 8.0)),
        (after(sent(HELD), sent(HELD)), 5.0, NEVER, Step(READ, 8.0)),
        (after(sent(an_answer()), lambda it: it.hold_reads(HELD)), 1.0, NEVER, Step(READ, 8.0)),
        (
            after(sent(an_answer()), lambda it: it.hold_reads(an_answer(429, ended=1.0, retry_after=19.5))),
            1.0,
            NEVER,
            Step(CANCEL, 18.0),
        ),
        (after(sent(OK)), 0.2, 17.0, Step(READ, 0.7)),
        (after(sent(OK), looked(None, 19.0)), 20.0, 17.0, Step(READ, 20.0)),
        (after(sent(OK, BLIND), sent(LATER, BLIND)), 20.0, 17.0, Step(CANCEL, 20.0)),
        (after(sent(OK, BLIND)), 20.0, NEVER, Step(Do.REST)),
    ],
)
def test_what_is_due_next(timetable: Timetable, now: float, hush_at: float, step: Step):
    """A DELETE before a read, unless reads waited for two; a Retry-After holds both, the hush only DELETEs."""
    assert step == timetable.step(now, hush_at)


@pytest.mark.parametrize(
    ("proven", "refused", "cancel_at", "read_at"),
    [
        (False, False, 50.0, NEVER),
        (False, True, 50.0, NEVER),
        (True, False, 68.0, 50.0),
        (True, True, NEVER, 50.0),
    ],
)
def test_after_a_restart(proven: bool, refused: bool, cancel_at: float, read_at: float):
    """What was proven is read at once, all else sent at once."""
    timetable = resumed(50.0, PACE, proven=proven, refused=refused)

    assert (cancel_at, read_at) == (timetable.cancel_at, timetable.read_at)


@given(st.integers(0, 10**6), st.floats(-1, 1))
def test_a_wait_is_spread_by_a_tenth_and_less_than_twenty_seconds(failures: int, jitter: float):
    """A thousand accounts do not return in one instant, and none is silent for long."""
    plain, spread = backoff(failures, 0.0), backoff(failures, jitter)

    assert plain * (1 - JITTER) <= spread <= plain * (1 + JITTER) < 20.0
