"""What takes a proof back: doubts, presses, whoever looks again, and a restart."""

from collections.abc import Callable

import pytest

from panic.broker.outcomes import Body, Standing
from panic.broker.proof import Receipt
from panic.engine.case import Case
from panic.engine.timetable import NEVER, Do, Step
from tests.kit.builders import (
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
)


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
