"""Schedules in the service: once or told, whatever the clock, the ledger and other services do."""

import asyncio
import json
import threading
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from panic.accounts.plan import Scope
from panic.config import Broker, LedgerFiles, RosterFile, Schedule, Settings
from panic.config.secret import Key
from panic.kit.errors import ConfigurationError, Problem
from panic.ledger.events import Event, encode
from panic.ledger.record import Kind
from panic.ledger.store import SqliteStore
from panic.ledger.writer import Writer, open_ledger
from panic.run.press import Press
from panic.service.notify import Notice
from panic.service.schedule import claims, dispatcher
from panic.service.schedule.claims import Claims
from panic.service.schedule.clockwork import Clockwork
from panic.service.schedule.dispatcher import rehearse
from panic.simulator import Simulator

DUE = datetime(2026, 11, 25, 20, 45, tzinfo=UTC)
"""A Wednesday, 15:45 in New York."""

CLEANUP = Schedule(name="cleanup", at="15 minutes before close", all=True, cancels_gtc_and_close_orders=True)
DRILL = Schedule(name="rehearsal", at="15:45 America/New_York on weekdays", drill=True)
KEY = "cleanup/2026-11-25"


@dataclass
class World:
    """Desk and standby of a service that can be started again and again, with a clock that is set by hand."""

    folder: Path
    schedules: tuple[Schedule, ...] = (CLEANUP,)
    base_url: str = "http://127.0.0.1:9"
    now: datetime = DUE - timedelta(hours=1)
    presses: list[Press] = field(default_factory=list)
    told: list[Notice] = field(default_factory=list)
    audited: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refuses: Exception | None = None
    problems: tuple[Problem, ...] = ()
    keys: dict[str, Key] = field(default_factory=dict)

    @property
    def files(self) -> LedgerFiles:
        return LedgerFiles(file=self.folder / "ledger.db")

    @cached_property
    def ledger(self) -> Writer | None:
        return open_ledger(self.files)

    @property
    def settings(self) -> Settings:
        return Settings(
            broker=Broker(base_url=self.base_url),
            roster=RosterFile(file=self.folder / "accounts.csv"),
            ledger=self.files,
            schedules=self.schedules,
            problems=self.problems,
        )

    def pressable(self, scope: Scope) -> Scope | None:
        return scope

    def press(self, press: Press, *, automated: bool = False) -> Any:
        """Press as a desk does: the run is on record."""
        assert automated
        if self.refuses is not None:
            raise self.refuses
        self.presses.append(press)
        event = Event("run", Kind.PRESSED, f"run-{len(self.presses)}", self.now.isoformat(), {"key": press.key})
        with closing(SqliteStore(self.folder / "ledger.db")) as store:
            store.append([(event.run, event.kind, encode(event))])
        return SimpleNamespace(live=SimpleNamespace(run=SimpleNamespace(id="run")))

    async def service(self) -> Clockwork:
        """Start a service, but for its loop."""
        desk: Any = self
        one = Clockwork(desk, desk, self.told.append, lambda *told: self.audited.append(told), lambda: self.now)
        await one.learn()
        return one

    async def see(self, one: Clockwork, *seconds: float) -> None:
        """Let a service look at its clock so many seconds after DUE."""
        for second in seconds:
            self.now = DUE + timedelta(seconds=second)
            await one.turn()

    @property
    def titles(self) -> list[str]:
        return [one.title for one in self.told if one.kind == "page"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_a_schedule_presses_at_its_time_and_once(world: World):
    """Not a second before; the press carries its key, and its reason names it for whoever reads the report."""
    service = await world.service()
    await world.see(service, -3, -1)
    before = list(world.presses)
    await world.see(service, 0, 1, 5)

    assert [] == before
    assert [("schedule", "schedule cleanup", True, KEY)] == [
        (p.source, p.by, p.scope.all, p.key) for p in world.presses
    ]
    assert world.presses[0].reason.endswith(KEY)
    assert [] == world.told


@pytest.mark.parametrize(("down_at", "down_s"), [(-2, 1), (-2, 310), (0, 5), (0, 290), (0, 310), (1, 5), (1, 310)])
async def test_killed_and_started_again_around_its_time_it_runs_once_or_is_told(
    world: World, down_at: int, down_s: int
):
    """Dead for a moment or for minutes, whenever: one press, or one page, and never two."""
    await world.see(await world.service(), *range(-4, down_at))
    up_at = down_at + down_s
    await world.see(await world.service(), *range(up_at, max(up_at, 0) + 3))

    assert 1 == len(world.presses) + len(world.titles), world.titles
    assert bool(world.presses) == (down_at > 0 or up_at <= 300)


async def test_told_to_end_at_its_time_it_leaves_the_run_to_the_next_service(world: World):
    """What was due in the moment of the end is still owed after the restart."""
    first = await world.service()
    await world.see(first, -1)
    world.now = DUE + timedelta(milliseconds=20)
    await first.close()
    await world.see(await world.service(), 3)

    assert (1, []) == (len(world.presses), world.titles)


async def test_of_two_services_on_one_ledger_one_presses_and_the_late_one_looks_whether_anybody_did(world: World):
    """Whoever claims the key first has it; one that was stopped for minutes pages nobody."""
    one, other, stopped = [await world.service() for _ in range(3)]
    for service in (one, other, stopped):
        await world.see(service, -1)
    world.now = DUE
    await asyncio.gather(one.turn(), other.turn())
    await world.see(stopped, 360)

    assert (1, []) == (len(world.presses), world.titles)


# ── the ledger ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_cannot_be_claimed_does_not_run_and_is_told(world: World):
    """A cleanup is no emergency; a ledger that works again in time lets it begin."""
    (world.folder / "ledger.db").mkdir()
    service = await world.service()
    await world.see(service, -1, 0, 1)
    broken = (len(world.presses), set(world.titles))
    (world.folder / "ledger.db").rmdir()
    await world.see(service, 9)

    assert (0, {f"{KEY} cannot begin"}) == broken
    assert [KEY] == [press.key for press in world.presses]
    assert {f"{KEY} cannot begin"} == set(world.titles)


async def test_a_claim_that_took_too_long_is_not_lost(world: World, monkeypatch: pytest.MonkeyPatch):
    """The ledger answers only after it was given up: the run begins then, once, and nobody else has it."""
    answers, put = threading.Event(), claims._put

    def slow(*words: Any) -> bool:
        answers.wait(10)
        return put(*words)

    monkeypatch.setattr(claims, "_put", slow)
    service = await world.service()
    monkeypatch.setattr(claims, "LEDGER_S", 0.05)
    await world.see(service, -1, 0)
    before = len(world.presses)
    answers.set()
    monkeypatch.setattr(claims, "LEDGER_S", 5.0)
    await world.see(service, 6, 7)

    assert (0, 1) == (before, len(world.presses))
    assert [f"{KEY} cannot begin"] == world.titles


@pytest.mark.parametrize("began", [True, False])
async def test_a_service_that_died_as_a_run_was_to_begin_is_told_of(world: World, began: bool):
    """The key is claimed, and no run of it is on record; where there is one, there is nothing to tell."""
    await Claims().claim(world.ledger, KEY, DUE)
    if began:
        world.press(Press(Scope(all=True), "", key=KEY), automated=True)
    world.now = DUE + timedelta(seconds=20)
    await world.service()

    assert ([] if began else [f"{KEY} did NOT run"]) == world.titles


async def test_a_key_is_claimed_once_and_abandoned_until_a_run_or_a_page_has_it(world: World):
    """Also where it is the beginning of another key; and what was claimed long ago is nobody's trouble."""
    keys = ("a/1", "a/1", "a/11", "a/1/late", "a/11")
    taken = [await Claims().claim(world.ledger, key, DUE) for key in keys]
    ours = Claims()

    assert [True, False, True, True, False] == taken
    assert ["a/11"] == await ours.read(world.files, DUE)
    assert {"a/1", "a/11", "a/1/late"} == ours.keys
    assert [] == await ours.read(world.files, DUE + timedelta(seconds=1))


# ── what is told ────────────────────────────────────────────────────────────────────────────────────────────


async def test_at_the_start_it_tells_what_may_not_run(world: World):
    """A schedule with a mistake; and a file that does not say when the clock was looked at is no first start."""
    world.problems = (Problem("[[schedules]] x: no", "Mend it.", section="schedules"), Problem("other", "Mend."))
    (world.folder / "clock.json").write_text("")
    await world.service()

    assert ["a schedule was left out: it will NOT run", "schedules may have been missed"] == world.titles


async def test_a_press_that_could_not_be_made_is_told(world: World):
    """No usable account, or a service that ends: somebody hears of it, with the reason."""
    world.refuses = ConfigurationError([Problem("no account can be fired", "Mend the keys.")])
    await world.see(await world.service(), -1, 0)

    assert [f"{KEY} did NOT run"] == world.titles
    assert "no account can be fired" in world.told[0].text


async def test_when_the_calendars_disagree_somebody_is_told_and_the_earlier_close_counts(world: World):
    """The broker says that Wednesday closes early: told once, at the start of that day."""
    noon = -8.75 * 3600
    async with Simulator([], special_days={DUE.date(): "EARLY_CLOSE"}, wall_clock=DUE.timestamp) as broker:
        world.base_url = broker.base_url
        service = await world.service()
        await service.almanac.refresh(world.settings, {"default": Key("sim.key")}, DUE - timedelta(hours=8.75))
        await world.see(service, noon, noon + 300, -3 * 3600 - 1, -3 * 3600, 0)
        again = await world.service()

    assert ["the calendars disagree about 2026-11-25"] == world.titles
    assert [KEY] == [press.key for press in world.presses]
    assert again.almanac.calendar == service.almanac.calendar


# ── drills ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("end", ["passed", "failed", "hung"])
async def test_a_drill_by_schedule_is_put_on_record(world: World, monkeypatch: pytest.MonkeyPatch, end: str):
    """One that does not pass, or hangs, is told."""

    async def play(key: str, ledger: Path) -> tuple[bool, Path]:
        if end == "hung":
            raise TimeoutError
        return end == "passed", ledger.with_name("report.json")

    monkeypatch.setattr(dispatcher, "rehearse", play)
    world.schedules, key = (DRILL,), "rehearsal/2026-11-25"
    service = await world.service()
    await world.see(service, -1, 0, 1)
    await asyncio.sleep(0)

    facts = {"key": key, "passed": end == "passed", "report": "report.json"}
    assert ([] if end == "hung" else [("drill", facts)]) == world.audited
    words = {"passed": [], "failed": [f"the drill {key} did NOT pass"], "hung": [f"the drill {key} did NOT run"]}
    assert (words[end], []) == (world.titles, world.presses)


async def test_a_drill_runs_in_a_process_of_its_own_and_its_report_is_kept(tmp_path: Path):
    """Under its key, beside the ledger."""
    passed, report = await rehearse("a/1", tmp_path / "ledger.db", "--accounts", "9", "--faults", "none")

    assert (True, tmp_path / "drills" / "a-1.json") == (passed, report)
    assert json.loads(report.read_text())["drill"]
