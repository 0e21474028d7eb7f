"""Who has asked for this before: Idempotency-Keys.

They are kept in memory: a key stands for a caller's repeats of one trigger, and a service that was started anew
has had no trigger yet. Pure but for the clock that is handed in.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Final, NamedTuple

KEPT_S: Final = 86_400.0
KEPT_MOST: Final = 1000
"""Keys of one token: a token that floods the service with keys forgets its own."""

KEY: Final = r"[!-~]{1,255}"


class Answered(NamedTuple):
    """What a press came to, for whoever repeats it; `what` is the digest of its body."""

    what: str
    run_id: str
    joined: bool
    resent: bool


class Keys:
    """Which Idempotency-Keys stand for which runs, for each token by itself."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._of: defaultdict[str, dict[str, tuple[float, Answered]]] = defaultdict(dict)

    def find(self, token: str, key: str) -> Answered | None:
        """Give what this token's key stands for."""
        at, answered = self._of[token].get(key, (0.0, None))
        return answered if answered is not None and at > self._now() - KEPT_S else None

    def keep(self, token: str, key: str, answered: Answered) -> None:
        """Let a key that stands for nothing yet stand for something."""
        keys = self._of[token]
        keys.pop(key, None)
        keys[key] = self._now(), answered
        if len(keys) > KEPT_MOST:
            del keys[next(iter(keys))]
