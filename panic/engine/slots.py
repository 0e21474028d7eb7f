"""Who may send now: a bounded number of slots, handed out by rank, each with a turn of its credential's lane.

A slot is held for one attempt and never while an account waits for anything. Work that its lane does not admit yet
is not ready, so it never keeps a slot from work that is.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection

from panic.broker.answers import Answer
from panic.engine.lane import Lane
from panic.engine.lanes import Lanes
from panic.engine.queue import Rank, Urgency, Waiter
from panic.engine.queues import Queues

NOBODY = 0
"""Stands in for an account if a request concerns none; no account has this id."""

FLIGHT_LEAST, FLIGHT_SHARE, FLIGHT_S = 20, 5, 0.25
"""At first a fifth of the accounts fly, at least 20, and one more for each that is served, as in TCP's slow start:
a broker that lets few through refuses few. A quarter of a second later all may."""


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
        self._queues = Queues(self.lanes, self)
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
        queue = self._queues[lane_name]
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
            self._queues.hurry(self._hurried)
            self.wake_soon()

    def recall(self, accounts: Collection[int]) -> None:
        """Remove accounts from the queue that wait for anything but a first DELETE: they owe one now."""
        self._queues.recall(accounts)

    def close(self) -> None:
        """Send nothing more, and tell everybody who waits."""
        if self._closed:
            return
        self._closed = True
        if self._wake is not None:
            self._wake.cancel()
        self._queues.close()

    @property
    def limited(self) -> dict[str, Lane]:
        """The lanes that the broker limits, by credential."""
        return {name: lane for name, lane in self._queues.lanes.items() if lane.rate.value is not None}

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
        for name, lane in self._queues.lanes.items():
            lane.begin_anew(self.now())
            self.lanes.wake_others(name, self)
        self.wake_soon()

    def wants(self, lane_name: str) -> Waiter | None:
        """Give who would take a lane's next turn; None if nobody can."""
        return self._queues[lane_name].head() if self._free and not self._held else None

    def _dispatch(self) -> None:
        if self._held:
            return
        now = self.now()
        if self._idle_since is not None:
            self.waited_s += now - self._idle_since
            self._idle_since = None
        while self._free and (first := self._queues.first(now)):
            name, waiter = first
            lane = self._queues[name].lane
            self.lanes.sent(lane, waiter.kind, now, self._queues.heads())
            self.lanes.wake_others(name, self)
            self._periods[waiter.account] = lane.period
            self._free -= 1
            waiter.turn.set_result(True)
        if self._free:
            self._set_alarm(now)

    def _set_alarm(self, now: float) -> None:
        """Wake up when the first lane with a queue admits somebody."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        due = [at for lane, kind in self._queues.heads() if (at := self.lanes.admits_at(lane, kind)) > now]
        if due:
            self._idle_since = now
            self._wake = asyncio.get_running_loop().call_at(min(due), self._dispatch)
