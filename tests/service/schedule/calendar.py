"""Write the calendar that panic ships, us_equities.json: `python -m tests.service.schedule.calendar`.

It takes the exceptions from exchange_calendars, which tests compare with `holidays`. Run it every autumn.
"""

import json
import warnings
from datetime import UTC, date, datetime, timedelta
from typing import Any

import exchange_calendars

from tests import ROOT

FILE = ROOT / "panic/service/schedule/us_equities.json"
FIRST, LAST = date(2025, 1, 1), date(2028, 12, 31)
ZONE = "America/New_York"


def exchange() -> Any:
    """Give the calendar of the New York Stock Exchange as exchange_calendars knows it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pandas has against it is not ours
        return exchange_calendars.get_calendar("XNYS", start=FIRST.isoformat(), end=LAST.isoformat())


def document(made: date) -> dict[str, Any]:
    """Give what the file holds: regular hours, and what departs from them."""
    calendar = exchange()
    open_on = {session.date() for session in calendar.sessions}
    names = {
        day.date(): name for day, name in calendar.regular_holidays.holidays(FIRST, LAST, return_name=True).items()
    }
    weekdays = [day for n in range((LAST - FIRST).days + 1) if (day := FIRST + timedelta(days=n)).weekday() < 5]
    return {
        "market": "us_equities",
        "zone": ZONE,
        "opens": "09:30",
        "closes": "16:00",
        "first": FIRST.isoformat(),
        "last": LAST.isoformat(),
        "made": made.isoformat(),
        "holidays": {day.isoformat(): names.get(day, "closed") for day in weekdays if day not in open_on},
        "early_closes": {
            day.date().isoformat(): f"{calendar.session_close(day).tz_convert(ZONE):%H:%M}"
            for day in calendar.early_closes
        },
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(datetime.now(UTC).date()), indent=1) + "\n")
