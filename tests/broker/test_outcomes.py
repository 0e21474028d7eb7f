"""The one table of outcomes, by itself and over the wire; the fold over DELETEs, verdicts and exit codes."""

from collections.abc import Iterator
from itertools import product
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import ClientResponse
from aioresponses import aioresponses
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

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
from tests.broker.support import BODIES, ID, cancel, door

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


BASE = "https://broker.example"
ORDERS = f"{BASE}/v1/accounts/{ID}/orders"


class _Response(ClientResponse):
    """What aioresponses makes: its 0.7.9 does not know the argument that aiohttp 3.14 asks for (its issue 289)."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, stream_writer=Mock(output_size=0), **options)


@pytest.fixture
def mocked() -> Iterator[aioresponses]:
    with aioresponses() as mock:
        yield mock


STATUSES = (
    *(200, 201, 202, 203, 204, 206, 207, 226, 299),
    *(300, 301, 302, 303, 304, 307, 308),
    *(400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 413, 414, 415, 418, 422, 425, 429, 431, 451, 499),
    *(500, 501, 502, 503, 504, 507, 520, 522, 524, 529, 599),
    *(600, 700, 999),
)


@pytest.mark.parametrize("body", BODIES)
async def test_every_status_with_every_body_is_one_request_and_has_the_outcome_of_the_design(
    mocked: aioresponses, body: str
):
    """An error's status alone names the outcome; a 2xx is accepted when its body is an object or empty."""
    found = {}
    async with door(BASE) as broker:
        for status in STATUSES:
            mocked.add(ORDERS, "DELETE", status=status, body=BODIES[body][0], response_class=_Response)
            found[status] = (await cancel(broker)).outcome

    assert {status: by_the_design(status, BODIES[body][1]) for status in STATUSES} == found
    assert [("DELETE", URL(ORDERS))] == list(mocked.requests)
    assert len(STATUSES) == len(mocked.requests["DELETE", URL(ORDERS)])
