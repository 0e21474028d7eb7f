"""Signals: the first stops and reports, the second ends at once, and a terminal that closes stops nothing."""

import signal
from pathlib import Path

import pytest

from panic.simulator import Fault
from tests.cli.support import PRESS, Firm, account, codes, panic, sent, simulate, started, until, valid

STOPPING = "stopping: nothing more is sent; the report follows. Once more ends at once."


async def test_a_signal_in_the_middle_of_the_sweep(tmp_path: Path):
    """Nothing more is sent, and the report has what was sent and what was not, every account once."""
    async with simulate(*(account(id_, Fault("hang")) for id_ in range(1, 11))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, range(1, 11))
        async with started(*firm.lines(*PRESS, "--concurrency", "3"), cwd=tmp_path) as process:
            await until(lambda: len(simulator.requests) == 3)
            process.signal(signal.SIGINT)
            done = await process.finish(2)
    outcomes = {one["id"]: one["outcome"] for one in done.report["accounts"]}

    assert [1, 2, 3] == sorted(sent(simulator, "DELETE"))
    assert dict.fromkeys(range(1, 4), "unknown") | dict.fromkeys(range(4, 11), "not_attempted") == outcomes
    assert (30, 30) == (done.code, done.report["exit_code"])
    assert {"stopped", "not_attempted"} <= set(codes(done.report))
    assert STOPPING in done.err


async def test_a_second_signal_ends_at_once(tmp_path: Path):
    """Whoever asks twice does not wait for answers: the code is the shell's for that signal."""
    async with simulate(account(1, Fault("hang"))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1])
        async with started(*firm.lines(*PRESS), cwd=tmp_path) as process:
            await until(lambda: len(simulator.requests) == 1)
            process.signal(signal.SIGTERM)
            await process.says(STOPPING)
            process.signal(signal.SIGINT)
            done = await process.finish(0.5)

    assert (128 + signal.SIGINT, "") == (done.code, done.out)


# A real process that gets its signal at a certain moment: whenever it calls a certain function.
SIGNALLED = """
import importlib, os, sys
from panic.cli import run
module, name = os.environ["WHEN"].split(":")
module = importlib.import_module(module)
call = getattr(module, name)
def signalled(*arguments, **more):
    os.kill(os.getpid(), int(os.environ["NUMBER"]))
    return call(*arguments, **more)
setattr(module, name, signalled)
sys.exit(run(sys.argv[1:]))
"""
SETTINGS_ARE_READ, CASES_ARE_MADE = "panic.config:load", "panic.run.run:begin"


@pytest.mark.parametrize(
    ("number", "when", "code", "sends"),
    [
        (signal.SIGINT, SETTINGS_ARE_READ, 130, []),
        (signal.SIGINT, CASES_ARE_MADE, 130, []),
        (signal.SIGTERM, SETTINGS_ARE_READ, -signal.SIGTERM, []),
        (signal.SIGHUP, SETTINGS_ARE_READ, 0, [1]),
    ],
)
async def test_a_signal_before_the_run(tmp_path: Path, number: int, when: str, code: int, sends: list[int]):
    """Stopped while it starts, it ends at once, in the loop as well; a connection that drops stops nothing."""
    async with simulate(account(1)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1])
        program, env = ("-c", SIGNALLED), {"NUMBER": str(int(number)), "WHEN": when}
        done = await panic(*firm.lines(*PRESS), cwd=tmp_path, program=program, env=env)

    assert (code, sends) == (done.code, sent(simulator, "DELETE"))
    assert (number == signal.SIGINT) is ("panic: interrupted. Nothing was sent." in done.err)
    assert "Traceback" not in done.err


async def test_a_signal_while_the_report_is_printed(tmp_path: Path):
    """The run is over by then: its exit code stands, and nobody is told that nothing was sent."""
    ids, output = range(1, 151), tmp_path / "report.json"
    async with simulate(*(account(id_, orders=0) for id_ in ids)) as simulator:
        words = Firm(tmp_path, simulator.base_url, ids).lines(*PRESS, "--output", str(output))
        async with started(*words, cwd=tmp_path) as process:  # nobody reads its 128 kB yet: it waits in the middle
            await until(output.exists)
            process.signal(signal.SIGINT)
            done = await process.finish()

    assert (0, False) == (done.code, "interrupted; if a press was under way" in done.err)
    assert 150 == len(valid(output.read_text())["accounts"]) == len(done.report["accounts"])
