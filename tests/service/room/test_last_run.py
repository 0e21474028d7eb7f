"""Which run the room shows as its last one: nothing is hidden by a clear run that does not answer for it."""

from datetime import UTC, datetime

import pytest

from panic.accounts.plan import Scope
from panic.broker.outcomes import Verdict
from panic.ledger.record import LastPress
from panic.orders import Filters
from panic.service.room.last_run import Ended, answers_for, shown
from panic.service.room.views import LastRun

HERE, AT = "https://broker", datetime(2026, 3, 2, tzinfo=UTC)
ALL, EAST, WEST = Scope(all=True), Scope(groups=("East",)), Scope(groups=("West",))
BOTH, ONE = Scope(groups=("West", "East")), Scope(accounts=(1,))
BUYS = Scope(all=True, filters=Filters(side="BUY"))
CLEAR, OPEN, REFUSED = Verdict.CLEAR, Verdict.OPEN, Verdict.REFUSED

WIDER = [
    *((ALL, other) for other in (ALL, EAST, WEST, BOTH, ONE, BUYS)),
    *((BOTH, other) for other in (BOTH, EAST, WEST)),
    *((one, one) for one in (EAST, WEST, ONE, BUYS)),
]


def run(name: str, scope: Scope, verdict: Verdict | None, broker: str = HERE) -> Ended:
    view = LastRun(name, verdict, AT, False, str(scope), None, None, is_latest=True)
    return Ended(LastPress(name, AT, 1), scope, broker, view)


def test_a_scope_answers_for_itself_and_for_narrower_ones_alone():
    """By its words: a group may have lost an account since."""
    scopes = (ALL, EAST, WEST, BOTH, ONE, BUYS)
    found = {(wide, narrow) for wide in scopes for narrow in scopes if answers_for(wide, narrow)}

    assert set(WIDER) == found


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([("a", ALL, REFUSED)], ("a", True)),
        ([("b", EAST, CLEAR), ("a", ALL, REFUSED)], ("a", False)),
        ([("b", BUYS, CLEAR), ("a", ALL, REFUSED)], ("a", False)),
        ([("b", ALL, CLEAR), ("a", ALL, REFUSED)], ("b", True)),
        ([("c", EAST, CLEAR), ("b", EAST, OPEN), ("a", ALL, CLEAR)], ("c", True)),
        ([("c", ALL, CLEAR), ("b", EAST, OPEN), ("a", ALL, REFUSED)], ("c", True)),
        ([("c", WEST, CLEAR), ("b", EAST, OPEN), ("a", ALL, REFUSED)], ("b", False)),
        ([("c", WEST, CLEAR), ("b", EAST, CLEAR), ("a", BOTH, REFUSED)], ("a", False)),
        ([("b", EAST, None), ("a", ALL, CLEAR)], ("b", True)),
        ([("b", EAST, None), ("a", ALL, REFUSED)], ("a", False)),
        ([("b", EAST, CLEAR), ("a", ALL, None)], ("a", False)),
    ],
)
def test_the_latest_run_that_is_still_not_clear_is_shown(
    runs: list[tuple[str, Scope, Verdict | None]], expected: tuple[str, bool]
):
    """Until one of its scope or a wider one is clear; one without an end gives way to one with a verdict."""
    found = shown([run(*one) for one in runs], HERE)

    assert found is not None
    assert expected == (found.run_id, found.is_latest)


def test_runs_at_another_broker_hide_nothing_and_do_not_stay():
    """The latest of all is shown, whatever it was; with none there is none."""
    elsewhere = [run("b", ALL, REFUSED, "http://simulator"), run("a", ALL, CLEAR)]
    found = shown(elsewhere, HERE), shown([run("b", ALL, CLEAR, "http://simulator"), run("a", ALL, REFUSED)], HERE)

    assert ["b", "a"] == [one and one.run_id for one in found]
    assert shown([], HERE) is None
