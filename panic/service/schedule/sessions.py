"""The sessions of US equities: as the broker tells them, and as the calendar that is shipped does.

Neither is believed alone. What the broker says is read tolerantly; where it says nothing, the shipped calendar
counts; where the two disagree, there is a session if one of them says so, and the earlier hour counts: a cleanup
that comes too early can be repeated, one that comes after the close is none.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from importlib import resources
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from panic.kit.words import clip

BROKER, FALLBACK = "broker", "shipped"
MARKET = "us_equities"
ZONE = "America/New_York"

_REGULAR = timedelta(hours=6, minutes=30)
_LONGEST = timedelta(hours=24)
_CLOSED_TYPES = {"HOLIDAY": "holiday", "WEEKEND": "weekend"}
_SATURDAY = 5


@dataclass(frozen=True)
class Session:
    """The regular session of one day; `opens` and `closes` are in UTC.

    Attributes:
        day: The exchange's date.
        early: Whether it closes earlier than usual.
        source: Who says so: BROKER or FALLBACK.
        as_of: When it was fetched, or made.
        doubt: What the other calendar says instead; "" where nobody disagrees.
    """

    day: date
    opens: datetime
    closes: datetime
    early: bool
    source: str
    as_of: datetime
    doubt: str = ""


@dataclass(frozen=True)
class Closed:
    """A day without a session; `reason` says why, the other attributes as a session's."""

    day: date
    reason: str
    source: str
    as_of: datetime

    @property
    def is_weekend(self) -> bool:
        """Whether nobody expects a session."""
        return self.day.weekday() >= _SATURDAY


Day: TypeAlias = Session | Closed


@dataclass(frozen=True)
class Calendar:
    """What is known of some days.

    Attributes:
        days: The days that it knows.
        problems: What could not be understood.
    """

    days: Mapping[date, Day] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def last(self) -> date | None:
        """The last day that it knows."""
        return max(self.days, default=None)


# ── the broker's ────────────────────────────────────────────────────────────────────────────────────────────


def from_broker(found: Iterable[object], fetched_at: datetime) -> Calendar:
    """Read the days of the broker's answers, fetched at that time; what cannot be read is not known."""
    days: dict[date, Day] = {}
    problems: list[str] = []
    for one in found:
        if not isinstance(one, dict) or one.get("market", MARKET) != MARKET:
            continue
        day = _date(one.get("date"))
        told = _told(one, day, fetched_at) if day else None
        if told:
            days[told.day] = told
        else:
            problems.append(f"the broker's calendar of {clip(str(one.get('date')), 20)} cannot be understood")
    return Calendar(days, tuple(dict.fromkeys(problems)))


def _told(one: Mapping[str, Any], day: date, fetched_at: datetime) -> Day | None:
    status = one.get("status")
    kind = str(status.get("day_type")) if isinstance(status, dict) else ""
    sessions = one.get("today_sessions")
    regular = sessions.get("regular") if isinstance(sessions, dict) else None
    session = _session(regular, one.get("timezone"), fetched_at)
    if session and session.day == day:
        doubt = f"the broker calls it a {_CLOSED_TYPES[kind]} and gives its hours" if kind in _CLOSED_TYPES else ""
        return replace(session, early=session.early or kind == "EARLY_CLOSE", doubt=doubt)
    if kind in _CLOSED_TYPES and not regular:
        return Closed(day, _CLOSED_TYPES[kind], BROKER, fetched_at)
    return None


def _session(regular: object, zone: object, fetched_at: datetime) -> Session | None:
    if not isinstance(regular, dict):
        return None
    opens, closes = (_time(regular.get(edge), zone) for edge in ("open", "close"))
    if not opens or not closes or not timedelta() < closes - opens <= _LONGEST:
        return None
    # In UTC and in New York a regular session begins on the same date.
    return Session(opens.date(), opens, closes, closes - opens < _REGULAR, BROKER, fetched_at)


def _date(value: object) -> date | None:
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _time(value: object, zone: object) -> datetime | None:
    """A time, in UTC; one without an offset is the zone's that the document names."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        if time and time.tzinfo is None:
            time = time.replace(tzinfo=ZoneInfo(zone)) if isinstance(zone, str) else None
        return time.astimezone(UTC) if time else None
    except (ValueError, OverflowError, KeyError, OSError):  # the last two: there is no such zone
        return None


# ── what is shipped ─────────────────────────────────────────────────────────────────────────────────────────


@cache
def fallback() -> Calendar:
    """Give the calendar that panic ships; it is empty, and says why, on a machine without time zones."""
    document = json.loads((resources.files("panic.service.schedule") / f"{MARKET}.json").read_text("utf-8"))
    try:
        zone = ZoneInfo(ZONE)
    except (KeyError, OSError) as error:
        return Calendar(problems=(f"this machine knows no time zones: install tzdata ({clip(str(error), 80)})",))
    first, last = date.fromisoformat(document["first"]), date.fromisoformat(document["last"])
    made = datetime.fromisoformat(document["made"]).replace(tzinfo=UTC)
    holidays, early = document["holidays"], document["early_closes"]

    def moment(day: date, clock: str) -> datetime:
        return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=zone).astimezone(UTC)

    def told(day: date) -> Day:
        iso = day.isoformat()
        if day.weekday() >= _SATURDAY or iso in holidays:
            return Closed(day, holidays.get(iso, "weekend"), FALLBACK, made)
        opens, closes = moment(day, document["opens"]), moment(day, early.get(iso, document["closes"]))
        return Session(day, opens, closes, iso in early, FALLBACK, made)

    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return Calendar({day: told(day) for day in days})


# ── both ────────────────────────────────────────────────────────────────────────────────────────────────────


def disagreement(broker: Calendar, shipped: Calendar, day: date) -> str:
    """Say how the two differ about a day, and what counts; "" where they do not, or one knows nothing of it."""
    theirs, ours = broker.days.get(day), shipped.days.get(day)
    if theirs is None or ours is None:
        return ""
    if isinstance(theirs, Closed) and isinstance(ours, Closed):
        return ""
    if isinstance(theirs, Session) and isinstance(ours, Session):
        if (theirs.opens, theirs.closes) == (ours.opens, ours.closes):
            return ""
        return f"the broker says {_hours(theirs)}, the shipped calendar {_hours(ours)}: the earlier hours count"
    return (
        f"the broker says {_hours(theirs)}, the shipped calendar {_hours(ours)}: "
        "it is taken for a day with a session"
    )


def _hours(day: Day) -> str:
    if isinstance(day, Closed):
        return f"closed ({clip(day.reason, 60)})"
    return f"{clock(day.opens)} to {clock(day.closes)}"


def merge(broker: Calendar, shipped: Calendar) -> Calendar:
    """Make one calendar of both, by which schedules run."""
    days: dict[date, Day] = {**shipped.days, **broker.days}
    for day in broker.days.keys() & shipped.days.keys():
        days[day] = _merged(broker.days[day], shipped.days[day], disagreement(broker, shipped, day))
    return Calendar(days, (*broker.problems, *shipped.problems))


def _merged(theirs: Day, ours: Day, doubt: str) -> Day:
    if not doubt:
        return theirs
    if isinstance(theirs, Session) and isinstance(ours, Session):
        chosen = min(theirs, ours, key=lambda one: one.closes)
        return replace(
            chosen,
            opens=min(theirs.opens, ours.opens),
            early=theirs.early or ours.early,
            doubt="; ".join(filter(None, (theirs.doubt, doubt))),
        )
    session = theirs if isinstance(theirs, Session) else ours
    return replace(session, doubt=doubt) if isinstance(session, Session) else session


def exchange_zone() -> tzinfo:
    """Give the exchange's zone; UTC on a machine without time zones."""
    try:
        return ZoneInfo(ZONE)
    except (KeyError, OSError):
        return UTC


def clock(moment: datetime) -> str:
    """Tell the time that a clock at the exchange shows: 13:00 EST."""
    return f"{moment.astimezone(exchange_zone()):%H:%M %Z}"
