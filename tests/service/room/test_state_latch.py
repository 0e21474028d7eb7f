"""What the room says of the latch, and what it does while a disk hangs: nothing that anybody waits for."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from panic import latch
from panic.config import Settings
from panic.latch import State
from panic.run.engagement import Engagement
from panic.service.notify import Notice
from panic.service.room import disk_watch, hub
from panic.simulator import Fault
from tests.cli.support import KEY, account, until
from tests.service.house import QUICK, House, house
from tests.service.room.page import opened, pressed


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read again soon."""
    monkeypatch.setattr(disk_watch, "LATCH_S", 0.05)
    monkeypatch.setattr(hub, "LOOK_S", 0.01)


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[House]:
    """A service with a latch."""
    async with house(tmp_path) as made:
        await asyncio.to_thread(latch.create, tmp_path / "panic.latch")
        yield made


async def room(it: House) -> dict[str, Any]:
    """How things stand."""
    return (await it.ask("GET", "/v1/room", token="viewer")).fits("Room")


async def latched(it: House, so: Any) -> dict[str, Any]:
    """Ask until the latch is so."""
    async with asyncio.timeout(20):
        while True:
            found: dict[str, Any] = (await room(it))["latch"]
            if so(found):
                return found
            await asyncio.sleep(0.02)


# ── what it says ────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_the_latch_says_is_shown(it: House):
    """It stops nobody, or is missing and stops everybody; without one in the settings nobody knows."""
    expected = {"known": True, "engaged": False, "problem": "", "holds": [], "warnings": []}

    assert expected == (await room(it))["latch"]
    (it.firm.folder / "panic.latch").unlink()
    missing = await latched(it, lambda found: found["problem"])
    assert (True, True, "is missing", []) == tuple(
        missing[key] for key in ("known", "engaged", "problem", "holds")
    )
    nowhere = it.standby.settings.latch.model_copy(update={"file": None})
    it.standby.settings = it.standby.settings.model_copy(update={"latch": nowhere})
    unknown = await latched(it, lambda found: not found["known"])
    assert (False, "the settings name no [latch] file") == (unknown["engaged"], unknown["problem"])


async def test_what_is_engaged_is_shown_with_its_doubts(tmp_path: Path):
    """While the run goes nobody has looked whether it is clear; at its end it is not, and says why."""
    async with house(tmp_path, account(1), account(2, Fault("stuck"))) as it:
        await asyncio.to_thread(latch.create, tmp_path / "panic.latch")
        run_id = await pressed(it, latch=True, deadline_s=1)
        under_way = await latched(it, lambda found: found["holds"])
        await it.over(run_id)
        after = await latched(it, lambda found: "not looked at" not in found["holds"][0]["doubt"])

        assert [("all", "", run_id)] == [(one["what"], one["name"], one["run"]) for one in under_way["holds"]]
        assert ["whether it is clear was not looked at yet"] == [one["doubt"] for one in under_way["holds"]]
        assert (True, 1) == (after["engaged"], len(after["holds"]))
        assert run_id in after["holds"][0]["doubt"]


async def test_what_is_engaged_and_clear_has_no_doubt(it: House, monkeypatch: pytest.MonkeyPatch):
    """But where the ledger does not answer; and after a reset it is gone."""
    await pressed(it, latch=True, wait=30)
    engaged = await latched(it, lambda found: found["holds"] and not found["holds"][0]["doubt"])

    def broken(_: Settings) -> Engagement:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(disk_watch, "look", broken)
        patch.setattr(disk_watch, "LEDGER_S", 0.01)
        doubted = await latched(it, lambda found: found["holds"][0]["doubt"])
    await it.ask("POST", "/v1/reset", {"reason": "over"}, token="boss")
    over = await latched(it, lambda found: not found["engaged"])

    assert ["all"] == [one["what"] for one in engaged["holds"]]
    assert ["the ledger does not answer: OSError"] == [one["doubt"] for one in doubted["holds"]]
    assert (True, []) == (over["known"], over["holds"])


# ── disks that hang ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[Path], threading.Event]]:
    """A latch on a disk that hangs: who waits for it, and what lets it go."""
    waiting, over = list[Path](), threading.Event()

    def read(file: Path) -> State:
        waiting.append(file)
        over.wait(20)
        return State(())

    monkeypatch.setattr(latch, "read", read)
    yield waiting, over
    over.set()


async def test_a_latch_that_hangs_keeps_nobody(
    it: House, hung: tuple[list[Path], threading.Event], monkeypatch: pytest.MonkeyPatch
):
    """However long a page is open: all else is shown as ever, and one thread hangs."""
    waiting, over = hung
    monkeypatch.setattr(disk_watch, "PATIENCE_S", 0.2)
    monkeypatch.setattr(disk_watch, "LATCH_S", 0.01)
    found = await room(it)
    run_id = await pressed(it, wait=30)
    it.forget()
    async with opened(it) as page:
        await page.has("room", "beat")
        statuses = {(await it.ask("GET", f"/v1/runs/{run_id}/report")).status for _ in range(20)}
        await until(lambda: "does not answer" in page.latest("room")["latch"]["problem"])
        await until(lambda: run_id in str(page.latest("room")["last"]))
        threads = len(waiting)
        over.set()
        await until(lambda: page.latest("room")["latch"]["known"])

    assert (False, False, 2) == (found["latch"]["known"], found["latch"]["engaged"], found["accounts"])
    assert ({200}, 1) == (statuses, threads)


async def test_the_end_of_the_service_waits_for_no_disk(tmp_path: Path, hung: tuple[list[Path], threading.Event]):
    """No task of the room is left."""
    async with house(tmp_path) as it:
        await room(it)
        at_work = [task for task in asyncio.all_tasks() if "panic-room-read" == task.get_name()]

    assert [True] == [task.done() for task in at_work]


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("groups", [1, 3000])
async def test_no_key_is_told(tmp_path: Path, groups: int):
    """Whoever put it into a reason, a group, a name or a page; however much there is to tell."""
    rows = [f"{n},Group {n} of a firm that has many,Name" for n in range(1, groups)] + [
        f"99999,{KEY},",
        f"x,{KEY},",
    ]
    async with house(tmp_path, rows=rows, columns="id,group,name") as it:
        it.notifier.tell(Notice("page", "run-1", f"it said {KEY}", KEY, "run-1"))
        await it.press({**QUICK, "scope": {"accounts": [99999]}, "reason": f"it said {KEY}", "by": KEY})
        answer = await it.ask("GET", "/v1/room", token="viewer")
        async with opened(it) as page:
            await page.has("room")
            texts = [answer.body, *(told.text for told in page.told)]

        assert [["it said [key]", "joe on behalf of [key]"]] == [
            [one["reason"], one["by"]] for one in answer.fits("Room")["live"]
        ]
        assert not any(part.encode() in text for text in texts for part in (KEY, KEY.partition(".")[2]))
