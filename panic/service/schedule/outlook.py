"""When schedules run next, and why then: for the command line and for the service."""

from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Literal
from zoneinfo import ZoneInfo

from panic.accounts.plan import plan, scope_of
from panic.accounts.roster import load as load_roster
from panic.config import Schedule, Settings
from panic.config.entries import SCHEDULES
from panic.config.times import WallTime
from panic.kit.errors import PanicError
from panic.report.headline import narrowing
from panic.service.schedule.almanac import load_calendar
from panic.service.schedule.calendar import Calendar, Session, exchange_zone, fallback, merge
from panic.service.schedule.due import Due, NoRun, upcoming

_NEAR_DAYS = 60
"""How long before its end the shipped calendar warns: an upgrade takes a while."""


@dataclass(frozen=True, slots=True)
class Coming:
    """One run to come, in UTC and by the clocks of its schedule."""

    at: datetime
    local: datetime
    key: str
    why: str
    session: Session | None


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One schedule and its next runs; why there are no more, and why it would press nobody, where that is so.

    Attributes:
        what: What it cancels, in words.
        accounts: In how many accounts, by the roster as it is; null for a drill, and where it would press nobody.
        open_now: What it would cancel if it ran now, in a line; null where nobody asked the broker.
    """

    name: str
    at: str
    drill: bool
    what: str
    accounts: int | None
    runs: tuple[Coming, ...]
    ends: str | None
    refused: str | None
    open_now: str | None = None

    @property
    def doubt(self) -> bool:
        """Whether the calendars disagree about one of its runs."""
        return any(run.session and run.session.doubt for run in self.runs)


@dataclass(frozen=True, slots=True)
class Calendars:
    """When the broker's calendar was fetched, how far the shipped one goes, and what is wrong with them."""

    broker_fetched_at: datetime | None
    shipped_until: date | None
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Schedules:
    """All schedules, worst first, and what is wrong with those that do not run."""

    schema: Literal["panic-schedule/1"]
    now: datetime
    schedules: tuple[Scheduled, ...]
    left_out: tuple[str, ...]
    calendar: Calendars

    @property
    def is_in_doubt(self) -> bool:
        """Whether somebody should see to it."""
        is_wrong = any(one.refused or one.ends or one.doubt for one in self.schedules)
        return is_wrong or bool(self.left_out or self.calendar.problems)


def outlook(settings: Settings, now: datetime, count: int) -> Schedules:
    """Read what is known of the next runs of every schedule; asks nobody but the disk."""
    cached = load_calendar(settings.ledger.file) if settings.ledger.file else Calendar()
    calendar, last = merge(cached, fallback()), fallback().last
    found = [_scheduled(schedule, settings, calendar, now, count) for schedule in settings.schedules]
    ends_soon = last is not None and (last - now.date()).days <= _NEAR_DAYS
    ending = (f"the shipped calendar ends on {last}: upgrade panic",) if ends_soon else ()
    return Schedules(
        schema="panic-schedule/1",
        now=now,
        schedules=tuple(sorted(found, key=_worst_first)),
        left_out=tuple(str(problem) for problem in settings.problems if problem.section == SCHEDULES),
        calendar=Calendars(
            broker_fetched_at=max((day.as_of for day in cached.days.values()), default=None),
            shipped_until=last,
            problems=(*calendar.problems, *ending),
        ),
    )


def _worst_first(one: Scheduled) -> tuple[bool, bool, list[datetime], str]:
    return not (one.ends or one.refused), not one.doubt, [run.at for run in one.runs[:1]], one.name


def _scheduled(schedule: Schedule, settings: Settings, calendar: Calendar, now: datetime, count: int) -> Scheduled:
    found = list(islice(upcoming(schedule, calendar, now), count))
    when = schedule.when
    zone = ZoneInfo(when.zone) if isinstance(when, WallTime) else exchange_zone()
    runs = (due for due in found if isinstance(due, Due))
    accounts, refused = _planned(schedule, settings)
    return Scheduled(
        name=schedule.name,
        at=schedule.at,
        drill=schedule.drill,
        what=what_of(schedule),
        accounts=accounts,
        runs=tuple(Coming(due.at, due.at.astimezone(zone), due.key, due.why, due.session) for due in runs),
        ends=next((last.why for last in found if isinstance(last, NoRun)), None),
        refused=refused,
    )


def what_of(schedule: Schedule) -> str:
    """Say what a schedule cancels, in words."""
    scope = scope_of(schedule)
    return "a drill" if schedule.drill else f"{scope}{narrowing(scope.filters.query())}"


def _planned(schedule: Schedule, settings: Settings) -> tuple[int | None, str | None]:
    """Count the accounts that a schedule would press, or say why it would press nobody."""
    if schedule.drill:
        return None, None
    try:
        roster = load_roster(settings.roster.file, settings.credentials)
        return len(plan(roster, scope_of(schedule), settings.credentials).accounts), None
    except PanicError as error:
        return None, str(error)
