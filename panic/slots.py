"""Who may send now: a bounded number of slots, handed out by priority, past one gate for each credential.

A slot is held for one attempt and never while an account waits for anything. A gate closes when the broker
answers 429 and opens again at the first other answer. Work behind a closed gate is not ready, so it never
keeps a slot from work that is.
"""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count

CLOSED_MOST_S = 5.0
"""The longest one 429 may hold an account's neighbours: half of them may be free to go."""

CLOSED_DEFAULT_S = 1.0
"""How long a 429 without a Retry-After closes the gate."""

FIRST_CANCEL_PATIENCE_S = 2.0
"""A first DELETE waits so long at a closed gate, and then goes all the same, one at a time."""

PROBE_PATIENCE_S = 1.0
"""A probe without an answer for so long no longer keeps the next one back."""


NOBODY = 0
"""Stands for an account where a request concerns none; no account has this id."""


class Kind(IntEnum):
    """The kinds of request, in the order in which they get slots."""

    FIRST_CANCEL = 0
    CANCEL = 1
    READ = 2


Rank = tuple[Kind, int]
"""A request's place in the queue: its kind, then its account's roster priority; lower goes first."""


@dataclass(slots=True)
class Gate:
    """What the broker lets pass behind one credential. Times are loop time, seconds.

    A 429 closes it, unless its account is known to be limited by itself: it answered 429 while a neighbour
    passed. Otherwise a few limited accounts would keep shutting it in front of all others.
    """

    _closed_at: float | None = None
    _until: float = 0.0
    _probe: int | None = None
    _probed_at: float = 0.0
    _limited: set[int] = field(default_factory=set)
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
            self._limited.add(account)
            if account not in self._limited_alone:
                self._closed_at = now if self._closed_at is None else self._closed_at
                self._until = now + min(retry_after or CLOSED_DEFAULT_S, CLOSED_MOST_S)

    def _opened_by(self, account: int) -> None:
        self._limited.discard(account)
        self._limited_alone.discard(account)
        if self._closed_at is not None:
            self._limited_alone |= self._limited
            self._closed_at = self._probe = None


Waiter = tuple[Kind, int, int, int, asyncio.Future[bool]]
"""Kind, priority, number in line (equals go in order, and no futures are compared), account, and the turn."""


@dataclass(slots=True)
class _Lane:
    gate: Gate = field(default_factory=Gate)
    queue: list[Waiter] = field(default_factory=list)

    def head(self, now: float) -> Waiter | None:
        """Give the first waiter that may go now. One that has had its turn is dropped when it comes up."""
        while self.queue and self.queue[0][-1].done():
            heapq.heappop(self.queue)
        if not self.queue:
            return None
        if self.gate.is_open:
            return self.queue[0]
        return self._probe(now)

    def _probe(self, now: float) -> Waiter | None:
        """Give the waiter that probes a closed gate: rather not one whose account is known to be limited."""
        ready = [one for one in self.queue if not one[-1].done() and self.gate.admits(one[0], now)]
        return min(ready, key=lambda one: (self.gate.is_limited(one[3]), one), default=None)

    def alarm(self) -> float | None:
        """Give the time at which the closed gate lets somebody through; None when nothing waits for that."""
        kinds = {one[0] for one in self.queue if not one[-1].done()}
        return None if self.gate.is_open or not kinds else min(map(self.gate.admits_at, kinds))


class Slots:
    """At most `size` requests in flight, by rank, past the gate of their lane (a credential's name)."""

    def __init__(self, size: int, now: Callable[[], float]) -> None:
        self._free = size
        self._now = now
        self._lanes: dict[str, _Lane] = {}
        self._numbers = count()
        self._wake: asyncio.TimerHandle | None = None
        self._closed = False
        self._waiting = 0

    async def acquire(self, lane_name: str, rank: Rank, account: int = NOBODY) -> bool:
        """Wait for a slot; False means that the run is over and nothing may be sent any more.

        Args:
            lane_name: The credential.
            rank: The place in the queue.
            account: Whose request it is.
        """
        if self._closed:
            return False
        lane = self._lanes.setdefault(lane_name, _Lane())
        if self._free and not lane.queue and lane.gate.is_open:
            self._free -= 1
            return True
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        heapq.heappush(lane.queue, (*rank, next(self._numbers), account, turn))
        self._waiting += 1
        if self._free:
            self._dispatch()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self.release()  # the slot was handed over in the moment of cancellation
            raise
        finally:
            self._waiting -= 1

    def release(self) -> None:
        """Give a slot back."""
        self._free += 1
        if self._waiting:
            self._dispatch()

    def answered(
        self, lane_name: str, account: int = NOBODY, *, limited: bool | None, retry_after: float | None = None
    ) -> None:
        """Tell a lane's gate what came back (None: nothing did). Call it before `release`."""
        gate = self._lanes[lane_name].gate
        gate.answered(account, self._now(), limited=limited, retry_after=retry_after)

    def close(self) -> None:
        """Send nothing more: everybody who waits is told so."""
        self._closed = True
        if self._wake is not None:
            self._wake.cancel()
        for lane in self._lanes.values():
            for *_, turn in lane.queue:
                if not turn.done():
                    turn.set_result(False)
            lane.queue.clear()

    def _dispatch(self) -> None:
        now = self._now()
        while self._free and (first := self._next(now)):
            lane, (*_, account, turn) = first
            lane.gate.passed(account, now)
            self._free -= 1
            turn.set_result(True)
        if self._free:
            self._set_alarm(now)

    def _next(self, now: float) -> tuple[_Lane, Waiter] | None:
        """Give the waiter that goes before all others, and its lane."""
        best: tuple[_Lane, Waiter] | None = None
        for lane in self._lanes.values():
            head = lane.head(now)
            if head is not None and (best is None or head < best[1]):
                best = lane, head
        return best

    def _set_alarm(self, now: float) -> None:
        """Come back when the first closed gate with a queue lets somebody through."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        due = [at for lane in self._lanes.values() if (at := lane.alarm()) is not None]
        if due:
            self._wake = asyncio.get_running_loop().call_at(max(min(due), now), self._dispatch)
