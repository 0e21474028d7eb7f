"""`panic drill --room`: the control room around a made-up firm, which nobody can mistake for the real one."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from panic.cli.room import RESTOCK_S, TOKEN, Restocking
from panic.config import LedgerFiles
from panic.ledger import history
from panic.service.desk import Desk
from panic.simulator import Simulator
from tests.cli.inside import beside, typed
from tests.cli.support import Firm, account, names, simulate, started
from tests.engine.test_engine import accounts
from tests.kit.virtual import on_virtual_time
from tests.service.desks import Supplies, a_press
from tests.service.support import Service

SMALL = ("drill", "--room", "--no-open", "--port", "0", "--accounts", "8", "--latency", "0")
PRESS = {"scope": {"all": True}, "reason": "practice", "watch_s": 0, "deadline_s": 5}


@asynccontextmanager
async def served(folder: Path, *words: str) -> AsyncIterator[Service]:
    """Serve a room whose own folder is made in `folder/tmp`, with a client that has the token of everybody."""
    (folder / "tmp").mkdir(exist_ok=True)
    env = {"TMPDIR": str(folder / "tmp"), "PANIC_BROKER_BASE_URL": "https://api.clearstreet.com"}
    async with started(*SMALL, *words, cwd=folder, env=env) as process:
        said = await process.says("DRILL  the control room of 8 simulated accounts: http://127.0.0.1:")
        found = re.search(r"http://[\d.:]+(?=/)", said)
        assert found is not None
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            yield Service(process, found[0], client)


async def test_who_practises_opens_the_page_presses_and_is_told_that_it_is_a_drill(tmp_path: Path):
    """By every answer; a ledger of its own keeps the runs, and a signal ends it with nothing left behind."""
    kept = tmp_path / "kept.db"
    async with served(tmp_path, "--faults", "none", "--ledger", str(kept)) as room:
        hint = await room.process.says("token")
        page = await room.ask("GET", "/", who="")
        signed_in = await room.ask("POST", "/v1/session", {"token": TOKEN}, who="", Origin=room.url)

        async def told(path: str) -> Any:
            return (await room.ask("GET", path, who="")).body

        before = await told("/v1/room")
        report = (await room.ask("POST", "/v1/runs", {**PRESS, "latch": True, "wait": 20}, who="")).body
        run = report["run_id"]
        board, listed = await told(f"/v1/runs/{run}/board"), await told("/v1/runs")
        latch, after = await told("/v1/latch"), await told("/v1/room")
        room.process.signal(signal.SIGTERM)
        done = await room.process.finish()
    summaries, damage = history.runs(LedgerFiles(file=kept))

    assert f"Sign in with the token: {TOKEN}. No order at any broker is touched. Ctrl-C ends it." in hint
    assert ("drill-drill-drill", 200, True) == (TOKEN, signed_in.status, "<!doctype html>" in page.text.lower())
    assert (True, True, 8) == (before["ready"], before["drill"], before["accounts"])
    assert (True, "clear", 8) == (report["drill"], report["verdict"], report["totals"]["accounts"])
    assert report["base_url"].startswith("http://127.0.0.1:")
    assert (True, True, True) == (board["drill"], after["last"]["drill"], listed["runs"][0]["drill"])
    assert (True, [("all", run)]) == (latch["engaged"], [(hold["what"], hold["run"]) for hold in latch["holds"]])
    assert (0, "", False) == (done.code, done.out, "Traceback" in done.err)
    assert all(line.startswith("DRILL") for line in done.err.splitlines() if "control room" in line)
    assert [] == names(tmp_path / "tmp")
    assert ([(run, True)], []) == ([(one.run, one.pressed.drill) for one in summaries], damage)


async def test_asked_twice_it_ends_at_once(tmp_path: Path):
    """With the code of the second signal, and nothing left behind either."""
    async with served(tmp_path, "--faults", "hang") as room:
        await room.ask("POST", "/v1/runs", PRESS, who="")
        room.process.signal(signal.SIGINT)
        await room.process.says("Once more ends at once")
        room.process.signal(signal.SIGTERM)
        done = await room.process.finish(3)

    assert (128 + signal.SIGTERM, []) == (done.code, names(tmp_path / "tmp"))


def test_a_ledger_of_real_runs_is_refused(tmp_path: Path):
    """A room looks after what it finds on record, and would resume what is not its own."""
    with beside(simulate(account(1))) as simulator:
        pressed = typed(*Firm(tmp_path, simulator.base_url, [1]).lines("press", "--all", "--reason", "in earnest"))
    ledger = str(tmp_path / "ledger.db")
    refused = typed("drill", "--room", "--port", "0", "--ledger", ledger)

    assert (0, 64) == (pressed.code, refused.code)
    assert f"--ledger {ledger}: it has runs on record that are no drills. Name a file of its own" in refused.err


@on_virtual_time
async def test_orders_are_open_again_never_in_the_middle_of_a_run():
    """One that is under way finds what it left; the while counts from the end of the last."""
    (one,) = accounts(())
    async with Simulator([one], settle_s=0.2, latency_s=0.01) as simulator:
        desk = Desk(Supplies(simulator, [one.id]))
        restocking = Restocking(desk, simulator)
        await desk.press(a_press()).live.finished()
        await asyncio.sleep(RESTOCK_S - 0.5)
        live = desk.press(a_press(watch_s=2 * RESTOCK_S)).live
        await asyncio.sleep(2 * RESTOCK_S - 1)
        during = simulator.truth(one.id).open
        report = await live.finished()
        await asyncio.sleep(RESTOCK_S - 0.5)
        waiting = simulator.truth(one.id).open
        await asyncio.sleep(1)
        after = simulator.truth(one.id).open
        restocking.close()
        await desk.close()

    assert ("clear", 0, (), ()) == (str(report.verdict), report.totals.orders.accepted, during, waiting)
    assert after
