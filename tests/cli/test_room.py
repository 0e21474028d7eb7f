"""`panic drill --room`: the control room around a made-up firm, which nobody can mistake for the real one."""

import argparse
import asyncio
import os
import re
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from panic import cli
from panic.cli import room as command
from panic.cli.room import RESTOCK_S, TOKEN, Restocking
from panic.config import LedgerFiles
from panic.ledger import history
from panic.run import drill
from panic.service.desk import Desk
from panic.simulator import Fault, Simulator
from tests.cli.support import Firm, Process, account, names, panic, simulate, started
from tests.engine.test_engine import accounts
from tests.kit.virtual import virtually
from tests.service.test_desk import Supplies, a_press

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


async def test_ended_in_the_middle_of_a_run_it_leaves_nothing_behind(tmp_path: Path):
    """By Ctrl-C; and it can begin anew at once, also with the ledger of before."""
    kept = ("--ledger", str(tmp_path / "kept.db"))
    async with served(tmp_path, "--faults", "stuck", *kept) as room:
        await room.sign_in()
        run = (await room.ask("POST", "/v1/runs", PRESS))["run_id"]
        room.process.signal(signal.SIGINT)
        done = await room.process.finish()
        left = names(tmp_path / "tmp")
    async with served(tmp_path, "--faults", "none", *kept) as room:
        await room.sign_in()
        report = await room.ask("POST", "/v1/runs", {**PRESS, "wait": 20})
        room.process.signal(signal.SIGTERM)
        again = await room.process.finish()

    assert ([], []) == (left, names(tmp_path / "tmp"))
    assert (0, 0) == (done.code, again.code), again.err
    assert "DRILL  ending. Once more ends at once." in done.err
    assert ("clear", True) == (report["verdict"], report["drill"])
    assert run != report["run_id"]


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


def test_a_file_that_is_just_being_written_does_not_keep_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Whoever asks twice does not wait, but for this moment."""
    folder, remove, over = tmp_path / "own", shutil.rmtree, list[int]()
    folder.mkdir()
    one = command._Room(drill.firm(1, 1), 0, argparse.Namespace())
    one._folder = folder
    one._over.set()

    def remove_later(path: Path, **how: Any) -> None:
        monkeypatch.setattr(shutil, "rmtree", remove)

    monkeypatch.setattr(shutil, "rmtree", remove_later)
    monkeypatch.setattr(os, "_exit", over.append)
    one._end(signal.SIGTERM)

    assert [128 + signal.SIGTERM] == over[:1]
    assert [] == names(tmp_path)


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--room", "--format", "json"), "--room --format: the room prints no report"),
        (("--room", "--output", "x.json"), "--room --output: the room prints no report"),
        (("--port", "8788"), "--port is for the control room. Add --room"),
        (("--no-open",), "--no-open is for the control room. Add --room"),
        (("--room", "--port", "70000"), "--port"),
        (("--room", "--port", "0", "--faults", "nonsense"), "--faults nonsense"),
        (("--room", "--port", "0", "--accounts", "0"), "--accounts"),
    ],
)
def test_what_makes_no_sense_is_refused(words: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]):
    """Before anything is served."""
    code = cli.run(["drill", *words])
    said = capsys.readouterr()

    assert (64, "") == (code, said.out)
    assert why in said.err


def test_a_port_where_somebody_listens_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """It is named, with the remedy, and no folder was made."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = cli.run(["drill", "--room", "--port", str(port)])
    said = capsys.readouterr().err

    assert 64 == code
    assert f"--port {port}: " in said
    assert "name another, or 0 for any" in said
    assert [] == names(tmp_path)


async def test_a_ledger_of_real_runs_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A room looks after what it finds on record, and would take up what is not its own."""
    async with simulate(account(1)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1])
        pressed = await panic(*firm.lines("press", "--all", "--reason", "in earnest"), cwd=tmp_path)
    ledger = str(tmp_path / "ledger.db")
    code = await asyncio.to_thread(cli.run, ["drill", "--room", "--port", "0", "--ledger", ledger])
    said = capsys.readouterr().err

    assert (0, 64) == (pressed.code, code)
    assert f"--ledger {ledger}: it has runs on record that are no drills. Name a file of its own" in said


# ── open orders again ───────────────────────────────────────────────────────────────────────────────────────


def at_practice(work: Any, *faults: tuple[Fault, ...]) -> Any:
    """Do something at the desk of a room whose firm has these accounts, on virtual time."""

    async def go() -> Any:
        simulated = accounts(*faults)
        async with Simulator(simulated, settle_s=0.2, latency_s=0.01) as simulator:
            desk = Desk(Supplies(simulator, [one.id for one in simulated]))
            restocking = Restocking(desk, simulator, RESTOCK_S)
            try:
                return await work(desk, simulator, restocking)
            finally:
                restocking.close()
                await desk.close()

    return virtually(go())


def test_a_while_after_a_run_the_firm_has_open_orders_again():
    """So that whoever practises can press again, and it is clear again."""

    async def work(desk: Desk, simulator: Simulator, _: Restocking) -> tuple[Any, ...]:
        first = await desk.press(a_press()).live.finished()
        await asyncio.sleep(RESTOCK_S - 0.1)
        empty = simulator.truth(1).open
        await asyncio.sleep(0.2)
        full = simulator.truth(1).open
        second = await desk.press(a_press()).live.finished()
        return first, second, empty, full

    first, second, empty, full = at_practice(work, (), ())

    assert ["clear", "clear"] == [str(one.verdict) for one in (first, second)]
    assert (0, first.totals.orders.accepted) == (len(empty), 2 * len(full))
    assert first.totals.orders == second.totals.orders


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
    assert 0 < len(after)


def test_of_two_runs_the_later_end_counts():
    """And when the room is closed nothing comes any more."""

    async def work(desk: Desk, simulator: Simulator, restocking: Restocking) -> tuple[Any, ...]:
        long = desk.press(a_press(watch_s=3 * RESTOCK_S)).live
        short = desk.press(a_press(verify=False)).live
        await short.finished()
        await asyncio.sleep(1)
        before = simulator.truth(1).canceled
        await asyncio.sleep(RESTOCK_S)
        is_same = before == simulator.truth(1).canceled  # the run that watches would cancel what came anew
        await long.finished()
        restocking.close()
        await asyncio.sleep(2 * RESTOCK_S)
        return long is not short, is_same, simulator.truth(1).open

    assert (True, True, ()) == at_practice(work, ())
