"""Who may send now: a bounded number of slots, handed out by priority, past one gate for each credential.

A slot is held for one attempt and never while an account waits for anything. Work behind a closed gate is not
ready, so it never keeps a slot from work that is.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import count

from panic.broker.answers import Answer
from panic.engine.gate import Gate, Kind

NOBODY = 0
"""Stands in for an account if a request concerns none; no account has this id."""

Rank = tuple[Kind, int]
"""A request's place in the queue: its kind, then its account's roster priority; lower goes first."""

Waiter = tuple[Kind, int, int, int, asyncio.Future[bool]]
"""Kind, priority, number in line (equals go in order, and no futures are compared), account, and the turn."""


@dataclass(slots=True)
class _Lane:
    """One credential's gate and those who wait at it; accounts known to be limited wait apart.

    In both heaps the first waiter is also the first that a closed gate would let through.
    """

    gate: Gate = field(default_factory=Gate)
    queue: list[Waiter] = field(default_factory=list)
    limited: list[Waiter] = field(default_factory=list)

    @property
    def is_free(self) -> bool:
        """Whether nobody waits and everybody may pass."""
        return self.gate.is_open and not self.queue and not self.limited

    def push(self, waiter: Waiter) -> None:
        """Let somebody wait."""
        heapq.heappush(self.limited if self.gate.is_limited(waiter[3]) else self.queue, waiter)

    def head(self, now: float) -> Waiter | None:
        """Give the first waiter that may go now; through a closed gate rather not one who is limited anyway."""
        if not self.limited and self.gate.is_open:  # nearly always; thousands of times in a sweep
            return _first(self.queue)
        heads = [head for head in self._heads() if self.gate.admits(head[0], now)]
        if not heads:
            return None
        return min(heads) if self.gate.is_open else heads[0]

    def alarm(self) -> float | None:
        """Give the time at which the closed gate lets somebody through; None when nothing waits for that."""
        due = [self.gate.admits_at(head[0]) for head in self._heads()]
        return min(due) if due and not self.gate.is_open else None

    def waiting(self) -> list[Waiter]:
        """Give all who wait."""
        return [*self.queue, *self.limited]

    def _heads(self) -> Iterator[Waiter]:
        for heap in (self.queue, self.limited):
            if (first := _first(heap)) is not None:
                yield first


def _first(heap: list[Waiter]) -> Waiter | None:
    while heap and heap[0][-1].done():  # it has had its turn, or has gone
        heapq.heappop(heap)
    return heap[0] if heap else None


class Slots:
    """At most `size` requests in flight, by rank, past the gate of their lane (a credential's name)."""

    def __init__(self, size: int, now: Callable[[], float]) -> None:
        self._free = size
        self._now = now
        self._lanes: dict[str, _Lane] = {}
        self._numbers = count()
        self._wake: asyncio.TimerHandle | None = None
        self._closed = False
        self._held = False
        self._waiting = 0

    async def acquire(self, lane_name: str, rank: Rank, account: int = NOBODY) -> bool:
        """Wait for a slot; False means that nothing may be sent, or that something else is due before it."""
        if self._closed:
            return False
        lane = self._lanes.setdefault(lane_name, _Lane())
        if self._free and lane.is_free and not self._held:
            self._free -= 1
            return True
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        lane.push((*rank, next(self._numbers), account, turn))
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

    async def attempt(self, lane_name: str, account: int, call: Awaitable[Answer]) -> Answer:
        """Make one attempt in the slot already held; tell the gate of it, and give the slot back."""
        limited, retry_after = None, None
        try:
            answer = await call
            retry_after = answer.retry_after
            if answer.is_answered and account != NOBODY:  # the accounts' gate is the accounts' business
                limited = answer.is_limited
        finally:
            self.answered(lane_name, account, limited=limited, retry_after=retry_after)
            self.release()
        return answer

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

    def hold(self, *, so: bool) -> None:
        """Stop handing out slots for the time being, or resume."""
        self._held = so
        if not so:
            self._dispatch()

    def recall(self, accounts: Collection[int]) -> None:
        """Remove accounts from the queue that wait for anything but a first DELETE: they owe one now."""
        for lane in self._lanes.values():
            for kind, _, _, account, turn in lane.waiting():
                if account in accounts and kind is not Kind.FIRST_CANCEL and not turn.done():
                    turn.set_result(False)

    def close(self) -> None:
        """Send nothing more, and tell everybody who waits."""
        self._closed = True
        if self._wake is not None:
            self._wake.cancel()
        for lane in self._lanes.values():
            for *_, turn in lane.waiting():
                if not turn.done():
                    turn.set_result(False)

    def _dispatch(self) -> None:
        if self._held:
            return
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
        """Wake up when the first closed gate with a queue lets somebody through."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        due = [at for lane in self._lanes.values() if (at := lane.alarm()) is not None]
        if due:
            self._wake = asyncio.get_running_loop().call_at(max(min(due), now), self._dispatch)
