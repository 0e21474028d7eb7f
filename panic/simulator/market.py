"""The market calendar: plain weekdays and weekends in New York, and the special days one asks for."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
MARKET = "us_equities"
SpecialDays = Mapping[date, str]
_SATURDAY = 5


def market_hours(day: date, now: datetime, special: SpecialDays) -> dict[str, Any]:
    """The hours of US equities on one day, as the broker describes them at `now`."""
    local, following = now.astimezone(NEW_YORK).replace(microsecond=0), day + timedelta(days=1)
    while _day_type(following, special) in {"WEEKEND", "HOLIDAY"}:
        following += timedelta(days=1)
    day_type, session = _day_type(day, special), _regular(day, special)
    is_open = session is not None and session[0] <= local < session[1]
    return {
        "current_time": local.isoformat(),
        "date": day.isoformat(),
        "market": MARKET,
        "market_name": "US Equities",
        "next_sessions": _shown(_regular(following, special)),
        "status": {
            "current_session": "regular" if is_open else None,
            "day_type": day_type,
            "is_open": is_open,
        },
        "timezone": NEW_YORK.key,
        "today_sessions": _shown(session),
    }


def _day_type(day: date, special: SpecialDays) -> str:
    return special.get(day) or ("WEEKEND" if day.weekday() >= _SATURDAY else "TRADING_DAY")


def _regular(day: date, special: SpecialDays) -> tuple[datetime, datetime] | None:
    day_type = _day_type(day, special)
    if day_type in {"WEEKEND", "HOLIDAY"}:
        return None
    closes = time(13) if day_type == "EARLY_CLOSE" else time(16)
    return datetime.combine(day, time(9, 30), NEW_YORK), datetime.combine(day, closes, NEW_YORK)


def _shown(session: tuple[datetime, datetime] | None) -> dict[str, Any]:
    return {"regular": {"open": session[0].isoformat(), "close": session[1].isoformat()}} if session else {}
