"""The clock of a run: a wall clock that is wrong is found out by the broker's, however wrong it is."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from panic.kit.clock import Clock
from tests.kit.virtual import virtually


def told(*off: timedelta | str) -> tuple[Clock, datetime, datetime]:
    """A clock that was told these Dates, each so far from its own; where it looks back from, and its own time."""

    async def work() -> tuple[Clock, datetime, datetime]:
        clock = Clock()
        now = clock.wall(0.0).replace(microsecond=0)
        for one in off:
            date = one if isinstance(one, str) else format_datetime(now + one, usegmt=True)
            clock.compare(date, (now - clock.wall(0.0)).total_seconds())
        return clock, clock.earlier(), clock.wall()

    return virtually(work())


YEARS = timedelta(days=1000)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("dates", "back"),
    [
        ((timedelta(),), timedelta()),
        ((-DAY,), -DAY),
        ((DAY,), timedelta()),
        ((-YEARS,), -YEARS),
        ((YEARS,), timedelta()),
        ((timedelta(), -YEARS), -YEARS),
        ((-YEARS, timedelta()), -YEARS),
        ((YEARS, -DAY), -DAY),
    ],
)
def test_looks_go_back_from_the_earliest_that_any_clock_has_said(
    dates: tuple[timedelta | str, ...], back: timedelta
):
    """By years as well: a later moment would hide what is older than it."""
    _, earlier, wall = told(*dates)

    assert back == earlier - wall


@pytest.mark.parametrize("dates", [(), ("never", "")])
def test_where_the_broker_tells_no_time_looks_go_back_from_when_this_program_was_written(dates: tuple[str, ...]):
    """It cannot be earlier than that; it may well be earlier than our clock says."""
    _, earlier, wall = told(*dates)

    assert min(wall, datetime(2026, 11, 30, tzinfo=UTC)) == earlier


@pytest.mark.parametrize(
    ("dates", "ahead_s"),
    [
        ((), None),
        (("never",), None),
        ((timedelta(seconds=-3),), 3.0),
        ((timedelta(seconds=-3), timedelta(seconds=-4)), 3.0),
        ((timedelta(), YEARS), -YEARS.total_seconds()),
        ((-YEARS, timedelta()), YEARS.total_seconds()),
    ],
)
def test_of_dates_that_disagree_the_worst_is_told(dates: tuple[timedelta | str, ...], ahead_s: float | None):
    """A second more or less is the way that an answer takes."""
    assert ahead_s == told(*dates)[0].ahead_s
