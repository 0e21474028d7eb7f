"""The drill and the simulator on the command line: practice that cannot be mistaken for the real thing."""

import asyncio
import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from panic import cli, drill
from panic.broker.outcomes import Standing, Verdict
from panic.config import Broker, RosterFile, Settings
from panic.errors import PanicError
from panic.run.run import Run
from tests.cli.support import Finished, closed_port, codes, names, panic, started, valid, verdicts

TROUBLE = (
    "lying_404,executed_unanswered,fills,part_fills,reappears,schema_drift,not_json,truncated,rst,second_answer"
)
SMALL = ("--accounts", "12", "--latency", "0")


async def test_a_drill_with_faults_passes_and_says_so(tmp_path: Path):
    """Its report agrees with the truth; it needs no configuration, and a stray one changes nothing."""
    output = tmp_path / "report.json"
    env = {"PANIC_CONFIG": "/nowhere.toml", "PANIC_BROKER_BASE_URL": "https://api.clearstreet.com"}
    words = ("drill", "--accounts", "60", "--faults", TROUBLE, "--format", "table", "--output", str(output))
    done = await panic(*words, cwd=tmp_path, env=env)
    report = valid(output.read_text())

    assert 0 == done.code
    assert done.out.startswith(
        "DRILL  against the embedded simulator. No order at any broker was touched.\nDRILL · CLEAR"
    )
    assert "DRILL PASSED  the report agrees with the simulator on 60 of 60 accounts" in done.out
    assert (True, 60, "drill") == (report["drill"], len(verdicts(report)), report["trigger"]["source"])
    assert report["base_url"].startswith("http://127.0.0.1:")
    assert all(line.startswith(("DRILL", "panic: DRILL", "account ")) for line in done.err.splitlines())


async def test_a_drill_in_a_pipe_is_json_that_says_drill(tmp_path: Path):
    """The report alone is on standard output; the examiner's word is on standard error."""
    done = await panic("drill", *SMALL, "--faults", "none", cwd=tmp_path)

    assert (0, True, "clear") == (done.code, done.report["drill"], done.report["verdict"])
    assert done.last_line.startswith("DRILL PASSED")


async def test_a_refusal_is_part_of_a_drill_that_passes(tmp_path: Path):
    """Exit 0 means that the report told the truth, not that everything was clear."""
    done = await panic("drill", *SMALL, "--faults", "typical", "--accounts", "1", cwd=tmp_path)

    assert (0, "refused", 40) == (done.code, done.report["verdict"], done.report["exit_code"])
    assert "DRILL PASSED" in done.err


async def test_the_same_seed_makes_the_same_firm(tmp_path: Path):
    """And another seed another one."""

    def told(done: Finished) -> list[tuple[int, str, int]]:
        return [(one["id"], one["outcome"], one["orders"]["accepted"]) for one in done.report["accounts"]]

    words = ("drill", *SMALL, "--faults", "none", "--seed")
    one, again, another = await asyncio.gather(*(panic(*words, seed, cwd=tmp_path) for seed in ("7", "7", "8")))

    assert told(one) == told(again)
    assert told(one) != told(another)
    assert drill.firm(50, 3) == drill.firm(50, 3) != drill.firm(50, 4)


async def test_the_typical_drill_passes_within_a_minute(tmp_path: Path):
    """Everything at once, one account that is never done: what `make drill` shows."""
    done = await panic("drill", "--accounts", "120", cwd=tmp_path, patience_s=50)
    found = verdicts(done.report)

    assert 0 == done.code
    assert "DRILL PASSED  the report agrees with the simulator on 120 of 120 accounts" in done.err
    assert (120, 40) == (len(found), done.report["exit_code"])
    assert {"refused", "open", "clear"} <= set(found.values())
    assert done.took < 60


def test_a_drill_fails_when_the_report_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A false clear is told by name, and the exit code is 1 however good the report looks."""
    go = Run.go

    async def lie(self: Run):
        report = await go(self)
        first, *rest = report.accounts
        assert Verdict.REFUSED is first.verdict
        wrong = replace(first, verdict=Verdict.CLEAR, standing=Standing.CLEAR)
        return replace(report, accounts=(wrong, *rest))

    monkeypatch.setattr(Run, "go", lie)
    code = cli.run(["drill", "--accounts", "1", "--latency", "0", "--format", "table"])
    said = capsys.readouterr()

    assert 1 == code
    assert "FALSE CLEAR" in said.out
    assert "DRILL FAILED  the report agrees with the simulator on 0 of 1 accounts" in said.out


def test_an_account_that_the_report_forgot_fails_a_drill(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Agreement on the accounts that are there is not agreement on all."""
    go = Run.go

    async def forget(self: Run):
        report = await go(self)
        return replace(report, accounts=report.accounts[1:])

    monkeypatch.setattr(Run, "go", forget)
    code = cli.run(["drill", "--accounts", "4", "--latency", "0", "--faults", "none", "--format", "table"])

    assert 1 == code
    assert "DRILL FAILED  the report agrees with the simulator on 3 of 4 accounts" in capsys.readouterr().out


@pytest.mark.parametrize(
    "base_url", ["https://api.clearstreet.com", "https://127.0.0.1.example.com", "http://localhost:1"]
)
async def test_a_drill_refuses_every_host_but_this_machine(base_url: str):
    """The code path of a drill cannot reach a broker, whatever it is handed."""
    prepared = drill.prepare(drill.firm(2, 1), "http://127.0.0.1:1")
    elsewhere = Settings(broker=Broker(base_url=base_url), roster=RosterFile(file=Path("(drill)")))

    with pytest.raises(PanicError, match="embedded simulator and nothing else"):
        Run(replace(prepared, settings=elsewhere), drill=True)


async def test_a_simulator_to_practise_against(tmp_path: Path):
    """`simulate --write` leaves settings, roster and key with which a press works; SIGTERM ends it with 0."""
    folder = tmp_path / "practice"
    words = ("simulate", "--port", "0", "--accounts", "5", "--faults", "none", "--write", str(folder))
    async with started(*words, cwd=tmp_path) as simulator:
        line = await simulator.says("listens on")
        await simulator.says("Ctrl-C ends it.")
        pressed = await panic("--config", str(folder / "panic.toml"), "press", "--all", "--reason", "practice",
                              "--watch", "0", cwd=tmp_path)  # fmt: skip
        simulator.signal(signal.SIGTERM)
        done = await simulator.finish()

    assert (0, 0, "") == (pressed.code, done.code, done.out)
    assert (5, False) == (len(verdicts(pressed.report)), pressed.report["drill"])
    assert pressed.report["base_url"] in line
    assert [] == codes(pressed.report)
    assert 0o600 == (folder / "simulator.key").stat().st_mode & 0o777
    assert "5 accounts" in line
    assert "Traceback" not in done.err


@pytest.mark.parametrize("port", ["-1", "70000", "http"])
async def test_a_port_that_is_none(port: str, capsys: pytest.CaptureFixture[str]):
    """A bad --port is a usage error like any other."""
    code = await asyncio.to_thread(cli.run, ["simulate", "--accounts", "1", "--port", port])
    said = capsys.readouterr().err

    assert 64 == code
    assert "--port" in said


async def test_a_folder_that_cannot_be_written(tmp_path: Path):
    """--write to a place that is a file ends with 64 and leaves no server behind."""
    (tmp_path / "taken").write_text("")
    words = ("simulate", "--port", "0", "--accounts", "1", "--write", str(tmp_path / "taken"))
    done = await panic(*words, cwd=tmp_path)

    assert 64 == done.code
    assert "--write" in done.err


async def test_a_port_that_is_taken(tmp_path: Path):
    """The message names the port and the remedy."""
    port = closed_port()
    async with started("simulate", "--port", str(port), "--accounts", "1", cwd=tmp_path) as first:
        await first.says("Ctrl-C ends it.")
        done = await panic("simulate", "--port", str(port), "--accounts", "1", cwd=tmp_path)

    assert 64 == done.code
    assert f"--port {port}: " in done.err
    assert "name another, or 0 for any" in done.err


def test_a_drill_that_breaks_is_no_false_alarm(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """What goes wrong in a drill never sends anybody to the broker."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(drill, "simulator", broken)
    code = cli.run(["drill", "--accounts", "1"])
    said = capsys.readouterr().err

    assert 70 == code
    assert "Cancel at the broker by hand" not in said


async def test_a_drill_writes_json_that_can_be_read(tmp_path: Path):
    """--output is written whole, beside nothing."""
    output = tmp_path / "drill.json"
    done = await panic("drill", *SMALL, "--faults", "none", "--output", str(output), cwd=tmp_path)

    assert json.loads(done.out) == json.loads(output.read_text())
    assert [output.name] == names(tmp_path)
