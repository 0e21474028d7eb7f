"""GET /v1/room: how things stand before, during and after a press, whatever disks do."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from panic import latch
from panic._version import VERSION
from panic.accounts.plan import Scope
from panic.config import Settings
from panic.latch import State
from panic.report.document import Source
from panic.run.engagement import Engagement
from panic.run.press import Press
from panic.service.room import disk_watch, hub
from panic.service.room.overview import next_of
from panic.service.schedule.calendar import fallback
from panic.simulator import Fault
from tests.cli.support import account, until
from tests.service.house import House, house
from tests.service.room.page import opened, pressed
from tests.service.test_selftest import a_self_test

STUCK = Fault("stuck")
DAILY = """
[[schedules]]
name = "{name}"
at = "{at} Europe/London on weekdays"
{what}
"""
ALL, DRILL = "all = true\ncancels_gtc_and_close_orders = true", "drill = true"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read again soon."""
    monkeypatch.setattr(disk_watch, "LATCH_S", 0.02)
    monkeypatch.setattr(hub, "BEAT_S", 0.05)


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[House]:
    """A service with a latch."""
    async with house(tmp_path) as made:
        await asyncio.to_thread(latch.create, tmp_path / "panic.latch")
        yield made


async def room(it: House, token: str = "viewer") -> dict[str, Any]:  # noqa: S107  (a name)
    return (await it.ask("GET", "/v1/room", token=token)).fits("Room")


async def when(it: House, so: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while not so(found := await room(it)):  # noqa: ASYNC110  (nothing tells)
            await asyncio.sleep(0.02)
    return found


# ── what is ready ───────────────────────────────────────────────────────────────────────────────────────────


async def test_before_anything_happens_it_says_what_would(tmp_path: Path):
    """Who is reached, with which broker, and whom to call; excluded accounts are not counted, nor bad rows."""
    rows = ("1,East,", "2,West,", "3,East,yes", "4,Gone,yes", "5,,", "six,East,")
    async with house(tmp_path, rows=rows, columns="id,group,excluded") as it:
        found, url = await room(it), it.simulator.base_url

    assert (VERSION, url, "the desk, +1 555 0100") == (found["version"], found["base_url"], found["contact"])
    assert (False, "configuration", False) == (found["ready"], found["why"], found["drill"])
    assert [("East", 1), ("West", 1)] == [(one["name"], one["accounts"]) for one in found["groups"]]
    assert any("six" in problem for problem in found["problems"])
    assert (3, [], 0) == (found["accounts"], found["live"], found["schedules"])
    assert [None] * 3 == [found[name] for name in ("last", "next_run", "self_test")]
    assert abs(datetime.fromisoformat(found["now"]) - datetime.now(UTC)) < timedelta(seconds=10)


async def test_a_roster_that_changes_is_counted_anew_and_without_one_nobody_knows(it: House):
    """At the next look; and without one a press would not work."""
    await room(it)
    it.firm.roster.write_text("id,group\n1,East\n2,North\n3,North\n")
    changed = await when(it, lambda found: found["accounts"] == 3)
    it.standby._files.loaded = type(it.standby._files.loaded)(type(it.standby._files.loaded.roster)(), {})
    it.standby._files.close()
    found = await room(it)

    assert [("East", 1), ("North", 2)] == [(one["name"], one["accounts"]) for one in changed["groups"]]
    assert (None, [], False, "roster") == tuple(found[key] for key in ("accounts", "groups", "ready", "why"))


async def test_what_the_last_self_test_found_is_told(tmp_path: Path):
    """With its remedies; before the first one there is nothing to tell but how often there is one."""
    found = []
    for refused in (None, 1):
        async with house(tmp_path, self_test=(tester := a_self_test(refused))) as it:
            found.append((await room(it))["self_test"])
    nothing = dict.fromkeys(("ok", "ended_at", "age_s", "proven"))

    assert {**nothing, "states": {}, "findings": [], "every_s": 300.0, "under_way": False} == found[0]
    assert (False, {"ok": 1, "refused": 1}) == (found[1]["ok"], found[1]["states"])
    assert tester.last is not None
    assert tester.last.finished_at == datetime.fromisoformat(found[1]["ended_at"])
    (revoked,) = tester.last.findings
    told = {"code": revoked.code, "text": revoked.text, "remedy": revoked.remedy}
    assert told.items() <= found[1]["findings"][0].items()


# ── what comes by the clock ─────────────────────────────────────────────────────────────────────────────────


async def test_what_comes_next_by_the_clock_is_told(tmp_path: Path):
    """The earliest of all schedules, with what it presses; when it has come, the one after it."""
    more = DAILY.format(name="late", at="17:00", what=ALL) + DAILY.format(name="early", at="16:00", what=DRILL)
    async with house(tmp_path, more=more) as it:
        told, schedules = await room(it), it.standby.settings.schedules
    monday = datetime(2026, 3, 2, 15, 59, tzinfo=UTC)
    found = [next_of(schedules, fallback(), monday + timedelta(hours=hours)) for hours in (0, 1, 2)]

    assert (2, True) == (told["schedules"], told["next_run"]["name"] in {"early", "late"})
    assert [
        ("early", "a drill", True, "03-02T16"),
        ("late", "all accounts", False, "03-02T17"),
        ("early", "a drill", True, "03-03T16"),
    ] == [(one.name, one.what, one.drill, f"{one.at:%m-%dT%H}") for one in found if one is not None]


# ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_runs_under_way_are_told_the_newest_first(tmp_path: Path):
    """Who pressed what and why; and when all are over, how the one that was pressed last ended."""
    async with house(tmp_path, account(1, STUCK), account(2, STUCK)) as it:
        first = await pressed(it, reason="  the first  ", scope={"groups": ["East"]})
        press = Press(Scope(all=True), "the close", "schedule cleanup", Source.SCHEDULE)
        second = it.desk.press(press, automated=True).live.run.id
        under_way = (await room(it))["live"]
        for run_id in (first, second):  # the second one gives way until then
            await it.live(run_id).run.engine.swept.wait()
            it.live(run_id).run.stop()
            await it.over(run_id)
        found = await room(it)
    keys = ("run_id", "source", "by", "reason", "scope", "accounts")

    assert [
        (second, "schedule", "schedule cleanup", "the close", "all accounts", 2),
        (first, "api", "joe", "the first", "group East", 1),
    ] == [tuple(one[key] for key in keys) for one in under_way]
    assert all(0 <= one["elapsed_s"] < one["deadline_s"] for one in under_way)
    assert ([], second, "") == (found["live"], found["last"]["run_id"], found["last_problem"])
    assert found["last"]["verdict"] in {"open", "unverified", "unknown"}


async def test_a_narrow_clear_hides_no_wider_run_that_is_not(tmp_path: Path):
    """Here and on record, with its scope and how many accounts are not clear."""
    async with house(tmp_path, account(1, STUCK), account(2)) as it:
        bad = await pressed(it, deadline_s=1, wait=30)
        await pressed(it, scope={"groups": ["West"]}, wait=30)
        here = (await room(it))["last"]
        it.forget()
        it.hub.overview.disks.ledger.expire()
        recorded = (await when(it, lambda found: found["last"]))["last"]

    expected = {"run_id": bad, "scope": "all accounts", "accounts": 2, "not_clear": 1, "is_latest": False}
    assert [expected] * 2 == [{name: one[name] for name in expected} for one in (here, recorded)]


async def test_a_run_that_did_not_come_to_its_end_has_no_verdict(it: House):
    """It was pressed last, and an older clear does not stand in its place."""
    await pressed(it, wait=30)
    second = it.live(await pressed(it, watch_s=30))
    await second.run.engine.swept.wait()
    second.run.leave()
    await second.finished()
    last = (await room(it))["last"]

    assert (second.run.id, None) == (last["run_id"], last["verdict"])


# ── what the latch says ──────────────────────────────────────────────────────────────────────────────────────


async def test_what_the_latch_says_is_shown(it: House):
    """It stops nobody, or is missing and stops everybody; without one in the settings nobody knows."""
    quiet = (await room(it))["latch"]
    (it.firm.folder / "panic.latch").unlink()
    missing = (await when(it, lambda found: found["latch"]["problem"]))["latch"]
    nowhere = it.standby.settings.latch.model_copy(update={"file": None})
    it.standby.settings = it.standby.settings.model_copy(update={"latch": nowhere})
    unknown = (await when(it, lambda found: not found["latch"]["known"]))["latch"]

    expected = {"known": True, "engaged": False, "problem": "", "holds": [], "warnings": []}
    assert expected == quiet
    assert {**expected, "engaged": True, "problem": "is missing"} == missing
    assert (False, "the settings name no [latch] file") == (unknown["engaged"], unknown["problem"])


async def test_what_is_engaged_is_shown_with_its_doubts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Nobody has looked; it is not clear; it is clear, unless the ledger does not answer; it is gone."""

    def hold(found: dict[str, Any]) -> dict[str, Any]:
        return next(iter(found["latch"]["holds"]), {"doubt": "nothing is engaged"})

    def broken(_: Settings) -> Engagement:
        raise OSError

    async with house(tmp_path, account(1), account(2, Fault("stuck", times=1))) as it:
        await asyncio.to_thread(latch.create, tmp_path / "panic.latch")
        run = await pressed(it, latch=True, deadline_s=1)
        under_way = hold(await when(it, lambda found: found["latch"]["holds"]))
        await it.over(run)
        after = hold(await when(it, lambda found: "not looked" not in hold(found)["doubt"]))
        await pressed(it, wait=30)
        await when(it, lambda found: not hold(found)["doubt"])
        with monkeypatch.context() as patch:
            patch.setattr(disk_watch, "look", broken)
            patch.setattr(disk_watch, "LEDGER_S", 0.01)
            doubted = hold(await when(it, lambda found: hold(found)["doubt"]))
        await it.ask("POST", "/v1/reset", {"reason": "over"}, token="boss")
        over = (await when(it, lambda found: not found["latch"]["engaged"]))["latch"]

    assert ("all", "", run) == (under_way["what"], under_way["name"], under_way["run"])
    assert "whether it is clear was not looked at yet" == under_way["doubt"]
    assert run in after["doubt"]
    assert "the ledger does not answer: OSError" == doubted["doubt"]
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
    run_id = [await pressed(it, wait=30) for _ in range(2)][1]
    it.forget()
    async with opened(it) as page:
        await page.has("room")
        statuses = {(await it.ask("GET", f"/v1/runs/{run_id}/report")).status for _ in range(20)}
        await until(lambda: "does not answer" in page.latest("room")["latch"]["problem"])
        await until(lambda: run_id in str(page.latest("room")["last"]))
        threads = len(waiting)
        over.set()
        await until(lambda: page.latest("room")["latch"]["known"])

    assert (False, False, 2) == (found["latch"]["known"], found["latch"]["engaged"], found["accounts"])
    assert ({200}, 1) == (statuses, threads)
