"""The drill and the simulator on the command line: practice that cannot be mistaken for the real thing."""

import random
import signal
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

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
from tests.cli.inside import typed
from tests.cli.support import codes, names, panic, started, valid, verdicts
from tests.kit.virtual import virtually

TROUBLE = (
    "lying_404,executed_unanswered,fills,part_fills,reappears,schema_drift,not_json,truncated,rst,second_answer"
)


def practised(accounts: int, faults: str, latency_s: float, limit: RateLimit | None) -> Report:
    """Drill on virtual time; the examiner finds nothing wrong with the report."""

    async def work() -> tuple[Report, drill.Examination]:
        made_up, progress = drill.firm(accounts, 1, faults), Progress()
        async with drill.simulator(made_up, seed=1, latency_s=latency_s, rate_limit=limit) as simulator:
            run = Run(
                drill.prepare(made_up, simulator.base_url), progress.observe, drill=True, rng=random.Random(1)
            )
            progress.follow(run)
            async with progress:
                report = await run.go()
            return report, drill.examine(report, made_up, simulator.truth)

    report, examination = virtually(work())

    assert ((), accounts) == (examination.disagreements, len(report.accounts))
    return report


@pytest.mark.parametrize(
    ("faults", "limit"),
    [("typical", None), (TROUBLE, None), ("typical", RateLimit(20, burst=20))],
    ids=["typical", "trouble", "behind a limit"],
)
def test_a_drill_with_faults_passes(faults: str, limit: RateLimit | None):
    """Everything at once; an account that is never done does not put the end off, behind a limit either."""
    report = practised(60, faults, 0.005, limit)

    assert report.timings.total_s < 60
    assert (Verdict.REFUSED if faults == "typical" else Verdict.CLEAR) is report.verdict
    assert faults != "typical" or {"refused", "open", "clear"} <= {one.verdict for one in report.accounts}
    assert [] == [fill for fill in report.totals.fills if fill.price is None or fill.unpriced or not fill.notional]
    orders = [one for account in report.accounts for one in account.order_list]
    assert any(one.status == "CANCELED" and one.fill_price for one in orders)
    assert report.totals.still_open.orders == sum(one.open for one in orders)


def test_behind_a_limit_a_drill_says_how_long_it_takes_and_ends_clear(capsys: pytest.CaptureFixture[str]):
    """After its deadline, which was put off; the forecast is told early and seldom, the pace in the report."""
    report = practised(100, "none", 0.02, RateLimit(5))
    terminal.errors.drain()
    said = capsys.readouterr().err.splitlines()
    (pace,), told = report.timings.paces, [line for line in said if "requests a second" in line]

    assert Verdict.CLEAR is report.verdict
    assert drill.DEADLINE_S < report.timings.total_s < min(75, report.timings.deadline_s)
    assert ("default", True) == (pace.credential, 4 <= pace.requests_per_second <= 7)
    assert said[1].startswith("DRILL the broker lets about ")
    assert ": all cancels accepted in about " in said[1]
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


def test_the_limit_is_all_that_goes_wrong_unless_more_is_asked_for():
    """So that a drill with --rate can end clear."""
    done = typed("drill", "--accounts", "24", "--latency", "0", "--rate", "20", "--burst", "3")

    assert (0, "clear") == (done.code, done.report["verdict"])
    assert done.report["timings"]["paces"][0]["refused"] > 0


def test_a_drill_passes_and_says_so(tmp_path: Path):
    """It needs no configuration, and a stray one changes nothing; in a pipe the report is all of standard output.

    A refusal is part of a drill that passes.
    """
    stray = {"PANIC_CONFIG": "/nowhere.toml", "PANIC_BROKER_BASE_URL": "https://api.clearstreet.com"}
    small = ("drill", "--accounts", "12", "--latency", "0", "--output", str(tmp_path / "drill.json"))
    table = typed(*small, "--faults", "none", "--format", "table", env=stray)
    done = typed(*small, env=stray)
    report, said = done.report, done.err.splitlines()

    assert (0, 0) == (table.code, done.code)
    first, second, *_, last, passed = table.out.splitlines()
    assert first.startswith("DRILL · CLEAR  ")
    assert second == "DRILL  against the embedded simulator. No order at any broker was touched."
    assert first == last
    assert passed == "DRILL PASSED  the report agrees with the simulator on 12 of 12 accounts"
    assert (True, 12, "drill") == (report["drill"], len(verdicts(report)), report["trigger"]["source"])
    assert ("refused", 40) == (report["verdict"], report["exit_code"])
    assert report["base_url"].startswith("http://127.0.0.1:")
    assert said[-1].startswith("DRILL PASSED")
    assert [] == [line for line in said if line.startswith("panic:") and "DRILL" not in line]
    assert report == valid((tmp_path / "drill.json").read_text())
    assert ["drill.json"] == names(tmp_path)


@pytest.mark.parametrize(
    ("faults", "words"),
    [("typical", "FALSE CLEAR"), ("none", "reported 0 times"), ("fills", "reported a fill at 1, and it was at ")],
)
def test_a_drill_fails_when_the_report_is_wrong(monkeypatch: pytest.MonkeyPatch, faults: str, words: str):
    """A false clear, an account that it forgot, a wrong price: told by name, and the exit code is 1."""
    go = Run.go

    async def lie(self: Run) -> Report:
        report = await go(self)
        first = replace(report.accounts[0], verdict=Verdict.CLEAR, standing=Standing.CLEAR)
        wrong = tuple(replace(one, fill_price=Decimal(1)) for one in first.order_list if faults == "fills")
        return replace(report, accounts=() if faults == "none" else (replace(first, order_list=wrong),))

    monkeypatch.setattr(Run, "go", lie)
    done = typed("drill", "--accounts", "1", "--latency", "0", "--faults", faults, "--format", "table")

    assert (1, True) == (done.code, words in done.out)
    assert "DRILL FAILED  the report agrees with the simulator on 0 of 1 accounts" in done.out


@pytest.mark.parametrize(
    "base_url", ["https://api.clearstreet.com", "https://127.0.0.1.example.com", "http://localhost:1"]
)
def test_a_drill_refuses_every_host_but_this_machine(base_url: str):
    """The code path of a drill cannot reach a broker, whatever it is handed."""
    prepared = drill.prepare(drill.firm(2, 1), "http://127.0.0.1:1")
    elsewhere = Settings(broker=Broker(base_url=base_url), roster=RosterFile(file=Path("(drill)")))

    with pytest.raises(PanicError, match="embedded simulator and nothing else"):
        Run(replace(prepared, settings=elsewhere), drill=True)


async def test_a_simulator_to_practise_against(tmp_path: Path):
    """`simulate --write` leaves settings, roster and key with which a press works; SIGTERM ends it with 0."""
    folder = tmp_path / "practice"
    words = ("simulate", "--port", "0", "--accounts", "5", "--faults", "none", "--write", str(folder))
    press = ("--config", str(folder / "panic.toml"), "press", "--all", "--reason", "practice", "--watch", "0")
    async with started(*words, cwd=tmp_path) as simulator:
        line = await simulator.says("listens on")
        await simulator.says("Ctrl-C ends it.")
        pressed = await panic(*press, cwd=tmp_path)
        simulator.signal(signal.SIGTERM)
        done = await simulator.finish()

    assert (0, 0, "", False) == (pressed.code, done.code, done.out, "Traceback" in done.err)
    assert (5, False, []) == (len(verdicts(pressed.report)), pressed.report["drill"], codes(pressed.report))
    assert f"5 accounts listens on {pressed.report['base_url']}" in line
    assert 0o600 == (folder / "simulator.key").stat().st_mode & 0o777
