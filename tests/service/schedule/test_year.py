"""Whole years against exchange_calendars and holidays, two sources that are not ours."""

import json
from datetime import date

import holidays

from panic.service.schedule.calendar import Session, fallback
from tests.service.schedule import calendar


def test_the_shipped_calendar_is_what_exchange_calendars_tells():
    """`python -m tests.service.schedule.calendar` writes it; only the day on which it was made may differ."""
    shipped = json.loads(calendar.FILE.read_text())

    assert calendar.document(date.fromisoformat(shipped["made"])) == shipped


def test_every_session_of_the_shipped_calendar_opens_and_closes_with_the_exchange():
    """Unfolded, to the minute, in winter and in summer time."""
    exchange = calendar.exchange()
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
