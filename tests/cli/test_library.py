"""Panic as a library, and what it costs to start."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

import panic
from panic.config import Broker, Credential, RosterFile, Settings
from panic.config import Run as RunSettings
from panic.kit.errors import ConfigurationError, UsageError
from panic.simulator import Fault
from tests.cli import support
from tests.cli.support import KEY, Firm, account, clean_environment, sent, simulate

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


@pytest.fixture
def unconfigured():
    """Logs as a caller has them who has set nothing up, whatever earlier tests did."""
    before = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**before)


async def test_a_press_from_code(settings: Build, unconfigured: None, capfd: pytest.CaptureFixture[str]):
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
        said = capfd.readouterr()

        assert isinstance(report, panic.Report)
        assert ("refused", 40, "library") == (report.verdict, report.exit_code, report.trigger.source)
        assert ("risk engine", "limit breach", 20) == (
            report.trigger.by,
            report.trigger.reason,
            report.timings.deadline_s,
        )
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
        with pytest.raises(UsageError, match="no scope"):
            await panic.press(ready, scope=panic.Scope(), reason="x")
        with pytest.raises(UsageError, match="no reason"):
            await panic.press(ready, scope=panic.Scope(all=True), reason=" ")
        keyless = ready.model_copy(update={"credentials": {"default": Credential(env="NO_SUCH_KEY")}})
        with pytest.raises(ConfigurationError):
            await panic.press(keyless, scope=panic.Scope(all=True), reason="x")

        assert [] == simulator.requests


def test_everything_public_is_there():
    """Each name in `__all__` can be had, and no other is made up."""
    assert [] == [name for name in panic.__all__ if getattr(panic, name, None) is None]
    with pytest.raises(AttributeError, match="no attribute 'pres'"):
        _ = panic.pres


def run_python(*words: str, cwd: Path) -> str:
    """Run Python apart, and give what it printed."""
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=cwd, env=clean_environment(), capture_output=True, text=True, check=True)
    assert "" == done.stderr
    return done.stdout


def test_importing_panic_loads_nothing_heavy(tmp_path: Path):
    """A cold start counts: the heavy packages come when they are first used."""
    loaded = run_python("-c", f"import panic, sys; print([m for m in {HEAVY} if m in sys.modules])", cwd=tmp_path)

    assert "[]\n" == loaded


def test_help_loads_nothing_heavy(tmp_path: Path):
    """Nor do version and the help of a command."""
    code = (
        "import sys; from panic.cli import run\n"
        "for words in (['--help'], ['press', '--help'], ['--version']):\n"
        "    try:\n        run(words)\n    except SystemExit as end:\n        assert end.code == 0\n"
        f"print([m for m in {HEAVY[:-1]} if m in sys.modules])"
    )
    assert run_python("-c", code, cwd=tmp_path).endswith("[]\n")


async def test_the_command_as_a_module(tmp_path: Path):
    """`python -m panic` is the command: version and help on standard output, the exit codes in the help."""
    version = await support.panic("--version", cwd=tmp_path)
    help_ = await support.panic("press", "--help", cwd=tmp_path)

    assert (0, f"panic {panic.__version__}\n", "") == (version.code, version.out, version.err)
    assert (0, "") == (help_.code, help_.err)
    assert all(
        word in help_.out for word in ("--all", "--reason", "--no-verify", "40 refused", "there is no default")
    )
