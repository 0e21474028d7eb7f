"""Who may send now: a bounded number of slots, handed out by priority, past one gate for each credential.

A slot is held for one attempt and never while an account waits for anything. A gate closes when the broker
answers 429 and opens again at the first other answer. Work behind a closed gate is not ready, so it never
keeps a slot from work that is.
"""

import asyncio
import heapq
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count

CLOSED_MOST_S = 5.0
"""The longest one 429 may hold an account's neighbours: half of them may be free to go."""

CLOSED_DEFAULT_S = 1.0
"""How long a 429 without a Retry-After closes the gate."""

FIRST_CANCEL_PATIENCE_S = 2.0
"""A first DELETE waits so long at a closed gate, and then goes all the same, one at a time."""

_STRIKES = 2
"""So many times a neighbour has to pass an account that answers 429 before it counts as limited by itself."""

PROBE_PATIENCE_S = 1.0
"""A probe without an answer for so long no longer keeps the next one back."""


NOBODY = 0
"""Stands for an account where a request concerns none; no account has this id."""


class Kind(IntEnum):
    """The kinds of request, in the order in which they get slots.

    READ_AGAIN is a read of an account that was seen since its last DELETE: looking again at what is clear must
    not starve those that nobody has seen yet.
    """

    FIRST_CANCEL = 0
    CANCEL = 1
    READ = 2
    READ_AGAIN = 3


Rank = tuple[Kind, int]
"""A request's place in the queue: its kind, then its account's roster priority; lower goes first."""


@dataclass(slots=True)
class Gate:
    """What the broker lets pass behind one credential. Times are loop time, seconds.

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

    def clear(self) -> list[Waiter]:
        """Give all who wait, and let nobody wait any more."""
        waiters = self.waiting()
        self.queue, self.limited = [], []
        return waiters

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
        """Wait for a slot; False means that nothing may be sent, or that something else is due before it.

        Args:
            lane_name: The credential.
            rank: The place in the queue.
            account: Whose request it is.
        """
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
        """Let nobody have a slot for the time being, or let them again."""
        self._held = so
        if not so:
            self._dispatch()

    def recall(self, accounts: Collection[int]) -> None:
        """Send accounts out of the queue that wait for less than a first DELETE: they owe one now."""
        for lane in self._lanes.values():
            for kind, _, _, account, turn in lane.waiting():
                if account in accounts and kind is not Kind.FIRST_CANCEL and not turn.done():
                    turn.set_result(False)

    def close(self) -> None:
        """Send nothing more: everybody who waits is told so."""
        self._closed = True
        if self._wake is not None:
            self._wake.cancel()
        for lane in self._lanes.values():
            for *_, turn in lane.clear():
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
        """Come back when the first closed gate with a queue lets somebody through."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        due = [at for lane in self._lanes.values() if (at := lane.alarm()) is not None]
        if due:
            self._wake = asyncio.get_running_loop().call_at(max(min(due), now), self._dispatch)
