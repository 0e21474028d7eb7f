"""One attempt is one request in one slot on one leash; and how often a question is asked that is no account's."""

import asyncio
from collections.abc import Awaitable, Callable

from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from panic.accounts.roster import Account
from panic.broker.answers import Answer
from panic.broker.outcomes import TRY_AGAIN
from panic.broker.pages import Query
from panic.engine.deadline import Deadline
from panic.engine.pacing import backoff
from panic.engine.slots import Slots
from panic.engine.timetable import NEVER
from panic.kit.clock import Clock
from panic.orders import Filters

LEAST_ATTEMPT_S = 1.0
"""A read that would have to make way for a DELETE gets so long at least."""

Leash = asyncio.Timeout
"""Bounds one attempt; it may be shortened while the attempt is under way."""

CancelCall = Callable[[Account, Filters, Leash], Awaitable[Answer]]
"""Makes one DELETE of an account's orders within the leash; never raises but CancelledError."""

ReadCall = Callable[[Account, Query, Leash], Awaitable[Answer]]
"""Makes one GET of an account's orders within the leash; never raises but CancelledError."""


class Attempts:
    """The requests of a run that are under way.

    Attributes:
        slowest_s: How long the slowest answer of the run took, seconds.
    """

    def __init__(self, slots: Slots, deadline: Deadline, clock: Clock) -> None:
        self.slowest_s = 0.0
        self._slots, self._deadline, self._now = slots, deadline, clock.now
        self._leashes: dict[Leash, bool] = {}

    async def make(
        self,
        lane: str,
        account: int,
        call: Callable[[Leash], Awaitable[Answer]],
        *,
        is_read: bool,
        until: float = NEVER,
    ) -> Answer:
        """Make one attempt in the slot already held, bounded by its own limit, the deadline and `until`."""
        now, pace = self._now(), self._deadline.pace
        limit = min(now + pace.attempt_s, max(until, now + LEAST_ATTEMPT_S), pace.deadline)
        leash = asyncio.timeout_at(limit)
        self._leashes[leash] = is_read
        try:
            answer = await self._slots.attempt(lane, account, call(leash))
        finally:
            del self._leashes[leash]
        if answer.is_answered:
            self.slowest_s = max(self.slowest_s, answer.ended - answer.began)
        return answer

    def cut_short(self, *, reads_at: float, cancels_at: float) -> None:
        """Let what is under way last no longer than to these moments of loop time."""
        for leash, is_read in self._leashes.items():
            latest = reads_at if is_read else cancels_at
            when = leash.when()
            if when is None or when > latest:
                leash.reschedule(latest)


async def persistently(
    ask: Callable[[], Awaitable[Answer]],
    *,
    pause: Callable[[float], Awaitable[None]],
    is_late: Callable[[], bool],
    tries: int = 3,
) -> Answer:
    """Ask so many times, and as often as the broker says "later", unless it gets late; give the last answer.

    Args:
        ask: Makes one attempt.
        pause: Sleeps for so many seconds, but not past the end.
        is_late: Whether the end has come.
        tries: How often it may fail.
    """
    failures = 0

    def is_enough(state: RetryCallState) -> bool:
        nonlocal failures
        failures += not _last(state).is_limited
        return failures >= tries or is_late()

    retrying = AsyncRetrying(
        retry=retry_if_result(lambda answer: answer.outcome in TRY_AGAIN),
        wait=lambda state: max(_last(state).retry_after or 0.0, backoff(state.attempt_number, 0.0)),
        stop=is_enough,
        sleep=pause,
        retry_error_callback=_last,
    )

    async def attempt() -> Answer:  # tenacity awaits what it sees to be a coroutine function, and nothing else
        return await ask()

    return await retrying(attempt)


def _last(state: RetryCallState) -> Answer:
    assert state.outcome is not None  # noqa: S101  (tenacity sets it before it asks)
    answer: Answer = state.outcome.result()
    return answer
