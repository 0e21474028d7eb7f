"""What follows from a call: presses where it should, says so, and pages where a breach may have been lost."""

import itertools
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


@pytest.mark.parametrize(("meaning", "on_odd"), [*itertools.product(Meaning, ["press", "page"])])
def test_a_forged_call_is_refused_as_an_unknown_hook_is(meaning: Meaning, on_odd: OnOdd):
    """Whatever it says; nobody is paged, or anybody could."""
    decision = decide("desk", Verified(Kind.FORGED), said(meaning), on_odd=on_odd, earlier=TAKEN)

    assert NOT_LET_IN is decision
    assert (Act.REFUSE, 401, "", "") == (decision.act, decision.status, decision.page, decision.reason)


@pytest.mark.parametrize(
    ("kind", "code", "meaning"),
    [(kind, kind.value, meaning) for kind in (Kind.LATE, Kind.MALFORMED) for meaning in Meaning],
)
def test_a_well_signed_call_that_is_refused_pages(kind: Kind, code: str, meaning: Meaning):
    """It may have been a breach; the caller hears what to mend, the person that nothing was pressed."""
    decision = decide("desk", Verified(kind, wrong="its clock is off"), said(meaning))

    assert (Act.REFUSE, 400, code) == (decision.act, decision.status, decision.code)
    assert "It is well signed, but its clock is off." == decision.detail
    assert "a well-signed call to hook desk was refused: its clock is off; NOTHING was pressed" == decision.page
    assert decision.remedy


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


def test_a_copy_of_what_pressed_nothing_is_recorded():
    """There is nothing to join, and nothing was lost."""
    decision = decide("desk", AUTHENTIC, said(Meaning.TEST), earlier=Earlier("digest", 1000), digest="digest")

    assert (Act.RECORD, 200, True, "") == (decision.act, decision.status, decision.is_copy, decision.page)


@pytest.mark.parametrize("is_live", [True, False])
def test_an_id_used_for_another_body_is_refused_and_pages(is_live: bool):
    """It may have been a breach of its own."""
    decision = decide("desk", AUTHENTIC, said(Meaning.FIRING), earlier=TAKEN, digest="other", is_live=is_live)

    assert (Act.REFUSE, 409, "id_used") == (decision.act, decision.status, decision.code)
    assert "NOTHING was pressed" in decision.page


def test_a_reason_is_bounded():
    """However long what came is."""
    decision = decide("desk", AUTHENTIC, Understood(Meaning.ODD, "x" * 10_000))

    assert REASON_MOST == len(decision.reason)
