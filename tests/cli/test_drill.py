"""The drill and the simulator on the command line: practice that cannot be mistaken for the real thing."""

import json
import random
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from panic import cli
from panic.broker.outcomes import Standing, Verdict
from panic.cli.progress import Foretold, Progress
from panic.config import Broker, RosterFile, Settings
from panic.engine.forecast import Forecast
from panic.kit import terminal
from panic.kit.errors import PanicError
from panic.report.document import Report
from panic.run import drill
from panic.run.run import Run
from panic.simulator import RateLimit
from tests.cli.support import codes, names, panic, started, valid, verdicts
from tests.kit.virtual import virtually

TROUBLE = (
    "lying_404,executed_unanswered,fills,part_fills,reappears,schema_drift,not_json,truncated,rst,second_answer"
)


@pytest.fixture
def drilled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Carry out a command in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def carry_out(*words: str) -> tuple[int, str, str]:
        code = cli.run(words)
        return code, *capsys.readouterr()

    return carry_out


Drilled = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("faults", "limit"),
    [("typical", None), (TROUBLE, None), ("typical", RateLimit(20, burst=20))],
    ids=["typical", "trouble", "behind a limit"],
)
def test_a_drill_with_faults_passes(faults: str, limit: RateLimit | None):
    """Everything at once, one account that is never done: the report agrees with the truth on every account.

    An account that is never done does not put the end off, behind a limit either.
    """

    async def work() -> tuple[Report, drill.Examination]:
        made_up = drill.firm(60, 1, faults)
        async with drill.simulator(made_up, seed=1, latency_s=0.005, rate_limit=limit) as simulator:
            run = Run(drill.prepare(made_up, simulator.base_url), drill=True, rng=random.Random(1))
            report = await run.go()
            return report, drill.examine(report, made_up, simulator.truth)

    report, examination = virtually(work())

    assert ((), 60) == (examination.disagreements, len(report.accounts))
    assert report.timings.total_s < 60
    assert (Verdict.REFUSED if faults == "typical" else Verdict.CLEAR) is report.verdict
    assert faults != "typical" or {"refused", "open", "clear"} <= {one.verdict for one in report.accounts}


def test_behind_a_limit_a_drill_says_how_long_it_takes_and_ends_clear(capsys: pytest.CaptureFixture[str]):
    """After its deadline, which was put off; the forecast is told early and seldom, the pace in the report."""

    async def work() -> tuple[Report, drill.Examination]:
        made_up = drill.firm(100, 1, "none")
        async with drill.simulator(made_up, seed=1, latency_s=0.02, rate_limit=RateLimit(5)) as simulator:
            progress = Progress()
            run = Run(drill.prepare(made_up, simulator.base_url), drill=True, rng=random.Random(1))
            progress.run = run
            async with progress:
                report = await run.go()
            return report, drill.examine(report, made_up, simulator.truth)

    report, examination = virtually(work())
    terminal.errors.drain()
    said = capsys.readouterr().err.splitlines()
    (pace,), told = report.timings.paces, [line for line in said if "requests a second" in line]

    assert (Verdict.CLEAR, ()) == (report.verdict, examination.disagreements)
    assert drill.DEADLINE_S < report.timings.total_s < 75
    assert report.timings.total_s < report.timings.deadline_s
    assert ("default", True) == (pace.credential, 4 <= pace.requests_per_second <= 7)
    assert told[0] == said[0]
    assert told[0].startswith("DRILL the broker lets about ")
    assert ": all cancels accepted in about " in told[0]
    assert 1 <= len(told) <= 4


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ([(1, 60), (2, 59), (3, 58)], [1]),
        ([(1, 60), (2, 75), (3, 76), (4, 120)], [1, 4]),
        ([(1, 60), (2, 20)], [1, 2]),
        ([(1, 600), (2, 700), (3, 1000)], [1, 3]),
        ([(1, 2), (100, 1), (200, 1)], [1]),
    ],
    ids=["as foretold", "later", "earlier", "a long one", "hardly anything left"],
)
def test_a_forecast_is_told_again_only_if_much_has_changed(ends: list[tuple[int, int]], told: list[int]):
    """Its end moved by ten seconds at least, and by a third of what is left."""
    foretold = Foretold()

    assert told == [at for at, in_s in ends if foretold.news(Forecast(20.0, in_s / 2, in_s), at)]
    assert "" == foretold.news(None, 1000.0)


def test_the_limit_is_all_that_goes_wrong_unless_more_is_asked_for(drilled: Drilled):
    """So that a drill with --rate can end clear."""
    code, out, _ = drilled("drill", "--accounts", "24", "--latency", "0", "--rate", "20", "--burst", "3")
    report = valid(out)

    assert (0, "clear") == (code, report["verdict"])
    assert report["timings"]["paces"][0]["refused"] > 0


def test_a_drill_passes_and_says_so(drilled: Drilled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It needs no configuration, and a stray one changes nothing; in a pipe the report is all of standard output.

    A refusal is part of a drill that passes.
    """
    monkeypatch.setenv("PANIC_CONFIG", "/nowhere.toml")
    monkeypatch.setenv("PANIC_BROKER_BASE_URL", "https://api.clearstreet.com")
    small = ("drill", "--accounts", "12", "--latency", "0", "--output", "drill.json")
    code, table, _ = drilled(*small, "--faults", "none", "--format", "table")
    code_in_a_pipe, out, err = drilled(*small)
    report = valid(out)

    assert (0, 0) == (code, code_in_a_pipe)
    top = "DRILL  against the embedded simulator. No order at any broker was touched.\nDRILL · CLEAR"
    assert table.startswith(top)
    assert "DRILL PASSED  the report agrees with the simulator on 12 of 12 accounts" in table
    assert (True, 12, "drill") == (report["drill"], len(verdicts(report)), report["trigger"]["source"])
    assert ("refused", 40) == (report["verdict"], report["exit_code"])
    assert report["base_url"].startswith("http://127.0.0.1:")
    assert err.splitlines()[-1].startswith("DRILL PASSED")
    assert [] == [line for line in err.splitlines() if line.startswith("panic:") and "DRILL" not in line]
    assert report == json.loads((tmp_path / "drill.json").read_text())
    assert ["drill.json"] == names(tmp_path)


@pytest.mark.parametrize(("faults", "words"), [("typical", "FALSE CLEAR"), ("none", "reported 0 times")])
def test_a_drill_fails_when_the_report_is_wrong(
    drilled: Drilled, monkeypatch: pytest.MonkeyPatch, faults: str, words: str
):
    """A false clear, or an account that it forgot: told by name, and the exit code is 1."""
    go = Run.go

    async def lie(self: Run) -> Report:
        report = await go(self)
        first = replace(report.accounts[0], verdict=Verdict.CLEAR, standing=Standing.CLEAR)
        return replace(report, accounts=(first,) if faults == "typical" else ())

    monkeypatch.setattr(Run, "go", lie)
    code, out, _ = drilled("drill", "--accounts", "1", "--latency", "0", "--faults", faults, "--format", "table")

    assert 1 == code
    assert words in out
    assert "DRILL FAILED  the report agrees with the simulator on 0 of 1 accounts" in out


@pytest.mark.parametrize(
    "base_url", ["https://api.clearstreet.com", "https://127.0.0.1.example.com", "http://localhost:1"]
)
def test_a_drill_refuses_every_host_but_this_machine(base_url: str):
    """The code path of a drill cannot reach a broker, whatever it is handed."""
    prepared = drill.prepare(drill.firm(2, 1), "http://127.0.0.1:1")
    elsewhere = Settings(broker=Broker(base_url=base_url), roster=RosterFile(file=Path("(drill)")))

    with pytest.raises(PanicError, match="embedded simulator and nothing else"):
        Run(replace(prepared, settings=elsewhere), drill=True)


# ── panic simulate ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_simulator_to_practise_against(tmp_path: Path):
    """`simulate --write` leaves settings, roster and key with which a press works; SIGTERM ends it with 0."""
    folder = tmp_path / "practice"
    words = ("simulate", "--port", "0", "--accounts", "5", "--faults", "none", "--write", str(folder))
    press: tuple[Any, ...] = ("press", "--all", "--reason", "practice", "--watch", "0")
    async with started(*words, cwd=tmp_path) as simulator:
        line = await simulator.says("listens on")
        await simulator.says("Ctrl-C ends it.")
        pressed = await panic("--config", str(folder / "panic.toml"), *press, cwd=tmp_path)
        simulator.signal(signal.SIGTERM)
        done = await simulator.finish()

    assert (0, 0, "") == (pressed.code, done.code, done.out)
    assert (5, False) == (len(verdicts(pressed.report)), pressed.report["drill"])
    assert pressed.report["base_url"] in line
    assert [] == codes(pressed.report)
    assert 0o600 == (folder / "simulator.key").stat().st_mode & 0o777
    assert "5 accounts" in line
    assert "Traceback" not in done.err
