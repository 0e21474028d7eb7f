"""What the broker admits for one credential: when a request may go, learned from how earlier ones were answered.

A lane is open, and unlimited, until the broker refuses (429) accounts that it has not refused before, several in
a short time. Then it closes, and one probe at a time finds out when it is served again; the wait in between grows.
From then on turns are spaced (`Rate`).

An account that is refused again and again while its neighbours are served is limited by itself, and waits by
itself.

A Retry-After keeps the lane closed, 5 s at most. Whole seconds are rounded up, so it may end up to a second
earlier; and until the broker has shown that it means it, probes for cancels that nobody has answered go before.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import IntEnum

from panic.engine.pacing import BACKOFF_FIRST_S, backoff
from panic.engine.rate import Rate

CLOSED_MOST_S = 5.0
"""The longest time that a lane is closed without a probe."""

PROBE_PATIENCE_S = 1.0
"""How long a probe without an answer holds back the next one."""

WAIT_FIRST_S, WAIT_FIRST_MOST_S, WAIT_GROWTH = 0.05, 0.25, 1.6
"""A closed lane waits for one turn, within these bounds, and then longer each time."""

RECENT, MANY, MANY_LEAST = 16, 0.6, 4
"""So large a part of the last answers, and so many, are refusals: it is the lane, and not some of its accounts."""

_RECENT_MASK = (1 << RECENT) - 1

NEIGHBOURS = 8
"""So many others have to be served between two refusals of an account before the second says something of it."""

ITS_OWN = 3
"""An account that is refused so often in a row, while neighbours are served, is limited by itself."""

FEW = 4
"""A refusal before so many turns were served shows that the rate is far off."""


class Kind(IntEnum):
    """The kinds of request, in the order in which they get turns.

    While a cancel waits that nobody has answered but with a refusal, no read takes its turn; what is known to
    be clear is looked at last.
    """

    FIRST_CANCEL = 0
    REFUSED_CANCEL = 1
    CANCEL = 2
    READ_ON = 3
    READ = 4
    READ_AGAIN = 5
    READ_CLEAR = 6


@dataclass(slots=True)
class Lane:
    """One credential's lane. Times are loop time, seconds.

    Attributes:
        closed_at: Since when nothing but probes goes; None while it is open.
        refused: How many requests were refused.
        period: Begins anew when it closes, opens or slows down: only answers to turns of the present one tell
            anything of it. Many are under way whenever it changes.
    """

    rate: Rate = field(default_factory=Rate)
    closed_at: float | None = None
    refused: int = 0
    period: int = 0
    _next_at: float = 0.0
    _told_until: float = 0.0
    _is_meant: bool | None = None
    _wait: float = 0.0
    _probed_at: float = 0.0
    _passed: int = 0
    _recent: int = 0
    _refused: dict[int, tuple[int, int]] = field(default_factory=dict)
    _probes: list[int] = field(default_factory=list)
    _has_found_room: bool = False

    @property
    def is_free(self) -> bool:
        """Whether everything may go at once."""
        return self.rate.value is None

    def admits_at(self, kind: Kind) -> float:
        """Give the time from which the next request may go."""
        if self.closed_at is None or (kind <= Kind.REFUSED_CANCEL and self._is_meant is None):
            return self._next_at
        return max(self._next_at, self._told_until)

    @property
    def doubted(self) -> Collection[int]:
        """The accounts that make poor probes: the last one was refused, and so were they."""
        return self._refused if self._probes else ()

    def begin_anew(self, now: float) -> None:
        """Find its limit once more: somebody presses."""
        self._has_found_room = False
        self.rate.begin_anew()
        self.period += 1
        if self.closed_at is not None:
            self._next_at = min(self._next_at, now)

    def find_room(self, now: float) -> None:
        """Find its limit once more, and not again: another lane leaves it the turns of their common broker."""
        if not self._has_found_room:
            self.begin_anew(now)
            self._has_found_room = True

    def sent(self, now: float) -> None:
        """Take a turn."""
        if self.closed_at is not None:
            self._probed_at = now
            self._next_at = now + PROBE_PATIENCE_S
        elif self.rate.value is not None:
            self._next_at = max(self._next_at, now - self.rate.gap_s / 2) + self.rate.gap_s

    def answered(
        self, account: int, period: int, now: float, *, limited: bool, retry_after: float | None
    ) -> float:
        """Learn from the answer to a turn of some period; give how long its account waits by itself, seconds."""
        is_current = period == self.period
        if limited:
            return self._was_refused(account, now, retry_after, is_current=is_current)
        self._recent = self._recent << 1 & _RECENT_MASK
        self.rate.served(now)
        self._passed += is_current
        self._refused.pop(account, None)
        if self.closed_at is not None and is_current:
            for other in self._probes:  # refused, and a neighbour was served right after that
                if (last := self._refused.get(other)) is not None:
                    self._refused[other] = last[0] + 1, last[1]
            self._open(now)
        return 0.0

    def _was_refused(self, account: int, now: float, retry_after: float | None, *, is_current: bool) -> float:
        self.refused += 1
        times = self._times_refused(account, is_current=is_current)
        by_itself = retry_after or backoff(times - 1, 0.0)
        if times >= ITS_OWN:
            if self.closed_at is not None and is_current:
                self._next_at = now  # it was a poor probe
            return by_itself
        if self.rate.value is None:
            self._recent = (self._recent << 1 | (times == 1)) & _RECENT_MASK
            if not self._are_many_refused:
                return by_itself if times > 1 else BACKOFF_FIRST_S
            self._slow_down(now)
            self._close(now, retry_after)
        elif self.closed_at is not None:
            if is_current:
                self._probes.append(account)
                self._wait_longer(now, retry_after)
        elif is_current:
            is_far_off = self._slow_down(now, is_doubtful=times > 1)
            if is_far_off or self._told_s(retry_after):
                self._close(now, retry_after)
        return 0.0

    @property
    def _are_many_refused(self) -> bool:
        answers = min(self.rate.turns + self.refused, RECENT)
        return self._recent.bit_count() >= max(MANY_LEAST, MANY * answers)

    def _times_refused(self, account: int, *, is_current: bool) -> int:
        last, passed = self._refused.get(account), False
        if last is not None:
            passed = self.closed_at is None and is_current and self.rate.turns >= last[1] + NEIGHBOURS
        times = 1 if last is None else last[0] + passed
        self._refused[account] = times, self.rate.turns
        return times

    def _slow_down(self, now: float, *, is_doubtful: bool = False) -> bool:
        """Learn from a refusal; tell whether the rate was far off."""
        is_far_off = self._passed < FEW
        self.rate.refused(now, is_far_off=is_far_off, is_doubtful=is_doubtful)
        self.period += 1
        self._passed = 0
        self._next_at = max(self._next_at, now + self.rate.gap_s)
        return is_far_off

    def _close(self, now: float, retry_after: float | None) -> None:
        self.closed_at = now
        self.period += 1
        self._probes.clear()
        self._wait = min(max(self.rate.gap_s, WAIT_FIRST_S), WAIT_FIRST_MOST_S)
        self._told_until = now + self._told_s(retry_after)
        self._next_at = now + self._wait

    def _wait_longer(self, now: float, retry_after: float | None) -> None:
        self._wait = min(self._wait * WAIT_GROWTH, CLOSED_MOST_S)
        self._next_at = now + self._wait
        if now < self._told_until:
            self._next_at = min(self._next_at, self._told_until)
        elif self._is_meant:
            self._told_until = now + self._told_s(retry_after)

    def _told_s(self, retry_after: float | None) -> float:
        """Give how long a Retry-After closes the lane, seconds: nothing if its broker has not meant one."""
        told = 0.0 if self._is_meant is False else (retry_after or 0.0) - 1.0
        return min(max(0.0, told), CLOSED_MOST_S)

    def _open(self, now: float) -> None:
        if self.closed_at is not None:
            if self._told_until > self.closed_at:
                self._is_meant = self._probed_at >= self._told_until
            self.rate.paused(now - self.closed_at, now)
        self.closed_at = None
        self.period += 1
        self._probes.clear()
        self._passed = 1
        self._next_at = self._probed_at + self.rate.gap_s
