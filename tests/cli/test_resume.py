"""Runs whose process was killed, resumed by another: what is done again, and what is not."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from panic.broker.outcomes import Standing
from panic.ledger.replay import Replay
from panic.simulator import Fault
from tests.cli.breakages import NO_PRIVILEGES, after
from tests.cli.inside import typed
from tests.cli.ledgers import LEDGER, SETTINGS, replayed
from tests.cli.support import (
    KEY,
    PRESS,
    Finished,
    Firm,
    account,
    codes,
    contents,
    on_behalf_of,
    panic,
    sent,
    simulate,
    started,
    told,
    until,
    verdicts,
)

HANGS = Fault("hang", times=1)


async def died(firm: Firm, so: Callable[[Replay], bool]) -> str:
    """Start a press, and kill it when the record says so; give the run's id."""
    async with started(*firm.lines(*PRESS), cwd=firm.folder) as process:

        def is_so() -> bool:
            assert process.process.returncode is None, "it ended before it was to die"
            replay = replayed(firm.folder)
            return replay is not None and bool(replay.cases) and so(replay)

        await until(is_so)
        process.signal(signal.SIGKILL)
        await process.finish()
    replay = replayed(firm.folder)
    assert replay is not None
    return replay.run


async def resume(firm: Firm, *words: str, **how: Any) -> Finished:
    """Resume the last run, to its end."""
    return await panic(*firm.lines("resume", "last", *words), cwd=firm.folder, **how)


def shown(firm: Firm) -> Finished:
    """Print the last run's report again."""
    return typed(*firm.lines("show", "last", "--format", "json"))


async def test_what_is_proven_is_read_again_and_the_rest_is_sent_again(tmp_path: Path):
    """No clear is taken on trust; the run's own accounts count, whatever became of the roster since.

    Neither is one left out that was taken out, nor is one done that is new.
    """
    accounts = [account(1), account(2, HANGS, status="ACTIVE"), account(3, HANGS), account(4)]
    async with simulate(*accounts) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ["1,One", "2,Two", "3,Three"], "id,name", more=SETTINGS)
        run = await died(firm, lambda its: its.cases[1].standing is Standing.CLEAR and {2, 3} <= its._sent.keys())
        before, reads = shown(firm).report, sent(simulator, "GET").count(1)
        firm.roster.write_text("id,name,excluded\n1,Uno,\n3,Tres,yes\n4,Cuatro,\n")
        done = await resume(firm, "--by", f"the night shift {KEY}")
        report, ids = done.report, sent(simulator, "DELETE")

        assert {1: "clear", 2: "unknown", 3: "unknown"} == verdicts(before)
        assert (30, False, "unfinished") == (before["exit_code"], before["finished"], codes(before)[0])
        assert (0, run, True) == (done.code, report["run_id"], report["finished"])
        assert dict.fromkeys([1, 2, 3], "clear") == verdicts(report)
        assert [1, 2, 2, 3, 3] == sorted(ids)
        assert sent(simulator, "GET").count(1) > reads
        assert ([on_behalf_of("the night shift [key]")], ["resumed"]) == (
            [one["by"] for one in report["resumed"]],
            codes(report),
        )
        assert (before["trigger"], before["started_at"]) == (report["trigger"], report["started_at"])
        assert "the process died first" in told(report, 2)["attempts"][0]["error"]
        assert ("Two", []) == (told(report, 2)["name"], report["coverage"]["unlisted_accounts"])
        assert done.out == shown(firm).out
        secret = KEY.partition(".")[2].encode()
        assert ["panic.key"] == [name for name, data in contents(tmp_path).items() if secret in data]


async def test_a_key_that_has_vanished_for_some_accounts(tmp_path: Path):
    """They are in the report with a note and nothing is sent for them; all others are done."""
    two = '[credentials.default]\nfile = "panic.key"\n[credentials.other]\nfile = "other.key"\n'
    async with simulate(account(1, HANGS), account(2, HANGS)) as simulator:
        rows = ["1,default", "2,other"]
        firm = Firm(tmp_path, simulator.base_url, rows, "id,credential", credentials=two, more=SETTINGS)
        other = tmp_path / "other.key"
        other.touch(mode=0o600)
        other.write_text(KEY + "\n")
        await died(firm, lambda its: {1, 2} <= its._sent.keys())
        other.unlink()
        done = await resume(firm)
        report = done.report

        assert (30, {1: "clear", 2: "unknown"}) == (done.code, verdicts(report))
        assert [1, 1, 2] == sorted(sent(simulator, "DELETE"))
        assert any("its credential 'other' has no usable key now" in note for note in told(report, 2)["notes"])
        assert ["credential", "resumed"] == sorted(codes(report))
        assert done.out == shown(firm).out


# A ledger on a file system that does not answer.
READS_NOTHING = """
import threading
from panic.run import resume
from panic.ledger import reader
resume.READ_S = 0.2
reader.check_regular = lambda file: threading.Event().wait()
"""


async def test_a_ledger_that_hangs_or_that_nobody_may_write_any_more(tmp_path: Path):
    """Where nobody knows what is left, one presses again; else the run is completed, its record in the log."""
    async with simulate(account(2, HANGS)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [2], more=SETTINGS)
        await died(firm, lambda its: 2 in its._sent)
        hung = await resume(firm, program=after(READS_NOTHING))
        before, folder = sent(simulator, "DELETE"), (tmp_path / LEDGER).parent
        for one in folder.iterdir():
            one.chmod(0o400)
        folder.chmod(0o500)
        done = await resume(firm, program=after(NO_PRIVILEGES))
        folder.chmod(0o700)

        words = "the ledger does not answer within 0.2 s, so that nobody knows what is left to do. Press again"
        assert (78, "", [2]) == (hung.code, hung.out, before)
        assert words in hung.err
        assert (0, {2: "clear"}) == (done.code, verdicts(done.report))
        assert ["resumed", "ledger_failed", "ledger_memory", "ledger_incomplete"] == codes(done.report)
        assert [2, 2] == sent(simulator, "DELETE")
