"""How whoever only looks asks: a few requests at once, paced, retried, and never past its deadline."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from panic.accounts.roster import Account
from panic.broker.answers import Answer, too_late
from panic.broker.client import Broker
from panic.broker.connections import connections_possible
from panic.broker.listing import Listing, list_accounts
from panic.broker.pages import Parameters
from panic.broker.questions import since
from panic.config import Run, Settings
from panic.config.secret import Key
from panic.engine.deadline import persistently
from panic.engine.lane import Kind
from panic.engine.lanes import Lanes
from panic.engine.queue import Urgency
from panic.engine.slots import Slots
from panic.kit.clock import Clock

_TRIES = 3

PACED_AT_ONCE = 32
"""Accounts in progress at once when there is a pace: enough to keep it up while the broker hangs."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much a look takes of the requests a second that the broker is taken to allow: evenly, never a burst."""

    rate: float = 50.0
    share: float = 0.1

    @property
    def gap_s(self) -> float:
        """The time from one request to the next, seconds."""
        return 1 / (self.rate * self.share)

    def needs_s(self, accounts: int) -> float:
        """Give the least time that so many accounts take, seconds."""
        return accounts * self.gap_s


class Asking:
    """Makes the requests of one look at many accounts; a pace, its own or the broker's, prolongs it."""

    def __init__(
        self, broker: Broker, clock: Clock, run: Run, pace: Pace | None, accounts: int, lanes: Lanes
    ) -> None:
        self._broker, self._clock, self._attempt_s = broker, clock, run.attempt_s
        self._gap_s = pace.gap_s if pace else 0.0
        self._next_at = clock.now()
        self._ends_at = clock.now() + run.deadline_s + _TRIES * self._gap_s * accounts
        self._accounts, self._latest = accounts, clock.now() + run.longest_s
        most = min(run.concurrency, connections_possible())
        urgency, self._kind = Urgency.PERSON, Kind.READ
        if pace:  # it goes behind everything of a run
            most, urgency, self._kind = min(most, PACED_AT_ONCE), Urgency.LOOK, Kind.READ_CLEAR
        self._slots = Slots(most, clock.now, lanes, urgency=urgency)

    def close(self) -> None:
        """Ask no more."""
        self._slots.close()

    @property
    def rates(self) -> dict[str, float]:
        """At how many requests a second the broker serves the credentials that it limits."""
        return self._slots.rates

    @property
    def _deadline(self) -> float:
        slowest = min(self.rates.values(), default=math.inf)
        return max(self._ends_at, min(self._latest, self._ends_at + self._accounts / slowest))

    async def orders(self, account: Account) -> Answer:
        """Ask for one order of an account, as far back as a press looks: a broker may not take that."""
        return await self.read(account, (since(self._clock.earlier()), ("page_size", "1")))

    async def read(self, account: Account, query: Parameters) -> Answer:
        """Ask for a page of an account's orders."""

        async def read() -> Answer:
            await self._turn()
            return await self._broker.read(account, query, self._leash())

        async def ask() -> Answer:
            try:
                async with asyncio.timeout_at(self._deadline):
                    await self._slots.acquire(account.credential, (self._kind, account.priority), account.id)
            except TimeoutError:
                return too_late(self._clock.now())
            return await self._slots.attempt(account.credential, account.id, read())

        return await self._retried(ask)

    async def accounts(self, credential: str) -> Listing:
        """Ask which accounts there are."""
        listing = Listing()

        def ask(parameters: Parameters) -> Awaitable[Answer]:
            return self._retried(lambda: self._get("/v1/accounts", parameters, credential))

        await list_accounts(ask, listing)
        return listing

    async def time(self, credential: str) -> Answer:
        """Ask what time it is."""
        return await self._retried(lambda: self._get("/v1/clock", (), credential))

    async def _get(self, path: str, parameters: Parameters, credential: str) -> Answer:
        await self._turn()
        return await self._broker.get(path, parameters, credential, self._leash())

    async def _turn(self) -> None:
        """Wait until the next request may be made."""
        if self._gap_s:
            at = max(self._next_at, self._clock.now())
            self._next_at = at + self._gap_s
            await asyncio.sleep(at - self._clock.now())

    async def _retried(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        async def pause(seconds: float) -> None:
            await asyncio.sleep(max(0.0, min(seconds, self._deadline - self._clock.now())))

        return await persistently(
            ask, pause=pause, is_late=lambda: self._clock.now() >= self._deadline, tries=_TRIES
        )

    def _leash(self) -> asyncio.Timeout:
        return asyncio.timeout_at(min(self._clock.now() + self._attempt_s, self._deadline))


async def listing_of(settings: Settings, key: Key) -> Listing:
    """Ask once which accounts a key shows."""
    clock = Clock()
    async with Broker(settings.broker, {"default": key}, clock) as broker:
        asking = Asking(broker, clock, settings.run, None, 1, Lanes())
        try:
            return await asking.accounts("default")
        finally:
            asking.close()
