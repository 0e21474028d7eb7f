"""How a check asks: a few requests at once, paced, retried, and never past its deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from panic.broker.answers import Answer
from panic.broker.client import Broker
from panic.broker.connections import connections_possible
from panic.broker.listing import Listing, list_accounts
from panic.broker.outcomes import TRY_AGAIN
from panic.broker.pages import Query
from panic.broker.proof import since
from panic.clock import Clock
from panic.config import Run
from panic.engine.pacing import backoff
from panic.engine.slots import Kind, Slots
from panic.roster import Account

TRIES = 3

PACED_AT_ONCE = 32
"""So many accounts are under way at once when there is a pace: enough to keep it while the broker hangs."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much of the broker's rate a check takes: evenly, and never a burst.

    Attributes:
        rate: Requests a second that the broker is taken to allow.
        share: The part of them that the check may take.
    """

    rate: float = 50.0
    share: float = 0.1

    @property
    def gap_s(self) -> float:
        """The time from one request to the next, seconds."""
        return 1 / (self.rate * self.share)

    def needs_s(self, accounts: int) -> float:
        """Give how long so many accounts take at least, seconds."""
        return accounts * self.gap_s


class Asking:
    """Makes the requests of one check.

    Args:
        broker: Whom to ask; open it before the first request.
        clock: The loop's.
        run: How many requests at once, and how long.
        pace: How fast; None for as fast as a run.
        accounts: How many there are: a pace prolongs the deadline.
    """

    def __init__(self, broker: Broker, clock: Clock, run: Run, pace: Pace | None, accounts: int) -> None:
        self._broker, self._clock, self._attempt_s = broker, clock, run.attempt_s
        self._gap_s = pace.gap_s if pace else 0.0
        self._next_at = clock.now()
        self._deadline = clock.now() + run.deadline_s + TRIES * self._gap_s * accounts
        most = min(run.concurrency, connections_possible())
        self._slots = Slots(min(most, PACED_AT_ONCE) if pace else most, clock.now)

    async def orders(self, account: Account, tries: int = TRIES) -> Answer:
        """Ask for one order of an account, as far back as a press looks: a broker may not take that."""
        query = Query((since(self._clock.earlier()), ("page_size", "1")))

        async def ask() -> Answer:
            await self._slots.acquire(account.credential, (Kind.READ, account.priority), account.id)
            answer = None
            try:
                await self._turn()
                answer = await self._broker.read(account, query, self._leash())
            finally:
                self._release(account, answer)
            return answer

        return await self._retried(ask, tries)

    async def accounts(self, credential: str) -> Listing:
        """Ask which accounts there are."""
        listing = Listing()

        async def ask(parameters: tuple[tuple[str, str], ...]) -> Answer:
            return await self._get("/v1/accounts", parameters, credential)

        await list_accounts(ask, listing, self._pause)
        return listing

    async def time(self, credential: str) -> Answer:
        """Ask what time it is."""

        async def ask() -> Answer:
            return await self._get("/v1/clock", (), credential)

        return await self._retried(ask)

    async def _get(self, path: str, parameters: tuple[tuple[str, str], ...], credential: str) -> Answer:
        await self._turn()
        return await self._broker.get(path, parameters, credential, self._leash())

    async def _turn(self) -> None:
        """Wait until the next request may be made."""
        if self._gap_s:
            at = max(self._next_at, self._clock.now())
            self._next_at = at + self._gap_s
            await asyncio.sleep(at - self._clock.now())

    def _release(self, account: Account, answer: Answer | None) -> None:
        limited = answer.is_limited if answer is not None and answer.is_answered else None
        retry_after = None if answer is None else answer.retry_after
        self._slots.answered(account.credential, account.id, limited=limited, retry_after=retry_after)
        self._slots.release()

    async def _retried(self, ask: Callable[[], Awaitable[Answer]], tries: int = TRIES) -> Answer:
        """Ask up to so many times, and as often as the broker says "later"; but not past the deadline."""
        failures = 0

        def is_enough(state: RetryCallState) -> bool:
            nonlocal failures
            failures += not _last(state).is_limited
            return failures >= tries or self._clock.now() >= self._deadline

        retrying = AsyncRetrying(
            retry=retry_if_result(lambda answer: answer.outcome in TRY_AGAIN),
            wait=lambda state: max(_last(state).retry_after or 0.0, backoff(state.attempt_number, 0.0)),
            stop=is_enough,
            sleep=self._pause,
            retry_error_callback=_last,
        )
        answer: Answer = await retrying(ask)
        return answer

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, min(seconds, self._deadline - self._clock.now())))

    def _leash(self) -> asyncio.Timeout:
        return asyncio.timeout_at(min(self._clock.now() + self._attempt_s, self._deadline))


def _last(state: RetryCallState) -> Answer:
    assert state.outcome is not None  # noqa: S101  (tenacity sets it before it asks)
    answer: Answer = state.outcome.result()
    return answer
