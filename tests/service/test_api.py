"""The API: runs and reports over HTTP, what is engaged, and how the service is."""

import asyncio
import json
import re
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from panic import latch
from panic.engine import foresight
from panic.engine.forecast import Forecast
from panic.engine.lanes import Lanes
from panic.ledger import history
from panic.simulator import Fault
from tests.cli.support import account, sent, until
from tests.service.house import QUICK, house
from tests.service.room.page import opened

# ── runs and reports ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_run_outlives_the_service_and_is_listed_as_the_command_line_lists_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Newest first, found by its beginning and as the last; it tells what the run told, and is not resumed."""
    from panic import cli  # noqa: PLC0415  (it would set the terminal up for all tests)

    async with house(tmp_path) as it:
        told = [(await it.press({**QUICK, "wait": 30})).json for _ in range(2)][1]
        run_id = told["run_id"]
        await it.over(run_id)
        (await it.ask("POST", f"/v1/runs/{run_id}/resume")).problem("conflict")
        it.forget()
        (await it.ask("POST", f"/v1/runs/{run_id}/resume")).problem("conflict")
        (await it.ask("GET", "/v1/runs/19990101T000000Z-000000/report")).problem("not_found")
        listed, one = [(await it.ask("GET", f"/v1/runs{query}")).fits("Runs") for query in ("", "?limit=1")]
        names = (run_id, run_id[:-1], "last")
        found = [(await it.ask("GET", f"/v1/runs/{name}", token="viewer")).fits("RunFound") for name in names]
        recorded = await it.ask("GET", f"/v1/runs/{run_id}/report", token="viewer")
        await asyncio.to_thread(cli.run, it.firm.lines("runs", "--format", "json"))
        printed = json.loads(capsys.readouterr().out)

        assert told == recorded.fits("Report")
        assert [(run_id, "clear", False)] * 3 == [
            (one["run"]["run_id"], one["run"]["state"], one["live"]) for one in found
        ]
        assert (2, 1, 1) == (len(listed["runs"]), len(one["runs"]), one["more"])
        assert [row["run_id"] for row in printed["runs"]] == [row["run_id"] for row in listed["runs"]]
        assert printed["runs"][0].keys() == listed["runs"][0].keys()
        assert ["press"] * 2 == it.kinds()


async def test_the_report_of_a_run_under_way_is_what_is_known_now(tmp_path: Path):
    """It is not finished, and the summary says that it is live."""
    async with house(tmp_path, account(1, Fault("stuck"))) as it:
        run_id = (await it.press()).json["run_id"]
        await until(lambda: 1 in sent(it.simulator, "DELETE"))
        report = (await it.ask("GET", f"/v1/runs/{run_id}/report", token="viewer")).fits("Report")
        summary = (await it.ask("GET", f"/v1/runs/{run_id}", token="viewer")).fits("RunFound")
        status = (await it.ask("GET", "/v1/status", token="viewer")).fits("StatusView")

        assert (False, True, "under way") == (report["finished"], summary["live"], summary["run"]["state"])
        assert [run_id] == [one["run_id"] for one in status["live"]]


async def test_wherever_a_run_is_told_of_it_says_how_long_it_takes_and_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The broker limits its pace: so long it takes by now, and so much later it ends at the latest."""
    foreseen = Forecast(0.01, 100.0, 300.0)  # whatever has had its turn by the time that each of them is asked
    monkeypatch.setattr(foresight, "foresee", lambda *_, **__: foreseen)
    monkeypatch.setattr(foresight, "EVERY_S", 0.01)
    async with house(tmp_path, account(1, Fault("stuck")), account(2, Fault("stuck"))) as it:
        it.standby.lanes = Lanes(most=0.01)
        run_id = (await it.press()).json["run_id"]
        run = it.live(run_id).run
        await until(lambda: run.engine.forecast is not None)
        found = [
            (await it.ask("GET", f"/v1/runs/{run_id}", token="viewer")).fits("RunFound"),
            (await it.ask("GET", f"/v1/runs/{run_id}/board", token="viewer")).fits("Board"),
            (await it.ask("GET", "/v1/status", token="viewer")).fits("StatusView")["live"][0],
        ]
        room = (await it.ask("GET", "/v1/room", token="viewer")).fits("Room")["live"][0]
        async with opened(it, run_id) as page:
            await page.has("board")
            found.append(page.latest("board"))
        run.stop()
        await it.over(run_id)
        after = (await it.ask("GET", f"/v1/runs/{run_id}", token="viewer")).fits("RunFound")

        assert [asdict(foreseen)] * 4 == [one["forecast"] for one in found]
        ends = [one["deadline_s"] for one in [*found, room]]
        assert run.story.pressed.deadline_s + 200 < min(ends) <= max(ends) <= run.reporter.ends_s
        assert (None, None) == (after["deadline_s"], after["forecast"])


async def test_without_a_ledger_the_runs_that_are_here_are_known(tmp_path: Path):
    """They are listed and found; the latch, which needs the ledger, is not."""
    async with house(tmp_path, ledger=False) as it:
        run_id = (await it.press({**QUICK, "wait": 30})).json["run_id"]
        listed = (await it.ask("GET", "/v1/runs", token="viewer")).fits("Runs")
        last = (await it.ask("GET", "/v1/runs/last", token="viewer")).fits("RunFound")
        (await it.ask("GET", "/v1/runs/nobody", token="viewer")).problem("not_found")
        (await it.ask("GET", "/v1/latch", token="viewer")).problem("not_found")

        assert [run_id] == [one["run_id"] for one in listed["runs"]]
        assert run_id == last["run"]["run_id"]


# ── the latch ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_reset_that_takes_two_people_is_asked_for_and_then_done(tmp_path: Path):
    """By another token; on record as asked, and as done."""
    async with house(tmp_path, more="[latch]\nresets = 2") as it:
        latch.create(tmp_path / "panic.latch")
        latched = (await it.press({**QUICK, "scope": {"groups": ["East"]}, "latch": True, "wait": 30})).json
        body = {"reason": "over", "scope": {"groups": ["East"]}}
        asked = [await it.ask("POST", "/v1/reset", body, token="boss") for _ in range(2)]
        waits = (await it.ask("GET", "/v1/latch")).fits("LatchView")
        done = await it.ask("POST", "/v1/reset", body, token="east")
        kinds = it.kinds()

    assert [202, 202, 200] == [one.status for one in (*asked, done)]
    assert [False, False, True] == [one.fits("ResetView")["done"] for one in (*asked, done)]
    assert ([("boss", "over")] * 2, True) == (
        [(one["by"], one["reason"]) for one in waits["asked"]],
        waits["engaged"],
    )
    assert ["boss", False] == [done.json[key] for key in ("asked_by", "engaged_now")]
    assert ["press", "reset_asked", "reset_asked", "reset"] == kinds
    assert latched["verdict"] == "clear"


async def test_the_latch_is_told_and_reset(tmp_path: Path):
    """Engaged by a press, told, ended by a person once clear: no presser, no program, not for one group alone."""
    over = {"reason": "over"}
    async with house(tmp_path) as it:
        latch.create(tmp_path / "panic.latch")
        await it.press({**QUICK, "latch": True, "wait": 30})
        for token in ("joe", "robot", "east"):
            (await it.ask("POST", "/v1/reset", over, token=token)).problem("forbidden")
        engaged = (await it.ask("GET", "/v1/latch", token="viewer")).fits("LatchView")
        dry = (await it.ask("POST", "/v1/reset", {**over, "dry_run": True}, token="boss")).fits("ResetView")
        done = (await it.ask("POST", "/v1/reset", over, token="boss")).fits("ResetView")
        (await it.ask("POST", "/v1/reset", over, token="boss")).problem("conflict")

        assert (True, ["all"]) == (engaged["engaged"], [hold["what"] for hold in engaged["holds"]])
        assert (False, True, False) == (dry["done"], done["done"], done["engaged_now"])
        assert ["press", "reset"] == [kind for kind in it.kinds() if kind != "refused"]


# ── the service ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_check_is_run_one_at_a_time(tmp_path: Path):
    """It is the command's document; whoever asks meanwhile is told to wait."""
    async with house(tmp_path, account(1, Fault("latency", on="ANY", seconds=0.3))) as it:
        first = asyncio.create_task(it.ask("POST", "/v1/check", token="viewer"))
        await until(lambda: bool(it.simulator.requests))
        (await it.ask("POST", "/v1/check", token="viewer")).problem("conflict")
        found = (await first).fits("CheckReport")

        assert [1] == [one["id"] for one in found["accounts"]]
        assert [] == sent(it.simulator, "DELETE")


async def test_alive_and_ready_need_no_token_and_tell_nothing(tmp_path: Path):
    """A probe asks by address; why a press would not work is one word."""
    async with house(tmp_path) as it:
        it.firm.key.unlink()
        it.standby._files.loaded = replace(it.standby._files.loaded, keys={})
        alive = await it.ask("GET", "/healthz", token="", Host="10.1.2.3:80")
        ready = await it.ask("GET", "/readyz", token="", Host="10.1.2.3:80")

        assert (200, {"alive": True}) == (alive.status, alive.json)
        assert (503, False, "keys") == (ready.status, ready.json["ready"], ready.json["why"])
        assert {"ledger", "latch"} == ready.fits("Ready")["files"].keys()
        assert str(tmp_path.name) not in ready.body.decode()
        assert all(re.fullmatch("[0-9a-f]{16}", one) for one in ready.json["files"].values())


async def test_a_ledger_that_hangs_is_waited_for_no_longer_than_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """504 with a remedy, and a press goes on as if nothing were."""
    over = threading.Event()
    monkeypatch.setattr(history, "runs", lambda *_: over.wait(20))
    async with house(tmp_path) as it:
        it.hub._threads._most_s = 0.05
        (await it.ask("GET", "/v1/runs", token="viewer")).problem("too_slow")
        pressed = await it.press()
        over.set()

        assert 202 == pressed.status
