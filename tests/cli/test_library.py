"""Panic as a library, and what it costs to start."""

import asyncio
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
from panic.run.reporter import Reporter
from panic.simulator import Fault
from tests.cli import support
from tests.cli.support import KEY, Firm, account, clean_environment, on_behalf_of, sent, simulate, until

Build = Callable[[str], Settings]
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


async def test_what_makes_no_sense_is_raised(settings: Build):
    """A usage or configuration error, before anything is sent; never a report."""
    async with simulate(account(1)) as simulator:
        ready = settings(simulator.base_url)
        keyless = ready.model_copy(update={"credentials": {"default": Credential(env="NO_SUCH_KEY")}})
        for its, scope, reason, error in (
            (ready, panic.Scope(), "x", UsageError),
            (ready, panic.Scope(all=True), " ", UsageError),
            (keyless, panic.Scope(all=True), "x", ConfigurationError),
        ):
            with pytest.raises(error):
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
    """Each name in `__all__` can be had, and no other is made up."""
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
