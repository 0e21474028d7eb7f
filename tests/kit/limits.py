"""Brokers' rate limits, written from what they are: each says of a request at a time whether it is served."""

from collections.abc import Callable
from dataclasses import dataclass, field

Admits = Callable[[float], bool]


@dataclass(slots=True)
class Bucket:
    """A token bucket: `burst` at once, refilled at `rate` a second; refused requests may cost a token, too."""

    rate: float
    burst: float = 1.0
    counts_refused: bool = False
    _tokens: float | None = None
    _at: float = 0.0

    def __call__(self, now: float) -> bool:
        """Take a token, if there is one."""
        tokens = self.burst if self._tokens is None else self._tokens
        tokens = min(self.burst, tokens + (now - self._at) * self.rate)
        served = tokens >= 1.0
        self._tokens, self._at = tokens - (served or self.counts_refused), now
        return served

    def best(self, requests: int) -> float:
        """Give the shortest time in which so many requests can be served, seconds."""
        return max(0.0, requests - self.burst) / self.rate


@dataclass(slots=True)
class Window:
    """So many in each window of time, and no more until the next one."""

    rate: float
    seconds: float = 1.0
    _window: int = -1
    _count: int = 0

    def __call__(self, now: float) -> bool:
        """Count it in its window."""
        window = int(now / self.seconds)
        if window != self._window:
            self._window, self._count = window, 0
        self._count += 1
        return self._count <= self.rate * self.seconds

    def best(self, requests: int) -> float:
        """Give the shortest time in which so many requests can be served, seconds."""
        return max(0.0, -(-requests // int(self.rate * self.seconds)) - 1) * self.seconds


@dataclass(slots=True)
class Sliding:
    """So many in any stretch of time."""

    rate: float
    seconds: float = 1.0
    _served: list[float] = field(default_factory=list)

    def __call__(self, now: float) -> bool:
        """Count what was served lately."""
        self._served = [at for at in self._served if at > now - self.seconds]
        served = len(self._served) < self.rate * self.seconds
        if served:
            self._served.append(now)
        return served

    def best(self, requests: int) -> float:
        """Give the shortest time in which so many requests can be served, seconds."""
        return max(0.0, -(-requests // int(self.rate * self.seconds)) - 1) * self.seconds
