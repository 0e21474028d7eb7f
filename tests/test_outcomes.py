"""The one table of outcomes, the fold over DELETEs, the verdicts and the exit codes."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.broker.outcomes import (
    EXIT_CODES,
    REFUSED,
    TABLE,
    TRY_AGAIN,
    WORST_FIRST,
    Body,
    Evidence,
    Outcome,
    Standing,
    Verdict,
    classify,
    judge,
    succeed,
    worst,
)

ANSWERED = sorted(set(Outcome) - {Outcome.UNKNOWN, Outcome.UNREACHABLE, Outcome.NOT_ATTEMPTED})
UNANSWERED = [Outcome.NOT_ATTEMPTED, Outcome.UNREACHABLE, Outcome.UNKNOWN]
outcomes = st.sampled_from(Outcome)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, Body.OBJECT, Outcome.ACCEPTED),
        (202, Body.OBJECT, Outcome.ACCEPTED),
        (200, Body.EMPTY, Outcome.ACCEPTED),
        (200, Body.OVERLONG, Outcome.ACCEPTED),
        (204, Body.EMPTY, Outcome.ACCEPTED),
        (204, None, Outcome.ACCEPTED),
        (200, Body.INVALID, Outcome.UNKNOWN),
        (200, Body.FOREIGN, Outcome.UNKNOWN),
        (200, None, Outcome.UNKNOWN),
        (299, Body.INVALID, Outcome.UNKNOWN),
        (404, Body.OBJECT, Outcome.NOTHING_TO_CANCEL),
        (404, Body.EMPTY, Outcome.NOTHING_TO_CANCEL),
        (404, Body.INVALID, Outcome.NOTHING_TO_CANCEL),
        (404, Body.OVERLONG, Outcome.NOTHING_TO_CANCEL),
        (404, Body.FOREIGN, Outcome.NOTHING_TO_CANCEL),
        (404, None, Outcome.NOTHING_TO_CANCEL),
        (401, Body.OBJECT, Outcome.UNAUTHENTICATED),
        (403, Body.OBJECT, Outcome.FORBIDDEN),
        (400, Body.OBJECT, Outcome.REJECTED),
        (405, Body.OBJECT, Outcome.REJECTED),
        (410, Body.OBJECT, Outcome.REJECTED),
        (422, Body.OBJECT, Outcome.REJECTED),
        (499, Body.OBJECT, Outcome.REJECTED),
        (429, Body.OBJECT, Outcome.RATE_LIMITED),
        (408, Body.OBJECT, Outcome.BROKER_ERROR),
        (409, Body.OBJECT, Outcome.BROKER_ERROR),
        (425, Body.OBJECT, Outcome.BROKER_ERROR),
        (500, Body.OBJECT, Outcome.BROKER_ERROR),
        (503, Body.INVALID, Outcome.BROKER_ERROR),
        (599, Body.EMPTY, Outcome.BROKER_ERROR),
        (100, None, Outcome.UNKNOWN),
        (301, Body.EMPTY, Outcome.UNKNOWN),
        (302, Body.OBJECT, Outcome.UNKNOWN),
        (304, Body.EMPTY, Outcome.UNKNOWN),
        (600, Body.OBJECT, Outcome.UNKNOWN),
        (999, Body.OBJECT, Outcome.UNKNOWN),
        (None, None, Outcome.UNKNOWN),
    ],
)
def test_a_row_of_the_table_names_the_outcome(status: int | None, body: Body | None, outcome: Outcome):
    """What was sent is judged by its status first and its body second."""
    assert outcome is classify(Evidence(True, status, body))


def test_what_was_provably_not_sent_is_unreachable():
    """It needs no answer to know that."""
    assert Outcome.UNREACHABLE is classify(Evidence(sent=False))


def _by_the_design(status: int, body: Body | None) -> Outcome:
    """The table once more, independently, as the design words it."""
    if status == 204 or (200 <= status < 300 and body in {Body.OBJECT, Body.EMPTY, Body.OVERLONG}):
        return Outcome.ACCEPTED
    named = {
        401: Outcome.UNAUTHENTICATED,
        403: Outcome.FORBIDDEN,
        404: Outcome.NOTHING_TO_CANCEL,
        429: Outcome.RATE_LIMITED,
    }
    if status in named:
        return named[status]
    if status in {408, 409, 425} or status // 100 == 5:
        return Outcome.BROKER_ERROR
    return Outcome.REJECTED if status // 100 == 4 else Outcome.UNKNOWN


def test_every_status_with_every_body_has_the_outcome_of_the_design():
    """From 100 to 999, sent or not: nothing falls between two rows."""
    wrong = [
        (status, body, sent)
        for status, body, sent in product(range(100, 1000), (None, *Body), (True, False))
        if classify(Evidence(sent, status, body))
        is not (_by_the_design(status, body) if sent else Outcome.UNREACHABLE)
    ]

    assert [] == wrong


def test_each_outcome_of_an_attempt_is_one_row():
    """No row is out of reach and none is doubled; the last takes whatever is left."""
    assert set(Outcome) - {Outcome.NOT_ATTEMPTED} == {rule.outcome for rule in TABLE}
    assert len(Outcome) - 1 == len(TABLE)
    assert TABLE[-1].holds(Evidence(True))


def test_only_what_may_change_is_tried_again():
    """What the broker has decided is not asked again, whatever it has decided."""
    assert {
        Outcome.RATE_LIMITED,
        Outcome.BROKER_ERROR,
        Outcome.UNREACHABLE,
        Outcome.UNKNOWN,
    } == TRY_AGAIN
    assert {Outcome.UNAUTHENTICATED, Outcome.FORBIDDEN, Outcome.REJECTED} == REFUSED


@given(latest=outcomes)
def test_accepted_stays_accepted(latest: Outcome):
    """Whatever comes after it, orders may be pending."""
    assert Outcome.ACCEPTED is succeed(Outcome.ACCEPTED, latest)


@given(before=outcomes, latest=st.sampled_from(UNANSWERED))
def test_an_unanswered_delete_never_replaces_an_answered_one(before: Outcome, latest: Outcome):
    """A timeout says nothing new; among the unanswered the one that says more stays."""
    after = succeed(before, latest)

    assert before is after or (before in UNANSWERED and latest is after)


@given(before=outcomes.filter(lambda o: o is not Outcome.ACCEPTED), latest=st.sampled_from(ANSWERED))
def test_the_last_answered_delete_names_the_outcome(before: Outcome, latest: Outcome):
    """Until one was accepted."""
    assert latest is succeed(before, latest)


@pytest.mark.parametrize(("before", "latest"), list(product(UNANSWERED, UNANSWERED)))
def test_among_unanswered_deletes_maybe_sent_outweighs_not_sent(before: Outcome, latest: Outcome):
    """One that may have arrived makes the outcome unknown for good."""
    expected = UNANSWERED[max(UNANSWERED.index(before), UNANSWERED.index(latest))]

    assert expected is succeed(before, latest)


@given(a=outcomes, b=outcomes, c=outcomes)
def test_the_fold_is_one_and_the_same_in_any_grouping(a: Outcome, b: Outcome, c: Outcome):
    """It is associative, idempotent, and nothing attempted changes nothing."""
    assert succeed(succeed(a, b), c) is succeed(a, succeed(b, c))
    assert a is succeed(a, a)
    assert a is succeed(Outcome.NOT_ATTEMPTED, a)
    assert a is succeed(a, Outcome.NOT_ATTEMPTED)


def _judged(outcome: Outcome, standing: Standing, own_envelope: bool) -> Verdict:
    """The verdict rules once more, in the order of the design."""
    own_404 = outcome is Outcome.NOTHING_TO_CANCEL and own_envelope
    rules = (
        (standing is Standing.CLEAR, Verdict.CLEAR),
        (outcome in {"unauthenticated", "forbidden", "rejected"}, Verdict.REFUSED),
        (standing in {"open", "pending"}, Verdict.OPEN),
        (outcome is Outcome.ACCEPTED or own_404, Verdict.UNVERIFIED),
    )
    return next((verdict for holds, verdict in rules if holds), Verdict.UNKNOWN)


@pytest.mark.parametrize(("outcome", "standing"), list(product(Outcome, Standing)))
@pytest.mark.parametrize("own_envelope", [True, False])
def test_the_first_verdict_rule_that_holds_decides(outcome: Outcome, standing: Standing, own_envelope: bool):
    """All combinations there are."""
    expected = _judged(outcome, standing, own_envelope)

    assert expected is judge(outcome, standing, own_envelope=own_envelope)


@pytest.mark.parametrize(
    ("outcome", "standing", "own_envelope", "verdict"),
    [
        (Outcome.FORBIDDEN, Standing.CLEAR, False, Verdict.CLEAR),
        (Outcome.NOT_ATTEMPTED, Standing.CLEAR, False, Verdict.CLEAR),
        (Outcome.FORBIDDEN, Standing.OPEN, False, Verdict.REFUSED),
        (Outcome.ACCEPTED, Standing.PENDING, False, Verdict.OPEN),
        (Outcome.UNKNOWN, Standing.OPEN, False, Verdict.OPEN),
        (Outcome.ACCEPTED, Standing.UNREAD, False, Verdict.UNVERIFIED),
        (Outcome.NOTHING_TO_CANCEL, Standing.UNREAD, True, Verdict.UNVERIFIED),
        (Outcome.NOTHING_TO_CANCEL, Standing.UNREAD, False, Verdict.UNKNOWN),
        (Outcome.RATE_LIMITED, Standing.UNREAD, True, Verdict.UNKNOWN),
        (Outcome.NOT_ATTEMPTED, Standing.UNREAD, False, Verdict.UNKNOWN),
    ],
)
def test_an_account_has_one_verdict(outcome: Outcome, standing: Standing, own_envelope: bool, verdict: Verdict):
    """Each rule and its nearest neighbour."""
    assert verdict is judge(outcome, standing, own_envelope=own_envelope)


@given(st.sampled_from(Outcome), st.sampled_from(Standing), st.booleans())
def test_only_a_clear_standing_makes_a_clear_verdict(outcome: Outcome, standing: Standing, own: bool):
    """An accepted cancel is not a cancelled order."""
    is_clear = judge(outcome, standing, own_envelope=own) is Verdict.CLEAR

    assert is_clear == (standing is Standing.CLEAR)


@given(st.lists(st.sampled_from(Verdict), min_size=1))
def test_the_worst_account_is_the_verdict_of_the_run(verdicts: list[Verdict]):
    """Refused > unknown > open > unverified > clear, whatever their order."""
    names = ["refused", "unknown", "open", "unverified", "clear"]

    assert names == list(WORST_FIRST)
    assert min(verdicts, key=names.index) is worst(*verdicts)


def test_an_exit_code_tells_the_verdict():
    """0 and only 0 is clear, and a worse verdict has a higher code."""
    assert {"clear": 0, "unverified": 10, "open": 20, "unknown": 30, "refused": 40} == EXIT_CODES
