"""Who may send now: a bounded number of slots, handed out by rank, each with a turn of its credential's lane.

A slot is held for one attempt and never while an account waits for anything. Work that its lane does not admit yet
is not ready, so it never keeps a slot from work that is.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping

from panic.broker.answers import Answer
from panic.engine.lane import Kind, Lane
from panic.engine.queue import Queue, Rank, Urgency, Waiter
from panic.engine.rate import Rate

NOBODY = 0
"""Stands in for an account if a request concerns none; no account has this id."""

FLIGHT_LEAST, FLIGHT_SHARE, FLIGHT_S = 20, 5, 0.25
"""At first a fifth of the accounts fly, at least 20, and one more for each that is served, as in TCP's slow start:
a broker that lets few through refuses few. A quarter of a second later all may."""

SPREAD = 0.9
"""The turns of all lanes are so far apart, in parts of what one broker would need that served all their rates."""


class Lanes:
    """The lanes of a process, by credential: every run takes its turns from the same ones.

    They begin at the `known` rates, turns a second, and never go faster than `most`.
    """

    def __init__(self, most: float | None = None, known: Mapping[str, float] | None = None) -> None:
        self._most, self.known = most, known or {}
        self._lanes: dict[str, Lane] = {}
        self._users: dict[str, list[Slots]] = {}
        self._next_at = 0.0

    def join(self, name: str, slots: "Slots") -> Lane:
        """Give a lane, of which these slots take turns from now on."""
        self._users.setdefault(name, []).append(slots)
        if name not in self._lanes:
            self._lanes[name] = Lane(self._first(name))
        elif slots.is_press:
            self._lanes[name].begin_anew(slots.now())
        return self._lanes[name]

    def rates(self, of: Iterable[str] | None = None) -> dict[str, float]:
        """Give the rate of each lane that is limited, turns a second; `of` these, in use or not."""
        lanes = self._lanes
        names = lanes if of is None else of
        rates = {name: lanes[name].rate if name in lanes else self._first(name) for name in names}
        return {name: round(rate.value, 2) for name, rate in rates.items() if rate.value is not None}

    def _first(self, name: str) -> Rate:
        return Rate.known(self.known.get(name), self._most)

    def admits_at(self, lane: Lane, kind: Kind) -> float:
        """Give the time from which the next request of a lane may go."""
        at = lane.admits_at(kind)
        return at if lane.is_free else max(at, self._next_at)

    def sent(self, lane: Lane, kind: Kind, now: float, waiting: Iterable[tuple[Lane, Kind]]) -> None:
        """Take a turn of a lane while others have such requests `waiting`: they may all be behind one limit.

        So their turns are kept apart, too; a closed lane's probe goes in another's stead; and a lane with more
        urgent requests looks once for what this one leaves it.
        """
        lane.sent(now)
        if lane.is_free or len(self._lanes) == 1:
            return
        before = Kind.READ_AGAIN if kind is Kind.READ_CLEAR else Kind.REFUSED_CANCEL
        for other, its in waiting:
            if its <= before < kind and other is not lane:
                other.find_room(now)
        rates = [one.rate.value for one in self._lanes.values() if one.rate.value is not None]
        any_closed = any(one.closed_at is not None for one in self._lanes.values())
        gap = 1 / max(rates) if any_closed else SPREAD / sum(rates)
        self._next_at = max(self._next_at, now - gap / 8) + gap  # hardly anything is made up for: turns collide

    def leave(self, name: str, slots: "Slots") -> None:
        """Take no more turns."""
        self._users[name].remove(slots)

    def wake_others(self, name: str, slots: "Slots") -> None:
        """Let the other runs look at a lane again: what it admits has changed."""
        for other in self._users[name]:
            if other is not slots:
                other.wake_soon()

    def is_first(self, name: str, slots: "Slots", head: "Waiter") -> bool:
        """Tell whether nobody in another run goes before."""
        others = (other.wants(name) for other in self._users[name] if other is not slots)
        return all(other is None or head < other for other in others)


class Slots:
    """At most `size` requests of a run in flight, by rank; where runs share a lane, by `urgency` within a kind.

    Attributes:
        waited_s: How long slots were free while requests waited for their lanes, seconds.
        refused: How many of its requests were refused, by lane.
    """

    def __init__(
        self,
        size: int,
        now: Callable[[], float],
        lanes: Lanes | None = None,
        *,
        urgency: Urgency = Urgency.PERSON,
    ) -> None:
        self._free = size
        self._withheld = 0
        self.now = now
        self.lanes = lanes if lanes is not None else Lanes()
        self._urgency = urgency
        self._hurried: dict[int, Urgency] = {}
        self.is_press = urgency < Urgency.CLOCK
        self._queues: dict[str, Queue] = {}
        self._wake: asyncio.TimerHandle | None = None
        self._closed = False
        self._held = False
        self._idle_since: float | None = None
        self.waited_s = 0.0
        self.refused = Counter[str]()
        self._periods: dict[int, int] = {}
        self._waiting = 0

    def begin(self, accounts: int) -> None:
        """Let only some of so many accounts' requests fly before answers come, or a moment has passed."""
        self._withheld = max(0, self._free - max(FLIGHT_LEAST, accounts // FLIGHT_SHARE))
        self._free -= self._withheld
        if self._withheld:
            asyncio.get_running_loop().call_later(FLIGHT_S, self._give_all)

    def _give_all(self) -> None:
        self._free += self._withheld
        self._withheld = 0
        self._dispatch()

    async def acquire(self, lane_name: str, rank: Rank, account: int = NOBODY) -> bool:
        """Wait for a slot; False means that nothing may be sent, or that something else is due before it."""
        if self._closed:
            return False
        queue = self._queues.get(lane_name) or self._join(lane_name)
        if self._free and not self._held and queue.is_free:
            self._free -= 1
            self._periods[account] = queue.lane.period
            return True
        turn = queue.join(rank, self._hurried.get(account, self._urgency), account)
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
        """Make one attempt in the slot already held; let its lane learn from it, and give the slot back.

        A 429's `retry_after` becomes what the account itself has to wait: nothing where it is the lane that waits.
        """
        try:
            answer = await call
            if answer.is_answered and account != NOBODY:  # the accounts' pace is the accounts' business
                lane = self._queues[lane_name].lane
                period = lane.period
                wait = lane.answered(
                    account,
                    self._periods.pop(account, -1),
                    self.now(),
                    limited=answer.is_limited,
                    retry_after=answer.retry_after,
                )
                if lane.period != period:
                    self.lanes.wake_others(lane_name, self)
                if self._withheld and not answer.is_limited:
                    self._withheld -= 1
                    self._free += 1  # handed out with the one that is given back
                if answer.is_limited:
                    self.refused[lane_name] += 1
                    answer = answer._replace(retry_after=wait)
        finally:
            self.release()
        return answer

    def release(self) -> None:
        """Give a slot back."""
        self._free += 1
        if self._waiting:
            self._dispatch()

    def hold(self, *, so: bool) -> None:
        """Stop handing out slots for the time being, or resume."""
        self._held = so
        if not so:
            self._dispatch()

    def hurry(self, accounts: Collection[int], urgency: Urgency) -> None:
        """Let accounts go before more others from now on: somebody more urgent pressed them."""
        if urgency < self._urgency:
            self._hurried.update(dict.fromkeys(accounts, urgency))
            for queue in self._queues.values():
                queue.hurry(self._hurried)
            self.wake_soon()

    def recall(self, accounts: Collection[int]) -> None:
        """Remove accounts from the queue that wait for anything but a first DELETE: they owe one now."""
        for queue in self._queues.values():
            for waiter in queue.heap:
                if waiter.account in accounts and waiter.kind is not Kind.FIRST_CANCEL and not waiter.turn.done():
                    waiter.turn.set_result(False)

    def close(self) -> None:
        """Send nothing more, and tell everybody who waits."""
        if self._closed:
            return
        self._closed = True
        if self._wake is not None:
            self._wake.cancel()
        for name, queue in self._queues.items():
            self.lanes.leave(name, self)
            for waiter in queue.heap:
                if not waiter.turn.done():
                    waiter.turn.set_result(False)

    @property
    def limited(self) -> dict[str, Lane]:
        """The lanes that the broker limits, by credential."""
        return {name: one.lane for name, one in self._queues.items() if one.lane.rate.value is not None}

    @property
    def rates(self) -> dict[str, float]:
        """Their rates, turns a second."""
        return {name: lane.rate.value for name, lane in self.limited.items() if lane.rate.value is not None}

    def wake_soon(self) -> None:
        """Look again whether somebody may go."""
        if self._waiting and self._free:
            asyncio.get_running_loop().call_soon(self._dispatch)

    def begin_anew(self) -> None:
        """Find the limit of each lane once more: somebody presses."""
        for name, queue in self._queues.items():
            queue.lane.begin_anew(self.now())
            self.lanes.wake_others(name, self)
        self.wake_soon()

    def wants(self, lane_name: str) -> Waiter | None:
        """Give who would take a lane's next turn; None if nobody can."""
        return self._queues[lane_name].head() if self._free and not self._held else None

    def _join(self, lane_name: str) -> Queue:
        queue = self._queues[lane_name] = Queue(self.lanes.join(lane_name, self))
        return queue

    def _dispatch(self) -> None:
        if self._held:
            return
        now = self.now()
        if self._idle_since is not None:
            self.waited_s += now - self._idle_since
            self._idle_since = None
        while self._free and (first := self._next(now)):
            name, waiter = first
            lane = self._queues[name].lane
            self.lanes.sent(lane, waiter.kind, now, ((other, head.kind) for other, head in self._heads()))
            self.lanes.wake_others(name, self)
            self._periods[waiter.account] = lane.period
            self._free -= 1
            waiter.turn.set_result(True)
        if self._free:
            self._set_alarm(now)

    def _next(self, now: float) -> tuple[str, Waiter] | None:
        """Give the waiter that goes before all others, and its lane."""
        best: tuple[str, Waiter] | None = None
        for name, queue in self._queues.items():
            head = queue.head()
            if head is None or (best is not None and best[1] < head):
                continue
            if self.lanes.admits_at(queue.lane, head.kind) > now:
                continue
            if queue.lane.is_free or self.lanes.is_first(name, self, head):
                best = name, head
            else:
                self.lanes.wake_others(name, self)  # and after their turn they wake us
        return best

    def _heads(self) -> Iterator[tuple[Lane, Waiter]]:
        """Give who goes first in each lane in which somebody waits."""
        for queue in self._queues.values():
            if (head := queue.head()) is not None:
                yield queue.lane, head

    def _set_alarm(self, now: float) -> None:
        """Wake up when the first lane with a queue admits somebody."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        due = [at for lane, head in self._heads() if (at := self.lanes.admits_at(lane, head.kind)) > now]
        if due:
            self._idle_since = now
            self._wake = asyncio.get_running_loop().call_at(min(due), self._dispatch)
