"""The routes of the room that only look: boards, evidence, and what comes by the clock."""

import asyncio
import json
from pathlib import Path

import pytest

from panic import cli
from panic.simulator import Fault
from tests.cli.support import KEY, account
from tests.service.house import QUICK, house
from tests.service.room.page import pressed

NAME = "20990101T000000Z-000000"
SCHEDULES = """
[[schedules]]
name = "cleanup"
at = "5 minutes before close"
all = true
cancels_gtc_and_close_orders = true

[[schedules]]
name = "wrong"
at = "soon"
all = true
"""


@pytest.mark.parametrize("ledger", [True, False])
async def test_what_is_not_there_is_not_found(tmp_path: Path, ledger: bool):
    """A run that nobody knows; and without a ledger there is no evidence, not of a run that is here."""
    async with house(tmp_path, ledger=ledger) as it:
        for what in ("board", "accounts", "accounts/1", "evidence"):
            for name in (NAME, "last"):
                (await it.ask("GET", f"/v1/runs/{name}/{what}")).problem("not_found")
        run_id = await pressed(it, wait=30)
        board, evidence = [await it.ask("GET", f"/v1/runs/{run_id}/{what}") for what in ("board", "evidence")]

        assert "clear" == board.fits("Board")["verdict"]
        if ledger:
            assert 200 == evidence.status
        else:
            assert "no [ledger] file" in evidence.problem("not_found")["detail"]


@pytest.mark.parametrize("is_here", [True, False], ids=["here", "on record"])
async def test_who_the_accounts_are_is_told_once_and_each_alone_as_the_report_tells_it(
    tmp_path: Path, is_here: bool
):
    """In gzip, and again only where it has changed; who could not be sent is an account, a stranger is not."""
    async with house(tmp_path, account(1), account(2, Fault("status", status=403)), rows=("1", "2", "x")) as it:
        report = (await it.press({**QUICK, "deadline_s": 1, "wait": 30})).json
        if not is_here:
            it.forget()
        path = f"/v1/runs/{report['run_id']}/accounts"
        whole = await it.ask("GET", path)
        again = await it.ask("GET", path, If_None_Match=whole.headers["ETag"])
        alone = (await it.ask("GET", f"{path}/2")).fits("AccountReport")

        assert [["1", "", "", ""], ["2", "", "", ""], [None, "x", "", ""]] == whole.json["accounts"]
        assert ("gzip", "private, no-cache") == tuple(
            whole.headers[name] for name in ("Content-Encoding", "Cache-Control")
        )
        assert (304, b"") == (again.status, again.body)
        assert [alone] == [one for one in report["accounts"] if one["id"] == 2]
        assert (await it.ask("GET", f"{path}/3")).problem("not_found")


# ── evidence ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("is_here", [True, False], ids=["here", "on record"])
async def test_evidence_of_a_run_proves_its_report(
    tmp_path: Path, is_here: bool, capsys: pytest.CaptureFixture[str]
):
    """It is a file to be kept, which the command line verifies by the head that the report has."""
    async with house(tmp_path, account(1), account(2, Fault("status", status=403))) as it:
        report = (await it.press({**QUICK, "deadline_s": 1, "wait": 30, "reason": f"it said {KEY}"})).json
        await pressed(it, wait=30, deadline_s=1)
        if not is_here:
            it.forget()
        run_id = report["run_id"]
        answer = await it.ask("GET", f"/v1/runs/{run_id}/evidence", token="viewer")
        (tmp_path / "kept.jsonl").write_bytes(answer.body)
        words = ["evidence", "verify", str(tmp_path / "kept.jsonl"), "--head", report["ledger_head"]]
        code = await asyncio.to_thread(cli.run, words)
        said = json.loads(capsys.readouterr().out)

        assert (200, "application/x-ndjson") == (answer.status, answer.response.content_type)
        assert f'attachment; filename="panic-evidence-{run_id}.jsonl"' == answer.headers["Content-Disposition"]
        assert 0 == code
        assert [(run_id, "refused")] == [(run["run"], run["verdict"]) for run in said["runs"]]
        assert KEY.encode() not in answer.body
        assert b'"by":"viewer"' in answer.body.splitlines()[0]


async def test_evidence_is_written_one_at_a_time_and_when_first_cancels_have_left(tmp_path: Path):
    """It reads the whole ledger, and a press is not to be slower for it."""
    async with house(tmp_path, account(1), account(2, Fault("stuck"))) as it:
        done = await pressed(it, scope={"accounts": [1]}, wait=30)
        live = it.live(await pressed(it))
        await live.run.engine.swept.wait()
        live.run.engine.swept.clear()  # somebody presses again, and is owed first cancels
        asking = [asyncio.create_task(it.ask("GET", f"/v1/runs/{done}/evidence")) for _ in range(3)]
        await asyncio.sleep(0.2)
        early = [one.done() for one in asking]
        live.run.engine.swept.set()
        found = [answer.status for answer in await asyncio.gather(*asking)]
        live.run.stop()

    assert ([False] * 3, [200] * 3) == (early, found)


# ── what comes by the clock ─────────────────────────────────────────────────────────────────────────────────


async def test_what_comes_by_the_clock_is_told(tmp_path: Path):
    """As the command line has it; what does not run is told."""
    async with house(tmp_path, more=SCHEDULES) as it:
        told = (await it.ask("GET", "/v1/schedule", token="viewer")).fits("Schedules")

        assert ["cleanup"] == [one["name"] for one in told["schedules"]]
        assert "wrong" in told["left_out"][0]
