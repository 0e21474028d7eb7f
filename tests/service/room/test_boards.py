"""Boards of runs that somebody watches: what is told at each moment is what the run knows."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from panic import fold
from panic.engine.case import Case
from panic.recorder import Recorder
from panic.report import AccountReport, Flag, Report, to_json
from panic.service.desk import Live
from panic.service.room import boards, tell
from panic.service.room.boards import Watched
from panic.simulator import Fault
from tests.cli.support import account, sent, until
from tests.service.house import QUICK, House, house
from tests.service.room.page import Spy, board_tasks, codes, held_clear, letters

STUCK = Fault("stuck")
pytestmark = pytest.mark.usefixtures("often")


async def begun(it: House, **how: Any) -> tuple[Live, Watched]:
    """Press, and give the run and its board."""
    live = it.live((await it.press({**QUICK, **how})).json["run_id"])
    return live, it.parts.hub.boards.of(live)


async def watched(board: Watched, *spies: Spy) -> None:
    """Let these watch to the end."""
    for spy in spies:
        if spy not in board.watchers:
            board.join(spy)
    await until(lambda: all(spy.boards and not spy.boards[-1]["live"] for spy in spies))
    for spy in spies:
        board.leave(spy)


async def asked(it: House, run_id: str) -> dict[str, Any]:
    """A board, asked for once."""
    return (await it.ask("GET", f"/v1/runs/{run_id}/board", token="viewer")).fits("Board")


@pytest.mark.parametrize("ledger", [True, False], ids=["ledger", "no ledger"])
async def test_at_the_end_a_board_is_the_report(tmp_path: Path, ledger: bool):
    """Verdict, totals, flags and every account's letter; by the record, or where there is none by cases."""
    accounts = account(1), account(2, STUCK), account(3, Fault("status", status=403), Fault("hang", on="GET"))
    async with house(tmp_path, *accounts, ledger=ledger) as it:
        live, board = await begun(it, deadline_s=1)
        spy = Spy()
        await watched(board, spy)
        report, last = await live.finished(), spy.boards[-1]
        told = json.loads(to_json(report))

        assert {1: "c", 2: "o", 3: "r"} == letters(last) == codes(report)
        for key in ("run_id", "verdict", "exit_code", "finished", "totals", "coverage", "flags", "timings"):
            assert told[key] == last[key], key
        assert told["ledger_head"] == last["ledger_head"]
        assert ledger == bool(told["ledger_head"])
        assert [3, 1] == [last["course"]["sent"][-1][1], last["course"]["clear"][-1][1]]
        assert last == await asked(it, live.run.id)


async def test_all_who_watch_are_told_the_same_words(tmp_path: Path):
    """Written once; who comes late has all of it at once, and then the same."""
    async with house(tmp_path, account(1, Fault("latency", seconds=0.2)), account(2, STUCK)) as it:
        live, board = await begun(it, deadline_s=1)
        one, two, late = Spy(), Spy(), Spy()
        board.join(one)
        board.join(two)
        await until(lambda: "p" in one.shown.letters)
        before = len(one.told)
        board.join(late)
        caught_up = list(late.shown.letters)
        as_it_was = list(one.shown.letters)
        await watched(board, one, two, late)

        assert as_it_was == caught_up
        assert one.told == two.told
        assert one.told[before:] == late.told[-len(one.told[before:]) :]
        assert live.is_over


async def test_who_comes_when_nobody_watches_any_more_gets_a_whole_board(tmp_path: Path):
    """At once, though nothing has happened since: whoever loads the page anew sees the run."""
    async with house(tmp_path, account(1, Fault("hang", on="GET"))) as it:
        _, board = await begun(it)
        one, two = Spy(), Spy()
        board.join(one)
        await until(lambda: bool(one.boards) and one.boards[-1]["coverage"]["roster_checked"])
        await until(lambda: 1 in sent(it.simulator, "GET"))
        board.leave(one)
        board.join(two)
        before = len(it.simulator.requests)
        await until(lambda: bool(two.told))
        after = len(it.simulator.requests)
        board.leave(two)

        assert "board" == two.told[0].kind
        assert ["a"] == two.shown.letters
        assert before == after


async def test_with_the_last_who_watches_all_work_ends(tmp_path: Path):
    """One who goes leaves the others theirs; the run does not notice."""
    async with house(tmp_path, account(1, STUCK)) as it:
        live, board = await begun(it)
        one, two = Spy(), Spy()
        board.join(one)
        board.join(two)
        board.leave(one)
        with_one = board_tasks()
        board.leave(two)
        board.leave(two)
        await asyncio.sleep(0)

        assert [f"panic-board-{live.run.id}"] == with_one
        assert [] == board_tasks()
        assert not live.is_over


async def test_a_clear_that_the_run_takes_back_is_taken_back(tmp_path: Path):
    """Before any event says so."""
    async with house(tmp_path) as it:
        live, _ = await begun(it, watch_s=30)
        await until(lambda: {0, 1} == held_clear(live))
        before = await asked(it, live.run.id)
        live.run.cases[1].pressed_again = True
        await asyncio.sleep(boards.BOARD_S)
        after = await asked(it, live.run.id)

        assert ({1: "c", 2: "c"}, {1: "c", 2: "a"}) == (letters(before), letters(after))


async def test_while_first_cancels_leave_no_whole_board_is_folded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One is written without a word on any account, and then letters alone; the loop is the run's."""
    told, tell_of = list[int](), fold.account_of

    def count(case: Case, *more: Any) -> AccountReport:
        told.append(case.account.id)
        return tell_of(case, *more)

    monkeypatch.setattr(fold, "account_of", count)
    slow = Fault("latency", seconds=0.15)
    async with house(tmp_path, *(account(id_, slow) for id_ in (1, 2, 3, 4))) as it:
        live, board = await begun(it, concurrency=1)
        spy = Spy()
        board.join(spy)
        await live.run.engine.swept.wait()
        kinds, early, at_sweep = [one.kind for one in spy.told], spy.boards, list(told)
        await until(lambda: bool(told))
        board.leave(spy)

        assert [] == at_sweep
        assert ["board", "cells"] == kinds[:2]
        assert 1 == kinds.count("board")
        assert ([], 4, 0) == (early[0]["worst"], early[0]["more"], early[0]["totals"]["attempts"])
        assert "not_attempted" not in [flag["code"] for flag in early[0]["flags"]]


# ── what fails ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_board_that_fails_is_no_matter_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It ends as it would, its report is right, and the board comes when it can be written again."""
    write = tell.write
    failed: list[int] = []

    def broken(*_: Any, **__: Any) -> bytes:
        failed.append(1)
        raise RuntimeError

    monkeypatch.setattr(tell, "write", broken)
    async with house(tmp_path) as it:
        live, board = await begun(it)
        spy = Spy()
        board.join(spy)
        report = await live.finished()
        await until(lambda: len(failed) > 1)
        (await it.ask("GET", f"/v1/runs/{live.run.id}/board")).problem("internal")
        before = {one.kind for one in spy.told}
        monkeypatch.setattr(tell, "write", write)
        await watched(board, spy)

        assert ("clear", {"stale"}) == (str(report.verdict), before)
        assert {1: "c", 2: "c"} == letters(spy.boards[-1])
        assert 200 == (await it.ask("GET", f"/v1/runs/{live.run.id}/report")).status


async def test_a_board_that_failed_once_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Though nothing has happened since: what was new then still is."""
    write = tell.write
    async with house(tmp_path, account(1, Fault("hang", on="GET"))) as it:
        live, board = await begun(it)
        spy = Spy()
        board.join(spy)
        await until(lambda: bool(spy.boards) and spy.boards[-1]["coverage"]["roster_checked"])
        await until(lambda: 1 in sent(it.simulator, "GET"))

        def broken(*_: Any, **__: Any) -> bytes:
            monkeypatch.setattr(tell, "write", write)
            raise RuntimeError

        monkeypatch.setattr(tell, "write", broken)
        live.run._teller.flags.append(Flag("odd", "something odd"))
        before = len(it.simulator.requests)
        await until(lambda: "odd" in [flag["code"] for flag in spy.boards[-1]["flags"]])
        after = len(it.simulator.requests)
        board.leave(spy)

        assert tell.write is write
        assert before == after


async def test_where_panic_itself_fails_the_board_says_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nobody works on it any more, and it did not come to its end."""

    def broken(_: Recorder, report: Report, *__: Any, **___: Any) -> Report:
        raise RuntimeError

    monkeypatch.setattr(Recorder, "end", broken)
    async with house(tmp_path, account(1, STUCK)) as it:
        live, board = await begun(it, deadline_s=1)
        spy = Spy()
        await watched(board, spy)

        assert live.failure is not None
        assert (False, "open") == (spy.boards[-1]["live"], spy.boards[-1]["verdict"])
        assert {1: "o"} == letters(spy.boards[-1])


async def test_where_every_thread_hangs_the_last_board_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It needs no disk."""

    async def hang(*_: Any) -> None:
        raise TimeoutError

    async with house(tmp_path) as it:
        _, board = await begun(it)
        monkeypatch.setattr(it.parts.aside, "do", hang)
        spy = Spy()
        await watched(board, spy)

        assert {1: "c", 2: "c"} == letters(spy.boards[-1])
