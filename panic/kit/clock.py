"""One clock for a run: the loop's for every wait, tied once to the wall clock for every stamp.

Setting the wall clock during a run neither stretches a wait nor reorders a report. A wrong clock is detected
by the broker's Date, however wrong it is, so that a look does not look back from the future.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# When this program was written: without a time from the broker, a look goes back from no later than this.
_WRITTEN = datetime(2026, 11, 30, tzinfo=UTC)

_JITTER_S = 2.0  # a Date has whole seconds, and takes some time to arrive


class Clock:
    """Reads the running loop's time; create it inside the loop."""

    def __init__(self) -> None:
        self.now = asyncio.get_running_loop().time
        self._offset = time.time() - self.now()
        self.ahead_s: float | None = None
        self._most_ahead_s = 0.0
        self._last_date = ""

    def wall(self, moment: float | None = None) -> datetime:
        """Give the wall-clock time of a loop time (seconds), or of now; UTC, aware."""
        return time_of_day((self.now() if moment is None else moment) + self._offset)

    def epoch(self, moment: float) -> float:
        """Give the seconds since 1970 of a loop time; `time_of_day` makes of them what `wall` gives, exactly."""
        return moment + self._offset

    def compare(self, date: str, moment: float) -> None:
        """Learn how far our wall clock is ahead, from an answer's Date and the loop time it was received at.

        If Dates disagree, the one furthest from our clock counts: the reader must know of it.
        """
        if date == self._last_date:
            return
        self._last_date, theirs = date, http_date(date)
        if theirs is None:
            return
        ahead_s = (self.wall(moment) - theirs).total_seconds()
        self._most_ahead_s = max(self._most_ahead_s, ahead_s)
        if self.ahead_s is None or abs(ahead_s) > abs(self.ahead_s) + _JITTER_S:
            self.ahead_s = ahead_s

    def earlier(self) -> datetime:
        """Give the wall-clock time of now by our clock or by the broker's, whichever is earlier."""
        now = self.wall() - timedelta(seconds=self._most_ahead_s)
        return now if self.ahead_s is not None else min(now, _WRITTEN)


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
