"""A ledger that is broken in any way costs a press nothing but its record: the promise above all others."""

import json
from pathlib import Path

import pytest

from panic.simulator import Fault
from tests.cli.breakages import BREAKAGES, Breakage
from tests.cli.ledgers import LEDGER, SETTINGS, kinds
from tests.cli.support import (
    PRESS,
    Finished,
    Firm,
    account,
    codes,
    panic,
    sent,
    simulate,
    started,
    until,
    verdicts,
)

IDS = range(1, 13)
SHOW = ("show", "last", "--format", "json")


@pytest.mark.parametrize("breakage", BREAKAGES, ids=str)
async def test_a_press_fires_whatever_is_wrong_with_its_ledger(tmp_path: Path, breakage: Breakage):
    """Every account is cancelled and proven clear, flags say what is wrong, and the log has what is lost."""
    async with simulate(*(account(id_) for id_ in IDS)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, IDS, more=SETTINGS)
        words = firm.lines(*PRESS, "--watch", str(breakage.lasts_s))
        with breakage.broken(tmp_path):
            done = await panic(*words, cwd=tmp_path, program=breakage.program)
        if done.code == 99:
            pytest.skip("this system does not let a process do that to itself")

        assert (0, list(IDS)) == (done.code, sorted(sent(simulator, "DELETE"))), done.err
        assert dict.fromkeys(IDS, "clear") == verdicts(done.report)
        assert breakage.codes == set(codes(done.report)), done.report["flags"]
        assert (None, True) == (done.report["ledger_head"], "finished" in lost(done))


def lost(done: Finished) -> set[str]:
    """The kinds of events that were written to standard error."""
    lines = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    return {one["kind"] for one in lines if one.get("run") == done.report["run_id"]}


async def test_a_ledger_that_is_deleted_while_the_run_goes(tmp_path: Path):
    """Nobody is told that a run is on record whose record is gone."""
    async with simulate(account(1), account(2, Fault("latency", seconds=0.5))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1, 2], more=SETTINGS)
        async with started(*firm.lines(*PRESS), cwd=tmp_path) as process:
            await until(lambda: "standing" in kinds(tmp_path / LEDGER))
            for one in (tmp_path / LEDGER).parent.iterdir():
                one.unlink()
            done = await process.finish()

        assert (0, [1, 2]) == (done.code, sorted(sent(simulator, "DELETE")))
        assert {"ledger_removed", "ledger_incomplete"} <= set(codes(done.report))
        assert done.report["ledger_head"] is None


async def test_a_ledger_that_was_moved_away_is_read_by_its_name(tmp_path: Path):
    """What it holds is told there; what comes since is in a new one."""
    async with simulate(account(1)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1], more=SETTINGS)
        first = await panic(*firm.lines(*PRESS), cwd=tmp_path)
        older = (tmp_path / LEDGER).rename(tmp_path / "2025.db")
        second = await panic(*firm.lines(*PRESS), cwd=tmp_path)
        shown = [await panic(*firm.lines(*SHOW, *more), cwd=tmp_path) for more in ((), ("--ledger", str(older)))]

        assert [second.out, first.out] == [one.out for one in shown]
