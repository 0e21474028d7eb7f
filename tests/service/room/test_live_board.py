"""Boards of runs that somebody watches: what is told at each moment is what the run knows."""

import asyncio
import json
import random
import zlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from panic.engine.case import Case
from panic.kit.background import Aside
from panic.ledger.recorder import Recorder
from panic.report import account as told
from panic.report.document import AccountReport, Flag, Report, to_json
from panic.run import drill, run
from panic.service.desk import Desk
from panic.service.live import Live
from panic.service.room import board as boards
from panic.service.room import live_board
from panic.service.room.live_board import LiveBoard
from panic.service.room.mailbox import GZIP_HEAD, Mailbox, Message, event
from panic.simulator import Fault
from tests.cli.support import account, sent, until
from tests.kit.virtual import virtually
from tests.run.test_seeds import _firm
from tests.service.desks import Supplies
from tests.service.house import House, house
from tests.service.room.page import Spy, accounts_of, clear_in, codes, held_clear, letters, pressed

STUCK = Fault("stuck")
pytestmark = pytest.mark.usefixtures("often")


async def begun(it: House, **how: Any) -> tuple[Live, LiveBoard]:
    live = it.live(await pressed(it, **how))
    return live, it.hub.board_of(live)


async def to_the_end(board: LiveBoard, spy: Spy) -> dict[str, Any]:
    """Let one watch to the end; give the last board."""
    board.join(spy)
    await until(lambda: bool(spy.boards) and not spy.boards[-1]["live"])
    board.leave(spy)
    return spy.boards[-1]


async def test_while_first_cancels_leave_nobody_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Boards are written without a word on any account: the loop is the run's."""
    swept, tell_of = list[bool](), told.account_of
    early: list[dict[str, Any]] = []

    def count(case: Case, *more: Any) -> AccountReport:
        swept.append(live.run.engine.swept.is_set())
        return tell_of(case, *more)

    monkeypatch.setattr(told, "account_of", count)
    slow = Fault("latency", seconds=0.15)
    async with house(tmp_path, *(account(id_, slow) for id_ in (1, 2, 3, 4))) as it:
        live, board = await begun(it, concurrency=1)
        spy = Spy(lambda board: None if live.run.engine.swept.is_set() else early.append(board))
        board.join(spy)
        await until(lambda: bool(swept))
        board.leave(spy)

        assert all(swept)
        assert {(0, 4)} == {(len(one["worst"]), one["more"]) for one in early}
        assert "not_attempted" not in [flag["code"] for flag in early[0]["flags"]]


async def test_what_happens_while_letters_are_read_is_read_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The run goes on between two slices, and no letter is old when all are told."""
    monkeypatch.setattr(live_board, "_SLICE_S", -1.0)
    monkeypatch.setattr(live_board, "_REST_S", 0.05)
    async with house(tmp_path) as it:
        live, board = await begun(it)
        await live.finished()
        await board._catch_up()
        board._touch(live.run.cases[0])
        reading = asyncio.create_task(board._catch_up())
        await until(lambda: not board._touched)
        live.run.cases[0].sending = True
        board._touch(live.run.cases[0])
        await reading

        assert "sc" == board._row.decode()


async def test_what_a_page_knows_is_not_told_again_and_who_comes_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A slow link is left free while nothing happens; only now and then a board says so."""
    monkeypatch.setattr(live_board, "BEAT_S", 1e9)
    async with house(tmp_path, account(1, Fault("hang", on="GET"))) as it:
        live, board = await begun(it)
        early, late = Spy(), Spy()
        board.join(early)
        await until(lambda: live.run.engine.swept.is_set() and bool(early.boards))
        await board._write()
        told = len(early.told)
        for _ in range(3):
            await board._write()
        quiet = len(early.told)
        board.join(late)
        await board._write()
        caught_up = len(late.boards)
        live.run.stop()
        await to_the_end(board, Spy())

    assert told == quiet < len(early.told)
    assert 1 <= caught_up


# ── what fails ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_board_that_fails_is_no_matter_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The page is told that it is stale; when it can be written again it is, though nothing has happened since."""
    write, failed = boards.write, list[int]()

    def broken(*_: Any) -> bytes:
        failed.append(1)
        raise RuntimeError

    async with house(tmp_path, account(1, Fault("hang", on="GET"))) as it:
        live, board = await begun(it)
        spy = Spy()
        board.join(spy)
        await until(lambda: bool(spy.boards) and 1 in sent(it.simulator, "GET"))
        monkeypatch.setattr(boards, "write", broken)
        live.run.reporter.flags.append(Flag("odd", "something odd"))
        await until(lambda: len(failed) > 1)
        answer = await it.ask("GET", f"/v1/runs/{live.run.id}/board")
        monkeypatch.setattr(boards, "write", write)
        await until(lambda: "odd" in [flag["code"] for flag in spy.boards[-1]["flags"]])
        live.run.stop()
        last = await to_the_end(board, spy)

        assert answer.problem("internal")
        assert "stale" in [one.kind for one in spy.told]
        assert codes(await live.finished()) == letters(last, await accounts_of(it, live.run.id))


async def test_where_panic_itself_fails_the_board_says_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nobody works on it any more, and it did not come to its end; where every thread hangs it needs none."""

    def broken(_: Recorder, report: Report, *__: Any, **___: Any) -> Report:
        raise RuntimeError

    async def hang(*_: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(Recorder, "end", broken)
    async with house(tmp_path, account(1, STUCK)) as it:
        live, board = await begun(it, deadline_s=1)
        monkeypatch.setattr(it.hub._threads, "do", hang)
        last = await to_the_end(board, Spy())

        assert live.failure is not None
        assert (False, "open", "o") == (last["live"], last["verdict"], last["codes"])


# ── whole runs, on virtual time ─────────────────────────────────────────────────────────────────────────────


async def _watched(seed: int) -> tuple[list[Spy], dict[str, Any], Report]:
    """Run a seed while pages watch and others press; give the pages, who the accounts are, and the report."""
    made_up, rng = _firm(seed), random.Random(seed)
    async with drill.simulator(made_up, seed=seed, latency_s=0.01) as simulator:
        ready = drill.prepare(made_up, simulator.base_url, watch_s=3.0)
        supplies = Supplies(simulator, (1,))
        supplies.ready = ready
        desk = Desk(supplies, drill=True)
        press = replace(ready.press, deadline_s=15.0)
        live = desk.press(press).live
        board = LiveBoard(live, Aside())
        spies = [Spy(lambda told: clear_in(told) - held_clear(live)) for _ in range(2)]
        board.join(spies[0])
        for _ in range(2):
            await asyncio.sleep(rng.choice((0.3, 2.0)))
            desk.press(press)
        await asyncio.sleep(1.0)
        board.join(spies[1])
        report = await live.finished()
        while not all(spy.boards and not spy.boards[-1]["live"] for spy in spies):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        for spy in spies:
            board.leave(spy)
        accounts = json.loads((await board.accounts()).body)
        await desk.close()
    return spies, accounts, report


def test_no_letter_is_clear_of_which_the_run_is_not_sure(monkeypatch: pytest.MonkeyPatch):
    """At the moment at which it is told, whatever the faults are and whoever presses; the end is the report's."""
    monkeypatch.setattr(live_board, "perf_counter", lambda: asyncio.get_running_loop().time())
    monkeypatch.setattr(live_board, "BOARD_S", 0.1)
    monkeypatch.setattr(run, "random", SimpleNamespace(Random=lambda: random.Random(501)))
    (early, late), accounts, report = virtually(_watched(501))

    assert 10 < len(late.told) < len(early.told)
    assert late.told == early.told[-len(late.told) :]
    assert [] == early.wrong + late.wrong
    assert codes(report) == letters(early.boards[-1], accounts)
    assert json.loads(to_json(report))["totals"] == early.boards[-1]["totals"]


# ── mailboxes ───────────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_is_one_block_of_two_lines():
    """As the standard for server-sent events has it, with the line ends that no JSON has."""
    text = json.dumps({"name": "two\nlines\r\n\r\ndata: no"}).encode()

    assert b"event: board\r\ndata: " + text + b"\r\n\r\n" == event("board", text).text


def test_whoever_comes_when_unpacks_what_is_packed_once_for_all():
    """A board of 20,000 accounts, in the worst of mixtures, three times a second, takes a third of a megabit."""
    rng = random.Random(1)
    codes = "".join(rng.choices("cao", (8, 4, 1), k=20_000)).encode()
    early, late = Message(b"early"), Message(codes)
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)

    assert codes + b"early" == unpack.decompress(GZIP_HEAD + late.packed + early.packed)
    assert late.packed is late.packed
    assert len(late.packed) * 8 * 3 < 333_000


def test_what_is_newer_takes_the_place_of_what_is_older():
    """How things stand comes first; each sort wakes the one who sends it, by itself."""
    box, taken = Mailbox(), list[object]()
    for words in ("board1 room1 board2 room2", "", "board3", "room3"):
        for word in words.split():
            (box.board if word.startswith("board") else box.room)(Message(word.encode()))
        taken += [box.filled.is_set(), b"".join(one.text for one in box.take())]

    assert [True, b"room2board2", False, b"", True, b"board3", True, b"room3"] == taken
