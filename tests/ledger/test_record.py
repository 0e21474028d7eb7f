"""What is put on record of a run: read as it was; what is no record is refused."""

from typing import Any

import pytest

from panic.accounts.plan import Plan, Scope, Unsent
from panic.accounts.roster import Account, BadRow
from panic.broker.outcomes import Verdict
from panic.kit.errors import Problem
from panic.ledger.events import Event, decode, encode
from panic.ledger.record import Finished, Resumed, body, planned, read, read_plan
from panic.orders import Filters
from panic.report.document import Flag, LatchReport, Timings, scope_report
from tests.kit.builders import MIDNIGHT
from tests.ledger.runs import FIRST, a_press


def through_the_ledger(words: Any) -> Any:
    """The same after it was written down and read again."""
    return decode(encode(Event("run", "standing", "leg-1", "now", words))).body


ODD = Account(2**63 - 1, "\ud83d\0 é", "désk", "\x1b[2J", 0, "other")
ROW = BadRow(0, "\udcff,x", 7, Problem("no key", ""))
UNSENT = (Unsent("no key", ODD), Unsent("no key", row=ROW), Unsent("no key"))


def test_a_plan_is_read_as_it_was():
    """Odd names, broken rows and all."""
    plan = Plan(Scope(all=True), (ODD, Account(1)), UNSENT)

    assert (plan.accounts, plan.unsent) == read_plan(through_the_ledger(planned(plan)))


ROWS = [1, "one", "", "", 5, "default"]


@pytest.mark.parametrize(
    "words",
    [
        None,
        {"accounts": []},
        {"accounts": [ROWS[:1]], "unsent": []},
        {"accounts": [["1", *ROWS[1:]]], "unsent": []},
        {"accounts": [[*ROWS, True]], "unsent": []},
        {"accounts": [], "unsent": [["why", 1]]},
        {"accounts": [], "unsent": [["why", "1", "text"]]},
        {"accounts": [ROWS, ROWS], "unsent": []},
    ],
)
def test_what_is_no_plan_is_refused(words: Any):
    """Guessing whom a run was about would be worse than to say that nobody knows."""
    with pytest.raises(ValueError, match=r"."):
        read_plan(words)


SCOPE = scope_report(Scope(groups=("a", "b"), filters=Filters(side="BUY")), verify=True, watch_s=15.0)
RESUMED = Resumed(MIDNIGHT, "joe@desk", "1", FIRST)
EVENTS = [
    a_press(scope=SCOPE, latch=True),
    RESUMED,
    Finished("1", Verdict.OPEN, 20, MIDNIGHT, Timings(None, 1.5, 2.0, 120.0), roster_checked=True, unlisted=(5,)),
    Flag("code", "text"),
    LatchReport(True, "text", True),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_read_as_it_was(event: Any):
    """Whatever its kind."""
    assert event == read(type(event), through_the_ledger(body(event)))


def test_a_time_without_a_zone_is_none():
    """It could not be compared with any other."""
    with pytest.raises(ValueError, match="timezone"):
        read(Resumed, {**body(RESUMED), "at": "2026-03-02T00:00:00"})
