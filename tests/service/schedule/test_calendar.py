"""The broker's calendar, the shipped one, and both."""

from datetime import date, datetime
from typing import Any

import pytest

from panic.service.schedule import calendar as module
from panic.service.schedule.calendar import Closed, Day, Session, clock, fallback, from_broker, merge
from tests.service.schedule.support import FETCHED, calendar, closed, detail, hours, session, utc

DAY = date(2026, 11, 27)


def test_the_answers_of_the_specification_are_read():
    """A regular day, an early close, and a holiday."""
    early = {
        "today_sessions": hours("2025-11-28", closes="13:00:00-05:00"),
        "status": {"day_type": "EARLY_CLOSE"},
    }
    days = [
        detail("2025-10-15", today_sessions=hours("2025-10-15", "09:30:00-04:00", "16:00:00-04:00")),
        detail("2025-11-28", **early),
        detail("2025-12-25", today_sessions={}, status={"day_type": "HOLIDAY"}),
    ]
    found = from_broker(days, FETCHED)

    assert () == found.problems
    assert [
        session("2025-10-15", "13:30", "20:00"),
        session("2025-11-28", closes="18:00", early=True),
        closed("2025-12-25", "holiday"),
    ] == [found.days[day] for day in sorted(found.days)]


@pytest.mark.parametrize(
    "odd",
    [
        {"today_sessions": None},
        {"today_sessions": {}},
        {"today_sessions": hours("2026-11-27", opens="noon")},
        {"today_sessions": hours("2026-11-27", opens="17:00:00-05:00")},
        {"today_sessions": hours("2026-11-30")},
        {"today_sessions": hours("2026-11-27", "09:30", "16:00"), "timezone": "Mars"},
        {"today_sessions": hours("2026-11-27", "09:30", "16:00"), "timezone": None},
        {"today_sessions": {}, "status": {"day_type": "NEW_TYPE"}},
        {"today_sessions": {}, "status": "HOLIDAY"},
        {"today_sessions": {"regular": 5}, "status": {"day_type": "HOLIDAY"}},
        {"date": "soon"},
    ],
)
def test_a_day_that_cannot_be_understood_is_not_known_and_told(odd: dict[str, Any]):
    """Nothing is guessed from half of it: a wrong close is worse than none."""
    found = from_broker([detail("2026-11-27", **odd)], FETCHED)

    assert None is found.days.get(DAY)
    assert 1 == len(found.problems)


@pytest.mark.parametrize("zone", ["America/New_York", "America/Detroit"])
def test_hours_without_an_offset_are_those_of_the_zone_that_the_document_names(zone: str):
    """The specification leaves the form of a time open."""
    one = detail("2026-11-27", today_sessions=hours("2026-11-27", "09:30:00", "16:00:00"), timezone=zone)

    assert session("2026-11-27") == from_broker([one], FETCHED).days.get(DAY)


def test_a_holiday_with_hours_has_a_session_and_a_doubt():
    """Of two things that contradict each other the one counts that lets a cleanup run."""
    found = from_broker([detail("2026-11-27", status={"day_type": "HOLIDAY"})], FETCHED).days.get(DAY)

    assert session("2026-11-27", doubt="the broker calls it a holiday and gives its hours") == found


def test_the_shipped_calendar_knows_its_days():
    """A regular day in winter, one in summer, an early close, a holiday and a weekend; and no day beyond."""
    made = next(iter(fallback().days.values())).as_of
    told: dict[str, Any] = {"source": "shipped", "as_of": made}
    days: list[Day] = [
        session("2026-07-01", "13:30", "20:00", **told),
        session("2026-11-25", **told),
        Closed(date(2026, 11, 26), "Thanksgiving", "shipped", made),
        session("2026-11-27", closes="18:00", early=True, **told),
        Closed(date(2026, 11, 28), "weekend", "shipped", made),
    ]

    assert days == [fallback().days[one.day] for one in days]
    assert date(2024, 12, 31) not in fallback().days
    assert date(2028, 12, 31) == fallback().last


def test_a_machine_without_time_zones_says_so(monkeypatch: pytest.MonkeyPatch):
    """A slim image may have none; then only the broker's calendar counts."""

    def none(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(module, "ZoneInfo", none)
    found = fallback.__wrapped__()

    assert {} == found.days
    assert ("this machine knows no time zones: install tzdata",) == found.problems
    assert "18:00 UTC" == clock(utc("2026-11-27 18:00"))


LATE, EARLY, HOLIDAY = session("2026-11-27"), session("2026-11-27", closes="18:00"), closed("2026-11-27")


SAYS = "the broker says {}, the shipped calendar {}"
REGULAR, HALF, NONE = "09:30 EST to 16:00 EST", "09:30 EST to 13:00 EST", "closed (Thanksgiving)"


@pytest.mark.parametrize(
    ("broker", "shipped", "counts", "words"),
    [
        (LATE, LATE, LATE.closes, ""),
        (HOLIDAY, closed("2026-11-27", "other"), None, ""),
        (None, LATE, LATE.closes, ""),
        (EARLY, None, EARLY.closes, ""),
        (LATE, EARLY, EARLY.closes, f"{SAYS.format(REGULAR, HALF)}: the earlier hours count"),
        (EARLY, LATE, EARLY.closes, f"{SAYS.format(HALF, REGULAR)}: the earlier hours count"),
        (HOLIDAY, LATE, LATE.closes, f"{SAYS.format(NONE, REGULAR)}: it is taken for a day with a session"),
        (EARLY, HOLIDAY, EARLY.closes, f"{SAYS.format(HALF, NONE)}: it is taken for a day with a session"),
    ],
)
def test_where_the_two_disagree_the_earlier_hours_count(
    broker: Day | None, shipped: Day | None, counts: datetime | None, words: str
):
    """And a session more than none; what one does not know the other tells."""
    theirs, ours = (calendar(*[one] if one else []) for one in (broker, shipped))
    found = merge(theirs, ours).days.get(DAY)

    assert (counts, words) == ((found.closes, found.doubt) if isinstance(found, Session) else (None, ""))
