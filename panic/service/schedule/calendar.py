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
from typing import TypeAlias
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from panic.kit.words import clip

BROKER, FALLBACK = "broker", "shipped"
MARKET = "us_equities"
ZONE = "America/New_York"

_REGULAR = timedelta(hours=6, minutes=30)
_LONGEST = timedelta(hours=24)
_CLOSED_TYPES = {"HOLIDAY": "holiday", "WEEKEND": "weekend"}
SATURDAY = 5


@dataclass(frozen=True)
class Session:
    """The regular session of one day, in UTC; who says so since when, and what the other calendar says instead."""

    day: date
    opens: datetime
    closes: datetime
    early: bool
    source: str
    as_of: datetime
    doubt: str = ""


@dataclass(frozen=True)
class Closed:
    """A day without a session, and why."""

    day: date
    reason: str
    source: str
    as_of: datetime


Day: TypeAlias = Session | Closed


@dataclass(frozen=True)
class Calendar:
    """What is known of some days, and what could not be understood."""

    days: Mapping[date, Day] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def last(self) -> date | None:
        """The last day that it knows."""
        return max(self.days, default=None)


class _Hours(BaseModel):
    open: datetime
    close: datetime


class _Sessions(BaseModel):
    regular: _Hours | None = None


class _Status(BaseModel):
    day_type: str = ""


class _BrokersDay(BaseModel):
    day: date = Field(alias="date")
    timezone: str | None = None
    status: _Status | None = None
    today_sessions: _Sessions | None = None


def from_broker(found: Iterable[object], fetched_at: datetime) -> Calendar:
    """Read the days of the broker's answers, fetched at that time; what cannot be read is not known."""
    days: dict[date, Day] = {}
    problems: list[str] = []
    for one in found:
        if not isinstance(one, dict) or one.get("market", MARKET) != MARKET:
            continue
        try:
            day = _told(_BrokersDay.model_validate(one), fetched_at)
            days[day.day] = day
        except (ValueError, OverflowError, KeyError, OSError):  # the last two: there is no such zone
            problems.append(f"the broker's calendar of {clip(str(one.get('date')), 20)} cannot be understood")
    return Calendar(days, tuple(dict.fromkeys(problems)))


def _told(one: _BrokersDay, fetched_at: datetime) -> Day:
    kind = one.status.day_type if one.status else ""
    regular = one.today_sessions.regular if one.today_sessions else None
    if regular is None and kind in _CLOSED_TYPES:
        return Closed(one.day, _CLOSED_TYPES[kind], BROKER, fetched_at)
    if regular is None:
        raise ValueError("no session, and no reason why")
    opens, closes = _utc(regular.open, one.timezone), _utc(regular.close, one.timezone)
    if not timedelta() < closes - opens <= _LONGEST or opens.date() != one.day:
        raise ValueError("its hours contradict themselves")  # in UTC and in New York it begins on the same date
    is_early = closes - opens < _REGULAR or kind == "EARLY_CLOSE"
    doubt = f"the broker calls it a {_CLOSED_TYPES[kind]} and gives its hours" if kind in _CLOSED_TYPES else ""
    return Session(one.day, opens, closes, is_early, BROKER, fetched_at, doubt)


def _utc(moment: datetime, zone: str | None) -> datetime:
    """Give a time in UTC; one without an offset is the zone's that the document names."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone or ""))).astimezone(UTC)


@cache
def fallback() -> Calendar:
    """Give the calendar that panic ships; it is empty, and says why, on a machine without time zones."""
    document = json.loads((resources.files("panic.service.schedule") / f"{MARKET}.json").read_text("utf-8"))
    if exchange_zone() is UTC:
        return Calendar(problems=("this machine knows no time zones: install tzdata",))
    first, last = date.fromisoformat(document["first"]), date.fromisoformat(document["last"])
    made = datetime.fromisoformat(document["made"]).replace(tzinfo=UTC)
    holidays, early = document["holidays"], document["early_closes"]

    def told(day: date) -> Day:
        iso = day.isoformat()
        if day.weekday() >= SATURDAY or iso in holidays:
            return Closed(day, holidays.get(iso, "weekend"), FALLBACK, made)
        hours = document["opens"], early.get(iso, document["closes"])
        opens, closes = (_utc(datetime.fromisoformat(f"{day}T{at}"), ZONE) for at in hours)
        return Session(day, opens, closes, iso in early, FALLBACK, made)

    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return Calendar({day: told(day) for day in days})


def merge(broker: Calendar, shipped: Calendar) -> Calendar:
    """Make one calendar of both, by which schedules run."""
    days: dict[date, Day] = {**shipped.days, **broker.days}
    for day in broker.days.keys() & shipped.days.keys():
        days[day] = _merged(broker.days[day], shipped.days[day])
    return Calendar(days, (*broker.problems, *shipped.problems))


def _merged(theirs: Day, ours: Day) -> Day:
    sessions = [one for one in (theirs, ours) if isinstance(one, Session)]
    if not sessions:
        return theirs
    if isinstance(theirs, Session) and isinstance(ours, Session):
        if (theirs.opens, theirs.closes) == (ours.opens, ours.closes):
            return theirs
        counts = "the earlier hours count"
    else:
        counts = "it is taken for a day with a session"
    doubt = f"the broker says {_hours(theirs)}, the shipped calendar {_hours(ours)}: {counts}"
    return replace(
        min(sessions, key=lambda one: one.closes),
        opens=min(one.opens for one in sessions),
        early=any(one.early for one in sessions),
        doubt="; ".join(filter(None, (sessions[0].doubt, doubt))),
    )


def _hours(day: Day) -> str:
    if isinstance(day, Closed):
        return f"closed ({clip(day.reason, 60)})"
    return f"{clock(day.opens)} to {clock(day.closes)}"


def exchange_zone() -> tzinfo:
    """Give the exchange's zone; UTC on a machine without time zones."""
    try:
        return ZoneInfo(ZONE)
    except (KeyError, OSError):
        return UTC


def clock(moment: datetime) -> str:
    """Tell the time that a clock at the exchange shows: 13:00 EST."""
    return f"{moment.astimezone(exchange_zone()):%H:%M %Z}"
