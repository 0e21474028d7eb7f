"""The market calendar: plain weekdays and weekends in New York, and the special days one asks for."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
MARKETS: Mapping[str, str] = {"us_equities": "US Equities", "us_options": "US Options"}
_SESSIONS: Mapping[str, tuple[time, time]] = {
    "pre_market": (time(4), time(9, 30)),
    "regular": (time(9, 30), time(16)),
    "after_hours": (time(16), time(20)),
}
_EARLY_SESSIONS = {"pre_market": _SESSIONS["pre_market"], "regular": (time(9, 30), time(13))}
SpecialDays = Mapping[date, str]
_SATURDAY = 5


def market_hours(market: str, day: date, now: datetime, special: SpecialDays) -> dict[str, Any]:
    """One market's hours on one day, as the broker describes them at `now`."""
    local = now.astimezone(NEW_YORK).replace(microsecond=0)
    sessions = _sessions(market, day, special)
    current = next((name for name, (opens, closes) in sessions.items() if opens <= local < closes), None)
    return {
        "current_time": local.isoformat(),
        "date": day.isoformat(),
        "market": market,
        "market_name": MARKETS[market],
        "next_sessions": _shown(_sessions(market, _next_trading_day(day, special), special)),
        "status": {
            "current_session": current,
            "day_type": _day_type(day, special),
            "is_open": current is not None,
        },
        "timezone": NEW_YORK.key,
        "today_sessions": _shown(sessions),
    }


def _day_type(day: date, special: SpecialDays) -> str:
    return special.get(day) or ("WEEKEND" if day.weekday() >= _SATURDAY else "TRADING_DAY")


def _next_trading_day(day: date, special: SpecialDays) -> date:
    day += timedelta(days=1)
    while _day_type(day, special) in {"WEEKEND", "HOLIDAY"}:
        day += timedelta(days=1)
    return day


def _sessions(market: str, day: date, special: SpecialDays) -> dict[str, tuple[datetime, datetime]]:
    day_type = _day_type(day, special)
    if day_type in {"WEEKEND", "HOLIDAY"}:
        return {}
    hours = _EARLY_SESSIONS if day_type == "EARLY_CLOSE" else _SESSIONS
    return {
        name: (datetime.combine(day, opens, NEW_YORK), datetime.combine(day, closes, NEW_YORK))
        for name, (opens, closes) in hours.items()
        if name == "regular" or market == "us_equities"
    }


def _shown(sessions: dict[str, tuple[datetime, datetime]]) -> dict[str, Any]:
    return {
        name: {"open": opens.isoformat(), "close": closes.isoformat()}
        for name, (opens, closes) in sessions.items()
    }
