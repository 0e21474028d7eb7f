"""How things stand in the room: what a person looks at before, during and after a press.

What a disk has to tell is read aside, now and then, and never during a sweep; everything else is at hand.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic
from typing import Final

import structlog

from panic import history, latch
from panic._version import VERSION
from panic.background import Aside
from panic.config import LedgerFiles, Settings
from panic.engagement import HoldView, look
from panic.errors import PanicError
from panic.latch import Hold, State
from panic.plan import scope_of
from panic.record import LastPress
from panic.roster import Roster
from panic.schedule.next import Due, next_run
from panic.schedule.sessions import Calendar
from panic.service.desk import Live
from panic.service.parts import Parts
from panic.service.room.views import (
    LastRun,
    NextRun,
    Room,
    RoomFinding,
    RoomGroup,
    RoomLatch,
    RoomRun,
    RoomSelfTest,
)
from panic.words import clip

log = structlog.get_logger()

LATCH_S: Final = 1.0
"""So old may be what is said of the latch."""

DOUBTS_S: Final = 15.0
"""So often the ledger is asked whether what is engaged is clear and which run was the last; and after each run."""

_ASIDE_S = 5.0
_UNSEEN = "whether it is clear was not looked at yet"
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class Engaged:
    """What is known of the latch, and since when.

    Attributes:
        at: When its file was read.
        looked_at: When the ledger was.
    """

    state: State | None = None
    problem: str = "it was not read yet"
    holds: tuple[Hold, ...] = ()
    doubts: dict[Hold, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    at: float = float("-inf")
    looked_at: float = float("-inf")

    @property
    def view(self) -> RoomLatch:
        """What the room is told."""
        if self.state is None:
            return RoomLatch(known=False, engaged=False, problem=self.problem)
        holds = self.holds if self.state.problem else self.state.holds
        shown = tuple(
            HoldView(*hold, doubt="" if hold in self.holds and hold not in self.doubts else self._doubt(hold))
            for hold in holds
        )
        return RoomLatch(
            known=True, engaged=self.state.engaged, problem=self.state.problem, holds=shown, warnings=self.warnings
        )

    def _doubt(self, hold: Hold) -> str:
        return self.doubts.get(hold, _UNSEEN)


class Situation:
    """Knows how things stand.

    Args:
        parts: What the service is made of.
        calendar: The exchange's days, as far as they are known now.
    """

    def __init__(self, parts: Parts, calendar: Callable[[], Calendar]) -> None:
        self._parts, self._calendar = parts, calendar
        self._latch = Engaged()
        self._recorded: tuple[LastPress, LastRun] | None = None
        self._last_problem = "it was not looked up yet"
        self._last_at = float("-inf")
        self._roster: tuple[Roster, int, tuple[RoomGroup, ...]] | None = None
        self._next: tuple[object, object, NextRun | None] | None = None
        self._reading: asyncio.Task[None] | None = None
        # A page that is open asks again and again, and a disk that hangs keeps each place: these are only ours.
        self._latch_aside, self._ledger_aside = Aside(1), Aside(1)

    def observe(self, what: str, _: Live) -> None:
        """Take what the desk tells."""
        if what == "finished":
            self._latch.looked_at = self._last_at = float("-inf")

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
        if any(not live.run.engine.swept.is_set() for live in under_way):
            return
        if monotonic() - self._latch.at >= LATCH_S:
            await self._read_latch(self._parts.settings, is_quiet=not under_way)
        if monotonic() - self._last_at >= DOUBTS_S and not under_way:
            await self._look_back(self._parts.settings.ledger)

    async def _read_latch(self, settings: Settings, *, is_quiet: bool) -> None:
        known, file = self._latch, settings.latch.file
        if file is None:
            self._latch = Engaged(problem="the settings name no [latch] file", at=monotonic())
            return
        try:
            state = await self._latch_aside.do(lambda: latch.read(file), "room-latch", _ASIDE_S)
        except (TimeoutError, OSError, RuntimeError) as error:
            self._latch = Engaged(problem=f"it does not answer: {type(error).__name__}", at=monotonic())
            return
        is_new = known.state != state
        known.state, known.problem, known.at = state, "", monotonic()
        if is_quiet and (is_new or known.at - known.looked_at >= DOUBTS_S):
            await self._look(settings)

    async def _look(self, settings: Settings) -> None:
        """Ask the ledger what it says of what is engaged."""
        known = self._latch
        try:
            found = await self._ledger_aside.do(lambda: look(settings), "room-engaged", _ASIDE_S)
        except (TimeoutError, OSError, RuntimeError, ValueError, PanicError) as error:
            known.doubts = dict.fromkeys(known.holds, f"the ledger does not answer: {type(error).__name__}")
        else:
            known.state, known.holds, known.doubts = found.state, found.holds, found.doubts
            known.warnings = found.warnings
        known.looked_at = monotonic()

    async def _look_back(self, ledger: LedgerFiles) -> None:
        """Learn which run was the last: somebody may have pressed at a terminal, or before this service began."""
        self._last_at = monotonic()
        if ledger.file is None:
            self._last_problem = "there is no ledger, and nothing is known of other runs"
            return
        try:
            self._recorded = await self._ledger_aside.do(lambda: _last_of(ledger), "room-last", _ASIDE_S)
        except (TimeoutError, OSError, RuntimeError, ValueError, PanicError) as error:
            self._last_problem = f"the ledger does not answer: {type(error).__name__}"
        else:
            self._last_problem = ""

    # ── what it comes to ────────────────────────────────────────────────────────────────────────────────

    def view(self) -> Room:
        """Say how things stand."""
        parts, settings, why = self._parts, self._parts.settings, self._parts.ready()
        accounts, groups = self._accounts()
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
            self_test=self._self_test(),
            latch=self._latch.view,
            next_run=self._next_run(settings),
            schedules=len(settings.schedules),
            live=tuple(_run(live) for live in [*parts.desk.live.values()][::-1] if not live.is_over),
            last=self._last_run(),
            last_problem=self._last_problem,
        )

    def _last_run(self) -> LastRun | None:
        """Give the run that was pressed last, of those on record and those that are over here."""
        over = {run: live for run, live in self._parts.desk.live.items() if live.is_over}
        press, told = self._recorded or (None, None)
        order = history.by_last_press([press] if press else [], [live.run.last_press for live in over.values()])
        return _ended(over[order[-1]]) if order and order[-1] in over else told

    def _accounts(self) -> tuple[int | None, tuple[RoomGroup, ...]]:
        roster = self._parts.standby.roster
        if roster is None:
            return None, ()
        if self._roster is None or self._roster[0] is not roster:
            covered = [account for account in roster.accounts if not account.excluded]
            count = Counter(account.group for account in covered if account.group)
            groups = tuple(RoomGroup(name, accounts) for name, accounts in sorted(count.items()))
            self._roster = roster, len(covered), groups
        return self._roster[1:]

    def _self_test(self) -> RoomSelfTest | None:
        proving = self._parts.proving
        if proving is None:
            return None
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

    def _next_run(self, settings: Settings) -> NextRun | None:
        """Give what comes next; it is reckoned anew when it has come, or when a calendar or a schedule is new."""
        now, calendar = datetime.now(UTC), self._calendar()
        known = self._next
        if (
            known
            and known[0] is settings.schedules
            and known[1] is calendar
            and (not known[2] or known[2].at > now)
        ):
            return known[2]
        found = [(one, next_run(one, calendar, now)) for one in settings.schedules]
        due = min(((run.at, run, one) for one, run in found if isinstance(run, Due)), key=_when, default=None)
        view = None
        if due is not None:
            at, run, one = due
            view = NextRun(run.schedule, at, "a drill" if one.drill else str(scope_of(one)), run.why, one.drill)
        self._next = settings.schedules, calendar, view
        return view


def _when(due: tuple[datetime, Due, object]) -> tuple[datetime, str]:
    return due[0], due[1].key


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


def _ended(live: Live) -> LastRun:
    report, run = live.report, live.run
    verdict = report.verdict if report and report.finished else None
    return LastRun(run.id, verdict, report.finished_at if report else run.started_at, run.drill)


def _last_of(ledger: LedgerFiles) -> tuple[LastPress, LastRun] | None:
    one = max(history.runs(ledger)[0], key=lambda one: one.pressed_last, default=None)
    if one is None:
        return None
    (one,) = history.checked(ledger, [one])
    verdict = one.finished.verdict if one.finished else None
    at = one.finished.finished_at if one.finished else one.pressed.started_at
    return one.last_press, LastRun(one.run, verdict, at, one.pressed.drill)


def without_times(room: Room) -> Room:
    """Give what has to change for the room to be told anew: a clock alone is no news."""
    self_test = room.self_test and replace(room.self_test, age_s=0.0, proven="")
    live = tuple(replace(one, elapsed_s=0.0) for one in room.live)
    return replace(room, now=_NEVER, self_test=self_test, live=live)
