"""The deadline of a run, and every wait and attempt that must not outlast it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from panic.broker.answers import Answer
from panic.broker.outcomes import TRY_AGAIN
from panic.engine.pacing import Pace, backoff
from panic.engine.slots import Slots
from panic.engine.timetable import NEVER
from panic.kit.clock import Clock

HELD_MOST_S = 600.0
"""How much a run's deadline may move in all while it gives way to others: no run lasts for ever."""

STOP_GRACE_S = 1.0
"""How long requests in flight may still be answered after a stop."""

LEAST_ATTEMPT_S = 1.0
"""The least time that a read gets before it makes way for a DELETE."""

Leash = asyncio.Timeout
"""Bounds one attempt; it may be shortened while the attempt is under way."""


class Deadline:
    """The end of a run, which a later press, or giving way to another run, may postpone.

    Attributes:
        is_over: Whether nothing is to be sent any more.
        held_s: How long the run gave way to others, seconds.
        put_off_s: How much later it is because the broker is slow, seconds.
        slowest_s: How long the slowest answer of the run took, seconds.
    """

    def __init__(self, pace: Pace, slots: Slots, clock: Clock, ring: Callable[[], None]) -> None:
        self.pace = pace
        self.is_over = False
        self.held_s = self.put_off_s = self.slowest_s = 0.0
        self._slots, self._now, self._ring = slots, clock.now, ring
        self._alarm: asyncio.TimerHandle | None = None
        self._held_at: float | None = None
        self._sleepers: set[asyncio.Future[None]] = set()
        self._leashes: dict[Leash, bool] = {}

    @property
    def has_come(self) -> bool:
        """Whether its time has come."""
        return self._now() >= self.pace.deadline

    def begin(self) -> None:
        """Ring when it comes."""
        self._put_off_to(self.pace.deadline)

    def extend(self, deadline: float, latest: float, watch_s: float) -> None:
        """Apply a later press: the later times and the longer watch count."""
        latest, watch_s = max(self.pace.latest, latest), max(self.pace.watch_s, watch_s)
        self.pace = replace(self.pace, latest=latest, watch_s=watch_s)
        self._put_off_to(max(self.pace.deadline, deadline))

    def put_off(self, moment: float) -> None:
        """Leave time until a moment, though not beyond the latest one: the broker is slow."""
        moment = min(moment, self.pace.latest + self.held_s)
        if not self.is_over and moment > self.pace.deadline:
            self.put_off_s += moment - self.pace.deadline
            self._put_off_to(moment)

    def give_way(self, *, while_so: bool) -> bool:
        """Do not count the time in which another run goes first, up to `HELD_MOST_S`; False changes nothing."""
        if self.is_over or while_so == (self._held_at is not None):
            return False
        now, more = self._now(), HELD_MOST_S - self.held_s
        if self._held_at is None:
            self._held_at = now
        else:
            held = min(now - self._held_at, more)
            self._held_at, more = None, held - more
            self.held_s += held
        self._put_off_to(self.pace.deadline + more)
        return True

    def end(self) -> None:
        """Send nothing more."""
        self.is_over = True
        if self._alarm is not None:
            self._alarm.cancel()

    def _put_off_to(self, moment: float) -> None:
        self.pace = replace(self.pace, deadline=moment)
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_at(moment, self._ring)

    # ── what must not outlast it ────────────────────────────────────────────────────────────────────────

    async def pause(self, seconds: float) -> None:
        """Sleep, but not past the deadline, the run's end or the next `wake_all`."""
        loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[None] = loop.create_future()
        handle = loop.call_at(min(self._now() + seconds, self.pace.deadline), _wake, sleeper)
        self._sleepers.add(sleeper)
        try:
            if not self.is_over:
                await sleeper
        finally:
            handle.cancel()
            self._sleepers.discard(sleeper)

    def wake_all(self) -> None:
        """End every pause: something may be due earlier than was thought."""
        for sleeper in self._sleepers:
            _wake(sleeper)

    async def attempt(
        self,
        lane: str,
        account: int,
        call: Callable[[Leash], Awaitable[Answer]],
        *,
        is_read: bool,
        until: float = NEVER,
    ) -> Answer:
        """Make one attempt in the slot already held, bounded by its own limit, the deadline and `until`."""
        now, pace = self._now(), self.pace
        leash = asyncio.timeout_at(min(now + pace.attempt_s, max(until, now + LEAST_ATTEMPT_S), pace.deadline))
        self._leashes[leash] = is_read
        try:
            answer = await self._slots.attempt(lane, account, call(leash))
        finally:
            del self._leashes[leash]
        if answer.is_answered:
            self.slowest_s = max(self.slowest_s, answer.ended - answer.began)
        return answer

    def cut_short(self, *, reads_at: float, cancels_at: float) -> None:
        """Limit what is under way to these moments of loop time."""
        for leash, is_read in self._leashes.items():
            latest = reads_at if is_read else cancels_at
            when = leash.when()
            if when is None or when > latest:
                leash.reschedule(latest)


def _wake(sleeper: "asyncio.Future[None]") -> None:
    if not sleeper.done():
        sleeper.set_result(None)


async def persistently(
    ask: Callable[[], Awaitable[Answer]],
    *,
    pause: Callable[[float], Awaitable[None]],
    is_late: Callable[[], bool],
    tries: int = 3,
) -> Answer:
    """Ask up to so many times, not counting "later" answers, until it gets late; give the last answer."""
    failures = 0

    def is_enough(state: RetryCallState) -> bool:
        nonlocal failures
        failures += not _last(state).is_limited
        return failures >= tries or is_late()

    retrying = AsyncRetrying(
        retry=retry_if_result(lambda answer: answer.outcome in TRY_AGAIN),
        wait=lambda state: max(_last(state).retry_after or 0.0, _backoff(_last(state), state.attempt_number)),
        stop=is_enough,
        sleep=pause,
        retry_error_callback=_last,
    )

    async def attempt() -> Answer:  # tenacity awaits what it sees to be a coroutine function, and nothing else
        return await ask()

    return await retrying(attempt)


def _backoff(answer: Answer, attempts: int) -> float:
    return 0.0 if answer.waits_for_lane else backoff(attempts, 0.0)


def _last(state: RetryCallState) -> Answer:
    assert state.outcome is not None  # noqa: S101  (tenacity sets it before it asks)
    answer: Answer = state.outcome.result()
    return answer
