"""How long to wait, and why: plain arithmetic on loop time, in seconds. Nothing here sleeps."""

from dataclasses import dataclass

FLOOR_S = 18.0
"""An account that is not clear gets a DELETE at least every 20 s; two of them are left for its slot and wire."""

BACKOFF_FIRST_S = 0.5
BACKOFF_FACTOR = 5.0
"""0.5, 2.5, 12.5 and then 18 s: six DELETEs in a minute of nothing but 503, the second within a breath."""

JITTER = 0.1
"""Waits differ by up to a tenth either way, so that a thousand accounts do not return in one instant."""

POLL_GROWTH = 1.5
"""Reads spread out by half each time: the settle time is overshot by half at most."""

HUSH_MOST_S = 2.0
HUSH_SHARE = 0.1
HUSH_OVER_POLL_S = 0.5
"""A DELETE in the last moments would only undo what the reads have shown, with no time to read again."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The times of one run.

    Attributes:
        deadline: Loop time at which the run ends, seconds.
        latest: Loop time up to which the end may be put off because the broker is slow, seconds.
        attempt_s: The longest one request may take, seconds.
        poll_first_s: Wait before the first read of an accepted cancel, seconds.
        poll_most_s: The longest wait between two reads, seconds.
        watch_s: How long to keep reading after the first clear, seconds; 0 for not at all.
        verify: Whether to read at all.
        hush_s: The end of the run in which what was accepted is read, not cancelled again, seconds.
    """

    deadline: float
    latest: float = 0.0
    attempt_s: float = 5.0
    poll_first_s: float = 0.5
    poll_most_s: float = 5.0
    watch_s: float = 15.0
    verify: bool = True
    hush_s: float = 2.0


def backoff(failures: int, jitter: float) -> float:
    """Give the wait after the n-th failure in a row, seconds; `jitter` is between -1 and 1."""
    wait = BACKOFF_FIRST_S * BACKOFF_FACTOR ** min(max(failures, 1) - 1, 10)
    return min(wait, FLOOR_S) * (1 + JITTER * jitter)


def hush(poll_first_s: float, deadline_s: float) -> float:
    """Give how long before the end nothing is cancelled again, seconds: long enough to read once more."""
    wanted = max(HUSH_SHARE * deadline_s, poll_first_s + HUSH_OVER_POLL_S)
    return min(HUSH_MOST_S, wanted, deadline_s / 2)
