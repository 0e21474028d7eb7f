"""The report: every account exactly once, the worst first, and what to do about it."""

import re
from decimal import Decimal
from typing import Any

import pytest

from panic.accounts.plan import Scope, Unsent
from panic.accounts.roster import Account
from panic.broker.answers import Answer
from panic.broker.outcomes import Outcome, Standing, Verdict
from panic.engine.case import Case
from panic.orders import Filters
from panic.report.document import (
    AccountReport,
    Flag,
    LatchReport,
    Orders,
    Report,
    Timings,
    scope_report,
    to_json,
)
from panic.report.fold import fold
from tests.kit.builders import (
    a_bad_row,
    a_case,
    a_pace,
    a_read,
    an_answer,
    an_order,
    circumstances,
    look,
    look_clear,
    no_answer,
    wall,
)

PACE = a_pace()


def a_report(*cases: Case, unsent: tuple[Unsent, ...] = (), **facts: Any) -> Report:
    """The report of these cases."""
    return fold(cases, unsent, circumstances(**facts), wall)


def a_worked_case(id_: int, *answers: Answer, standing: Standing = Standing.UNREAD, **fields: Any) -> Case:
    """An account whose DELETEs were answered like this and whose reads showed that."""
    case = a_case(id_, **fields)
    for answer in answers:
        case.cancelled(answer, PACE)
    if standing is Standing.CLEAR:
        look_clear(case)
    elif standing is not Standing.UNREAD:
        status = "NEW" if standing is Standing.OPEN else "PENDING_CANCEL"
        look(case, a_read(an_order(f"o{id_}", status), began=1.0))
    return case


def the(report: Report, id_: int) -> AccountReport:
    """The one account with this id."""
    (found,) = [account for account in report.accounts if account.id == id_]
    return found


NEW = "appeared after the cancel: something is still trading"
ACCEPTED = (an_answer(),)


def test_a_run_in_which_one_account_was_not_reached_is_not_clear():
    """An account without a usable key and a row nobody can read are unknown."""
    unsent = (
        Unsent("its credential 'x' has no usable key", account=Account(5, "Five", "mm", "joe")),
        Unsent("line 7: bad", row=a_bad_row(7, text="x1,Broken")),
        Unsent("line 8: bad", row=a_bad_row(8, 70)),
    )
    found = a_report(a_worked_case(1, *ACCEPTED, standing=Standing.CLEAR), unsent=unsent)
    facts = [(a.id, a.name, a.outcome, a.standing, a.verdict, a.notes) for a in found.accounts]

    assert (Verdict.UNKNOWN, 30) == (found.verdict, found.exit_code)
    unread = (Outcome.NOT_ATTEMPTED, Standing.UNREAD, Verdict.UNKNOWN)
    assert [
        (5, "Five", *unread, ("its credential 'x' has no usable key",)),
        (70, "x1,Broken", *unread, ("line 8: bad",)),
        (None, "x1,Broken", *unread, ("line 7: bad",)),
        (1, "", Outcome.ACCEPTED, Standing.CLEAR, Verdict.CLEAR, ()),
    ] == facts
    assert ("mm", "joe") == (found.accounts[0].group, found.accounts[0].owner)
    step = "Nothing was sent: cancel its orders by hand. Call the desk, +1 555 0100. Then mend roster or key."
    assert step == the(found, 5).next_step


@pytest.mark.parametrize(
    ("how", "standing", "advice"),
    [
        ({"status": 401}, Standing.UNREAD, "The broker does not know the key."),
        ({"status": 403}, Standing.UNREAD, "The key may not cancel in this account."),
        ({"status": 422}, Standing.UNREAD, "The broker rejected the request itself."),
        ({"status": 503}, Standing.UNREAD, "No answer says what became of the cancel"),
        ({"status": 302}, Standing.UNREAD, "No answer says what became of the cancel"),
        ({"status": 404}, Standing.UNREAD, "It answered 404, and not in the broker's words."),
        ({"status": 404, "own_envelope": True}, Standing.UNREAD, "nobody saw that nothing is open"),
        ({}, Standing.OPEN, "Orders are still open."),
        ({}, Standing.PENDING, "these orders may still fill."),
        ({"status": 403}, Standing.OPEN, "The key may not cancel"),
    ],
)
def test_the_next_step_says_what_to_do_whom_to_call_and_which_request(
    how: dict[str, Any], standing: Standing, advice: str
):
    """Read out over the phone at 3 a.m.; the latest requests first."""
    answers = [an_answer(503), *(an_answer(request_id=f"r{n}", **how) for n in range(1, 4))]
    step = the(a_report(a_worked_case(1, *answers, standing=standing)), 1).next_step
    bare = the(a_report(a_case(1), contact=""), 1).next_step

    assert advice in step
    naming = " Not seen ended: order o1." if standing is not Standing.UNREAD else ""
    assert step.endswith(f" Call the desk, +1 555 0100, quoting r3 or r2.{naming}")
    assert bare.endswith("Press again. Call the Clear Street desk (set [broker] contact to name it here).")


def test_an_account_shows_all_that_is_known_of_it():
    """Attempts with their times, the standing with its own, and its orders."""
    case = a_worked_case(3, name="Three", group="mm", owner="joe")
    named = (an_order("a", "PENDING_CANCEL", filled_quantity="10"), an_order("b", "PENDING_CANCEL"))
    case.cancelled(no_answer(began=0.5, ended=5.5), PACE)
    case.cancelled(an_answer(began=6.0, ended=6.25, orders=named, request_id="r2"), PACE)
    page = (an_order("a", "CANCELED", filled_quantity="30", side="SELL", symbol="X"), an_order("c"))
    look(case, a_read(*page, began=7.0))
    found = the(a_report(case), 3)

    assert ("Three", "mm", "joe") == (found.name, found.group, found.owner)
    assert (Outcome.ACCEPTED, Standing.OPEN, wall(7.0)) == (found.outcome, found.standing, found.as_of)
    assert Orders(accepted=2, canceled=1, filled=1, open=1) == found.orders
    assert ("filled during the cancel: SELL 20 X",) == found.notes
    assert [
        ("DELETE", wall(0.5), None, None, "no answer in time", 5000.0),
        ("DELETE", wall(6.0), 200, "r2", None, 250.0),
        ("GET", wall(7.0), 200, None, None, 0.0),
    ] == [(a.method, a.at, a.status, a.request_id, a.error, a.elapsed_ms) for a in found.attempts]


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (["algo7-1"], f"1 new order {NEW}; their client order ids begin with 'algo7-1'"),
        (["algo7-1", "algo7-2"], f"2 new orders {NEW}; their client order ids begin with 'algo7-'"),
        (["\x1b[2J"], "begin with ' [2J'"),
        (["z" * 100], f"begin with '{'z' * 39}…'"),
    ],
)
def test_orders_that_reappeared_become_a_note(names: list[str], note: str):
    """With the beginning of their names, which tells whose they are."""
    case = a_worked_case(1, *ACCEPTED, standing=Standing.CLEAR)
    look(case, a_read(*(an_order(f"n{i}", client_order_id=name) for i, name in enumerate(names))))

    assert note in the(a_report(case), 1).notes[-1]


def test_fills_add_up_by_symbol_and_side():
    """Over all accounts, from the first sight of each order."""
    cases = []
    for id_, side, first, last in ((1, "BUY", "5", "7.5"), (2, "BUY", "", "1.5"), (3, "SELL", "0", "4")):
        case = a_worked_case(id_, an_answer(orders=(an_order("a", filled_quantity=first),)))
        ended = an_order("a", "FILLED", symbol="X", side=side, filled_quantity=last)
        look(case, a_read(ended), a_read())
        cases.append(case)
    found = a_report(*cases)

    assert [("X", "BUY", Decimal("4.0")), ("X", "SELL", Decimal(4))] == [
        (f.symbol, f.side, f.quantity) for f in found.totals.fills
    ]
    assert [b'"4.0"', b'"4"'] == re.findall(rb'"quantity": ([^ ]*?),\n', to_json(found))
    assert 3 == found.totals.orders.filled
    assert "filled during the cancel: BUY 2.5 X" in the(found, 1).notes


def test_nothing_that_a_broker_echoes_is_told_as_it_is():
    """Neither a key, nor a symbol that clears the screen and would hide the verdict."""
    echo = "\x1b[2J\nhunter2"
    case = a_worked_case(1, an_answer(note=f"key {echo} is bad", orders=(an_order("a"),)))
    look(case, a_read(an_order("a", "FILLED", symbol=echo, side=echo, filled_quantity="1")), a_read())
    found = a_report(case, scrub=lambda text: text.replace("hunter2", "[key]"))

    assert b"hunter2" not in to_json(found)
    assert all(note.isprintable() for note in the(found, 1).notes)


def test_open_orders_seen_before_an_unread_cancel_are_told():
    """They may be gone; nobody has looked since."""
    case = a_worked_case(1, *ACCEPTED, standing=Standing.OPEN)
    case.cancelled(an_answer(began=2.0), PACE)

    assert 0 == the(a_report(case), 1).orders.open
    note = "1 open orders were seen at 00:00:01 UTC, before the last cancel, and nothing since"
    assert (note,) == the(a_report(case), 1).notes


def test_an_account_that_cannot_be_told_of_costs_no_other_its_report():
    """It is listed as unknown, with what to do."""
    odd = a_worked_case(1, *ACCEPTED, standing=Standing.CLEAR)
    odd.attempts = [None]  # type: ignore[list-item]
    found = a_report(odd, a_worked_case(2, *ACCEPTED, standing=Standing.CLEAR))

    assert [1, 2] == [account.id for account in found.accounts]
    assert (Verdict.UNKNOWN, Standing.UNREAD) == (the(found, 1).verdict, the(found, 1).standing)
    assert ("panic itself failed on this account: AttributeError",) == the(found, 1).notes
    assert the(found, 1).next_step.endswith("Take its orders as open. Call the desk, +1 555 0100.")


def test_totals_and_coverage_add_up():
    """Each count is the sum of its accounts'."""
    named = an_answer(orders=(an_order("a", "PENDING_CANCEL"), an_order("b", "PENDING_CANCEL")))
    done = a_worked_case(1, named, standing=Standing.CLEAR)
    stuck = a_worked_case(2, named)
    look(stuck, a_read(an_order("a", "CANCELED"), an_order("b", "PENDING_CANCEL")))
    unsent = (Unsent("no key", account=Account(5)),)
    found = a_report(done, stuck, unsent=unsent)
    totals, coverage = found.totals, found.coverage

    assert 3 == totals.accounts == len(found.accounts)
    assert {Verdict.CLEAR: 1, Verdict.OPEN: 1, Verdict.UNKNOWN: 1} == totals.verdicts
    assert {Outcome.ACCEPTED: 2, Outcome.NOT_ATTEMPTED: 1} == totals.outcomes
    assert {Standing.CLEAR: 1, Standing.PENDING: 1, Standing.UNREAD: 1} == totals.standings
    assert sum(len(account.attempts) for account in found.accounts) == totals.attempts
    assert Orders(accepted=4, canceled=3, filled=0, open=1) == totals.orders
    assert (1, 4, 3) == (coverage.accounts_clear, coverage.named_orders, coverage.named_seen_ended)
    assert (400 * 86_400, 0) == (coverage.lookback_s, coverage.accounts_counted)


def test_circumstances_are_told_as_they_were():
    """Host, times, scope."""
    scope = Scope(groups=("mm",), accounts=(4,), filters=Filters(side="BUY", instrument_ids=("A",)))
    times: dict[str, Any] = {"began": 1.0, "ended": 9.1234, "last_first_cancel": 1.5, "settled": None}
    found = a_report(a_case(1), scope=scope, drill=True, **times)

    assert ("https://api.example.com", True) == (found.base_url, found.drill)
    assert (wall(1.0), wall(9.1234)) == (found.started_at, found.finished_at)
    assert Timings(last_first_delete_s=0.5, settled_s=None, total_s=8.123, deadline_s=120.0) == found.timings
    assert scope_report(scope, verify=True, watch_s=15.0) == found.scope


@pytest.mark.parametrize(
    ("latch", "order"),
    [
        (LatchReport(engaged=False, text="not engaged", as_asked=False), ["latch", "roster", "stopped"]),
        (LatchReport(engaged=True, text="engaged for all", as_asked=False), ["roster", "stopped", "latch"]),
        (None, ["roster", "stopped", "latch"]),
    ],
)
def test_a_latch_that_is_not_engaged_is_told_first(latch: LatchReport | None, order: list[str]):
    """Whatever the verdict, strategies go on."""
    flags = [Flag(code, code) for code in ("roster", "stopped", "latch")]

    assert order == [flag.code for flag in a_report(a_case(1), flags=flags, latch=latch).flags]
