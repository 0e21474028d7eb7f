"""Schedules, calendars and the broker's documents, made for tests."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from panic.config import Schedule
from panic.service.schedule.calendar import Calendar, Closed, Session
from panic.service.schedule.due import Due, Next

FETCHED = datetime(2026, 11, 24, 12, tzinfo=UTC)


def utc(text: str) -> datetime:
    """A moment: "2026-11-27 18:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedule(at: str, name: str = "cleanup", **more: Any) -> Schedule:
    """A schedule of every account."""
    return Schedule(name=name, at=at, all=True, cancels_gtc_and_close_orders=True, **more)


def detail(day: str, **more: Any) -> dict[str, Any]:
    """One day as the broker's specification shows it: a regular one."""
    return {
        "date": day,
        "market": "us_equities",
        "timezone": "America/New_York",
        "status": {"day_type": "TRADING_DAY", "is_open": True},
        "today_sessions": hours(day),
        **more,
    }


def hours(day: str, opens: str = "09:30:00-05:00", closes: str = "16:00:00-05:00") -> dict[str, Any]:
    """The sessions of a day."""
    return {
        "pre_market": {"open": f"{day}T04:00:00-05:00", "close": f"{day}T09:30:00-05:00"},
        "regular": {"open": f"{day}T{opens}", "close": f"{day}T{closes}", "time_until_close": "PT2H"},
    }


def session(day: str, opens: str = "14:30", closes: str = "21:00", **more: Any) -> Session:
    """A session, in UTC."""
    told = {"early": False, "source": "broker", "as_of": FETCHED, **more}
    return Session(date.fromisoformat(day), utc(f"{day} {opens}"), utc(f"{day} {closes}"), **told)


def closed(day: str, reason: str = "Thanksgiving") -> Closed:
    """A holiday."""
    return Closed(date.fromisoformat(day), reason, "broker", FETCHED)


def calendar(*days: Session | Closed) -> Calendar:
    """What knows these days and no other."""
    known: Mapping[date, Session | Closed] = {day.day: day for day in days}
    return Calendar(known)


def due(found: Next) -> Due:
    """What must be a run."""
    assert isinstance(found, Due), found
    return found
