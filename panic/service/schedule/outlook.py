"""When schedules run next, and why then: for the command line and for the service."""

from dataclasses import asdict, dataclass
from datetime import date, datetime, tzinfo
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from panic.accounts.plan import plan, scope_of
from panic.accounts.roster import load as load_roster
from panic.config import Schedule, Settings
from panic.config.entries import SCHEDULES
from panic.config.times import WallTime
from panic.kit.errors import PanicError
from panic.service.schedule.files import load_calendar
from panic.service.schedule.next import Due, NoRun, upcoming
from panic.service.schedule.sessions import Calendar, exchange_zone, fallback, merge

_NEAR_DAYS = 60
"""How long before its end the shipped calendar warns: an upgrade takes a while."""


@dataclass(frozen=True)
class Line:
    """One schedule.

    Attributes:
        zone: Whose clocks its runs are shown by, beside UTC.
        runs: The next ones.
        refused: Why it would press nobody; "" where it would.
        ends: Why there are no more; "" where there are.
    """

    name: str
    at: str
    drill: bool
    zone: tzinfo
    runs: tuple[Due, ...]
    refused: str
    ends: str

    @property
    def doubt(self) -> bool:
        """Whether the calendars disagree about one of its runs."""
        return any(due.session and due.session.doubt for due in self.runs)

    def document(self) -> dict[str, object]:
        """Give it as JSON values."""
        runs = [
            {
                "at": due.at.isoformat(),
                "local": due.at.astimezone(self.zone).isoformat(),
                "key": due.key,
                "why": due.why,
                "session": due.session and asdict(due.session, dict_factory=_plain),
            }
            for due in self.runs
        ]
        ends, refused = self.ends or None, self.refused or None
        return {
            "name": self.name,
            "at": self.at,
            "drill": self.drill,
            "runs": runs,
            "ends": ends,
            "refused": refused,
        }


@dataclass(frozen=True)
class Outlook:
    """All schedules, worst first.

    Attributes:
        left_out: What is wrong with those that do not run.
        fetched_at: When the broker's calendar was fetched; None where there is none.
        last: The last day of the shipped calendar.
        problems: What is wrong with the calendars.
    """

    now: datetime
    schedules: tuple[Line, ...]
    left_out: tuple[str, ...]
    fetched_at: datetime | None
    last: date | None
    problems: tuple[str, ...]

    @property
    def is_in_doubt(self) -> bool:
        """Whether somebody should see to it."""
        is_wrong = any(one.refused or one.ends or one.doubt for one in self.schedules)
        return is_wrong or bool(self.left_out or self.problems)

    def document(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {
            "schema": "panic-schedule/1",
            "now": self.now.isoformat(),
            "schedules": [line.document() for line in self.schedules],
            "left_out": self.left_out,
            "calendar": {
                "broker_fetched_at": self.fetched_at and self.fetched_at.isoformat(),
                "shipped_until": self.last and self.last.isoformat(),
                "problems": self.problems,
            },
        }


def outlook(settings: Settings, now: datetime, count: int) -> Outlook:
    """Read what is known of the next runs of every schedule; asks nobody but the disk."""
    cached = load_calendar(settings.ledger.file) if settings.ledger.file else Calendar()
    calendar = merge(cached, fallback())
    lines = [_line(schedule, settings, calendar, now, count) for schedule in settings.schedules]
    lines.sort(
        key=lambda line: (
            not (line.ends or line.refused),
            not line.doubt,
            line.runs[0].at if line.runs else now,
            line.name,
        )
    )
    ending = (
        ()
        if (last := fallback().last) is None or (last - now.date()).days > _NEAR_DAYS
        else (f"the shipped calendar ends on {last}: upgrade panic",)
    )
    return Outlook(
        now=now,
        schedules=tuple(lines),
        left_out=tuple(str(problem) for problem in settings.problems if problem.section == SCHEDULES),
        fetched_at=max((day.as_of for day in cached.days.values()), default=None),
        last=last,
        problems=(*calendar.problems, *ending),
    )


def _refused(schedule: Schedule, settings: Settings) -> str:
    if schedule.drill:
        return ""
    try:
        plan(load_roster(settings.roster.file, settings.credentials), scope_of(schedule), settings.credentials)
    except PanicError as error:
        return str(error)
    return ""


def _line(schedule: Schedule, settings: Settings, calendar: Calendar, now: datetime, count: int) -> Line:
    found = list(islice(upcoming(schedule, calendar, now), count))
    when = schedule.when
    zone: tzinfo = ZoneInfo(when.zone) if isinstance(when, WallTime) else exchange_zone()
    return Line(
        name=schedule.name,
        at=schedule.at,
        drill=schedule.drill,
        zone=zone,
        runs=tuple(due for due in found if isinstance(due, Due)),
        refused=_refused(schedule, settings),
        ends=next((last.why for last in found if isinstance(last, NoRun)), ""),
    )


def _plain(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in pairs}
