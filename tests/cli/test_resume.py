"""Runs whose process was killed, resumed by another: what is done again, and what is not."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from panic.broker.outcomes import Standing
from panic.ledger.replay import Replay
from panic.simulator import Fault, Simulator
from tests.cli.breakages import NO_PRIVILEGES, after
from tests.cli.ledgers import LEDGER, SETTINGS, replayed
from tests.cli.support import (
    KEY,
    PANIC,
    PRESS,
    Finished,
    Firm,
    account,
    codes,
    panic,
    sent,
    simulate,
    started,
    told,
    until,
    verdicts,
)

HANGS = Fault("hang", times=1)
RESUME = ("resume", "last")
NIGHT = ("--by", "the night shift")


def attempted(*ids: int) -> Callable[[Replay], bool]:
    """Whether it is on record that DELETEs of these accounts left."""
    return lambda replay: set(ids) <= replay._sent.keys()


def clear(*ids: int) -> Callable[[Replay], bool]:
    """Whether it is on record that these accounts are clear."""
    return lambda replay: all(replay.cases[id_].standing is Standing.CLEAR for id_ in ids)


async def died(
    firm: Firm,
    *so: Callable[[Replay], bool],
    words: tuple[str, ...] = PRESS,
    program: tuple[str, ...] = PANIC,
) -> str:
    """Start a press, or something else, and kill it when the record says so; give the run's id."""
    async with started(*firm.lines(*words), cwd=firm.folder, program=program) as process:

        def is_so() -> bool:
            assert process.process.returncode is None, "it ended before it was to die"
            replay = replayed(firm.folder)
            return replay is not None and bool(replay.cases) and all(one(replay) for one in so)

        await until(is_so)
        process.signal(signal.SIGKILL)
        await process.finish()
    replay = replayed(firm.folder)
    assert replay is not None
    return replay.run


async def resume(firm: Firm, *words: str, **how: Any) -> Finished:
    """Resume the last run, to its end."""
    return await panic(*firm.lines(*RESUME, *words), cwd=firm.folder, **how)


async def shown(firm: Firm, run: str = "last") -> Finished:
    """Print a run's report again."""
    return await panic(*firm.lines("show", run, "--format", "json"), cwd=firm.folder)


def times_sent(simulator: Simulator) -> dict[int, int]:
    """How many DELETEs each account got."""
    ids = sent(simulator, "DELETE")
    return {id_: ids.count(id_) for id_ in sorted(set(ids))}


# ── what is done again ──────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_proven_is_read_again_and_the_rest_is_sent_again(tmp_path: Path):
    """No clear is taken on trust, and nobody is cancelled again without a reason."""
    async with simulate(account(1), account(2, HANGS)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1, 2], more=SETTINGS)
        run = await died(firm, clear(1), attempted(2))
        before, reads = (await shown(firm)).report, sent(simulator, "GET").count(1)
        done = await resume(firm, *NIGHT)
        report = done.report

        assert ({1: "clear", 2: "unknown"}, 30, False) == (
            verdicts(before),
            before["exit_code"],
            before["finished"],
        )
        assert "unfinished" == codes(before)[0]
        assert (0, run, True, {1: "clear", 2: "clear"}) == (
            done.code,
            report["run_id"],
            report["finished"],
            verdicts(report),
        )
        assert {1: 1, 2: 2} == times_sent(simulator)
        assert sent(simulator, "GET").count(1) > reads
        assert ["the night shift"] == [one["by"] for one in report["resumed"]]
        assert ["resumed"] == codes(report)
        assert before["trigger"] == report["trigger"]
        assert before["started_at"] == report["started_at"]
        assert "the process died first" in told(report, 2)["attempts"][0]["error"]
        assert done.out == (await shown(firm)).out


# ── what has changed since ──────────────────────────────────────────────────────────────────────────────────


async def test_a_key_that_has_vanished_for_some_accounts(tmp_path: Path):
    """They are in the report with a note and nothing is sent for them; all others are done."""
    two = '[credentials.default]\nfile = "panic.key"\n[credentials.other]\nfile = "other.key"\n'
    async with simulate(account(1, HANGS), account(2, HANGS)) as simulator:
        rows = ["1,default", "2,other"]
        firm = Firm(tmp_path, simulator.base_url, rows, "id,credential", credentials=two, more=SETTINGS)
        other = tmp_path / "other.key"
        other.touch(mode=0o600)
        other.write_text(KEY + "\n")
        await died(firm, attempted(1, 2))
        other.unlink()
        done = await resume(firm)
        report = done.report

        assert (30, {1: "clear", 2: "unknown"}) == (done.code, verdicts(report))
        assert {1: 2, 2: 1} == times_sent(simulator)
        assert any("its credential 'other' has no usable key now" in note for note in told(report, 2)["notes"])
        assert ["credential", "resumed"] == sorted(codes(report))
        assert done.out == (await shown(firm)).out


async def test_a_roster_that_has_changed(tmp_path: Path):
    """The run's own accounts count: neither is one left out that was taken out, nor is one done that is new."""
    accounts = [account(1), account(2, HANGS, status="ACTIVE"), account(3, HANGS), account(4)]
    async with simulate(*accounts) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ["1,One", "2,Two", "3,Three"], "id,name", more=SETTINGS)
        await died(firm, clear(1), attempted(2, 3))
        firm.roster.write_text("id,name,excluded\n1,Uno,\n3,Tres,yes\n4,Cuatro,\n")
        done = await resume(firm)
        report = done.report

        assert dict.fromkeys([1, 2, 3], "clear") == verdicts(report)
        assert {1: 1, 2: 2, 3: 2} == times_sent(simulator)
        assert "Two" == told(report, 2)["name"]
        assert [] == report["coverage"]["unlisted_accounts"]
        assert (0, ["resumed"]) == (done.code, codes(report))


# ── what became of the ledger ───────────────────────────────────────────────────────────────────────────────


async def test_a_ledger_that_nobody_may_write_any_more(tmp_path: Path):
    """Stopping fails open: the run is completed all the same, and its record is in the log."""
    async with simulate(account(1, HANGS)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1], more=SETTINGS)
        await died(firm, attempted(1))
        folder = (tmp_path / LEDGER).parent
        for one in folder.iterdir():
            one.chmod(0o400)
        folder.chmod(0o500)
        done = await resume(firm, program=after(NO_PRIVILEGES))
        folder.chmod(0o700)

        assert (0, {1: "clear"}) == (done.code, verdicts(done.report))
        assert ["resumed", "ledger_failed", "ledger_memory", "ledger_incomplete"] == codes(done.report)
        assert {1: 2} == times_sent(simulator)


# ── who may not ─────────────────────────────────────────────────────────────────────────────────────────────


# A ledger on a file system that does not answer.
READS_NOTHING = """
import threading
from panic.run import resume
from panic.ledger import reader
resume.READ_S = 0.2
reader.check_regular = lambda file: threading.Event().wait()
"""


async def test_a_ledger_that_hangs_when_it_is_read(tmp_path: Path):
    """Nobody knows what is left to do, and nobody waits for ever: one presses again."""
    async with simulate(account(1, HANGS)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1], more=SETTINGS)
        await died(firm, attempted(1))
        done = await resume(firm, program=after(READS_NOTHING))

        assert (78, "") == (done.code, done.out)
        assert (
            "the ledger does not answer within 0.2 s, so that nobody knows what is left to do. Press again"
            in done.err
        )
        assert {1: 1} == times_sent(simulator)
