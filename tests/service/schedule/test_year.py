"""Whole years against exchange_calendars and holidays, two sources that are not ours."""

import json
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest

from panic.service.schedule.next import Due, upcoming
from panic.service.schedule.sessions import Session, fallback
from tests.service.schedule import calendar
from tests.service.schedule.support import schedule, utc

NEW_YORK = ZoneInfo("America/New_York")


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


@pytest.mark.parametrize(("at", "edge", "minutes"), [
    ("5 minutes before close", "close", -5),
    ("600 minutes after close", "close", 600),
    ("30 minutes before open", "open", -30),
])  # fmt: skip
def test_a_year_of_runs_by_the_session(exchange: Any, at: str, edge: str, minutes: int):
    """One for each session, the short ones too, and no other."""
    begin, end = utc("2026-01-01 12:00"), utc("2027-01-01 12:00")
    found = (run for run in upcoming(schedule(at), fallback(), begin) if isinstance(run, Due))
    ours = [(run.key, run.at) for run in takewhile(lambda run: run.at <= end, found)]
    sessions = exchange.sessions_in_range("2025-12-28", "2027-01-05")
    edges = exchange.session_close if edge == "close" else exchange.session_open
    theirs = [
        (f"cleanup/{one.date()}", edges(one).to_pydatetime() + timedelta(minutes=minutes)) for one in sessions
    ]

    assert [(key, at) for key, at in theirs if begin < at <= end] == ours


def test_a_year_of_runs_by_the_wall():
    """One for each weekday, at that time by New York's clocks, in winter and in summer time."""
    begin, end = utc("2026-01-01 00:00"), utc("2027-01-01 00:00")
    plan = schedule("16:10 America/New_York on weekdays")
    found = (run for run in upcoming(plan, fallback(), begin) if isinstance(run, Due))
    ours = [
        run.at.astimezone(NEW_YORK).replace(tzinfo=None) for run in takewhile(lambda run: run.at <= end, found)
    ]
    days = (date(2026, 1, 1) + timedelta(days=n) for n in range(365))

    assert [datetime(day.year, day.month, day.day, 16, 10) for day in days if day.weekday() < 5] == ours  # noqa: DTZ001
