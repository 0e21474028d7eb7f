"""Whole years against exchange_calendars and holidays, two sources that are not ours."""

import json
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest

from panic.service.schedule.next import between
from panic.service.schedule.sessions import Session, fallback
from tests.service.schedule import calendar
from tests.service.schedule.support import schedule, utc


@pytest.fixture(scope="module")
def exchange() -> Any:
    """The New York Stock Exchange, as exchange_calendars knows it."""
    return calendar.exchange()


def test_the_shipped_calendar_is_what_exchange_calendars_tells():
    """`python -m tests.service.schedule.calendar` writes it; only the day on which it was made may differ."""
    shipped = json.loads(calendar.FILE.read_text())

    assert calendar.document(date.fromisoformat(shipped["made"])) == shipped


def test_every_session_of_the_shipped_calendar_opens_and_closes_with_the_exchange(exchange: Any):
    """Unfolded, to the minute, in winter and in summer time."""
    ours = [day for day in fallback().days.values() if isinstance(day, Session)]
    theirs = [
        (one.date(), exchange.session_open(one).to_pydatetime(), exchange.session_close(one).to_pydatetime())
        for one in exchange.sessions
    ]

    assert theirs == [(one.day, one.opens, one.closes) for one in ours]
    assert {one.date() for one in exchange.early_closes} == {one.day for one in ours if one.early}


def test_the_holidays_are_those_that_holidays_tells():
    """A second source: its weekdays without trading, unforeseen ones too."""
    theirs = holidays.financial_holidays("NYSE", years=[2025, 2026, 2027, 2028])
    ours = {date.fromisoformat(day) for day in json.loads(calendar.FILE.read_text())["holidays"]}

    assert {day for day in theirs if day.weekday() < 5} == ours


def test_a_year_of_runs_by_the_session(exchange: Any):
    """One for each session, the short ones too, and no other."""
    ours = between(
        schedule("600 minutes after close"), fallback(), utc("2026-01-02 12:00"), utc("2027-01-02 12:00")
    )
    sessions = exchange.sessions_in_range("2026-01-02", "2026-12-31")

    assert [
        (f"cleanup/{one.date()}", exchange.session_close(one).to_pydatetime() + timedelta(minutes=600))
        for one in sessions
    ] == [(run.key, run.at) for run in ours]


def test_a_year_of_runs_by_the_wall():
    """One for each weekday, at that time by New York's clocks, in winter and in summer time."""
    plan, new_york = schedule("16:10 America/New_York on weekdays"), ZoneInfo("America/New_York")
    ours = between(plan, fallback(), utc("2026-01-01 00:00"), utc("2027-01-01 00:00"))
    days = (date(2026, 1, 1) + timedelta(days=n) for n in range(365))

    assert [f"{day} 16:10" for day in days if day.weekday() < 5] == [
        f"{run.at.astimezone(new_york):%Y-%m-%d %H:%M}" for run in ours
    ]
