"""A press as its caller sees it: whom it fires and in which order, what it sends, and how it ends."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from panic.cli import press
from panic.engine.forecast import Forecast
from panic.run import open_orders
from panic.simulator import Fault, SimAccount, SimOrder
from tests.cli.breakages import after
from tests.cli.inside import beside, typed
from tests.cli.support import (
    PRESS,
    Firm,
    account,
    codes,
    on_behalf_of,
    panic,
    sent,
    simulate,
    told,
    valid,
    verdicts,
)

COLUMNS = "id,name,group,owner,priority,excluded"
ROWS = (
    "5,Slow,arb,desk-b,20,",
    "1,Fast,equities,desk-a,1,",
    "4,Treasury,treasury,desk-c,,yes",
    "3,Blank,equities,desk-a,,",
    "2,Also fast,equities,desk-a,1,",
)
FIRST_TO_LAST = [1, 2, 5, 3]


async def test_a_press_of_the_whole_firm(tmp_path: Path):
    """Everything in the roster is cancelled in the order of priority and proven gone, and one report says so."""
    accounts = (account(1), account(2, orders=0), account(3, orders=3), account(4), account(5))
    async with simulate(*accounts) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ROWS, COLUMNS)
        output = tmp_path / "report.json"
        words = (*PRESS, "--by", "Risk Officer", "--concurrency", "1", "--output", str(output))
        done = await panic(*firm.lines(*words), cwd=tmp_path)
        report = done.report

        assert (0, "clear", 0) == (done.code, report["verdict"], report["exit_code"])
        assert dict.fromkeys([1, 2, 3, 5], "clear") == verdicts(report)
        assert ("accepted", "nothing_to_cancel") == (told(report, 1)["outcome"], told(report, 2)["outcome"])
        assert {"source": "cli", "by": on_behalf_of("Risk Officer"), "reason": "runaway algo"}.items() <= report[
            "trigger"
        ].items()
        assert (simulator.base_url, False, []) == (report["base_url"], report["drill"], codes(report))
        assert report["coverage"]["roster_checked"]
        assert valid(output.read_text()) == report
        assert FIRST_TO_LAST == sent(simulator, "DELETE")
        assert ["DELETE"] * 4 == [one.method for one in simulator.requests[:4]]
        assert all(one.authorized for one in simulator.requests)
        assert 4 not in sent(simulator, "GET")
        assert [(), (), (), ()] == [simulator.truth(id_).open for id_ in (1, 2, 3, 5)]
        assert 1 == len(simulator.truth(4).open)
        assert "CLEAR" in done.last_line
        assert done.last_line.endswith("(exit 0)")


@pytest.mark.parametrize(
    ("fault", "options", "code", "verdict", "advice"),
    [
        (Fault("stuck"), ("--deadline", "0.7"), 20, "open", "these orders may still fill"),
        (Fault("hang", on="ANY"), ("--deadline", "0.7"), 30, "unknown", "take its orders as open"),
        (Fault("status", on="ANY", status=403), (), 40, "refused", "Use a key that may"),
        (Fault("hidden_orders"), ("--no-verify",), 10, "unverified", "nobody saw that nothing is open"),
    ],
)
def test_the_worst_account_names_the_exit_code(
    tmp_path: Path, fault: Fault, options: tuple[str, ...], code: int, verdict: str, advice: str
):
    """One bad account decides the run, comes first, and tells whom to call; its neighbours are untouched by it."""
    with beside(simulate(account(1), account(2, fault), account(3))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ["1,One", "2,Two", "3,Three"], "id,name")
        done = typed(*firm.lines(*PRESS, *options))
    report, worst = done.report, done.report["accounts"][0]
    others = "clear" if report["scope"]["verify"] else "unverified"

    assert (code, code, verdict) == (done.code, report["exit_code"], report["verdict"])
    assert {1: others, 2: verdict, 3: others} == verdicts(report)
    assert 2 == worst["id"] or "unverified" == verdict
    assert advice in told(report, 2)["next_step"]
    assert "Call the desk, +1 555 0100" in told(report, 2)["next_step"]
    assert verdict.upper() in done.last_line


def both(firm: Firm, *words: str, code: int = 0) -> tuple[dict[str, Any], str]:
    """What a command that sends nothing says as JSON and as a table."""
    found, table = (typed(*firm.lines(*words, "--format", form)) for form in ("json", "table"))

    assert (code, code) == (found.code, table.code)
    return json.loads(found.out), table.out


def test_a_dry_run_and_a_check_tell_how_long_it_takes_at_a_known_pace(tmp_path: Path):
    """What the settings, or an earlier run, say of the broker's pace is told before anybody presses."""
    with beside(simulate(account(1), account(2), account(3))) as simulator:
        known = 'contact = "the desk"\nrequests_per_second = 20\n'
        firm = Firm(tmp_path, simulator.base_url, [1, 2, 3], broker=known)
        plan, blind = both(firm, *PRESS, "--dry-run"), both(firm, *PRESS, "--dry-run", "--no-verify")
        check = both(firm, "check")
    words = "the broker lets about 20 requests a second through: all cancels accepted in about 1 s"
    whole, cancels = Forecast(20.0, 0.1, 0.3), Forecast(20.0, 0.1, 0.1)

    assert [asdict(one) for one in (whole, cancels, whole)] == [one[0]["forecast"] for one in (plan, blind, check)]
    assert f"\n{words}, all accounts read in about 1 s\n" in plan[1]
    assert f"\n{words}\n" in blind[1]
    assert f"\na press of all of them: {words}, all accounts read in about 1 s\n" in check[1]


def test_a_dry_run_prints_the_plan_and_what_is_open_and_only_reads(tmp_path: Path):
    """Whom, in which order, for how long, and the latch; whom it could not reach is an exit code that is not 0."""
    with beside(simulate(*map(account, FIRST_TO_LAST))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, (*ROWS, "x,Broken,arb,,,"), COLUMNS)
        plan, table = both(firm, *PRESS, "--dry-run", "--latch", code=30)
        one = typed(*firm.lines("press", "--account", "1", "--reason", "x", "--dry-run", "--format", "table"))
    words = "1 of 5 accounts could not be read whole; at least 4 open orders, about $"

    assert {"GET"} == {one.method for one in simulator.requests}
    assert plan["open_orders"].startswith(words)
    assert f"\nopen now: {plan['open_orders']}\n" in table
    assert FIRST_TO_LAST == plan["accounts"]
    assert all(firm.base_url in text and "accounts.csv:7" in text for text in (str(plan), table))
    assert table.startswith("DRY RUN")
    assert {"arb": 1, "equities": 3} == plan["groups"]
    assert "\ngroups: arb 1, equities 3\nin this order: 1 Fast, 2 Also fast, 5 Slow, 3 Blank\n" in table
    assert (
        "\nno limit of the broker's pace is known: about 0.2 s, if an answer takes 0.1 s\nat most 120 s, or "
        in table
    )
    assert f"would engage {firm.folder / 'panic.latch'} for all accounts" in table
    assert (0, True) == (one.code, "the latch stays as it is: no --latch" in one.out)


@pytest.mark.parametrize(
    ("faults", "words", "why"),
    [
        ((Fault("status", on="GET", status=403),), (), "not known: Simulated 403"),
        ((Fault("hang", on="GET"),), (), "not known: the broker did not answer in time"),
        ((), ("--no-verify",), "not asked: --no-verify"),
    ],
)
def test_a_dry_run_is_as_good_where_nobody_can_see_what_is_open(
    tmp_path: Path, faults: tuple[Fault, ...], words: tuple[str, ...], why: str, monkeypatch: pytest.MonkeyPatch
):
    """It says so after a few seconds, and why."""
    monkeypatch.setattr(open_orders, "_A_MOMENT_S", 0.5)
    with beside(simulate(account(1, *faults))) as simulator:
        plan, table = both(Firm(tmp_path, simulator.base_url, [1]), *PRESS, "--dry-run", *words)

    assert ([1], why) == (plan["accounts"], plan["open_orders"])
    assert "would cancel in 1 account " in table


def test_a_dry_run_that_had_no_time_for_all_says_what_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What it saw is the least there is."""
    monkeypatch.setattr(open_orders, "_A_MOMENT_S", 0.5)
    with beside(simulate(account(1), account(2, Fault("hang", on="GET")))) as simulator:
        plan, _ = both(Firm(tmp_path, simulator.base_url, [1, 2]), *PRESS, "--dry-run")

    assert plan["open_orders"].startswith(
        "1 of 2 accounts could not be read whole; at least 1 open order, about $"
    )
    assert plan["open_orders"].endswith("(asked for 0.5 s; panic orders reads them all)")


async def test_a_press_takes_the_descriptors_that_it_may_have(tmp_path: Path):
    """A shell's limit of open files does not narrow it: as much is in flight as the settings say."""
    few = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (100, r.getrlimit(r.RLIMIT_NOFILE)[1]))"
    async with simulate(account(1)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1])
        done = await panic(*firm.lines(*PRESS), cwd=tmp_path, program=after(few))

    assert (0, []) == (done.code, codes(done.report))


def test_a_large_roster_is_not_read_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What takes a second is said before it begins."""
    monkeypatch.setattr(press, "LARGE_ROSTER", 1)
    with beside(simulate(account(1))) as simulator:
        first, second, *_ = typed(*Firm(tmp_path, simulator.base_url, [1]).lines(*PRESS)).err.splitlines()

    assert (f"panic: reading {tmp_path / 'accounts.csv'} (0 MB)", "panic: 1 account: sending begins") == (
        first,
        second,
    )


def test_filters_go_on_the_wire_and_are_matched_here(tmp_path: Path):
    """Orders that the filters do not name stay open, and the account is clear all the same."""
    named = (SimOrder("AAPL", "BUY", "LIMIT"), SimOrder("MSFT", "BUY", "LIMIT"))
    spared = (
        SimOrder("AAPL", "SELL", "LIMIT"),
        SimOrder("AAPL", "BUY", "MARKET"),
        SimOrder("TSLA", "BUY", "LIMIT"),
    )
    filters = ("--side", "BUY", "--type", "LIMIT", "--instrument-type", "COMMON_STOCK")
    with beside(simulate(SimAccount(1, orders=(*named, *spared)))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1])
        done = typed(*firm.lines(*PRESS, *filters, "--instrument", "AAPL", "--instrument", "MSFT"))
        truth = simulator.truth(1)
    asked = {"side": "BUY", "type": "LIMIT", "instrument_type": "COMMON_STOCK"}

    deletes = [one.query for one in simulator.requests if one.method == "DELETE"]
    assert [{**asked, "instrument_ids": "AAPL,MSFT"}] == deletes
    assert (2, 3) == (len(truth.canceled), len(truth.open))
    assert (0, {1: "clear"}) == (done.code, verdicts(done.report))
    assert {**asked, "instrument_ids": ["AAPL", "MSFT"]} == done.report["scope"]["filters"]


def test_what_reappears_is_named_and_cancelled(tmp_path: Path):
    """--watch goes on after the first clear, says who is still trading, and leaves nothing of it open."""
    again = Fault("reappears", times=1, seconds=0.2, count=2)
    with beside(simulate(account(7, again), account(8))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [7, 8])
        done = typed(*firm.lines(*PRESS, "--watch", "0.7"))
        left = simulator.truth(7).open
    note = told(done.report, 7)["notes"][0]

    assert (0, (), [7, 7, 8]) == (done.code, left, sorted(sent(simulator, "DELETE")))
    assert "2 new orders appeared after the cancel: something is still trading" in note
    assert "'requote-7-'" in note
    assert "account 7: new orders after the cancel, client order ids requote-7-" in done.err
    assert "watching 0.7 s for orders that reappear" in done.err
    assert [] == told(done.report, 8)["notes"]


def test_accounts_that_the_roster_does_not_know(tmp_path: Path):
    """An active account that the roster lacks leaves the run unverified; an excluded or closed one does not."""
    strangers = (account(8, status="ACTIVE"), account(9, status="CLOSED"))
    with beside(simulate(account(1), account(2), *strangers)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ["1,", "2,yes"], "id,excluded")
        whole = typed(*firm.lines(*PRESS))
        one = typed(*firm.lines("press", "--account", "1", "--reason", "x"))
    report = whole.report

    assert (10, "unverified", {1: "clear"}) == (whole.code, report["verdict"], verdicts(report))
    assert ([8], ["unlisted_accounts"]) == (report["coverage"]["unlisted_accounts"], codes(report))
    assert report["flags"][0]["text"].endswith("not in the roster: 8; add them, or list them as excluded")
    assert "the broker shows others that the roster lacks" in whole.last_line
    assert {1} == set(sent(simulator, "DELETE"))
    assert (0, [], False) == (one.code, codes(one.report), one.report["coverage"]["roster_checked"])
