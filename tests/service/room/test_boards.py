"""Boards of runs whose record tells of them, and what no board tells: keys."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from panic.ledger import history
from panic.ledger.events import decode
from panic.service.desk import ENDED_KEPT
from panic.service.notify import Notice
from panic.simulator import Fault
from tests.cli.support import KEY, account, started, until
from tests.service.house import QUICK, house
from tests.service.room.page import accounts_of, board_of, codes, letters, opened, pressed

STUCK = Fault("stuck")
pytestmark = pytest.mark.usefixtures("often")


async def test_a_run_on_record_has_the_board_that_it_had_when_it_was_here(tmp_path: Path):
    """Word for word, by its whole name, its beginning, and as the last."""
    async with house(tmp_path, account(1), account(2, STUCK), account(3, Fault("status", status=403))) as it:
        run_id = await pressed(it, deadline_s=1, wait=30)
        here, who = await board_of(it, run_id), await accounts_of(it, run_id)
        it.forget()
        on_record = [await board_of(it, name) for name in (run_id, run_id[:-1], "last")]

        assert {1: "c", 2: "o"}.items() < letters(here, who).items()
        assert [here] * 3 == on_record
        assert who == await accounts_of(it, run_id)


async def test_a_page_of_a_run_that_died_sees_it_resumed(tmp_path: Path):
    """Under its own id; nobody is clear who was it only before; the record ends as the run did, with its name."""
    async with house(tmp_path, account(1), account(2, Fault("stuck", times=1))) as it:

        def standings() -> set[str]:
            rows = history.read(it.standby.settings.ledger, kinds=("outcome", "standing")).rows
            told = [one for row in rows for one in decode(row.record).body["accounts"]]
            return {one["standing"] for one in told if "standing" in one}

        words = ("press", "--all", "--reason", f"algo {KEY}", "--watch", "1")
        async with started(*it.firm.lines(*words), cwd=tmp_path) as dying:
            await until(lambda: {"clear", "pending"} <= standings())
            dying.process.kill()
            await dying.process.wait()
        (row,) = (await it.ask("GET", "/v1/runs")).fits("Runs")["runs"]
        run_id = row["run_id"]
        async with opened(it, run_id) as page:
            died = await page.ends()
            who = await accounts_of(it, run_id)
            answer = await it.ask("POST", "/v1/runs/last/resume", {"by": "Ann"})
            await until(lambda: page.latest("board")["live"])
            last = await page.ends()
        report = await it.live(run_id).finished()
        it.forget()
        on_record = await board_of(it, run_id)

        assert ("unfinished", 202, run_id) == (row["state"], answer.status, answer.fits("Started")["run_id"])
        assert [False, False, None, "open"] == [
            died[key] for key in ("live", "finished", "finished_at", "verdict")
        ]
        assert {1: "c", 2: "o"} == letters(died, who)
        assert [2, 1] == [died["course"][key][-1][1] for key in ("sent", "clear")]
        assert {1: "c", 2: "c"} == letters(last, who) == codes(report)
        assert [["joe on behalf of Ann"]] == [[one["by"] for one in last["resumed"]]]
        assert last["course"]["sent"][0][0] < last["elapsed_s"] / 2
        assert last == on_record
        assert ["resume"] == it.kinds()


async def test_a_damaged_record_has_a_board_that_says_so(tmp_path: Path):
    """What is left of it is shown, and nobody is clear who is not any more."""
    async with house(tmp_path) as it:
        run_id = await pressed(it, wait=30)
        it.forget()
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger, ledger:
            ledger.execute("DROP TRIGGER events_stay")
            ledger.execute("DELETE FROM events WHERE kind = 'standing'")
        found = await board_of(it, run_id)

        assert "c" not in found["codes"]
        assert "record_damaged" in [flag["code"] for flag in found["flags"]]


async def test_no_key_is_told(tmp_path: Path):
    """Whoever put it into a name, a reason or a group; in the room, under way, over, and on record."""
    rows = (f"1,East,{KEY}", f"2,{KEY},Two", f"x,{KEY},")
    async with house(tmp_path, account(1), account(2, STUCK), rows=rows, columns="id,group,name") as it:
        it.notifier.tell(Notice("page", "run-1", f"it said {KEY}", KEY, "run-1"))
        run_id = (await it.press({**QUICK, "deadline_s": 1, "reason": f"it said {KEY}", "by": KEY})).json["run_id"]
        paths = ("/v1/room", *(f"/v1/runs/{run_id}/{what}" for what in ("board", "accounts", "accounts/2")))
        async with opened(it, run_id) as page:
            await until(lambda: "board" in page.kinds and bool(page.latest("board")["worst"]))
            under_way, shown, who, one = [await it.ask("GET", path) for path in paths]
            await page.ends()
        it.forget()
        texts = [(await it.ask("GET", path)).body for path in paths]
        texts += [under_way.body, shown.body, who.body, one.body, *(one.text for one in page.told)]

        assert not any(part.encode() in text for text in texts for part in (KEY, KEY.partition(".")[2]))
        assert shown.json["live"]
        assert [["1", "[key]", "East", ""], ["2", "Two", "[key]", ""]] == who.json["accounts"][:2]
        assert ("Two", "[key]") == (one.json["name"], one.json["group"])
        assert "it said [key]" == shown.json["trigger"]["reason"] == under_way.json["live"][0]["reason"]


async def test_boards_of_runs_that_are_not_here_any_more_are_forgotten(tmp_path: Path):
    """The desk keeps a few that ended, and nobody keeps more."""
    async with house(tmp_path) as it:
        for _ in range(ENDED_KEPT + 3):
            await board_of(it, await pressed(it, scope={"groups": ["East"]}, wait=30))

        assert ENDED_KEPT + 1 >= len(it.hub.boards)
