"""The one table of outcomes, the fold over DELETEs, the verdicts and the exit codes."""

from itertools import product

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

UNANSWERED = [Outcome.NOT_ATTEMPTED, Outcome.UNREACHABLE, Outcome.UNKNOWN]


def by_the_design(status: int, body: Body | None) -> Outcome:
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
        is not (by_the_design(status, body) if sent else Outcome.UNREACHABLE)
    ]

    assert [] == wrong


def test_each_outcome_of_an_attempt_is_one_row():
    """No row is out of reach and none is doubled; the last takes whatever is left."""
    assert set(Outcome) - {Outcome.NOT_ATTEMPTED} == {rule.outcome for rule in TABLE}
    assert len(Outcome) - 1 == len(TABLE)
    assert TABLE[-1].holds(Evidence(True))


def test_only_what_may_change_is_tried_again():
    """What the broker has decided is not asked again, whatever it has decided."""
    assert {Outcome.RATE_LIMITED, Outcome.BROKER_ERROR, Outcome.UNREACHABLE, Outcome.UNKNOWN} == TRY_AGAIN
    assert {Outcome.UNAUTHENTICATED, Outcome.FORBIDDEN, Outcome.REJECTED} == REFUSED


def _folded(before: Outcome, latest: Outcome) -> Outcome:
    """The fold once more, as the design words it."""
    if before is Outcome.ACCEPTED or (before not in UNANSWERED and latest in UNANSWERED):
        return before
    if latest in UNANSWERED:
        return UNANSWERED[max(UNANSWERED.index(before), UNANSWERED.index(latest))]
    return latest


def test_the_last_answered_delete_names_the_outcome_until_one_was_accepted():
    """One that was not answered never replaces one that was; maybe sent outweighs not sent."""
    pairs = list(product(Outcome, Outcome))

    assert [_folded(*pair) for pair in pairs] == [succeed(*pair) for pair in pairs]
    assert all(
        succeed(succeed(a, b), c) is succeed(a, succeed(b, c)) for a, b, c in product(Outcome, Outcome, Outcome)
    )


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


def test_the_first_verdict_rule_that_holds_decides():
    """All combinations there are; only a clear standing makes a clear verdict."""
    cells = list(product(Outcome, Standing, (True, False)))

    assert [_judged(*cell) for cell in cells] == [judge(a, b, own_envelope=own) for a, b, own in cells]


@given(st.lists(st.sampled_from(Verdict), min_size=1))
def test_the_worst_account_is_the_verdict_of_the_run(verdicts: list[Verdict]):
    """Refused > unknown > open > unverified > clear, whatever their order."""
    names = ["refused", "unknown", "open", "unverified", "clear"]

    assert names == list(WORST_FIRST)
    assert min(verdicts, key=names.index) is worst(*verdicts)


def test_an_exit_code_tells_the_verdict():
    """0 and only 0 is clear, and a worse verdict has a higher code."""
    assert {"clear": 0, "unverified": 10, "open": 20, "unknown": 30, "refused": 40} == EXIT_CODES
