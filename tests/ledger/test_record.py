"""What is put on record of a run: read as it was; what is no record is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.accounts.plan import Plan, Scope, Unsent
from panic.accounts.roster import Account, BadRow
from panic.broker.outcomes import Verdict
from panic.kit.errors import Problem
from panic.kit.process import here
from panic.ledger.events import Event, decode, encode
from panic.ledger.record import Finished, Resumed, body, planned, read, read_plan
from panic.orders import Filters
from panic.report.document import Flag, LatchReport, Timings, scope_report
from tests.kit.builders import MIDNIGHT
from tests.ledger.mangle import ANY_TEXT
from tests.ledger.runs import a_press


def through_the_ledger(words: Any) -> Any:
    """The same after it was written down and read again."""
    return decode(encode(Event("run", "standing", "leg-1", "now", words))).body


# ── the plan ────────────────────────────────────────────────────────────────────────────────────────────────

ACCOUNTS = st.builds(
    Account,
    st.integers(1, 2**63 - 1),
    ANY_TEXT,
    ANY_TEXT,
    ANY_TEXT,
    st.integers(0, 1_000_000),
    st.sampled_from(["default", "désk"]),
)
ROWS = st.builds(
    lambda text, id_: BadRow(3, text, id_, Problem("the id is not a number", "Correct it.")),
    ANY_TEXT,
    st.none() | st.integers(1, 2**63 - 1),
)
UNSENT = (
    st.builds(lambda why, account: Unsent(why, account=account), ANY_TEXT, ACCOUNTS)
    | st.builds(lambda why, row: Unsent(why, row=row), ANY_TEXT, ROWS)
    | st.builds(Unsent, ANY_TEXT)
)
PLANS = st.builds(
    Plan,
    st.just(Scope(all=True)),
    st.lists(ACCOUNTS, unique_by=lambda account: account.id).map(tuple),
    st.lists(UNSENT, max_size=4).map(tuple),
)


@given(PLANS)
def test_a_plan_is_read_as_it_was(plan: Plan):
    """Odd names, broken rows and all."""
    accounts, unsent = read_plan(through_the_ledger(planned(plan)))
    shown = [
        [(one.why, one.account, one.row and (one.row.id, one.row.text)) for one in its]
        for its in (plan.unsent, unsent)
    ]

    assert plan.accounts == accounts
    assert shown[0] == shown[1]


PLAN = planned(Plan(Scope(all=True), (Account(1, "one"), Account(2)), ()))


@pytest.mark.parametrize(
    "words",
    [
        None,
        {"accounts": []},
        {"accounts": [[1]], "unsent": []},
        {"accounts": [["1", "", "", "", 5, "default"]], "unsent": []},
        {"accounts": [[1, "", "", "", 5, "default", True]], "unsent": []},
        {"accounts": [], "unsent": [["why", 1]]},
        {"accounts": [], "unsent": [["why", "1", "text"]]},
        {"accounts": [PLAN["accounts"][0]] * 2, "unsent": []},
    ],
)
def test_what_is_no_plan_is_refused(words: Any):
    """Guessing whom a run was about would be worse than to say that nobody knows."""
    with pytest.raises(ValueError, match=r"."):
        read_plan(words)


# ── the other events ────────────────────────────────────────────────────────────────────────────────────────

SCOPE = scope_report(Scope(groups=("a", "b"), filters=Filters(side="BUY")), verify=True, watch_s=15.0)
PRESSED = a_press(scope=SCOPE, latch=True, process=here())
RESUMED = Resumed(MIDNIGHT, "joe@desk", "1", here())
FINISHED = Finished(
    version="1",
    verdict=Verdict.OPEN,
    exit_code=20,
    finished_at=MIDNIGHT,
    timings=Timings(None, 1.5, 2.0, 120.0),
    roster_checked=True,
    unlisted=(5,),
)
EVENTS = [PRESSED, RESUMED, FINISHED, Flag("code", "text"), LatchReport(True, "text", True)]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_read_as_it_was(event: Any):
    """Whatever its kind."""
    assert event == read(type(event), through_the_ledger(body(event)))


def test_a_time_without_a_zone_is_none():
    """It could not be compared with any other."""
    with pytest.raises(ValueError, match="timezone"):
        read(Resumed, {**body(RESUMED), "at": "2026-03-02T00:00:00"})
