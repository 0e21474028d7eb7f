"""What follows from a call: presses where it should, says so, and pages where a breach may have been lost."""

from typing import Any

import pytest

from panic.service.hooks.bodies import Meaning, Understood
from panic.service.hooks.decisions import REASON_MOST, Act, Decision, decide
from panic.service.hooks.signatures import Kind, Verified

AUTHENTIC = Verified(Kind.AUTHENTIC, "msg_1", 1000)


def decided(
    meaning: Meaning = Meaning.FIRING, verified: Verified = AUTHENTIC, text: str = "Limit: desk A", **how: Any
) -> Decision:
    """What follows from a call of the hook "desk"."""
    return decide("desk", verified, Understood(meaning, text), **{"on_odd": "press", "repeats": None, **how})


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
def test_what_an_authentic_call_sets_off(meaning: Meaning, on_odd: str, act: Act, status: int, pages: bool):
    """A press, unless it says that it is over or a test, or its hook only pages for what is not understood."""
    decision = decided(meaning, on_odd=on_odd)

    assert (act, status, pages) == (decision.act, decision.status, bool(decision.page))
    assert (act is Act.PRESS) == ("hook desk: " in decision.reason and "Limit: desk A" in decision.reason)


@pytest.mark.parametrize("meaning", Meaning)
@pytest.mark.parametrize("kind", [Kind.LATE, Kind.MALFORMED])
def test_a_call_that_is_not_of_now_is_refused_whatever_it_says(meaning: Meaning, kind: Kind):
    """It is well signed and may have been a breach: it pages."""
    decision = decided(meaning, Verified(kind, wrong="its clock is off"), repeats="run-1")

    assert (Act.REFUSE, 400, kind) == (decision.act, decision.status, decision.code)
    assert "It is well signed, but its clock is off." == decision.detail
    assert "a well-signed call to hook desk was refused: its clock is off; NOTHING was pressed" == decision.page


@pytest.mark.parametrize("meaning", Meaning)
@pytest.mark.parametrize(("run", "status", "code"), [("run-1", 202, "joined"), ("", 200, "recorded")])
def test_a_copy_never_presses_again(meaning: Meaning, run: str, status: int, code: str):
    """It counts as the earlier call, whatever that came to."""
    decision = decided(meaning, repeats=run)

    assert (Act.RECORD, status, code) == (decision.act, decision.status, decision.code)
    assert not decision.page + decision.reason


def test_a_reason_is_bounded():
    """However long what came is."""
    assert REASON_MOST == len(decided(Meaning.ODD, text="x" * 10_000).reason)
