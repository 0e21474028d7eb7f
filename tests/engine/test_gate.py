"""What passes behind one credential after which answers."""

from collections.abc import Callable

import pytest

from panic.engine.gate import Gate, Kind

FIRST, CANCEL, READ = Kind.FIRST_CANCEL, Kind.CANCEL, Kind.READ

Act = Callable[[Gate], None]


def limited(at: float, retry_after: float | None = None, account: int = 1) -> Act:
    """A 429."""
    return lambda gate: gate.answered(account, at, limited=True, retry_after=retry_after)


def fine(at: float, account: int = 1) -> Act:
    """Any other answer."""
    return lambda gate: gate.answered(account, at, limited=False)


def lost(at: float, account: int = 1) -> Act:
    """No answer at all."""
    return lambda gate: gate.answered(account, at, limited=None)


def probe(at: float, account: int = 1) -> Act:
    """A request passes."""
    return lambda gate: gate.passed(account, at)


def after(*acts: Act) -> Gate:
    """The gate after all of these."""
    gate = Gate()
    for act in acts:
        act(gate)
    return gate


@pytest.mark.parametrize(
    ("acts", "first_at", "others_at"),
    [
        ([], 0.0, 0.0),
        ([probe(1.0)], 0.0, 0.0),
        ([lost(1.0)], 0.0, 0.0),
        ([limited(10.0)], 11.0, 11.0),
        ([limited(10.0, 0.0)], 11.0, 11.0),
        ([limited(10.0, 0.5)], 10.5, 10.5),
        ([limited(10.0, 1.9)], 11.9, 11.9),
        ([limited(10.0, 5.0)], 12.0, 15.0),
        ([limited(10.0, 1e9)], 12.0, 15.0),
        ([limited(10.0, 5.0), limited(11.0, 5.0)], 12.0, 16.0),
        ([limited(10.0, 5.0), fine(10.1)], 0.0, 0.0),
        ([limited(10.0, 5.0), lost(11.0)], 12.0, 15.0),
        ([limited(10.0, 5.0), fine(14.0), limited(20.0, 5.0)], 22.0, 25.0),
        ([limited(10.0, 2.0), probe(12.5)], 13.5, 13.5),
        ([limited(10.0, 5.0), probe(15.0), limited(15.2, 5.0)], 12.0, 20.2),
        ([limited(10.0, 5.0), probe(15.0), lost(15.5)], 12.0, 15.0),
    ],
)
def test_a_429_closes_for_its_retry_after_and_any_other_answer_opens(
    acts: list[Act], first_at: float, others_at: float
):
    """Five seconds at most, two for first DELETEs; through a closed gate goes one at a time, a second at most."""
    gate = after(*acts)

    assert gate.is_open == (first_at == others_at == 0.0)
    for kind in Kind:
        at = first_at if kind is FIRST else others_at
        assert at == gate.admits_at(kind)
        assert (gate.is_open, True) == (gate.admits(kind, at - 0.001), gate.admits(kind, at))


@pytest.mark.parametrize(
    ("acts", "is_open"),
    [
        ([limited(10.0), fine(11.0, 2), limited(12.0)], False),
        ([limited(10.0), fine(11.0, 2), limited(12.0), fine(12.5, 2), limited(13.0)], True),
        ([limited(10.0), fine(11.0, 2), limited(12.0), fine(12.5, 2), fine(13.0), limited(14.0)], False),
        (
            [limited(10.0), fine(11.0, 2), limited(12.0), fine(12.5, 2), limited(13.0), limited(14.0, None, 3)],
            False,
        ),
    ],
    ids=["passed once", "passed twice", "passed itself since", "another one"],
)
def test_an_account_that_is_limited_by_itself_does_not_shut_the_gate_again(acts: list[Act], is_open: bool):
    """It answered 429 twice and a neighbour passed each time; once it has passed itself, it counts again."""
    assert is_open is after(*acts).is_open
