"""What the broker admits for one credential: a 429 closes the gate, any other answer opens it."""

from dataclasses import dataclass, field
from enum import IntEnum

CLOSED_MOST_S = 5.0
"""The longest one 429 may hold an account's neighbours: half of them may be free to go."""

CLOSED_DEFAULT_S = 1.0
"""How long a 429 without a Retry-After closes the gate."""

FIRST_CANCEL_PATIENCE_S = 2.0
"""How long a first DELETE waits at a closed gate before it goes anyway, one at a time."""

_STRIKES = 2
"""After so many passes of a neighbour an account that still answers 429 counts as limited by itself."""

PROBE_PATIENCE_S = 1.0
"""How long a probe without an answer holds back the next one."""


class Kind(IntEnum):
    """The kinds of request, in the order in which they get slots.

    READ_AGAIN is a read of an account that was seen since its last DELETE: looking again at what is clear must
    not starve those that nobody has seen yet.
    """

    FIRST_CANCEL = 0
    CANCEL = 1
    READ = 2
    READ_AGAIN = 3


@dataclass(slots=True)
class Gate:
    """The gate of one credential. Times are loop time, seconds.

    A 429 closes it, unless its account is known to be limited by itself: it answered 429 twice, and each time a
    neighbour passed after it. Otherwise a few limited accounts would keep shutting it in front of all others.
    """

    _closed_at: float | None = None
    _until: float = 0.0
    _probe: int | None = None
    _probed_at: float = 0.0
    _limited: dict[int, int] = field(default_factory=dict)
    _limited_alone: set[int] = field(default_factory=set)

    @property
    def is_open(self) -> bool:
        """Whether everything may pass."""
        return self._closed_at is None

    def is_limited(self, account: int) -> bool:
        """Whether the last answer to an account was a 429: it makes a poor probe."""
        return account in self._limited

    def admits(self, kind: Kind, now: float) -> bool:
        """Tell whether a request may pass now."""
        return self._closed_at is None or now >= self.admits_at(kind)

    def admits_at(self, kind: Kind) -> float:
        """Give the time from which a closed gate lets the next request through."""
        if self._closed_at is None:
            return 0.0
        due = self._until
        if kind is Kind.FIRST_CANCEL:
            due = min(due, self._closed_at + FIRST_CANCEL_PATIENCE_S)
        return due if self._probe is None else max(due, self._probed_at + PROBE_PATIENCE_S)

    def passed(self, account: int, now: float) -> None:
        """Note that a request has passed; through a closed gate it is a probe."""
        if self._closed_at is not None:
            self._probe, self._probed_at = account, now

    def answered(
        self, account: int, now: float, *, limited: bool | None, retry_after: float | None = None
    ) -> None:
        """Note an answer: 429 closes the gate for a while, any other opens it; none (None) leaves it as it is."""
        if account == self._probe:
            self._probe = None
        if limited is False:
            self._opened_by(account)
        elif limited:
            self._limited.setdefault(account, 0)
            if account not in self._limited_alone:
                self._closed_at = now if self._closed_at is None else self._closed_at
                self._until = now + min(retry_after or CLOSED_DEFAULT_S, CLOSED_MOST_S)

    def _opened_by(self, account: int) -> None:
        self._limited.pop(account, None)
        self._limited_alone.discard(account)
        if self._closed_at is None:
            return
        self._closed_at = self._probe = None
        for limited in self._limited:
            self._limited[limited] += 1
            if self._limited[limited] >= _STRIKES:
                self._limited_alone.add(limited)
