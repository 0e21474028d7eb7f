"""The rate at which the broker serves a lane, learned as TCP learns a path's: arithmetic, nothing waits here.

* After the first refusal it begins low and doubles every quarter second: slow start.
* A refusal sets it to what was served since an earlier refusal, by the time since, as TCP Westwood does: a token
  bucket is empty at each refusal, so that is its rate whatever its burst; and a window's is the same. Where too
  little was served for that, one more would have been too many: that is as fast as the broker can be. No refusal
  takes more than 30 %, as with CUBIC: a window that was used up says little of its rate.
* Between refusals it grows by 2, 4, 8 % and so on, as CUBIC does: flat near the last limit, steep once that moved.
"""

from collections import deque
from dataclasses import dataclass, field

FIRST = 7.0
"""Turns a second after the first refusal: low, for a broker may be slow."""

LEAST = 0.2
"""The slowest, turns a second."""

KNOWN_MOST = 1000.0
"""The fastest that is believed beforehand, turns a second. What is slower than the first rate is not believed."""

DOUBLE_S, DOUBLE_TURNS = 0.25, 2
SEARCH, SEARCH_TURNS = 1.25, 4
"""It grows once in so many seconds and turns: in a slow start, and after a refusal too early to learn from."""

GROW_S, GROW_TURNS = 1.0, 40
GROWTH_FIRST, GROWTH_MOST = 0.02, 1.0
PAUSES = 5
"""It grows once in so many seconds and turns, and the less often the longer a refusal closed the lane."""

BENEATH = 0.95
"""After a refusal the rate is this part of what was served, so that the next one is some time away."""

LEFT, FAR_OFF = 0.7, 0.85
"""Between these parts is left of a rate that was refused at once; the first is left of any."""

LEARN_S, LEARN_TURNS, LEARN_FROM = 1.0, 10, 5
"""What was served is counted over at least so many seconds and turns, from any of the last so many refusals."""


@dataclass(slots=True)
class Rate:
    """Turns a second; times are loop time, seconds.

    Attributes:
        value: None while there is no limit.
        most: What the firm knows it to be: it is never exceeded.
        turns: How many turns were served.
    """

    value: float | None = None
    most: float | None = None
    turns: int = 0
    _factor: float = 2.0
    _growth: float = GROWTH_FIRST
    _grown_at: float = 0.0
    _grown_turns: int = 0
    _pause: float = 0.0
    _refusals: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=LEARN_FROM))

    @classmethod
    def known(cls, value: float | None, most: float | None) -> "Rate":
        """Give the rate of a lane whose limit is known, from the settings or from before; else it has none."""
        if most is not None:
            return cls(most, most, _factor=0.0)
        return cls(None if value is None else min(max(value, FIRST), KNOWN_MOST))

    def begin_anew(self) -> None:
        """Find the limit once more, from what it was: it may have moved, or have been another's, since then."""
        self._refusals.clear()
        if self.value is not None and self.most is None:
            self.value, self._factor = min(max(self.value, FIRST), KNOWN_MOST), 2.0

    @property
    def is_learned(self) -> bool:
        """Whether it is more than a guess: no slow start any more, and no search."""
        return not self._factor

    @property
    def gap_s(self) -> float:
        """The time from one turn to the next, seconds."""
        return 1 / self.value if self.value else 0.0

    def refused(self, now: float, *, is_far_off: bool, is_doubtful: bool) -> None:
        """Learn from a refusal.

        Args:
            now: The time.
            is_far_off: Whether hardly anything was served since the last one.
            is_doubtful: Whether its account may be limited by itself: then it says less of the lane.
        """
        if self.value is None:
            self._set(FIRST)
        else:
            since = [(now - at, self.turns - turns) for at, turns in self._refusals]
            served = max((n / past for past, n in since if past >= LEARN_S and n >= LEARN_TURNS), default=0.0)
            if served and not is_far_off:
                value, self._factor = BENEATH * served, 0.0
            else:
                past, n = since[-1] if since else (0.0, 0)
                most = (n + 1) / past if past and not is_doubtful else self.value
                value, self._factor = min(most, FAR_OFF * self.value), min(self._factor, SEARCH)
            self._set(min(self.value, max(value, LEFT * max(self.value, served))))
        if not self._refusals or now - self._refusals[-1][0] >= LEARN_S / 2:
            self._refusals.append((now, self.turns))
        self._growth = GROWTH_FIRST
        self._grown_at, self._grown_turns = now, self.turns

    def paused(self, seconds: float, now: float) -> None:
        """Note that nothing was served for a while."""
        self._pause = seconds
        self._grown_at, self._grown_turns = now, self.turns

    def served(self, now: float) -> None:
        """Count a turn, and grow when it is time."""
        self.turns += 1
        if self.value is None:
            return
        past, turns = now - self._grown_at, self.turns - self._grown_turns
        least_s, least_turns = self._next_growth()
        if past < least_s or turns < least_turns:
            return
        if turns >= self.value * past / 2:  # else fewer came than might have gone
            self._set(self.value * (self._factor or 1 + self._growth))
            if not self._factor:
                self._growth = min(2 * self._growth, GROWTH_MOST)
        self._grown_at, self._grown_turns = now, self.turns

    def _next_growth(self) -> tuple[float, int]:
        if not self._factor:
            return max(GROW_S, PAUSES * self._pause), GROW_TURNS
        return DOUBLE_S, DOUBLE_TURNS if self._factor > SEARCH else SEARCH_TURNS

    def _set(self, value: float) -> None:
        self.value = max(LEAST, value if self.most is None else min(value, self.most))
