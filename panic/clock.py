"""One clock for a run: the loop's for every wait, tied once to the wall clock for every stamp.

A wall clock that is set while a run is under way neither stretches a wait nor reorders a report. One that
is wrong is found out by the broker's Date, so that "the last 24 hours" does not begin in the future.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_BELIEVED_S = 400 * 86_400.0
"""A Date that is further off than this says something about its sender, not about our clock."""


class Clock:
    """Reads the running loop's time; create it inside the loop."""

    def __init__(self) -> None:
        self.now = asyncio.get_running_loop().time
        self._offset = time.time() - self.now()
        self.ahead_s: float | None = None

    def wall(self, moment: float | None = None) -> datetime:
        """Give the wall-clock time of a loop time (seconds), or of now; UTC, aware."""
        return time_of_day((self.now() if moment is None else moment) + self._offset)

    def epoch(self, moment: float) -> float:
        """Give the seconds since 1970 of a loop time; `time_of_day` makes of them what `wall` gives, exactly."""
        return moment + self._offset

    def compare(self, date: str, moment: float) -> None:
        """Learn from an answer's Date, received at a loop time, how far our wall clock is ahead."""
        theirs = http_date(date)
        if theirs is not None:
            ahead_s = (self.wall(moment) - theirs).total_seconds()
            if abs(ahead_s) < _BELIEVED_S:
                self.ahead_s = ahead_s

    def earlier(self) -> datetime:
        """Give the wall-clock time of now by our clock or by the broker's, whichever is earlier."""
        return self.wall() - timedelta(seconds=max(self.ahead_s or 0.0, 0.0))


def time_of_day(epoch: float) -> datetime:
    """Give the time of day, UTC, of seconds since 1970."""
    return datetime.fromtimestamp(epoch, UTC)


def http_date(words: str) -> datetime | None:
    """Read an HTTP date; None when it is none."""
    try:
        moment = parsedate_to_datetime(words[:64])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
