"""The next runs of a schedule, and which are owed after a restart or when the clock jumped.

Each run has a key, the schedule's name and a day, such as "cleanup/2026-11-27". The caller writes
the key down first and never runs a recorded one again. A run more than LATE late is not run but reported:
an old cleanup must not surprise a desk that has moved on.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from panic.config import Schedule
from panic.config.times import SessionTime, WallTime
from panic.service.schedule.sessions import Calendar, Closed, Session, clock, exchange_zone

LATE = timedelta(seconds=300)
"""How long after its time a run may still begin."""

LOOK_BACK = timedelta(days=31)
"""How far back missed runs are reported one by one."""

_AROUND = timedelta(days=2)
"""No run is further than this from the day in its key: zones, and 600 minutes, and a day that a zone left out."""

_A_SECOND = timedelta(seconds=1)
_THE_LAST = date(9999, 1, 1)
_NOTES_MOST = 4
_SATURDAY = 5


@dataclass(frozen=True)
class Due:
    """One run.

    Attributes:
        at: When, UTC.
        key: What is written down before it begins: the schedule's name and the day it belongs to.
        why: Why then, where that needs a word.
        schedule: The schedule's name.
        session: The session of the exchange on that day; None where there is none, or it is not known.
    """

    at: datetime
    key: str
    why: str
    schedule: str
    session: Session | None = None

    @property
    def late_key(self) -> str:
        """What is written down when it is told that it is late, so that it is told once."""
        return f"{self.key}/late"


@dataclass(frozen=True)
class NoRun:
    """There is no further run of a schedule, and why."""

    why: str


Next: TypeAlias = Due | NoRun


def next_run(schedule: Schedule, calendar: Calendar, after: datetime) -> Next:
    """Give the first run later than `after`."""
    return next(upcoming(schedule, calendar, after))


def upcoming(schedule: Schedule, calendar: Calendar, after: datetime) -> Iterator[Next]:
    """Give every run later than `after`, in order; why there are no more comes last."""
    when, after = schedule.when, after.astimezone(UTC)
    if isinstance(when, WallTime):
        yield from _by_the_wall(schedule.name, when, calendar, after)
    else:
        yield from _by_the_session(schedule.name, when, calendar, after)


def between(schedule: Schedule, calendar: Calendar, since: datetime, until: datetime) -> tuple[Due, ...]:
    """Give the runs later than `since` and not later than `until`."""
    found = []
    for due in upcoming(schedule, calendar, since):
        if isinstance(due, NoRun) or due.at > until:
            break
        found.append(due)
    return tuple(found)


# ── a time of day ───────────────────────────────────────────────────────────────────────────────────────────


def _by_the_wall(name: str, when: WallTime, calendar: Calendar, after: datetime) -> Iterator[Next]:
    zone, before = ZoneInfo(when.zone), after
    for day in _days(after.date() - _AROUND, _THE_LAST):
        if day.weekday() not in when.days:
            continue
        at, note = moment(day, when.clock, zone)
        if at <= before:  # also where a zone left a whole day out: both days begin together
            continue
        before = at
        known = calendar.days.get(at.astimezone(exchange_zone()).date())
        session = known if isinstance(known, Session) else None
        notes = [note, *_about(session)]
        if isinstance(known, Closed) and not known.is_weekend:
            notes.append(f"the exchange is closed: {known.reason}")
        yield Due(at, f"{name}/{day}", "; ".join(filter(None, notes)), name, session)
    yield NoRun("there is no later date")


def moment(day: date, wall: time, zone: ZoneInfo) -> tuple[datetime, str]:
    """Tell when a clock on the wall shows a time on a day, in UTC, and a word where the clocks change."""
    naive = datetime.combine(day, wall)
    first, second = (naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first, ""
    if first < second:
        return first, f"the clocks go back and show {wall:%H:%M} twice: the first counts"
    before, after = second, first  # a clock that goes forward does so after the one and not after the other
    while after - before > _A_SECOND:
        middle = before + timedelta(seconds=(after - before) // _A_SECOND // 2)
        if middle.astimezone(zone).utcoffset() == before.astimezone(zone).utcoffset():
            before = middle
        else:
            after = middle
    return after, f"the clocks go forward and never show {wall:%H:%M}: it runs at {after.astimezone(zone):%H:%M}"


# ── a distance to a session's edge ──────────────────────────────────────────────────────────────────────────


def _by_the_session(name: str, when: SessionTime, calendar: Calendar, after: datetime) -> Iterator[Next]:
    first, last = min(calendar.days, default=date.max), calendar.last
    notes: list[str] = []
    for day in _days(max(after.date() - _AROUND, first), last or date.min):
        known = calendar.days.get(day)
        if isinstance(known, Session):
            at = (known.opens if when.edge == "open" else known.closes) + timedelta(minutes=when.minutes)
            if at > after:
                yield Due(at, f"{name}/{day}", "; ".join([*_about(known), *notes[-_NOTES_MOST:]]), name, known)
            notes = []
        elif day < after.date():
            continue
        elif known is None and day.weekday() < _SATURDAY:
            notes.append(f"no calendar knows whether there is a session on {day}")
        elif known and not known.is_weekend:
            notes.append(f"{day} is skipped: {known.reason}")
    notes.append(f"no calendar knows a day after {last}: upgrade panic" if last else "no calendar knows any day")
    yield NoRun("; ".join(notes[-_NOTES_MOST:]))


def _about(session: Session | None) -> list[str]:
    """What is out of the ordinary about a session."""
    if session is None:
        return []
    early = f"early close at {clock(session.closes)}" if session.early else ""
    return [note for note in (early, session.doubt) if note]


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)


# ── what is owed ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Owed:
    """What is to be done now.

    Attributes:
        run: The runs to begin, in order; their `key` is to be written down first.
        late: The runs that are not begun any more, in order; somebody is to be told, once `late_key` is written
            down.
        unknown: What was due so long ago that it is not told one by one; "" where there is no such time.
    """

    run: tuple[Due, ...]
    late: tuple[Due, ...]
    unknown: str


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

    Args:
        schedules: All of them.
        calendar: What counts now.
        seen: The last moment at which this was asked; None the first time ever, when nothing is owed yet.
        now: This moment.
        claimed: The keys, and late keys, that are written down.
        was: The calendar that counted then, if it was another: a close that is now known to be earlier can lie
            before `seen`, and nobody has run it.
    """
    seen = now if seen is None else min(seen, now)
    since = max(seen, now - LOOK_BACK)
    unknown = f"what was due from {seen:%Y-%m-%d %H:%M} to {since:%Y-%m-%d %H:%M} UTC" if since > seen else ""
    found = [due for schedule in schedules for due in _since(schedule, calendar, since, now, was)]
    open_ = sorted((due for due in found if due.key not in claimed), key=lambda due: (due.at, due.key))
    return Owed(
        run=tuple(due for due in open_ if now - due.at <= LATE),
        late=tuple(due for due in open_ if now - due.at > LATE and due.late_key not in claimed),
        unknown=unknown,
    )


def _since(
    schedule: Schedule, calendar: Calendar, since: datetime, now: datetime, was: Calendar | None
) -> tuple[Due, ...]:
    if was is None or was is calendar:
        return between(schedule, calendar, since, now)
    passed = {due.key for due in between(schedule, was, since - 2 * _AROUND, since)}
    recent = between(schedule, calendar, since - _AROUND, now)
    return tuple(due for due in recent if due.at > since or due.key not in passed)
