"""Schedules in the service: once or told, whatever the clock, the ledger and other services do."""

import asyncio
import json
import sqlite3
import threading
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from panic.config import Broker, LedgerFiles, RosterFile, Schedule, Settings
from panic.errors import ConfigurationError, Problem
from panic.ledger.events import Event, encode
from panic.ledger.store import SqliteStore
from panic.notify import Notice
from panic.plan import Scope
from panic.record import Kind
from panic.run.press import Press
from panic.secret import Key
from panic.service import claims, clockwork
from panic.service.clockwork import Clockwork
from panic.service.desk import Pressing
from panic.simulator import Simulator

DUE = datetime(2026, 11, 25, 20, 45, tzinfo=UTC)
"""A Wednesday, 15:45 in New York."""

CLEANUP = Schedule(name="cleanup", at="15 minutes before close", all=True, cancels_gtc_and_close_orders=True)
KEY = "cleanup/2026-11-25"


class _Run:
    id = "run-1"


class _Live:
    run = _Run()


@dataclass
class World:
    """A service that can be started again and again, with a clock that is set by hand."""

    folder: Path
    schedules: tuple[Schedule, ...] = (CLEANUP,)
    base_url: str = "http://127.0.0.1:9"
    now: datetime = DUE - timedelta(hours=1)
    presses: list[Press] = field(default_factory=list)
    told: list[Notice] = field(default_factory=list)
    audited: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refuses: Exception | None = None

    @property
    def settings(self) -> Settings:
        return Settings(
            broker=Broker(base_url=self.base_url),
            roster=RosterFile(file=self.folder / "accounts.csv"),
            ledger=LedgerFiles(file=self.folder / "ledger.db", fallback=self.folder / "second.db"),
            schedules=self.schedules,
        )

    @property
    def keys(self) -> dict[str, Key]:
        return {}

    def pressable(self, scope: Scope) -> Scope | None:
        return scope

    def press(self, press: Press, *, automated: bool = False) -> Pressing:
        """Press as a desk does."""
        assert automated
        if self.refuses is not None:
            raise self.refuses
        self.presses.append(press)
        body = {"key": press.key}
        event = Event("run-1", Kind.PRESSED, f"run-{len(self.presses)}", self.now.isoformat(), body)
        with closing(SqliteStore(self.folder / "ledger.db")) as store:
            store.append([(event.run, event.kind, encode(event))])
        return Pressing(cast("Any", _Live()))

    async def service(self) -> Clockwork:
        """Start a service, but for its loop."""
        one = Clockwork(
            self, self, self.told.append, lambda what, body: self.audited.append((what, body)), lambda: self.now
        )
        await one.learn()
        return one

    async def see(self, one: Clockwork, moment: datetime) -> None:
        """Let a service look at its clock at a moment."""
        self.now = moment
        await one.turn()

    @property
    def titles(self) -> list[str]:
        return [one.title for one in self.told if one.kind == "page"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_a_schedule_presses_at_its_time_and_once(world: World):
    """Not a second before; its reason says which it is, for the report and the ledger."""
    service = await world.service()
    for second in range(-3, 5):
        await world.see(service, DUE + timedelta(seconds=second))
        assert (second >= 0) == bool(world.presses)

    assert [("schedule", "schedule cleanup", True)] == [(p.source, p.by, p.scope.all) for p in world.presses]
    assert world.presses[0].reason.endswith(KEY)
    assert [] == world.told


async def test_started_again_at_every_second_around_its_time_it_runs_once_or_is_told(tmp_path: Path):
    """Dead for a moment or for an hour, whenever: one press, or one page, and never two."""
    for down_at in range(-4, 5):
        for down_s in (1, 2, 5, 290, 310, 3600):
            world = World(tmp_path / f"{down_at}-{down_s}")
            world.folder.mkdir()
            first = await world.service()
            for second in range(-6, down_at):
                await world.see(first, DUE + timedelta(seconds=second))
            up_at = down_at + down_s
            second_service = await world.service()  # the first was killed, and could write nothing more down
            for second in range(up_at, max(up_at, 0) + 3):
                await world.see(second_service, DUE + timedelta(seconds=second))

            assert 1 == len(world.presses) + len(world.titles), (down_at, down_s, world.titles)
            assert bool(world.presses) == (down_at > 0 or up_at <= 300)


async def test_told_to_end_at_its_time_it_leaves_the_run_to_the_next_service(world: World):
    """What was due in the moment of the end is still owed after the restart."""
    first = await world.service()
    await world.see(first, DUE - timedelta(seconds=1))
    world.now = DUE + timedelta(milliseconds=20)
    await first.close()
    await world.see(await world.service(), DUE + timedelta(seconds=3))

    assert (1, []) == (len(world.presses), world.titles)


async def test_a_service_that_was_stopped_does_not_tell_what_another_one_ran(world: World):
    """It comes back too late to run it, and looks whether anybody did."""
    one, stopped = await world.service(), await world.service()
    for service in (one, stopped):
        await world.see(service, DUE - timedelta(seconds=1))
    await world.see(one, DUE)
    await world.see(stopped, DUE + timedelta(minutes=6))

    assert (1, []) == (len(world.presses), world.titles)


async def test_a_file_that_does_not_say_when_the_clock_was_looked_at_is_told(world: World):
    """It is not taken for a first start: something may have been missed."""
    (world.folder / "clock.json").write_text("")
    await world.service()

    assert ["schedules may have been missed"] == world.titles


async def test_two_services_on_one_ledger_press_once(world: World):
    """Whoever writes the key down first has it."""
    one, other = await world.service(), await world.service()
    for service in (one, other):
        await world.see(service, DUE - timedelta(seconds=1))
    world.now = DUE
    await asyncio.gather(one.turn(), other.turn())

    assert 1 == len(world.presses)
    assert [] == world.told


async def test_a_clock_that_is_set_back_runs_nothing_twice(world: World):
    """And one that is set forward tells what it jumped over."""
    service = await world.service()
    await world.see(service, DUE - timedelta(seconds=1))
    await world.see(service, DUE + timedelta(seconds=1))
    await world.see(service, DUE - timedelta(hours=3))
    await world.see(service, DUE + timedelta(seconds=2))
    await world.see(service, DUE + timedelta(days=6, hours=1))

    assert 1 == len(world.presses)
    assert {"cleanup/2026-11-27", "cleanup/2026-11-30"} <= {title.split(" ")[0] for title in world.titles}


async def test_a_ledger_that_cannot_be_written_is_told_and_nothing_runs(world: World):
    """A cleanup is no emergency: unless it can be written down it does not begin; then it is too late."""
    (world.folder / "ledger.db").mkdir()
    service = await world.service()
    await world.see(service, DUE - timedelta(seconds=1))
    for second in (0, 1, 2, 400):
        await world.see(service, DUE + timedelta(seconds=second))

    assert [] == world.presses
    assert {f"{KEY} cannot begin", f"{KEY} did NOT run"} == set(world.titles)


async def test_a_ledger_that_is_well_again_lets_it_begin(world: World):
    """It is tried again each second, until it is late."""
    (world.folder / "ledger.db").mkdir()
    service = await world.service()
    await world.see(service, DUE)
    (world.folder / "ledger.db").rmdir()
    await world.see(service, DUE + timedelta(seconds=9))

    assert 0 == len(world.presses) or [KEY] == [p.reason.rpartition(" ")[2] for p in world.presses]
    assert {f"{KEY} cannot begin"} >= set(world.titles)


async def test_a_claim_that_took_too_long_is_not_lost(world: World, monkeypatch: pytest.MonkeyPatch):
    """The ledger answers only after it was given up: the run begins then, once, and nobody else has it."""
    answers = threading.Event()

    def slow(*words: Any) -> bool:
        answers.wait(10)
        return claim(*words)

    claim = claims.claim
    monkeypatch.setattr(claims, "claim", slow)
    monkeypatch.setattr(clockwork, "LEDGER_S", 0.05)
    service = await world.service()
    await world.see(service, DUE - timedelta(seconds=1))
    await world.see(service, DUE)
    before = len(world.presses)
    answers.set()
    monkeypatch.setattr(clockwork, "LEDGER_S", 5.0)
    await world.see(service, DUE + timedelta(seconds=6))
    await world.see(service, DUE + timedelta(seconds=7))

    assert (0, 1) == (before, len(world.presses))
    assert [f"{KEY} cannot begin"] == world.titles


async def test_a_service_that_died_in_the_moment_of_beginning_is_told_of(world: World):
    """The key is written down, and no run of it is on record."""
    claims.claim(world.settings.ledger, KEY, DUE)
    world.now = DUE + timedelta(seconds=20)
    await world.service()

    assert [f"{KEY} did NOT run"] == world.titles


async def test_a_press_that_could_not_be_made_is_told(world: World):
    """No usable account, or a service that ends: somebody hears of it, with the reason."""
    world.refuses = ConfigurationError([Problem("no account can be fired", "Mend the keys.")])
    service = await world.service()
    await world.see(service, DUE - timedelta(seconds=1))
    await world.see(service, DUE)

    assert [f"{KEY} did NOT run"] == world.titles
    assert "no account can be fired" in world.told[0].text


async def test_on_a_holiday_and_after_an_early_close_nothing_surprises(world: World):
    """Thanksgiving has no session; on the day after, the close is at 13:00 and the cleanup before that."""
    service = await world.service()
    await world.see(service, DUE + timedelta(minutes=6))
    world.presses.clear()
    world.told.clear()
    moment = datetime(2026, 11, 26, 0, 0, tzinfo=UTC)
    while moment < datetime(2026, 11, 28, 0, 0, tzinfo=UTC):
        await world.see(service, moment)
        moment += timedelta(minutes=1)

    assert ["cleanup/2026-11-27"] == [p.reason.rpartition(" ")[2] for p in world.presses]
    assert [] == world.told


async def test_when_the_calendars_disagree_somebody_is_told_and_the_earlier_close_counts(world: World):
    """The broker says that Wednesday closes early: told once, at the start of that day."""
    async with Simulator([], special_days={DUE.date(): "EARLY_CLOSE"}, wall_clock=DUE.timestamp) as broker:
        world.base_url = broker.base_url
        service = await world.service()
        keys = {"default": Key("sim.key")}
        await service.almanac.refresh(world.settings, keys, datetime(2026, 11, 25, 12, 0, tzinfo=UTC))
        for minute in range(0, 600, 5):
            await world.see(service, datetime(2026, 11, 25, 12, 0, tzinfo=UTC) + timedelta(minutes=minute))

    assert ["the calendars disagree about 2026-11-25"] == world.titles
    assert 1 == len(world.presses)


async def test_a_drill_by_schedule_is_put_on_record(world: World, monkeypatch: pytest.MonkeyPatch):
    """It runs in a process of its own; its report is kept, and its digest stands in the ledger."""
    monkeypatch.setattr(clockwork, "DRILL", ("drill", "--accounts", "9", "--faults", "none"))
    world.schedules = (Schedule(name="rehearsal", at="15:45 America/New_York on weekdays", drill=True),)
    service = await world.service()
    await world.see(service, DUE - timedelta(seconds=1))
    await world.see(service, DUE)
    await asyncio.gather(*service._drills)  # they take as long as a drill does

    assert [("drill", True)] == [(what, body["passed"]) for what, body in world.audited]
    report = json.loads((world.folder / "drills" / world.audited[0][1]["report"]).read_text())
    assert report["drill"]
    assert [] == world.presses


def test_a_key_is_claimed_once_by_many(world: World):
    """Also where it is the beginning of another key."""
    ledger = world.settings.ledger
    taken = [claims.claim(ledger, key, DUE) for key in ("a/1", "a/1", "a/11", "a/1/late", "a/11")]

    assert [True, False, True, True, False] == taken
    assert {"a/1", "a/11", "a/1/late"} == claims.claimed(ledger)
    with closing(sqlite3.connect(world.folder / "ledger.db")) as connection:
        assert Counter({"claimed": 3}) == Counter(
            kind for (kind,) in connection.execute("SELECT kind FROM events")
        )
