"""The market calendar."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from panic.simulator.market import market_hours

SPECIAL = {date(2025, 11, 27): "HOLIDAY", date(2025, 11, 28): "EARLY_CLOSE"}


def _hours(day: str, now: str, market: str = "us_equities") -> dict[str, Any]:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    return market_hours(market, date.fromisoformat(day), moment, SPECIAL)


def test_open_market():
    """On a trading day: the session under way, and when the next one opens."""
    hours = _hours("2025-10-15", "2025-10-15T18:30:45")

    assert "2025-10-15T14:30:45-04:00" == hours["current_time"]
    assert {"current_session": "regular", "day_type": "TRADING_DAY", "is_open": True} == hours["status"]
    assert {"pre_market", "regular", "after_hours"} == set(hours["today_sessions"])
    assert "2025-10-16T09:30:00-04:00" == hours["next_sessions"]["regular"]["open"]


@pytest.mark.parametrize(
    ("day", "day_type", "closes", "next_day"),
    [
        ("2025-10-18", "WEEKEND", None, "2025-10-20"),
        ("2025-10-17", "TRADING_DAY", "2025-10-17T16:00:00-04:00", "2025-10-20"),
        ("2025-11-27", "HOLIDAY", None, "2025-11-28"),
        ("2025-11-28", "EARLY_CLOSE", "2025-11-28T13:00:00-05:00", "2025-12-01"),
        ("2025-11-26", "TRADING_DAY", "2025-11-26T16:00:00-05:00", "2025-11-28"),
    ],
)
def test_days(day: str, day_type: str, closes: str | None, next_day: str):
    """Weekends and holidays have no sessions, a short day ends at one, and the next day is a trading day."""
    hours = _hours(day, "2025-10-15T18:30:45")
    regular = hours["today_sessions"].get("regular")

    assert (day_type, False) == (hours["status"]["day_type"], hours["status"]["is_open"])
    assert closes == (regular and regular["close"])
    assert hours["next_sessions"]["regular"]["open"].startswith(next_day)


def test_options_have_regular_hours_only():
    """Options trade neither early nor late."""
    hours = _hours("2025-10-15", "2025-10-15T21:00:00", "us_options")

    assert ["regular"] == list(hours["today_sessions"])
    assert (None, False) == (hours["status"]["current_session"], hours["status"]["is_open"])
