"""Who has asked for this before: Idempotency-Keys, and how often a program may press.

Both are kept in memory: a key dedups a caller's repeats of one trigger, and a service that was started again has
had no trigger yet. Pure but for the clock that is handed in.
"""

import re
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

KEPT_S: Final = 86_400.0
KEPT_MOST: Final = 10_000
KEY: Final = r"[!-~]{1,255}"

PRESSES_MOST: Final = 20
PRESSES_S: Final = 10.0


class Answered(NamedTuple):
    """What a press came to, for whoever repeats it; `what` is the digest of its body."""

    what: str
    run_id: str
    joined: bool
    resent: bool


class _Kept(NamedTuple):
    at: float
    answered: Answered


def is_key(words: str) -> bool:
    """Whether these words can be an Idempotency-Key."""
    return re.fullmatch(KEY, words) is not None


class Keys:
    """Which Idempotency-Keys stand for which runs, for each token by itself.

    Where there are too many, the token that has the most loses its oldest: a token that floods the service with
    keys forgets its own.
    """

    def __init__(self, now: Callable[[], float], most: int = KEPT_MOST, kept_s: float = KEPT_S) -> None:
        self._now, self._most, self._kept_s = now, most, kept_s
        self._of: dict[str, OrderedDict[str, _Kept]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def find(self, token: str, key: str) -> Answered | None:
        """Give what this token's key stands for."""
        self._expire(token)
        kept = self._of.get(token)
        return kept[key].answered if kept and key in kept else None

    def keep(self, token: str, key: str, answered: Answered) -> None:
        """Let a key that stands for nothing yet stand for something."""
        self._expire(token)
        self._of.setdefault(token, OrderedDict())[key] = _Kept(self._now(), answered)
        self._count += 1
        if self._count > self._most:
            self._drop_oldest(max(self._of, key=lambda one: len(self._of[one])))

    def _expire(self, token: str) -> None:
        kept = self._of.get(token)
        while kept and next(iter(kept.values())).at <= self._now() - self._kept_s:
            self._drop_oldest(token)
            kept = self._of.get(token)

    def _drop_oldest(self, token: str) -> None:
        self._of[token].popitem(last=False)
        self._count -= 1
        if not self._of[token]:
            del self._of[token]


@dataclass(slots=True)
class _Pressed:
    times: deque[float] = field(default_factory=deque)
    last: dict[str, str] = field(default_factory=dict)


class Throttle:
    """How often each program has pressed lately, and what came of it."""

    def __init__(self, now: Callable[[], float], most: int = PRESSES_MOST, within_s: float = PRESSES_S) -> None:
        self._now, self._most, self._within_s = now, most, within_s
        self._of: dict[str, _Pressed] = {}

    def wait_s(self, token: str) -> float:
        """Give how long this token has to wait until it may press, seconds; 0 if it may."""
        pressed = self._of.get(token)
        if pressed is None:
            return 0.0
        while pressed.times and pressed.times[0] <= self._now() - self._within_s:
            pressed.times.popleft()
        if not pressed.times:
            del self._of[token]
        return 0.0 if len(pressed.times) < self._most else pressed.times[0] + self._within_s - self._now()

    def last_run(self, token: str, what: str) -> str:
        """Give the run that this token's last press of the same body came to; empty if there was none lately."""
        pressed = self._of.get(token)
        return "" if pressed is None else pressed.last.get(what, "")

    def pressed(self, token: str, what: str, run_id: str) -> None:
        """Count a press."""
        pressed = self._of.setdefault(token, _Pressed())
        pressed.times.append(self._now())
        pressed.last.pop(what, None)
        pressed.last[what] = run_id
        while len(pressed.last) > self._most:
            del pressed.last[next(iter(pressed.last))]
