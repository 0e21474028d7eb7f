"""How things stand: what a person looks at before, during and after a press.

What a disk has to tell is read aside, now and then, and never during a sweep; everything else is at hand.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from panic._version import VERSION
from panic.accounts.plan import scope_of
from panic.accounts.roster import Roster
from panic.config import Schedule
from panic.kit.words import clip
from panic.service.live import Live
from panic.service.parts import Parts
from panic.service.room.last_run import LastRunWatch
from panic.service.room.latch_watch import LATCH_S, LatchWatch
from panic.service.room.views import NextRun, Room, RoomFinding, RoomGroup, RoomRun, RoomSelfTest
from panic.service.schedule.next import Due, next_run
from panic.service.schedule.sessions import Calendar
from panic.service.selftest.proving import Proving

_NEVER = datetime.min.replace(tzinfo=UTC)


class Overview:
    """Knows how things stand.

    Args:
        parts: What the service is made of.
        calendar: The exchange's days, as far as they are known now.
    """

    def __init__(self, parts: Parts, calendar: Callable[[], Calendar]) -> None:
        self._parts, self._calendar = parts, calendar
        self.latch = LatchWatch(lambda: parts.settings)
        self.last_run = LastRunWatch(lambda: parts.settings.ledger)
        self._groups: tuple[Roster, int, tuple[RoomGroup, ...]] | None = None
        self._next: tuple[object, object, NextRun | None] | None = None
        self._reading: asyncio.Task[None] | None = None

    def expire(self) -> None:
        """Ask the ledger anew: a run has ended."""
        self.latch.expire()
        self.last_run.expire()

    # ── what is read aside ──────────────────────────────────────────────────────────────────────────────

    def refresh(self) -> "asyncio.Task[None]":
        """Read again what is old, aside; give the task, for who wants to wait for it."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name="panic-room-read")
        return self._reading

    async def known(self, within_s: float = LATCH_S) -> None:
        """Wait a moment for what is read aside; a disk that hangs keeps nobody."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await asyncio.shield(self.refresh())

    async def close(self) -> None:
        """Read nothing more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def _read(self) -> None:
        under_way = [live for live in self._parts.desk.live.values() if not live.is_over]
        if all(live.run.engine.swept.is_set() for live in under_way):
            await self.latch.refresh(is_quiet=not under_way)
            if not under_way:
                await self.last_run.refresh()

    # ── what it comes to ────────────────────────────────────────────────────────────────────────────────

    def view(self) -> Room:
        """Say how things stand."""
        parts, settings, why = self._parts, self._parts.settings, self._parts.ready()
        accounts, groups = self._accounts()
        here = parts.desk.live
        return Room(
            schema="panic-room/1",
            version=VERSION,
            base_url=settings.broker.base_url,
            contact=settings.broker.contact,
            drill=parts.drill,
            now=datetime.now(UTC),
            ready=not why,
            why=why,
            problems=tuple(map(str, parts.standby.status().get("problems", ()))),
            accounts=accounts,
            groups=groups,
            self_test=None if parts.proving is None else _self_test(parts.proving),
            latch=self.latch.view,
            next_run=self._next_run(settings.schedules),
            schedules=len(settings.schedules),
            live=tuple(_run(live) for live in [*here.values()][::-1] if not live.is_over),
            last=self.last_run.view(here),
            last_problem=self.last_run.problem,
        )

    def _accounts(self) -> tuple[int | None, tuple[RoomGroup, ...]]:
        roster = self._parts.standby.roster
        if roster is None:
            return None, ()
        if self._groups is None or self._groups[0] is not roster:
            covered = [account for account in roster.accounts if not account.excluded]
            count = Counter(account.group for account in covered if account.group)
            groups = tuple(RoomGroup(name, accounts) for name, accounts in sorted(count.items()))
            self._groups = roster, len(covered), groups
        return self._groups[1:]

    def _next_run(self, schedules: tuple[Schedule, ...]) -> NextRun | None:
        """Give what comes next; it is reckoned anew when it has come, or when a calendar or a schedule is new."""
        now, calendar, known = datetime.now(UTC), self._calendar(), self._next
        is_known = known is not None and known[0] is schedules and known[1] is calendar
        if known is None or not is_known or (known[2] is not None and known[2].at <= now):
            known = self._next = schedules, calendar, next_of(schedules, calendar, now)
        return known[2]


def next_of(schedules: tuple[Schedule, ...], calendar: Calendar, now: datetime) -> NextRun | None:
    """Give the earliest run of all schedules; None where none is known."""
    found = [(one, next_run(one, calendar, now)) for one in schedules]
    due = [(run, one) for one, run in found if isinstance(run, Due)]
    if not due:
        return None
    run, one = min(due, key=lambda pair: (pair[0].at, pair[0].key))
    return NextRun(run.schedule, run.at, "a drill" if one.drill else str(scope_of(one)), run.why, one.drill)


def _self_test(proving: Proving) -> RoomSelfTest:
    last, status = proving.last, proving.status()
    return RoomSelfTest(
        ok=status["ok"],
        ended_at=None if last is None else last.finished_at,
        age_s=status["age_s"],
        proven=status["proven"],
        every_s=status["every_s"],
        under_way=status["under_way"],
        states={} if last is None else {str(state): count for state, count in last.states.items()},
        findings=tuple(RoomFinding(one.code, one.text, one.remedy) for one in last.findings) if last else (),
    )


def _run(live: Live) -> RoomRun:
    run, press = live.run, live.run.prepared.press
    return RoomRun(
        run_id=run.id,
        source=press.source,
        by=clip(run.scrub(press.by)),
        reason=clip(run.scrub(press.reason.strip()), 1000),
        scope=str(press.scope),
        accounts=len(run.prepared.plan.accounts) + len(run.prepared.plan.unsent),
        drill=run.drill,
        started_at=run.started_at,
        elapsed_s=round((run.wall() - run.started_at).total_seconds(), 3),
        deadline_s=run.deadline_s,
    )


def without_times(room: Room) -> Room:
    """Give what has to change for the room to be told anew: a clock alone is no news."""
    self_test = room.self_test and replace(room.self_test, age_s=0.0, proven="")
    live = tuple(replace(one, elapsed_s=0.0) for one in room.live)
    return replace(room, now=_NEVER, self_test=self_test, live=live)
