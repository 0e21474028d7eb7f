"""What follows from a call: presses where it should, says so, and pages where a breach may have been lost."""

from dataclasses import replace
from typing import Literal

import pytest

from panic.service.hooks.bodies import Meaning, Understood
from panic.service.hooks.decisions import NOT_LET_IN, REASON_MOST, Act, Earlier, decide
from panic.service.hooks.signatures import Kind, Verified

OnOdd = Literal["press", "page"]
AUTHENTIC = Verified(Kind.AUTHENTIC, "msg_1", 1000)
TAKEN = Earlier("digest", 1000, "run-1", is_over=True)


def said(meaning: Meaning) -> Understood:
    """A body of this meaning."""
    return Understood(meaning, "Limit: desk A")


@pytest.mark.parametrize(
    ("meaning", "on_odd", "act", "status", "pages"),
    [
        (Meaning.FIRING, "press", Act.PRESS, 202, False),
        (Meaning.FIRING, "page", Act.PRESS, 202, False),
        (Meaning.RESOLVED, "press", Act.RECORD, 200, False),
        (Meaning.TEST, "press", Act.RECORD, 200, False),
        (Meaning.RESOLVED, "page", Act.RECORD, 200, False),
        (Meaning.TEST, "page", Act.RECORD, 200, False),
        (Meaning.ODD, "press", Act.PRESS, 202, True),
        (Meaning.ODD, "page", Act.PAGE, 202, True),
    ],
)
def test_what_an_authentic_call_sets_off(meaning: Meaning, on_odd: OnOdd, act: Act, status: int, pages: bool):
    """A press, unless it says that it is over or a test, or its hook only pages for what is not understood."""
    decision = decide("desk", AUTHENTIC, said(meaning), on_odd=on_odd)

    assert (act, status, pages) == (decision.act, decision.status, bool(decision.page))
    assert (act is Act.PRESS) == ("hook desk: " in decision.reason and "Limit: desk A" in decision.reason)


@pytest.mark.parametrize("meaning", Meaning)
def test_a_call_that_is_not_of_now_or_proves_nothing_is_refused_whatever_it_says(meaning: Meaning):
    """A well-signed one may have been a breach: it pages. A forged one does not, or anybody could."""
    forged = decide("desk", Verified(Kind.FORGED), said(meaning), earlier=TAKEN)
    late, malformed = (
        decide("desk", Verified(kind, wrong="its clock is off"), said(meaning))
        for kind in (Kind.LATE, Kind.MALFORMED)
    )

    assert NOT_LET_IN is forged
    assert (Act.REFUSE, 401, "", "") == (forged.act, forged.status, forged.page, forged.reason)
    assert [(400, "late"), (400, "malformed")] == [(one.status, one.code) for one in (late, malformed)]
    assert "It is well signed, but its clock is off." == late.detail
    assert "a well-signed call to hook desk was refused: its clock is off; NOTHING was pressed" == late.page


@pytest.mark.parametrize("meaning", Meaning)
@pytest.mark.parametrize(
    ("is_live", "timestamp", "status", "code"),
    [
        (True, 1000, 202, "joined"),
        (True, 1030, 202, "joined"),
        (False, 1030, 202, "joined"),
        (False, 1000, 409, "replayed"),
    ],
)
def test_a_call_taken_before_never_presses_again(
    is_live: bool, timestamp: int, status: int, code: str, meaning: Meaning
):
    """It joins its run; an exact copy that comes after that run's end is a replay, and pages."""
    verified = Verified(Kind.AUTHENTIC, "msg_1", timestamp)
    decision = decide("desk", verified, said(meaning), earlier=TAKEN, digest="digest", is_live=is_live)

    assert (status, code, "run-1") == (decision.status, decision.code, decision.joins)
    assert ("replayed" == code) == bool(decision.page)
    assert decision.is_copy
    assert not decision.reason


@pytest.mark.parametrize("timestamp", [1000, 1030])
def test_a_repeat_of_a_run_that_nobody_knows_counts_as_new(timestamp: int):
    """It joins nothing that there is not; another body under its id is refused all the same."""
    verified = Verified(Kind.AUTHENTIC, "msg_1", timestamp)
    again, other = (
        decide("desk", verified, said(Meaning.FIRING), earlier=replace(TAKEN, is_over=False), digest=digest)
        for digest in ("digest", "another")
    )

    assert (Act.PRESS, "pressed", "", False) == (again.act, again.code, again.joins, again.is_copy)
    assert "id_used" == other.code


def test_a_copy_of_what_pressed_nothing_is_recorded_and_another_body_refused():
    """There is nothing to join, and nothing was lost; another body may have been a breach of its own."""
    earlier = Earlier("digest", 1000)
    copy = decide("desk", AUTHENTIC, said(Meaning.TEST), earlier=earlier, digest="digest")
    other = decide("desk", AUTHENTIC, said(Meaning.FIRING), earlier=TAKEN, digest="other", is_live=True)

    assert (Act.RECORD, 200, True, "") == (copy.act, copy.status, copy.is_copy, copy.page)
    assert (Act.REFUSE, 409, "id_used") == (other.act, other.status, other.code)
    assert "NOTHING was pressed" in other.page


def test_a_reason_is_bounded():
    """However long what came is."""
    decision = decide("desk", AUTHENTIC, Understood(Meaning.ODD, "x" * 10_000))

    assert REASON_MOST == len(decision.reason)
