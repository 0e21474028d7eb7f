"""What a page is told, over HTTP: which run it follows, and when it is told nothing more."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from panic.plan import Scope
from panic.report import to_json
from panic.run.press import Press
from panic.service.desk import SCHEDULE
from panic.service.room import feed
from panic.simulator import Fault
from tests.cli.support import account, until
from tests.service.house import QUICK, House, house
from tests.service.room.page import codes, letters, opened, pressed

STUCK = Fault("stuck")
pytestmark = pytest.mark.usefixtures("often")


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[House]:
    """A service whose first account is never done."""
    async with house(tmp_path, account(1, STUCK), account(2)) as made:
        yield made


def scheduled(it: House) -> str:
    """Press as a schedule does, and give the run."""
    press = Press(Scope(all=True), "the close", "schedule cleanup", SCHEDULE)
    return it.desk.press(press, automated=True).live.run.id


def room_tasks() -> set[str]:
    """The tasks that work for pages."""
    names = {task.get_name() for task in asyncio.all_tasks()}
    return {name for name in names if name.startswith(("panic-room", "panic-board"))} - {"panic-room-read"}


# ── from the beginning to the end ───────────────────────────────────────────────────────────────────────────


async def test_a_page_is_told_of_a_run_from_its_press_to_its_end(tmp_path: Path):
    """How things stand, then a board, letters and beats; the last board is the report."""
    accounts = account(1, Fault("latency", seconds=0.6), STUCK), account(2)
    async with house(tmp_path, *accounts) as it, opened(it) as page:
        await page.has("room", "beat")
        before = set(page.kinds)
        run_id = await pressed(it, deadline_s=2)
        last = await page.ends()
        report = await it.live(run_id).finished()
        told = json.loads(to_json(report))
        await until(lambda: (page.latest("room")["last"] or {}).get("verdict") is not None)

    assert {"room", "beat"} == before
    assert "room" == page.kinds[0]
    assert page.kinds.index("board") < page.kinds.index("cells")
    assert (run_id, told["verdict"], told["totals"]) == (last["run_id"], last["verdict"], last["totals"])
    assert codes(report) == letters(last)
    assert (run_id, "open") == tuple(page.latest("room")["last"][key] for key in ("run_id", "verdict"))
    assert ["now"] == list(page.latest("beat"))


async def test_many_pages_are_told_the_same(it: House):
    """One that comes late has a whole board at once; none is held up by another."""
    run_id = await pressed(it, deadline_s=1)
    async with opened(it) as one, opened(it, run_id) as two:
        await one.has("board")
        async with opened(it) as late:
            await late.has("board")
            lasts = [await page.ends() for page in (one, two, late)]

    assert lasts[0] == lasts[1] == lasts[2]
    assert [("room", "board")] * 2 == [(page.kinds[0], page.kinds[1]) for page in (two, late)]
    assert 1 == len(
        {next(told.text for told in reversed(page.told) if told.kind == "board") for page in (one, two)}
    )


async def test_with_the_last_page_gone_no_work_is_left(it: House):
    """Neither a beat nor a board; the run goes on."""
    run_id = await pressed(it)
    async with opened(it) as page:
        await page.has("board", "beat")
        at_work = room_tasks()
    await until(lambda: not it.parts.streams and not room_tasks())

    assert {"panic-room", f"panic-board-{run_id}"} == at_work
    assert {} == it.parts.hub._watching
    assert not it.live(run_id).is_over


# ── which run ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_press_turns_pages_to_it_but_for_those_that_stay(it: House):
    """Who asked for one run sees that one, whatever happens."""
    first = await pressed(it, scope={"groups": ["East"]}, reason="the first")
    async with opened(it) as page, opened(it, first) as stays:
        await until(lambda: first == page.follows == stays.follows)
        second = await pressed(it, reason="the second", scope={"groups": ["West"]}, watch_s=30)
        await until(lambda: second == page.follows)
        for _ in range(3):
            await stays.hears("beat")

        assert first == stays.follows
        assert {first, second} == {one["run_id"] for one in page.latest("room")["live"]}


async def test_a_press_that_joins_a_run_turns_pages_to_that(it: House):
    """It is what is under way now."""
    first = await pressed(it, reason="the first")
    second = await pressed(it, scope={"groups": ["West"]}, filters={"side": "BUY"}, watch_s=30)
    async with opened(it) as page:
        await until(lambda: second == page.follows)
        joined = (await it.press({**QUICK, "reason": "again"})).json
        await until(lambda: first == page.follows)

    assert (first, True) == (joined["run_id"], joined["joined"])


async def test_a_scheduled_run_takes_no_page_from_a_persons(it: House):
    """Neither from one that is open nor from one that comes."""
    run_id = await pressed(it)
    async with opened(it) as page:
        await until(lambda: run_id == page.follows)
        other = scheduled(it)
        await until(lambda: other in {one["run_id"] for one in page.latest("room")["live"]})
        async with opened(it) as late:
            await until(lambda: bool(late.follows))
            for _ in range(3):
                await page.hears("beat")

            assert run_id == page.follows == late.follows


async def test_where_there_is_no_other_a_scheduled_run_is_followed(it: House):
    """Until somebody presses."""
    async with opened(it) as page:
        await page.has("room")
        run_id = scheduled(it)
        await until(lambda: run_id == page.follows)
        async with opened(it) as late:
            await until(lambda: run_id == late.follows)
        other = await pressed(it)
        await until(lambda: other == page.follows)

    assert run_id != other


async def test_a_page_that_stays_follows_a_run_on_record(it: House):
    """Its board comes at once and once; no later press changes that."""
    run_id = await pressed(it, deadline_s=1, wait=30)
    it.forget()
    async with opened(it, "last") as page:
        await page.has("board")
        await pressed(it)
        for _ in range(3):
            await page.hears("beat")

        assert run_id == page.follows
        assert ("room", "board", 1) == (*page.kinds[:2], page.kinds.count("board"))


async def test_a_page_that_stays_with_a_run_that_is_over_is_told_its_end(it: House):
    """It is here still."""
    run_id = await pressed(it, deadline_s=1, wait=30)
    async with opened(it, run_id) as page, opened(it) as other:
        found = await page.ends()
        await other.has("beat")

    assert (run_id, True) == (found["run_id"], found["finished"])
    assert "board" not in other.kinds


# ── how things stand ────────────────────────────────────────────────────────────────────────────────────────


async def test_how_things_stand_is_told_when_it_changes_and_now_and_then(
    it: House, monkeypatch: pytest.MonkeyPatch
):
    """Time alone is no news; and whoever comes gets it at once."""
    async with opened(it) as page:
        await page.has("room")
        await until(lambda: page.latest("room")["latch"]["known"] and not page.latest("room")["last_problem"])
        quiet = page.kinds.count("room")
        for _ in range(4):
            await page.hears("beat")
        still = page.kinds.count("room")
        run_id = await pressed(it)
        await until(lambda: [run_id] == [one["run_id"] for one in page.latest("room")["live"]])
        monkeypatch.setattr(feed, "ROOM_S", 0.05)
        for _ in range(3):
            await page.hears("room")

    assert quiet == still
