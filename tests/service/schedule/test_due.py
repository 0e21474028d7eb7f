"""When a schedule runs next: short days, holidays, odd zones, and clocks that change."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic.service.schedule.calendar import Calendar, fallback
from panic.service.schedule.due import Due, NoRun, between, upcoming
from tests.service.schedule.support import calendar, closed, due, schedule, session, utc

BEFORE_CLOSE = "5 minutes before close"


def runs(at: str, after: str, many: int = 1, known: Calendar | None = None) -> list[Due]:
    """The next runs, by the shipped calendar unless told otherwise."""
    found = upcoming(schedule(at), fallback() if known is None else known, utc(after))
    return [due(one) for one in islice(found, many)]


@pytest.mark.parametrize(
    ("at", "after", "times"),
    [
        # Thanksgiving 2026: closed on Thursday, short on Friday.
        (BEFORE_CLOSE, "2026-11-25 12:00", ["11-25 20:55", "11-27 17:55", "11-30 20:55"]),
        ("600 minutes after close", "2026-11-25 12:00", ["11-26 07:00", "11-28 04:00", "12-01 07:00"]),
        ("600 minutes before open", "2026-11-25 12:00", ["11-27 04:30", "11-30 04:30", "12-01 04:30"]),
        ("30 minutes after open", "2026-11-25 12:00", ["11-25 15:00", "11-27 15:00", "11-30 15:00"]),
        # Asked at its very moment, the next one is told.
        (BEFORE_CLOSE, "2026-11-24 20:54:59", ["11-24 20:55"]),
        (BEFORE_CLOSE, "2026-11-24 20:55", ["11-25 20:55"]),
    ],
)
def test_a_session_leads_its_runs_over_early_closes_and_holidays(at: str, after: str, times: list[str]):
    """To the second."""
    assert times == [f"{run.at:%m-%d %H:%M}" for run in runs(at, after, len(times))]


def test_a_run_has_a_key_and_says_why_it_comes_then():
    """The key is the session's day, also after midnight; the reason is whatever is out of the ordinary."""
    first, second, third = runs(BEFORE_CLOSE, "2026-11-25 12:00", 3)
    night = runs("600 minutes after close", "2026-11-26 06:00")[0]

    assert ["cleanup/2026-11-25", "cleanup/2026-11-27", "cleanup/2026-11-30", "cleanup/2026-11-25"] == [
        run.key for run in (first, second, third, night)
    ]
    assert ["", "early close at 13:00 EST; 2026-11-26 is skipped: Thanksgiving", ""] == [
        run.why for run in (first, second, third)
    ]
    assert fallback().days.get(date(2026, 11, 27)) == second.session


@pytest.mark.parametrize(
    ("known", "why"),
    [
        (calendar(), "no calendar knows any day"),
        (
            calendar(session("2026-11-24"), closed("2026-11-26")),
            ("no calendar knows whether there is a session on 2026-11-25; 2026-11-26 is skipped: Thanksgiving; "
             "no calendar knows a day after 2026-11-26: upgrade panic"),
        ),
    ],
)  # fmt: skip
def test_sessions_that_no_calendar_knows_make_no_run_and_a_reason(known: Calendar, why: str):
    """Nothing is guessed; somebody is told."""
    assert NoRun(why) == next(upcoming(schedule(BEFORE_CLOSE), known, utc("2026-11-24 22:00")))


@pytest.mark.parametrize(
    ("at", "after", "times"),
    [
        ("16:10 America/New_York on weekdays", "2026-11-27 12:00", ["11-27 21:10", "11-30 21:10"]),
        ("00:30 Pacific/Kiritimati on monday", "2026-11-27 12:00", ["11-29 10:30", "12-06 10:30"]),
        ("23:30 Pacific/Pago_Pago on friday", "2026-11-27 12:00", ["11-28 10:30", "12-05 10:30"]),
        ("12:00 UTC on every day", "2028-02-28 12:00", ["02-29 12:00", "03-01 12:00"]),
        ("16:10 America/New_York on weekdays", "2026-03-06 22:00", ["03-09 20:10", "03-10 20:10"]),
        # Spring forward: the time is not there, and it runs as much later as the clocks go forward.
        ("02:30 America/New_York on sunday", "2026-03-07 12:00", ["03-08 07:30", "03-15 06:30"]),
        ("02:15 Australia/Lord_Howe on sunday", "2026-10-03 00:00", ["10-03 15:45", "10-10 15:15"]),
        ("00:00 Africa/Cairo on every day", "2026-04-23 12:00", ["04-23 22:00", "04-24 21:00"]),
        # Fall back: it is there twice, and the first counts; asked between the two, the next is a week later.
        ("01:30 America/New_York on sunday", "2026-10-31 12:00", ["11-01 05:30", "11-08 06:30"]),
        ("01:30 America/New_York on sunday", "2026-11-01 06:00", ["11-08 06:30"]),
        # Samoa had no 30 December 2011: two runs in one moment would be one too many.
        ("00:00 Pacific/Apia on every day", "2011-12-29 12:00", ["12-30 10:00", "12-31 10:00"]),
    ],
)
@pytest.mark.parametrize("known", [fallback(), Calendar()], ids=["calendar", "no calendar"])
def test_a_clock_on_the_wall_leads_its_runs(at: str, after: str, times: list[str], known: Calendar):
    """In its own zone, whose clocks change as they like, whatever the exchange does."""
    assert times == [f"{run.at:%m-%d %H:%M}" for run in runs(at, after, len(times), known)]


@pytest.mark.parametrize(
    ("at", "day", "why"),
    [
        ("12:00 America/New_York on weekdays", "2026-11-26", "the exchange is closed: Thanksgiving"),
        ("20:10 America/New_York on friday", "2026-11-27", "early close at 13:00 EST"),
        ("12:00 America/New_York on saturday", "2026-11-28", ""),
    ],
)
def test_it_says_why_where_that_needs_a_word(at: str, day: str, why: str):
    """The key is the day there."""
    run = runs(at, "2026-11-26 12:00")[0]

    assert (f"cleanup/{day}", why) == (run.key, run.why)


_ZONES = st.sampled_from(
    ["America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Cairo", "America/Havana", "UTC"]
)
_DAYS = st.dates(date(2025, 1, 1), date(2035, 12, 31))
_CLOCKS = st.times().map(lambda clock: clock.replace(second=0, microsecond=0))


@settings(max_examples=40)
@given(_DAYS, _CLOCKS, _ZONES)
def test_every_day_has_one_run(day: date, clock: time, name: str):
    """None is left out and none comes twice, however the clocks change in three weeks."""
    plan, start = schedule(f"{clock:%H:%M} {name} on every day"), datetime.combine(day, time(), UTC)
    found = between(plan, Calendar(), start, start + timedelta(days=21))
    days = [date.fromisoformat(run.key.removeprefix("cleanup/")) for run in found]

    assert len(found) in {20, 21, 22}
    assert [timedelta(days=1)] * (len(days) - 1) == [later - earlier for earlier, later in pairwise(days)]
    assert all(earlier.at < later.at for earlier, later in pairwise(found))
