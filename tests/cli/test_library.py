"""Panic as a library, and what it costs to start."""

import asyncio
import json
import os
import pydoc
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import panic
from panic.config import Broker, Credential, RosterFile, Settings
from panic.config import Run as RunSettings
from panic.kit.errors import ConfigurationError, UsageError
from panic.ledger import history
from panic.run.press import prepare
from panic.run.reporter import Reporter
from panic.simulator import Fault
from tests import ROOT
from tests.cli import support
from tests.cli.ledgers import SETTINGS
from tests.cli.support import KEY, Firm, account, clean_environment, on_behalf_of, sent, simulate, until, valid

Build = Callable[[str], Settings]
PROGRESS = ("sent", "left", "clear", "refused", "unreachable")
HEAVY = ("aiohttp", "pydantic", "rich", "structlog", "tenacity", "asyncio")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Settings built in code, for accounts 1 and 2."""
    monkeypatch.setenv("DESK_KEY", KEY)
    roster = tmp_path / "accounts.csv"
    roster.write_text("id,group\n1,a\n2,b\n")

    def build(base_url: str) -> Settings:
        return Settings(
            broker=Broker(base_url=base_url),
            credentials={"default": Credential(env="DESK_KEY")},
            roster=RosterFile(file=roster),
            run=RunSettings(poll_first_s=0.05, poll_max_s=0.2, watch_s=0),
        )

    return build


async def test_what_is_open_from_code(settings: Build):
    """A value, of what a press would cancel; nothing is cancelled."""
    async with simulate(account(1), account(2, orders=2)) as simulator:
        found: panic.OpenOrders = await panic.open_orders(
            settings(simulator.base_url), scope=panic.Scope(all=True)
        )

    assert (3, [("b", 2), ("a", 1)]) == (found.total.orders, [(one.group, one.orders) for one in found.groups])
    assert [] == sent(simulator, "DELETE")


async def test_a_press_from_code(settings: Build, capfd: pytest.CaptureFixture[str]):
    """As documented: the report comes back as a value, and nothing is printed into the caller's streams."""
    async with simulate(account(1), account(2, Fault("status", on="ANY", status=403))) as simulator:
        report: panic.Report = await panic.press(
            settings(simulator.base_url),
            scope=panic.Scope(all=True),
            reason="limit breach",
            by="risk engine",
            deadline_s=20,
            concurrency=2,
        )
    said, trigger = capfd.readouterr(), report.trigger

    assert isinstance(report, panic.Report)
    assert ("refused", 40, 20) == (report.verdict, report.exit_code, report.timings.deadline_s)
    assert ("library", on_behalf_of("risk engine"), "limit breach") == (trigger.source, trigger.by, trigger.reason)
    assert {1: "clear", 2: "refused"} == {one.id: one.verdict for one in report.accounts}
    assert ("", "") == said


async def test_settings_from_a_file(tmp_path: Path):
    """`load_settings` and a press of one group without verification and with a filter."""
    async with simulate(account(1), account(2)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ["1,a", "2,b"], "id,group")
        scope = panic.Scope(groups=("b",), filters=panic.Filters(side="BUY"))
        report = await panic.press(panic.load_settings(firm.settings), scope=scope, reason="x", verify=False)

    assert ("unverified", [2]) == (report.verdict, sent(simulator, "DELETE"))
    assert {"side": "BUY"} == simulator.requests[0].query


async def test_a_caller_hears_how_far_it_has_come(settings: Build):
    """Of what has changed, and last of the end; the report is handed over, and is its own JSON."""
    heard: list[panic.Progress] = []
    reports: list[panic.Report] = []
    async with simulate(account(1), account(2, Fault("status", on="ANY", status=403))) as simulator:
        report = await panic.press(
            settings(simulator.base_url),
            scope=panic.Scope(all=True),
            reason="x",
            on_progress=heard.append,
            on_report=reports.append,
        )
    first, last = heard[0], heard[-1]

    assert (2, 2, 0, 1, 1, 0) == (last.accounts, *[getattr(last, name) for name in PROGRESS])
    assert first.elapsed_s < last.elapsed_s
    assert [report] == reports
    assert valid(report.to_json()) == json.loads(report.to_json())


async def test_what_a_caller_does_with_progress_stops_nothing(settings: Build):
    """It raises, and the loop's handler of exceptions has it; the press goes on."""
    caught: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: caught.append(context["message"]))

    def fail(_: panic.Progress) -> None:
        raise ZeroDivisionError

    async with simulate(account(1), account(2)) as simulator:
        its = settings(simulator.base_url)
        report = await panic.press(its, scope=panic.Scope(all=True), reason="x", on_progress=fail)

    assert ("clear", ()) == (report.verdict, report.flags)
    assert {"on_progress raised; the press goes on"} == set(caught)


async def test_a_press_that_is_cancelled_stops_sending_and_still_reports(tmp_path: Path):
    """What was sent and what was not is told and on record; the caller's task ends as cancelled."""
    reports: list[panic.Report] = []
    async with simulate(account(1, Fault("hang", seconds=30)), account(2)) as simulator:
        settings = panic.load_settings(str(Firm(tmp_path, simulator.base_url, [1, 2], more=SETTINGS).settings))
        how = panic.press(
            settings, scope=panic.Scope(all=True), reason="x", concurrency=1, on_report=reports.append
        )
        press = asyncio.create_task(how)
        await until(lambda: bool(simulator.requests))
        press.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(press, 10)
    (report,) = reports

    assert {1: "unknown", 2: "not_attempted"} == {one.id: one.outcome for one in report.accounts}
    assert "stopped" in [one.code for one in report.flags]
    assert [1] == sent(simulator, "DELETE")
    assert report == history.recall(settings.ledger, report.run_id).report()


def test_nothing_that_helps_a_programmer_shows_the_environment():
    """A default argument's representation stands in help texts, and in tracebacks with locals."""
    functions = (panic.load_settings, panic.press, prepare)

    assert [] == [one for one in functions if os.environ["PATH"] in pydoc.render_doc(one)]


async def test_what_makes_no_sense_is_raised(settings: Build):
    """A usage or configuration error, before anything is sent, in a program's words; never a report."""
    async with simulate(account(1)) as simulator:
        ready = settings(simulator.base_url)
        keyless = ready.model_copy(update={"credentials": {"default": Credential(env="NO_SUCH_KEY")}})
        for its, scope, reason, error, words in (
            (ready, panic.Scope(), "x", UsageError, "say Scope(all=True), Scope(groups=…) or Scope(accounts=…)"),
            (ready, panic.Scope(groups=("c",)), "x", UsageError, "Scope(groups=…) 'c' is not in"),
            (ready, panic.Scope(all=True), " ", UsageError, "no reason: say reason;"),
            (keyless, panic.Scope(all=True), "x", ConfigurationError, "no usable key"),
        ):
            with pytest.raises(error, match=re.escape(words)):
                await panic.press(its, scope=scope, reason=reason)

    assert [] == simulator.requests


@pytest.mark.parametrize("end", ["cancelled", "failed"])
async def test_a_press_from_code_that_does_not_end_well_lets_go_of_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
):
    """Else a service that goes on would keep a thread and an open file for each."""
    before = set(threading.enumerate())
    async with simulate(account(1, Fault("hang", seconds=30))) as simulator:
        settings = panic.load_settings(Firm(tmp_path, simulator.base_url, [1]).settings)
        if end == "failed":
            monkeypatch.setattr(Reporter, "report", None)
        how = panic.press(settings, scope=panic.Scope(all=True), reason="runaway algo", deadline_s=0.5)
        press = asyncio.create_task(how)
        if end == "cancelled":
            await until(lambda: bool(simulator.requests))
            press.cancel()
        with pytest.raises((asyncio.CancelledError, TypeError)):
            await press

        await until(lambda: "panic-ledger" not in {one.name for one in set(threading.enumerate()) - before})


def test_everything_public_is_there():
    """Each name in `__all__` can be had, with its types, and no other is made up."""
    assert (ROOT / "panic" / "py.typed").is_file()
    assert [] == [name for name in panic.__all__ if getattr(panic, name, None) is None]
    with pytest.raises(AttributeError, match="no attribute 'pres'"):
        _ = panic.pres


@pytest.mark.parametrize("words", ["", "--help", "press --help", "--version"])
def test_what_carries_nothing_out_loads_nothing_heavy(tmp_path: Path, words: str):
    """A cold start counts: the heavy packages come when they are first used."""
    script = f"""
import sys
import panic
if {bool(words)}:
    from panic.cli import run
    try:
        run({words.split()})
    except SystemExit as end:
        assert end.code == 0
print([name for name in {HEAVY[:-1] if words else HEAVY} if name in sys.modules])
"""
    command, env = [sys.executable, "-c", script], clean_environment()
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)

    assert ("", True) == (done.stderr, done.stdout.endswith("[]\n"))


async def test_the_command_as_a_module(tmp_path: Path):
    """`python -m panic` is the command: version and help on standard output, the exit codes in the help."""
    version, help_ = [
        await support.panic(*words, cwd=tmp_path, cold=True) for words in (("--version",), ("press", "--help"))
    ]

    assert (0, f"panic {panic.__version__}\n", "") == (version.code, version.out, version.err)
    assert (0, "") == (help_.code, help_.err)
    said = ("--all", "--reason", "--no-verify", "40 refused", "there is no default")
    assert [] == [word for word in said if word not in help_.out]
