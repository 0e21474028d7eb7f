"""The current state, for a person before, during and after a press. Nothing here waits for a disk."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from panic._version import VERSION
from panic.accounts.roster import Roster
from panic.broker.outcomes import Standing
from panic.config import Schedule
from panic.kit.background import Start
from panic.kit.words import clip
from panic.service.auth import Reach, covers
from panic.service.desk import Desk
from panic.service.live import Live
from panic.service.room.disk_watch import DiskWatch
from panic.service.room.views import NextRun, Room, RoomGroup, RoomRun, RoomSelfTest
from panic.service.schedule.calendar import Calendar
from panic.service.schedule.due import Due, upcoming
from panic.service.schedule.outlook import what_of
from panic.service.selftest.tester import SelfTester
from panic.service.standby import Standby

_LIMITED: Final = "who is limited to groups is told of the runs of these alone; see the list of runs"


@dataclass
class Overview:
    """Knows how things stand; `ready` says why a press would not work, in one word, empty if it would."""

    desk: Desk
    standby: Standby
    ready: Callable[[], str]
    self_test: SelfTester | None
    calendar: Callable[[], Calendar]
    drill: bool
    reading: Start

    def __post_init__(self) -> None:
        """Watch the disks."""
        self.disks = DiskWatch(self.desk, lambda: self.standby.settings, self.reading)

    def view(self, reach: Reach | None = None) -> Room:
        """Say how things stand, to somebody who sees the runs of some groups alone, or all of them."""
        settings, why, here = self.standby.settings, self.ready(), self.desk.live
        accounts, groups = _accounts(self.standby.roster)
        last, last_problem = self.disks.last_run(here) if reach is None else (None, _LIMITED)
        return Room(
            schema="panic-room/1",
            version=VERSION,
            base_url=settings.broker.base_url,
            contact=settings.broker.contact,
            drill=self.drill,
            now=datetime.now(UTC),
            ready=not why,
            why=why,
            problems=tuple(map(str, self.standby.status().get("problems", ()))),
            accounts=accounts,
            groups=groups,
            self_test=None if self.self_test is None else _self_test(self.self_test),
            latch=self.disks.latched,
            next_run=next_of(settings.schedules, self.calendar(), datetime.now(UTC)),
            schedules=len(settings.schedules),
            live=tuple(
                _run(live) for live in [*here.values()][::-1] if not live.is_over and covers(reach, live.scope)
            ),
            last=last,
            last_problem=last_problem,
            watching=0,
        )


def _accounts(roster: Roster | None) -> tuple[int | None, tuple[RoomGroup, ...]]:
    if roster is None:
        return None, ()
    count = Counter(account.group for account in roster.accounts if not account.excluded)
    return count.total(), tuple(RoomGroup(*group) for group in sorted(count.items()) if group[0])


def next_of(schedules: tuple[Schedule, ...], calendar: Calendar, now: datetime) -> NextRun | None:
    """Give the earliest run of all schedules; None where none is known."""
    found = [(one, next(upcoming(one, calendar, now))) for one in schedules]
    due = [(run, one) for one, run in found if isinstance(run, Due)]
    if not due:
        return None
    run, one = min(due, key=lambda pair: (pair[0].at, pair[0].key))
    return NextRun(one.name, run.at, what_of(one), run.why, one.drill)


def _self_test(self_test: SelfTester) -> RoomSelfTest:
    last, status = self_test.last, self_test.status()
    told = {"ended_at": last.finished_at, "states": last.states, "findings": last.findings} if last else {}
    return RoomSelfTest(**{**status, "ended_at": None, "findings": (), **told})


def _run(live: Live) -> RoomRun:
    run, press = live.run, live.run.prepared.press
    return RoomRun(
        run_id=run.id,
        source=press.source,
        by=clip(run.scrub(press.by)),
        reason=clip(run.scrub(press.reason.strip()), 1000),
        scope=str(press.scope),
        accounts=len(run.prepared.plan.accounts) + len(run.prepared.plan.unsent),
        clear=sum(one.standing is Standing.CLEAR for one in run.cases) if run.engine.swept.is_set() else 0,
        drill=run.drill,
        started_at=run.started_at,
        elapsed_s=run.reporter.elapsed_s,
        deadline_s=run.reporter.ends_s,
    )
