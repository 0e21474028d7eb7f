"""What is owed after a wait, a restart or a jump of the clock: never twice, never lost without a word."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic.service.schedule.calendar import Calendar, fallback, merge
from panic.service.schedule.due import LATE, Due, Owed, between, owed
from tests.service.schedule.support import calendar, closed, schedule, session, utc

CLEANUP = schedule("5 minutes before close")
KEY = "cleanup/2026-11-24"
TOLD = f"{KEY}/late"
USUAL = merge(Calendar(), fallback())
SHORT = merge(calendar(session("2026-11-24", closes="18:00", early=True)), fallback())
HOLIDAY = calendar(session("2026-11-23"), closed("2026-11-24"), session("2026-11-25"))


def keys(found: Owed) -> tuple[list[str], list[str]]:
    """What is to be run, and what is late."""
    return [run.key for run in found.run], [run.key for run in found.late]


@pytest.mark.parametrize(
    ("seen", "now", "claimed", "expected"),
    [
        ("11-24 20:50", "11-24 20:54:59", [], ([], [])),
        ("11-24 20:50", "11-24 20:55", [], ([KEY], [])),
        ("11-24 20:50", "11-24 20:55", [KEY], ([], [])),
        ("11-24 20:55", "11-24 20:56", [], ([], [])),
        ("11-24 20:50", "11-24 21:00", [], ([KEY], [])),
        ("11-24 20:50", "11-24 21:00:01", [], ([], [KEY])),
        ("11-24 20:50", "11-24 21:00:01", [KEY], ([], [])),
        ("11-24 20:50", "11-24 21:00:01", [TOLD], ([], [])),
        # Called late by a clock that was wrong; now it comes in time.
        ("11-24 20:50", "11-24 20:55", [TOLD], ([KEY], [])),
        # Away over a night: what is late is told, what is due is run.
        ("11-24 20:50", "11-25 20:56", [], (["cleanup/2026-11-25"], [KEY])),
        # The clock is set back.
        ("11-24 21:30", "11-24 20:50", [], ([], [])),
        (None, "11-24 20:56", [], ([], [])),
    ],
)
def test_what_is_owed(seen: str | None, now: str, claimed: list[str], expected: tuple[list[str], list[str]]):
    """By the last moment that was seen, the time, and what is claimed."""
    then, moment = utc(f"2026-{seen}") if seen else None, utc(f"2026-{now}")
    found = owed([CLEANUP], fallback(), seen=then, now=moment, claimed=claimed)

    assert expected == keys(found)


@pytest.mark.parametrize(
    ("was", "known", "seen", "now", "claimed", "expected"),
    [
        # A close that turns out to be earlier, before the last moment that was seen: nobody has run it.
        (USUAL, SHORT, "11-24 18:30", "11-24 18:30", [], ([], [KEY])),
        (USUAL, SHORT, "11-24 18:30", "11-24 17:57", [], ([KEY], [])),
        # The moment that was seen by a wrong clock has not come, whatever the older calendar had until then.
        (USUAL, SHORT, "11-24 21:30", "11-24 17:57", [], ([KEY], [])),
        # A close that turns out to be later: what was run, or told, by the earlier one is done.
        (SHORT, USUAL, "11-24 20:50", "11-24 20:56", [KEY], ([], [])),
        (SHORT, USUAL, "11-24 20:50", "11-24 20:56", [TOLD], ([KEY], [])),
        # A refresh that changes nothing pages nobody.
        (fallback(), USUAL, "11-25 12:00", "11-25 12:00", [], ([], [])),
        # A session that was taken for a holiday.
        (HOLIDAY, USUAL, "11-24 22:00", "11-24 22:00", [], ([], [KEY])),
    ],
)
def test_what_another_calendar_moves_is_neither_lost_nor_run_twice(
    was: Calendar, known: Calendar, seen: str, now: str, claimed: list[str], expected: tuple[list[str], list[str]]
):
    """Whatever the calendar said until now."""
    then, moment = utc(f"2026-{seen}"), utc(f"2026-{now}")
    found = owed([CLEANUP], known, seen=then, now=moment, claimed=claimed, was=was)

    assert expected == keys(found)


def test_after_a_year_away_only_the_last_month_is_told():
    """A clock that came up in 1970 must not page a thousand times."""
    found = owed([CLEANUP], fallback(), seen=utc("1970-01-01 00:00"), now=utc("2026-11-24 12:00"), claimed=())

    assert 21 == len(found.late)


_START = datetime(2026, 10, 30, tzinfo=UTC)
_PLANS = [
    CLEANUP,
    schedule("600 minutes after close", "night"),
    schedule("01:30 America/New_York on every day", "twice"),
    schedule("16:10 Australia/Lord_Howe on sunday, monday", "far"),
]
_WAITS = st.one_of(st.integers(1, 60), st.integers(200, 400), st.integers(3600, 5 * 86_400))
_JUMPS = st.sampled_from([0, 0, 0, -86_400, -3600, -30, 30, 3600, 86_400])


@settings(max_examples=60)
@given(st.booleans(), st.lists(st.tuples(_WAITS, _JUMPS), max_size=25))
def test_however_long_it_is_away_and_however_the_clock_jumps_each_is_run_once_or_told_once(
    jumps: bool, steps: list[tuple[int, int]]
):
    """Whatever the clock has ever passed was run in time or told; where it never jumps, not both."""
    claimed, ran, told, runs = set[str](), Counter[str](), Counter[str](), list[tuple[Due, datetime]]()
    seen = now = furthest = _START
    for wait, jump in steps:
        now = max(now + timedelta(seconds=wait + jump * jumps), _START)
        found = owed(_PLANS, fallback(), seen=seen, now=now, claimed=frozenset(claimed))
        claimed |= {run.key for run in found.run} | {run.late_key for run in found.late}
        ran.update(run.key for run in found.run)
        told.update(run.key for run in found.late)
        runs += [(run, now) for run in found.run]
        seen, furthest = now, max(furthest, now)
    owes = {run.key for plan in _PLANS for run in between(plan, fallback(), _START, furthest)}

    assert owes == ran.keys() | told.keys()
    assert jumps or not ran.keys() & told.keys()
    assert {1} >= {*ran.values(), *told.values()}
    assert all(timedelta() <= at - run.at <= LATE for run, at in runs)
