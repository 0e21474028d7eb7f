"""The next runs of a schedule, and which are owed after a restart or when the clock jumped.

Each run has a key, such as "cleanup/2026-11-27": the caller claims it first, and never runs a claimed one again. A
run more than LATE late is not run but reported: an old cleanup must not surprise a desk that has moved on.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from typing import TypeAlias
from zoneinfo import ZoneInfo

from panic.config import Schedule
from panic.config.times import SessionTime, WallTime
from panic.service.schedule.calendar import SATURDAY, Calendar, Closed, Session, clock, exchange_zone

LATE = timedelta(seconds=300)
"""How long after its time a run may still begin."""

LATE_KEY = "/late"

LOOK_BACK = timedelta(days=31)
"""How far back missed runs are reported: a clock that came up in 1970 must not page a thousand times."""

_AROUND = timedelta(days=2)
"""No run is further than this from the day in its key: zones, and 600 minutes, and a day that a zone left out."""

_THE_LAST = date(9999, 1, 1)
_NOTES_MOST = 4


@dataclass(frozen=True)
class Due:
    """One run of a schedule, in UTC: its key, why then if that needs a word, and its session if one is known."""

    at: datetime
    key: str
    why: str
    schedule: Schedule
    session: Session | None = None

    @property
    def late_key(self) -> str:
        """What is claimed when it is told that it is late, so that it is told once."""
        return self.key + LATE_KEY


@dataclass(frozen=True)
class NoRun:
    """There is no further run of a schedule, and why."""

    why: str


Next: TypeAlias = Due | NoRun


def upcoming(schedule: Schedule, calendar: Calendar, after: datetime) -> Iterator[Next]:
    """Give every run later than `after`, in order; why there are no more comes last."""
    when, after = schedule.when, after.astimezone(UTC)
    if isinstance(when, WallTime):
        yield from _by_the_wall(schedule, when, calendar, after)
    else:
        yield from _by_the_session(schedule, when, calendar, after)


def between(schedule: Schedule, calendar: Calendar, since: datetime, until: datetime) -> tuple[Due, ...]:
    """Give the runs later than `since` and not later than `until`."""
    runs = (due for due in upcoming(schedule, calendar, since) if isinstance(due, Due))
    return tuple(takewhile(lambda due: due.at <= until, runs))


def _by_the_wall(schedule: Schedule, when: WallTime, calendar: Calendar, after: datetime) -> Iterator[Next]:
    zone, before = ZoneInfo(when.zone), after
    for day in _days(after.date() - _AROUND, _THE_LAST):
        if day.weekday() not in when.days:
            continue
        at = datetime.combine(day, when.clock, zone).astimezone(UTC)  # of a time that comes twice the first
        if at <= before:  # also where a zone left a whole day out: both days begin together
            continue
        before = at
        known = calendar.days.get(at.astimezone(exchange_zone()).date())
        session = known if isinstance(known, Session) else None
        notes = _about(session)
        if isinstance(known, Closed) and known.day.weekday() < SATURDAY:
            notes.append(f"the exchange is closed: {known.reason}")
        yield Due(at, f"{schedule.name}/{day}", "; ".join(notes), schedule, session)
    yield NoRun("there is no later date")


def _by_the_session(schedule: Schedule, when: SessionTime, calendar: Calendar, after: datetime) -> Iterator[Next]:
    first, last = min(calendar.days, default=date.max), calendar.last
    notes: list[str] = []
    for day in _days(max(after.date() - _AROUND, first), last or date.min):
        known = calendar.days.get(day)
        if isinstance(known, Session):
            at = (known.opens if when.edge == "open" else known.closes) + timedelta(minutes=when.minutes)
            if at > after:
                why = "; ".join([*_about(known), *notes[-_NOTES_MOST:]])
                yield Due(at, f"{schedule.name}/{day}", why, schedule, known)
            notes = []
        elif day < after.date():
            continue
        elif day.weekday() < SATURDAY:
            unknown = f"no calendar knows whether there is a session on {day}"
            notes.append(f"{day} is skipped: {known.reason}" if known else unknown)
    notes.append(f"no calendar knows a day after {last}: upgrade panic" if last else "no calendar knows any day")
    yield NoRun("; ".join(notes[-_NOTES_MOST:]))


def _about(session: Session | None) -> list[str]:
    """What is out of the ordinary about a session."""
    if session is None:
        return []
    early = f"early close at {clock(session.closes)}" if session.early else ""
    return [note for note in (early, session.doubt) if note]


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


@dataclass(frozen=True)
class Owed:
    """The runs to begin now, and those that are not begun any more: somebody is to be told. In order."""

    run: tuple[Due, ...]
    late: tuple[Due, ...]


def owed(
    schedules: Iterable[Schedule],
    calendar: Calendar,
    *,
    seen: datetime | None,
    now: datetime,
    claimed: Collection[str],
    was: Calendar | None = None,
) -> Owed:
    """Tell what is owed at `now`: after a wait, a restart, or a jump of the clock in either direction.

    A run that was late by a clock that was wrong, and then comes in time, is run: it has not been.

    `seen` is the last moment at which this was asked; None the first time ever, when nothing is owed yet. `was` is
    the calendar that counted then: a close that is now known to be earlier can lie before `seen`, and nobody has
    run it.
    """
    seen = now if seen is None else min(seen, now)
    since = max(seen, now - LOOK_BACK)
    found = [due for schedule in schedules for due in _since(schedule, calendar, since, now, was)]
    open_ = sorted((due for due in found if due.key not in claimed), key=lambda due: (due.at, due.key))
    return Owed(
        run=tuple(due for due in open_ if now - due.at <= LATE),
        late=tuple(due for due in open_ if now - due.at > LATE and due.late_key not in claimed),
    )


def _since(
    schedule: Schedule, calendar: Calendar, since: datetime, now: datetime, was: Calendar | None
) -> tuple[Due, ...]:
    if was is None or was is calendar:
        return between(schedule, calendar, since, now)
    passed = {due.key for due in between(schedule, was, since - 2 * _AROUND, since)}
    recent = between(schedule, calendar, since - _AROUND, now)
    return tuple(due for due in recent if due.at > since or due.key not in passed)
