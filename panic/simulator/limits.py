"""How fast the whole broker may be asked: arithmetic."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many requests a second, of each key or `shared` by all; what is more is answered 429.

    It is a token bucket that holds `burst`; or with a `window` so many seconds' worth in each window of that
    length. With `counts_refused` a refused request costs as much as one that is served.
    """

    rate: float
    burst: float = 1.0
    window: float = 0.0
    counts_refused: bool = False
    shared: bool = False
    retry_after: str | None = "1"  # a header, verbatim


class Meter:
    """Counts requests against a limit."""

    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit
        self._left: dict[str, tuple[float, float]] = {}

    def admits(self, key: str, now: float) -> bool:
        """Count a request, and say whether it is served."""
        limit = self.limit
        who = "" if limit.shared else key
        most = limit.rate * limit.window if limit.window else limit.burst
        at, left = self._left.get(who, (now, most))
        if not limit.window:
            left = min(most, left + (now - at) * limit.rate)
        elif at // limit.window != now // limit.window:
            left = most
        is_served = left >= 1
        self._left[who] = now, max(0.0, left - (is_served or limit.counts_refused))
        return is_served
