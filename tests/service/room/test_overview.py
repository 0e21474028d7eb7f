"""GET /v1/room: how things stand before, during and after a press, whatever disks do."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from panic._version import VERSION
from panic.accounts.plan import Scope
from panic.run.press import Press
from panic.service.desk import SCHEDULE
from panic.service.room import disk_watch
from panic.service.room.overview import next_of
from panic.service.schedule.next import Due, next_run
from panic.service.schedule.sessions import fallback
from panic.simulator import Fault
from tests.cli.support import account, panic
from tests.service.house import House, house
from tests.service.room.page import pressed
from tests.service.test_proving import REVOKED, a_self_test

STUCK = Fault("stuck")
DAILY = """
[[schedules]]
name = "{name}"
at = "{at} Europe/London on weekdays"
{what}
"""
ALL = "all = true\ncancels_gtc_and_close_orders = true"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read again soon."""
    monkeypatch.setattr(disk_watch, "LATCH_S", 0.05)


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[House]:
    """A service."""
    async with house(tmp_path) as made:
        yield made


async def room(it: House, token: str = "viewer") -> dict[str, Any]:  # noqa: S107  (a name)
    """How things stand."""
    return (await it.ask("GET", "/v1/room", token=token)).fits("Room")


async def so(it: House, name: str, value: Any, inside: str = "") -> dict[str, Any]:
    """Ask until something stands so."""
    async with asyncio.timeout(20):
        while True:
            found = await room(it)
            if value == (found[inside][name] if inside else found[name]):
                return found
            await asyncio.sleep(0.02)


# ── what is ready ───────────────────────────────────────────────────────────────────────────────────────────


async def test_before_anything_happens_it_says_what_would(tmp_path: Path):
    """Who is reached, with which broker, and whom to call; excluded accounts are not counted, nor bad rows."""
    rows = ("1,East,", "2,West,", "3,East,yes", "4,Gone,yes", "5,,", "six,East,")
    async with house(tmp_path, rows=rows, columns="id,group,excluded") as it:
        found = await room(it)

        assert (VERSION, it.simulator.base_url, "the desk, +1 555 0100") == tuple(
            found[key] for key in ("version", "base_url", "contact")
        )
        assert (False, "configuration", False) == (found["ready"], found["why"], found["drill"])
        assert 3 == found["accounts"]
        assert [("East", 1), ("West", 1)] == [(one["name"], one["accounts"]) for one in found["groups"]]
        assert any("six" in problem for problem in found["problems"])
        assert ([], None, None, 0) == tuple(found[key] for key in ("live", "last", "next_run", "schedules"))
        assert found["self_test"] is None
        assert abs(datetime.fromisoformat(found["now"]) - datetime.now(UTC)) < timedelta(seconds=10)


async def test_a_roster_that_changes_is_counted_anew(it: House):
    """At the next look."""
    await room(it)
    it.firm.roster.write_text("id,group\n1,East\n2,North\n3,North\n")
    found = await so(it, "accounts", 3)

    assert [("East", 1), ("North", 2)] == [(one["name"], one["accounts"]) for one in found["groups"]]


async def test_without_a_roster_nobody_knows_how_many(it: House):
    """And a press would not work."""
    it.standby._files.loaded = type(it.standby._files.loaded)(type(it.standby._files.loaded.roster)(), {})
    it.standby._files.close()
    found = await room(it)

    assert (None, [], False, "roster") == tuple(found[key] for key in ("accounts", "groups", "ready", "why"))


async def test_what_the_last_self_test_found_is_told(tmp_path: Path):
    """With its remedies; before the first one there is nothing to tell but how often there is one."""
    for refused in (None, 1):
        async with a_self_test(tmp_path, refused) as proving, house(tmp_path, proving=proving) as it:
            found = (await room(it))["self_test"]

        assert 300.0 == found["every_s"]
        assert not found["under_way"]
        if refused is None:
            assert (None, None, None, None, {}, []) == tuple(
                found[key] for key in ("ok", "ended_at", "age_s", "proven", "states", "findings")
            )
        else:
            assert (False, {"ok": 1, "refused": 1}) == (found["ok"], found["states"])
            assert proving.last is not None
            assert proving.last.finished_at == datetime.fromisoformat(found["ended_at"])
            assert [{"code": REVOKED.code, "text": REVOKED.text, "remedy": REVOKED.remedy}] == found["findings"]


# ── what comes by the clock ─────────────────────────────────────────────────────────────────────────────────


async def test_what_comes_next_by_the_clock_is_told(tmp_path: Path):
    """The earliest of all schedules, with what it presses; when it has come, the one after it."""
    now = datetime.now(UTC)
    soon, late = ((now + timedelta(hours=hours)).strftime("%H:%M") for hours in (26, 27))
    more = DAILY.format(name="late", at=late, what=ALL) + DAILY.format(name="early", at=soon, what="drill = true")
    async with house(tmp_path, more=more) as it:
        told, schedules = await room(it), it.standby.settings.schedules
        due = [next_run(one, fallback(), now) for one in schedules]
        first = min((run for run in due if isinstance(run, Due)), key=lambda run: run.at)
        what = {"early": (True, "a drill"), "late": (False, "all accounts")}[first.schedule]
        later = next_of(schedules, fallback(), first.at + timedelta(seconds=1))

        assert 2 == told["schedules"]
        assert (first.schedule, *what) == tuple(told["next_run"][key] for key in ("name", "drill", "what"))
        assert first.at == datetime.fromisoformat(told["next_run"]["at"])
        assert later is not None
        assert later.at > first.at


# ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_runs_under_way_are_told_the_newest_first(tmp_path: Path):
    """Who pressed what and why; and when all are over, how the one that was pressed last ended."""
    async with house(tmp_path, account(1, STUCK), account(2, STUCK)) as it:
        first = await pressed(it, reason="  the first  ", scope={"groups": ["East"]})
        press = Press(Scope(all=True), "the close", "schedule cleanup", SCHEDULE)
        second = it.desk.press(press, automated=True).live.run.id
        under_way = (await room(it))["live"]
        await it.live(first).run.engine.swept.wait()
        for run_id in (second, first):
            it.live(run_id).run.stop()
            await it.over(run_id)
        found = await room(it)

        assert [second, first] == [one["run_id"] for one in under_way]
        assert [
            ("schedule", "schedule cleanup", "the close", "all accounts", 2),
            ("api", "joe", "the first", "group East", 1),
        ] == [tuple(one[key] for key in ("source", "by", "reason", "scope", "accounts")) for one in under_way]
        assert all(0 <= one["elapsed_s"] < one["deadline_s"] for one in under_way)
        assert [] == found["live"]
        assert (second, "") == (found["last"]["run_id"], found["last_problem"])
        assert found["last"]["verdict"] in {"open", "unverified", "unknown"}


async def test_a_run_that_did_not_come_to_its_end_has_no_verdict(it: House):
    """It was pressed last, and an older clear does not stand in its place."""
    await pressed(it, wait=30)
    second = it.live(await pressed(it, watch_s=30))
    await second.run.engine.swept.wait()
    second.run.leave()
    await second.finished()
    last = (await room(it))["last"]

    assert (second.run.id, None) == (last["run_id"], last["verdict"])


async def test_a_run_at_a_terminal_is_the_last_as_well(it: House, tmp_path: Path):
    """It is on the same ledger; the runs of this service before it do not hide it, nor does it hide later ones."""
    await pressed(it, wait=30)
    await room(it)
    done = await panic(*it.firm.lines("press", "--all", "--no-verify", "--reason", "later"), cwd=tmp_path)
    it.hub.overview.disks.expire()  # a quarter of a minute later
    last = (await room(it))["last"]
    run_id = await pressed(it, wait=30)
    after = await so(it, "run_id", run_id, "last")

    assert (done.report["run_id"], "unverified", False) == tuple(
        last[key] for key in ("run_id", "verdict", "drill")
    )
    assert "clear" == after["last"]["verdict"]


async def test_a_ledger_that_does_not_answer_is_told_beside_the_last_run(
    it: House, monkeypatch: pytest.MonkeyPatch
):
    """What is shown may not be the last."""
    run_id = await pressed(it, wait=30)
    await room(it)

    def broken(_: object) -> None:
        raise OSError

    monkeypatch.setattr("panic.ledger.history.runs", broken)
    it.hub.overview.disks.expire()
    found = await room(it)

    assert (run_id, "the ledger does not answer: OSError") == (found["last"]["run_id"], found["last_problem"])
