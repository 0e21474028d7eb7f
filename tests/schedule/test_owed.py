"""What is owed after a wait, a restart or a jump of the clock: never twice, never lost without a word."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panic.schedule.next import LATE_S, Due, Owed, between, is_late, next_run, owed
from panic.schedule.sessions import Calendar, fallback, merge
from tests.schedule.support import calendar, closed, due, schedule, session, utc

CLEANUP = schedule("5 minutes before close")
AT = utc("2026-11-24 20:55")
KEY = "cleanup/2026-11-24"


def ask(seen: datetime | None, now: datetime, *claimed: str, was: Calendar | None = None) -> Owed:
    """What is owed of one cleanup by the shipped calendar."""
    return owed([CLEANUP], fallback(), seen=seen, now=now, claimed=claimed, was=was)


def keys(found: Owed) -> tuple[list[str], list[str]]:
    """What is to be run, and what is late."""
    return [run.key for run in found.run], [run.key for run in found.late]


def test_late_is_more_than_five_minutes():
    """Whoever starts at the last second is still in time."""
    run = due(next_run(CLEANUP, fallback(), utc("2026-11-24 12:00")))

    assert 300 == LATE_S
    assert [False, True] == [is_late(run, AT + timedelta(seconds=s)) for s in (300, 300.001)]


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
        ("11-24 20:50", "11-24 21:00:01", [f"{KEY}/late"], ([], [])),
        # Called late by a clock that was wrong; now it comes in time.
        ("11-24 20:50", "11-24 20:55", [f"{KEY}/late"], ([KEY], [])),
        # Away over a night: what is late is told, what is due is run.
        ("11-24 20:50", "11-25 20:56", [], (["cleanup/2026-11-25"], [KEY])),
        # The clock is set back.
        ("11-24 21:30", "11-24 20:50", [], ([], [])),
        (None, "11-24 20:56", [], ([], [])),
    ],
)
def test_what_is_owed(seen: str | None, now: str, claimed: list[str], expected: tuple[list[str], list[str]]):
    """By the last moment that was seen, the time, and what is written down."""
    found = ask(utc(f"2026-{seen}") if seen else None, utc(f"2026-{now}"), *claimed)

    assert expected == keys(found)
    assert (utc(f"2026-{now}"), "") == (found.seen, found.unknown)


def test_several_schedules_are_owed_in_the_order_of_their_times():
    """Each under its own key."""
    plans = [schedule("5 minutes after close", "b"), CLEANUP, schedule("16:05 America/New_York on weekdays", "a")]
    found = owed(plans, fallback(), seen=utc("2026-11-24 20:00"), now=utc("2026-11-24 21:05:30"), claimed=())

    assert (["a/2026-11-24", "b/2026-11-24"], [KEY]) == keys(found)


def test_a_year_away_is_told_in_one_sentence():
    """A clock that came up in 1970 must not page a thousand times."""
    found = ask(utc("1970-01-01 00:00"), utc("2026-11-24 12:00"))

    assert "what was due from 1970-01-01 00:00 to 2026-10-24 12:00 UTC" == found.unknown
    assert 21 == len(found.late)


def test_a_close_that_turns_out_to_be_earlier_is_late_and_not_lost():
    """It moved to before the last moment that was seen, and nobody ran it."""
    known = merge(calendar(session("2026-11-24", closes="18:00", early=True)), fallback())
    now = utc("2026-11-24 18:30")
    late = owed([CLEANUP], known, seen=now, now=now, claimed=(), was=fallback())
    in_time = owed([CLEANUP], known, seen=now, now=utc("2026-11-24 17:57"), claimed=(), was=fallback())

    assert ([], [KEY]) == keys(late)
    assert ([KEY], []) == keys(in_time)


@pytest.mark.parametrize("claimed", [KEY, f"{KEY}/late"])
def test_a_close_that_turns_out_to_be_later_is_not_run_twice(claimed: str):
    """What was run, or told, by the earlier one is done."""
    was = merge(calendar(session("2026-11-24", closes="18:00", early=True)), fallback())
    now = utc("2026-11-24 20:56")
    found = owed([CLEANUP], fallback(), seen=utc("2026-11-24 20:50"), now=now, claimed=[claimed], was=was)

    assert ([] if claimed == KEY else [KEY]) == [run.key for run in found.run]
    assert () == found.late


def test_a_close_that_moved_while_the_clock_was_set_back_is_not_lost():
    """The moment that was seen by the wrong clock has not come, whatever the older calendar had until then."""
    known = merge(calendar(session("2026-11-24", closes="18:00", early=True)), fallback())
    found = owed(
        [CLEANUP], known, seen=utc("2026-11-24 21:30"), now=utc("2026-11-24 17:57"), claimed=(), was=fallback()
    )

    assert ([KEY], []) == keys(found)
    assert utc("2026-11-24 17:57") == found.seen


def test_the_same_calendar_again_owes_nothing_more():
    """A refresh that changes nothing pages nobody."""
    again = merge(Calendar(), fallback())
    now = utc("2026-11-25 12:00")

    assert ([], []) == keys(owed([CLEANUP], again, seen=now, now=now, claimed=(), was=fallback()))


def test_a_session_that_was_thought_a_holiday_is_late_and_not_lost():
    """Only the newer calendar knows of it."""
    was = calendar(session("2026-11-23"), closed("2026-11-24"), session("2026-11-25"))
    now = utc("2026-11-24 22:00")

    assert ([], [KEY]) == keys(owed([CLEANUP], fallback(), seen=now, now=now, claimed=(), was=was))


_START = datetime(2026, 10, 30, tzinfo=UTC)
_PLANS = [
    CLEANUP,
    schedule("600 minutes after close", "night"),
    schedule("01:30 America/New_York on every day", "twice"),
    schedule("16:10 Australia/Lord_Howe on sunday, monday", "far"),
]


class House:
    """Whoever carries runs out, as far as it concerns the clock."""

    def __init__(self) -> None:
        self.seen: datetime | None = _START
        self.claimed: set[str] = set()
        self.ran: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.runs: list[tuple[Due, datetime]] = []

    def look(self, now: datetime) -> None:
        """Ask what is owed and do it, each thing written down first."""
        found = owed(_PLANS, fallback(), seen=self.seen, now=now, claimed=frozenset(self.claimed))
        self.claimed |= {run.key for run in found.run} | {run.late_key for run in found.late}
        self.ran.update(run.key for run in found.run)
        self.told.update(run.key for run in found.late)
        self.runs += [(run, now) for run in found.run]
        self.seen = found.seen

    def owes(self, now: datetime) -> set[str]:
        """Every key that was due."""
        return {run.key for plan in _PLANS for run in between(plan, fallback(), _START, now)}


_WAITS = st.one_of(st.integers(1, 60), st.integers(200, 400), st.integers(3600, 5 * 86_400))


@given(st.lists(_WAITS, max_size=40))
def test_however_long_it_is_away_each_is_run_once_or_told_once(waits: list[int]):
    """Restarts and pauses: nothing twice, nothing lost."""
    house, now = House(), _START
    for wait in waits:
        now += timedelta(seconds=wait)
        house.look(now)

    assert house.owes(now) == house.ran.keys() | house.told.keys()
    assert set() == house.ran.keys() & house.told.keys()
    assert {1} >= {*house.ran.values(), *house.told.values()}
    assert all(timedelta() <= at - run.at <= timedelta(seconds=LATE_S) for run, at in house.runs)


@given(st.lists(st.tuples(_WAITS, st.sampled_from([0, 0, 0, -86_400, -3600, -30, 30, 3600, 86_400])), max_size=30))
def test_however_the_clock_jumps_none_is_run_twice_and_none_is_lost(steps: list[tuple[int, int]]):
    """Forward and back, any number of times: whatever the clock has ever passed was run or told."""
    house, now = House(), _START
    furthest = now
    for wait, jump in steps:
        now = max(now + timedelta(seconds=wait + jump), _START)
        house.look(now)
        furthest = max(furthest, now)

    assert house.owes(furthest) == house.ran.keys() | house.told.keys()
    assert {1} >= {*house.ran.values(), *house.told.values()}
