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


class Kind(IntEnum):
    """The kinds of request, in the order in which they get slots."""

    FIRST_CANCEL = 0
    CANCEL = 1
    READ = 2


Rank = tuple[Kind, int]
"""A request's place in the queue: its kind, then its account's roster priority; lower goes first."""


@dataclass(slots=True)
class Gate:
    """What the broker lets pass behind one credential. Times are loop time, seconds."""

    _closed_at: float | None = None
    _until: float = 0.0
    _probed_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether everything may pass."""
        return self._closed_at is None

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
        return due if self._probed_at is None else max(due, self._probed_at + PROBE_PATIENCE_S)

    def passed(self, now: float) -> None:
        """Note that a request has passed; through a closed gate it is a probe."""
        if self._closed_at is not None:
            self._probed_at = now

    def answered(self, now: float, *, limited: bool | None, retry_after: float | None = None) -> None:
        """Note an answer: 429 closes the gate for a while, any other opens it; none leaves it as it is."""
        if limited:
            self._closed_at = now if self._closed_at is None else self._closed_at
            self._until = now + min(retry_after or CLOSED_DEFAULT_S, CLOSED_MOST_S)
        elif limited is False:
            self._closed_at = None
        self._probed_at = None


Waiter = tuple[Kind, int, int, asyncio.Future[bool]]
"""Kind, priority, number in line (so that equals go in order and no futures are compared), and the turn."""


@dataclass(slots=True)
class _Lane:
    gate: Gate = field(default_factory=Gate)
    queue: list[Waiter] = field(default_factory=list)

    def head(self, now: float) -> Waiter | None:
        """Give the first waiter that may go now."""
        while self.queue and self.queue[0][-1].done():
            heapq.heappop(self.queue)
        if not self.queue or not self.gate.admits(self.queue[0][0], now):
            return None
        return self.queue[0]


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

    async def acquire(self, lane_name: str, rank: Rank) -> bool:
        """Wait for a slot; False means that the run is over and nothing may be sent any more."""
        if self._closed:
            return False
        lane = self._lanes.setdefault(lane_name, _Lane())
        if self._free and not lane.queue and lane.gate.is_open:
            self._free -= 1
            return True
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        heapq.heappush(lane.queue, (*rank, next(self._numbers), turn))
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

    def answered(self, lane_name: str, *, limited: bool | None, retry_after: float | None = None) -> None:
        """Tell a lane's gate what came back (None: nothing did). Call it before `release`."""
        self._lanes[lane_name].gate.answered(self._now(), limited=limited, retry_after=retry_after)

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
        while self._free and (lane := self._next_lane(now)):
            *_, turn = heapq.heappop(lane.queue)
            lane.gate.passed(now)
            self._free -= 1
            turn.set_result(True)
        if self._free:
            self._set_alarm(now)

    def _next_lane(self, now: float) -> _Lane | None:
        """Give the lane whose first waiter goes before those of all others."""
        best, best_head = None, None
        for lane in self._lanes.values():
            head = lane.head(now)
            if head is not None and (best_head is None or head < best_head):
                best, best_head = lane, head
        return best

    def _set_alarm(self, now: float) -> None:
        """Come back when the first closed gate with a queue lets somebody through."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        shut = [lane for lane in self._lanes.values() if lane.queue and not lane.gate.is_open]
        if shut:
            due = min(lane.gate.admits_at(lane.queue[0][0]) for lane in shut)
            self._wake = asyncio.get_running_loop().call_at(max(due, now), self._dispatch)
