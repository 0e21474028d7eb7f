"""A report for people: the verdict first, never too wide, and never anybody else's escape codes."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from rich.cells import cell_len

from panic.accounts.plan import Scope, Unsent, plan
from panic.accounts.roster import Account
from panic.broker.outcomes import Standing, Verdict
from panic.cli.check import check_table
from panic.cli.press import plan_table
from panic.cli.tables.drawing import draw
from panic.cli.tables.report import table
from panic.orders import Filters
from panic.report.document import FILTER_NAMES_NOTHING, UNDER_WAY, Flag, Pace, Report, Timings
from panic.run.check import AccountCheck, CheckReport, State
from tests.kit.builders import a_bad_row, a_read, a_roster, an_answer, an_order, look, no_answer
from tests.report.test_report import a_report, a_worked_case, the

GOLDEN = """\
OPEN  orders are still open in 1 of 3 accounts; 2 are not clear; 1 order not
seen ended; 1 account unread
https://api.example.com
all accounts · 1 open, 1 unverified, 1 clear
pressed 2026-03-02 00:00:00 UTC by joe@desk: a bad algo
run 20260302T000000Z-abc123 · last account sent after 0.25 s · took 10.0 s of
120 s
! the roster is odd

OPEN       2  Two · mm · joe
  cancel accepted · read open at 00:00:01 · 1 open · 1 DELETE, the last: HTTP
  200
  → Orders are still open. Stop what is trading, and press again. Call the desk,
  +1 555 0100, quoting r2.
  order o2 · NEW · o2

UNVERIFIED 3
  cancel nothing_to_cancel · read unread · 2 DELETEs, the last: HTTP 404
  → The broker answered the cancel, but nobody saw that nothing is open. Look,
  or press again. Call the desk, +1 555 0100, quoting r3.

CLEAR      1 account, read between 00:00:01 and 00:00:01 UTC

orders: 0 accepted for cancel, 0 seen cancelled, 0 filled meanwhile, 1 seen open
coverage: 1 account read clear: nothing but ended orders over 400 days, 0 of 1
named orders seen ended

OPEN  orders are still open in 1 of 3 accounts; 2 are not clear; 1 order not
seen ended; 1 account unread
"""
WRONG_KEY = """\
REFUSED    80 accounts
  cancel unauthenticated · read unread · 1 DELETE, the last: HTTP 401
  → The broker does not know the key. Put a valid key in place and press again.
  Call the desk, +1 555 0100, quoting r1.
  · the same of all
  1 · name 1 · mm
  2 · name 2 · mm · its own
  3 · name 3 · mm
"""


def a_small_report(**facts: Any) -> Report:
    """One account open, one unverified, one clear."""
    return a_report(
        a_worked_case(1, an_answer(), standing=Standing.CLEAR, name="One"),
        a_worked_case(2, an_answer(request_id="r2"), standing=Standing.OPEN, name="Two", group="mm", owner="joe"),
        a_worked_case(3, no_answer(), an_answer(404, request_id="r3", own_envelope=True)),
        **{"last_first_cancel": 0.25, "flags": [Flag("roster", "the roster is odd")], **facts},
    )


def drawn(report: Report, *, width: int = 120, colour: bool = False) -> str:
    """The table of a report."""
    return draw(table(report), width=width, colour=colour)


def a_check(ok: bool = False, **facts: Any) -> CheckReport:
    """What a check found."""
    bad = tuple(
        AccountCheck(n, "[red]x[/red]", state, 403, "no\x1b[2J" if n == 2 else "no", "r1" if n % 2 else None)
        for n, state in enumerate([*State, *[State.MISSING] * 100], 1)
        if state is not State.OK
    )
    good = (AccountCheck(999, "fine", State.OK, 200, None, None),)
    return CheckReport(
        **{
            "schema": "panic-check/1",
            "base_url": "https://api.example.com",
            "exit_code": 0 if ok else 40,
            "roster_digest": "sha256:0123456789abcdef",
            "elapsed_s": 1.0,
            "clock_skew_s": None if ok else -1.5,
            "states": {State.OK: 1},
            "unlisted_accounts": (),
            "warnings": () if ok else ("the clocks differ",),
            "accounts": good if ok else (*bad, *good),
            **facts,
        }
    )


def test_a_small_report_reads_like_this():
    """Word for word, so that a change of it is seen."""
    assert GOLDEN == drawn(a_small_report(), width=80)


@pytest.mark.parametrize(
    ("more", "word"), [((), "CLEAR SO FAR  "), ([FILTER_NAMES_NOTHING], "UNVERIFIED SO FAR  ")]
)
def test_a_run_under_way_has_the_word_of_its_terminal(more: Sequence[str], word: str):
    """What was read clear is clear so far, unless something doubts all of it; the report itself is unverified."""
    flags = [Flag(code, code) for code in (UNDER_WAY, *more)]
    case = a_worked_case(1, an_answer(), standing=Standing.CLEAR)
    report = a_report(case, flags=flags, finished=False)

    assert Verdict.UNVERIFIED is report.verdict
    assert drawn(report).startswith(word)
    assert not drawn(a_report(case, finished=False)).startswith("CLEAR")


def test_the_last_account_that_was_sent_is_not_the_last_of_all_where_some_were_not():
    """Two of three is said; and of none that nothing was sent."""
    unsent, sent = a_worked_case(2), [a_worked_case(n, an_answer()) for n in (1, 3)]

    assert " · 2 of 3 accounts sent, the last after 0.25 s · " in drawn(
        a_report(unsent, *sent, last_first_cancel=0.25)
    )
    assert " · nothing was sent · " in drawn(a_report(unsent))


def test_a_wrong_key_is_one_cause_and_has_one_block():
    """With its remedy once, the accounts under it, and how many more there are; another cause has its own."""
    ids = range(1, 81)
    cases = [a_worked_case(n, an_answer(401, request_id=f"r{n}"), name=f"name {n}", group="mm") for n in ids]
    for case in cases:
        case.note("the same of all")
    cases[1].note("its own")
    text = drawn(a_report(*cases, a_worked_case(99, an_answer(403))), width=80)

    assert WRONG_KEY in text
    assert "  10 · name 10 · mm\n  11, 12, 13, " in text
    assert (3, 1) == (text.count("\nREFUSED  "), text.count("\nREFUSED    99\n"))
    assert "70 and 10 more (--format json has all)" in " ".join(text.split())


def test_the_largest_open_orders_are_listed_with_their_ids_and_the_others_counted():
    """One whose worth nobody knows before all; what filled is told with its price, what ended not at all."""
    told = {"symbol": "AAPL", "side": "SELL", "limit_price": "150.00", "filled_quantity": "0"}
    named = [
        an_order(f"o{n}", "NEW", leaves_quantity=f"{n}000", client_order_id=f"algo-{n}", **told) for n in range(7)
    ]
    filled = {**told, "filled_quantity": "500", "average_fill_price": "151.25"}
    case = a_worked_case(1, an_answer(orders=(*named, an_order("done", **told), an_order("odd"))))
    look(case, a_read(*named, an_order("done", "FILLED", **filled), an_order("odd"), began=1.0))
    text = drawn(a_report(case), width=200)

    assert (
        "OPEN  orders are still open in 1 of 1 account; 8 orders open, about $3.2 M and 1 without a price\n"
        in text
    )
    assert " · 8 open, about $3.2 M · 1 DELETE" in text
    listed = [
        "order odd · NEW · odd",
        *(f"SELL {n},000 AAPL at 150.00 · NEW · algo-{n} · o{n}" for n in (6, 5, 4, 3)),
    ]
    assert "\n".join(f"  {one}" for one in [*listed, "and 3 more orders, in the JSON report"]) in text
    assert "\nfills during the run: SELL 500 AAPL at 151.25\n" in text
    assert "Not seen ended: order odd, SELL 6,000 AAPL at 150.00 and 6 more." in the(a_report(case), 1).next_step


def test_what_was_not_sent_is_said_before_anything_else():
    """With what to do about it, and above all that is only remarkable."""
    flags = [Flag("roster", "odd"), Flag("not_attempted", "all of it")]
    lines = drawn(a_small_report(flags=flags)).splitlines()

    assert ("! all of it", 1) == (lines[1], lines.count("! all of it"))
    assert "! odd" in lines


def test_the_brokers_pace_is_told():
    """For each credential, with what was refused and how long requests waited; without a limit nothing is said."""
    pace = tuple(Pace(f"desk-{n}", 20.0 + n, 300 * n) for n in range(8))
    text = drawn(a_small_report(timings=Timings(0.25, 9.0, 10.0, 120.0, 61.26, pace)), width=300)
    desks = ", ".join(f"desk-{n} about {20 + n}" for n in range(6))

    assert f"that the broker lets through: {desks}, … · 8,400 refused · 61.3 s of waiting\n" in text
    assert "lets through" not in GOLDEN


WIDE = ["x" * 300, "漢字" * 60, "word " * 60, "e\u0301" * 100, "👍🏽" * 50]


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("colour", [False, True])
def test_no_line_is_wider_than_the_terminal(width: int, colour: bool):
    """Names of any script and length are folded."""
    cases = []
    for n, name in enumerate(WIDE, 1):
        case = a_worked_case(n, an_answer(404, request_id="r" * 90, error="e" * 200), name=name, group=name)
        case.note(name)
        cases.append(case)
    report = a_report(*cases, base_url="https://" + "h" * 200, flags=[Flag("x", name) for name in WIDE])
    scope, roster = Scope(all=True), a_roster(*(Account(10**17 + n) for n in range(90)), bad_rows=(a_bad_row(7),))
    parts = [
        *table(report),
        *plan_table(plan(roster, scope, {"default"}), "https://" + "h" * 200),
        *check_table(a_check(warnings=tuple(WIDE))),
    ]
    lines = uncoloured(draw(parts, width=width, colour=colour)).splitlines()

    assert max(cell_len(line) for line in lines) <= width


def uncoloured(text: str) -> str:
    """The text without the codes that colour it."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize(
    "variables", [{}, {"FORCE_COLOR": "1"}, {"TERM": "xterm-256color", "COLORTERM": "truecolor"}]
)
def test_without_colour_there_are_no_codes(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]):
    """A pipe gets plain text, whatever the environment says."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert "\x1b" not in drawn(a_small_report())


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("place", ["name", "note", "flag", "error", "check"])
def test_control_characters_do_not_reach_the_terminal(place: str, colour: bool):
    """They could clear the screen, and the verdict with it."""
    evil = "\x1b[2J\x1b]0;CLEAR\x07\x00\x9b2J\u202e"
    case = a_worked_case(1, an_answer(404, error=evil if place == "error" else ""), name=evil * (place == "name"))
    if place == "note":
        case.note(evil)
    report = a_report(case, flags=[Flag("x", evil)] * (place == "flag"))
    text = draw(check_table(a_check()) if place == "check" else table(report), colour=colour)

    assert not set(uncoloured(text)) & {"\x1b", "\x07", "\x00", "\x9b", "\u202e"}
    assert colour == ("\x1b" in text)


def test_a_row_without_an_id_is_told_by_its_text():
    """Somebody has to find it in the file."""
    unsent = (Unsent("accounts.csv:7: bad. Correct it.", row=a_bad_row(7, text="x1,Broken")),)
    text = drawn(a_report(a_worked_case(1, an_answer()), unsent=unsent))

    assert "UNKNOWN    (no readable id)  x1,Broken" in text
    assert "cancel not_attempted · read unread · nothing sent" in text
    assert "· accounts.csv:7: bad. Correct it." in text


def test_a_dry_run_says_what_it_would_do():
    """And, first of all, that it did nothing."""
    roster = a_roster(*(Account(n, "First" * (n == 1)) for n in range(1, 101)), bad_rows=(a_bad_row(7),))
    found = plan(roster, Scope(all=True, filters=Filters(side="BUY")), {"default"})
    lines = draw(plan_table(found, "https://api.example.com"), width=120).splitlines()

    assert [
        "DRY RUN  nothing was cancelled; 1 of 101 accounts CANNOT BE REACHED",
        "https://api.example.com",
        "would cancel in 100 accounts (all accounts, only side BUY)",
    ] == lines[:3]
    assert "groups: (none) 100" == lines[3]
    assert lines[4].startswith("in this order: 1 First, 2, 3, ")
    assert "60 and 40 more (--format json has all)" in " ".join(lines)
    assert lines[-1].startswith("cannot reach accounts.csv:7: ")


def test_a_check_tells_the_worst_first_and_what_to_do():
    """Ready or not is its first word."""
    lines = draw(check_table(a_check()), width=120).splitlines()

    assert lines[0].startswith("NOT READY  a press would not work everywhere, or not provably: 1 of 105 accounts")
    assert "https://api.example.com" == lines[1]
    assert "took 1.0 s · clock skew -1.50 s · roster sha256:0123456789ab" == lines[2]
    assert "! the clocks differ" == lines[3]
    assert "UNREACHABLE 3 [red]x[/red]: no valid answer; check the network" in "\n".join(lines)
    assert "(no, request r1)" not in lines[4]
    assert "MISSING     101 accounts: the broker does not list it; correct the id or take it out" in "\n".join(
        lines
    )
    assert draw(check_table(a_check(ok=True)), width=120).startswith(
        "READY  a press would work everywhere: 1 of 1 accounts can be read"
    )
