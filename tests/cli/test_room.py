"""`panic drill --room`: the control room around a made-up firm, which nobody can mistake for the real one."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from panic.cli.room import RESTOCK_S, TOKEN, Restocking
from panic.config import LedgerFiles
from panic.ledger import history
from panic.service.desk import Desk
from panic.simulator import Fault, Simulator
from tests.cli.inside import beside, typed
from tests.cli.support import Firm, Process, account, names, simulate, started
from tests.engine.test_engine import accounts
from tests.kit.virtual import virtually
from tests.service.desks import Supplies, a_press

SMALL = ("drill", "--room", "--no-open", "--port", "0", "--accounts", "8", "--latency", "0")
PRESS = {"scope": {"all": True}, "reason": "practice", "watch_s": 0, "deadline_s": 5}


@dataclass
class Room:
    """A room that is served, and a browser in it.

    Attributes:
        said: The line with its address.
        csrf: The session's word.
    """

    process: Process
    said: str
    url: str
    client: aiohttp.ClientSession
    csrf: str = ""

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask as the page does, and give the document."""
        headers = {"Origin": self.url, "X-CSRF-Token": self.csrf} if method != "GET" else {}
        async with self.client.request(method, self.url + path, json=body, headers=headers) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    async def until(self, so: Callable[[Any], bool]) -> Any:
        """Ask how things stand until it is so."""
        async with asyncio.timeout(20):
            while True:
                found = await self.ask("GET", "/v1/room")
                if so(found):
                    return found
                await asyncio.sleep(0.05)

    async def sign_in(self) -> None:
        """Give the token that everybody has."""
        self.csrf = (await self.ask("POST", "/v1/session", {"token": TOKEN}))["csrf"]


@asynccontextmanager
async def served(folder: Path, *words: str) -> AsyncIterator[Room]:
    """Serve a room whose own folder is made in `folder/tmp`."""
    (folder / "tmp").mkdir(exist_ok=True)
    env = {"TMPDIR": str(folder / "tmp"), "PANIC_BROKER_BASE_URL": "https://api.clearstreet.com"}
    async with started(*SMALL, *words, cwd=folder, env=env) as process:
        said = await process.says("the control room of")
        found = re.search(r"http://127\.0\.0\.1:\d+(?=/)", said)
        assert found is not None, said
        jar = aiohttp.CookieJar(unsafe=True)  # it is an address, not a name
        async with aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(total=20)) as client:
            yield Room(process, said, found[0], client)


# ── the whole of it ─────────────────────────────────────────────────────────────────────────────────────────


async def test_who_practises_opens_the_page_presses_and_is_told_that_it_is_a_drill(tmp_path: Path):
    """By every answer; a ledger of its own keeps the runs, and a signal ends it with nothing left behind."""
    kept = tmp_path / "kept.db"
    async with served(tmp_path, "--faults", "none", "--ledger", str(kept)) as room:
        hint = await room.process.says("token")
        async with room.client.get(room.url + "/") as page:
            html = await page.text()
        await room.sign_in()
        before = await room.ask("GET", "/v1/room")
        report = await room.ask("POST", "/v1/runs", {**PRESS, "latch": True, "wait": 20})
        after = await room.until(lambda found: bool(found["latch"]["holds"]))
        board = await room.ask("GET", f"/v1/runs/{report['run_id']}/board")
        listed = await room.ask("GET", "/v1/runs")
        room.process.signal(signal.SIGTERM)
        done = await room.process.finish()
    summaries, damage = history.runs(LedgerFiles(file=kept))

    assert room.said.startswith("DRILL  the control room of 8 simulated accounts: http://127.0.0.1:")
    assert f"Sign in with the token: {TOKEN}. No order at any broker is touched. Ctrl-C ends it." in hint
    assert "<!doctype html>" in html.lower()
    assert (True, True, 8, "drill") == (before["ready"], before["drill"], before["accounts"], TOKEN)
    assert (True, "clear", 8, "room", TOKEN) == (
        report["drill"],
        report["verdict"],
        report["totals"]["accounts"],
        report["trigger"]["source"],
        report["trigger"]["by"],
    )
    assert report["base_url"].startswith("http://127.0.0.1:")
    assert (True, True, True) == (board["drill"], after["last"]["drill"], listed["runs"][0]["drill"])
    assert (True, "all") == (after["latch"]["engaged"], after["latch"]["holds"][0]["what"])
    assert (0, "") == (done.code, done.out)
    assert all(line.startswith("DRILL") for line in done.err.splitlines() if "control room" in line)
    assert "Traceback" not in done.err
    assert [] == names(tmp_path / "tmp")
    assert ([(report["run_id"], True)], []) == ([(one.run, one.pressed.drill) for one in summaries], damage)


async def test_asked_twice_it_ends_at_once(tmp_path: Path):
    """With the code of the second signal, and nothing left behind either."""
    async with served(tmp_path, "--faults", "hang") as room:
        await room.sign_in()
        await room.ask("POST", "/v1/runs", PRESS)
        room.process.signal(signal.SIGINT)
        await room.process.says("Once more ends at once")
        room.process.signal(signal.SIGTERM)
        done = await room.process.finish(3)

    assert 128 + signal.SIGTERM == done.code
    assert [] == names(tmp_path / "tmp")


def test_a_ledger_of_real_runs_is_refused(tmp_path: Path):
    """A room looks after what it finds on record, and would take up what is not its own."""
    with beside(simulate(account(1))) as simulator:
        pressed = typed(*Firm(tmp_path, simulator.base_url, [1]).lines("press", "--all", "--reason", "in earnest"))
    ledger = str(tmp_path / "ledger.db")
    refused = typed("drill", "--room", "--port", "0", "--ledger", ledger)

    assert (0, 64) == (pressed.code, refused.code)
    assert f"--ledger {ledger}: it has runs on record that are no drills. Name a file of its own" in refused.err


# ── open orders again ───────────────────────────────────────────────────────────────────────────────────────


def at_practice(work: Any, *faults: tuple[Fault, ...]) -> Any:
    """Do something at the desk of a room whose firm has these accounts, on virtual time."""

    async def go() -> Any:
        simulated = accounts(*faults)
        async with Simulator(simulated, settle_s=0.2, latency_s=0.01) as simulator:
            desk = Desk(Supplies(simulator, [one.id for one in simulated]))
            restocking = Restocking(desk, simulator)
            try:
                return await work(desk, simulator, restocking)
            finally:
                restocking.close()
                await desk.close()

    return virtually(go())


def test_never_in_the_middle_of_a_run():
    """One that is under way finds what it left; the while counts from the end of the last."""

    async def work(desk: Desk, simulator: Simulator, _: Restocking) -> tuple[Any, ...]:
        await desk.press(a_press()).live.finished()
        await asyncio.sleep(RESTOCK_S - 0.5)
        live = desk.press(a_press(watch_s=2 * RESTOCK_S)).live
        await asyncio.sleep(2 * RESTOCK_S - 1)
        during = simulator.truth(1).open
        report = await live.finished()
        await asyncio.sleep(RESTOCK_S - 0.5)
        waiting = simulator.truth(1).open
        await asyncio.sleep(1)
        return report, during, waiting, simulator.truth(1).open

    report, during, waiting, after = at_practice(work, ())

    assert ("clear", 0, 0) == (str(report.verdict), len(during), len(waiting))
    assert (0, True) == (report.totals.orders.accepted, bool(after))
