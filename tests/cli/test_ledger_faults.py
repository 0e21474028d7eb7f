"""A ledger that is broken in any way costs a press nothing but its record: the promise above all others."""

from pathlib import Path
from typing import Any

import pytest

from panic.simulator import Fault
from tests.cli.breakages import BREAKAGES, HEALTHY, NOTHING_WRITABLE, Breakage, after, cut_off, locked
from tests.cli.ledgers import LEDGER, SETTINGS, kinds
from tests.cli.support import PRESS, Firm, account, codes, panic, sent, simulate, started, until, verdicts

IDS = range(1, 13)
NOT_HERE = 99
"""What a process gives that may not do to itself what the test needs."""


SHOWING = (("runs", "--format", "json"), ("show", "last", "--format", "json"))


@pytest.mark.parametrize("breakage", [HEALTHY, *BREAKAGES], ids=str)
async def test_a_press_fires_whatever_is_wrong_with_its_ledger(tmp_path: Path, breakage: Breakage):
    """Every account is cancelled and proven clear, the exit code is the run's, and flags say what is wrong."""
    async with simulate(*(account(id_) for id_ in IDS)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, IDS, more=SETTINGS)
        words = firm.lines(*PRESS, "--watch", str(breakage.lasts_s))
        with breakage.broken(tmp_path):
            done = await panic(*words, cwd=tmp_path, program=breakage.program)
            if done.code == NOT_HERE:
                pytest.skip("this system does not let a process do that to itself")
            runs, shown = [await panic(*firm.lines(*words), cwd=tmp_path) for words in SHOWING]

        assert list(IDS) == sorted(sent(simulator, "DELETE"))
        assert 0 == done.code, done.err
        assert dict.fromkeys(IDS, "clear") == verdicts(done.report)
        flags = {flag["code"] for flag in done.report["flags"]}
        assert breakage.codes == flags - ({"ledger_late"} - breakage.codes), done.report["flags"]
        assert (done.report["ledger_head"] is not None) is breakage.recorded
        assert runs.code in {0, 10}
        if breakage.recorded:
            assert 0 == shown.code, shown.err
            assert done.report == _undamaged(shown.report)


def _undamaged(report: dict[str, Any]) -> dict[str, Any]:
    """A report that was shown, without what it says of files that are damaged."""
    return {**report, "flags": [flag for flag in report["flags"] if flag["code"] != "record_damaged"]}


@pytest.mark.parametrize("more", ["", '[ledger]\nfile = "ledger.db"\n', SETTINGS], ids=["no words", "one", "both"])
async def test_nothing_at_all_can_be_written(tmp_path: Path, more: str):
    """A container whose file system is read-only, without a temporary folder: the press fires all the same."""
    async with simulate(account(1)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1], more=more)
        done = await panic(*firm.lines(*PRESS), cwd=tmp_path, program=after(NOTHING_WRITABLE))
        if done.code == NOT_HERE:
            pytest.skip("this system does not let a process do that to itself")

        assert [1] == sent(simulator, "DELETE"), done.err
        assert (0, {1: "clear"}) == (done.code, verdicts(done.report))
        assert {"ledger_failed", "ledger_memory", "ledger_incomplete"} == set(codes(done.report))


async def test_a_ledger_that_fails_while_the_run_ends(tmp_path: Path):
    """What is found wrong with the ledger in the last moment is on record like everything else in the report."""
    async with simulate(account(1)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1], more=SETTINGS)
        with locked(tmp_path):
            done = await panic(*firm.lines(*PRESS), cwd=tmp_path)
            shown = await panic(*firm.lines(*SHOWING[1]), cwd=tmp_path)

        assert "ledger_failed" in codes(done.report)
        assert done.report["ledger_head"] is not None
        assert done.out == shown.out


async def test_a_ledger_that_is_deleted_while_the_run_goes(tmp_path: Path):
    """Nobody is told that a run is on record whose record is gone."""
    async with simulate(account(1), account(2, Fault("latency", seconds=0.5))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1, 2], more=SETTINGS)
        async with started(*firm.lines(*PRESS), cwd=tmp_path) as process:
            await until(lambda: "standing" in kinds(tmp_path / LEDGER))
            for one in (tmp_path / LEDGER).parent.iterdir():
                one.unlink()
            done = await process.finish()
        shown = await panic(*firm.lines(*SHOWING[1]), cwd=tmp_path)

        assert (0, [1, 2]) == (done.code, sorted(sent(simulator, "DELETE")))
        assert done.report["ledger_head"] is None or done.out == shown.out


async def test_a_ledger_that_was_damaged_long_ago(tmp_path: Path):
    """What was set aside then says nothing about what is recorded since: it is shown as it was printed."""
    async with simulate(account(1)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1], more=SETTINGS)
        with cut_off(tmp_path):
            first = await panic(*firm.lines(*PRESS), cwd=tmp_path)
        second = await panic(*firm.lines(*PRESS), cwd=tmp_path)
        shown = await panic(*firm.lines(*SHOWING[1]), cwd=tmp_path)

        assert (["ledger_damaged"], []) == (codes(first.report), codes(second.report))
        assert second.out == shown.out
