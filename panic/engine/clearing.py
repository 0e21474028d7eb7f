"""The work on one account: what its case says is due, done in a slot at its time."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_never

from panic.accounts.roster import Account
from panic.broker.answers import Answer
from panic.broker.outcomes import NEVER_LEFT, TRY_AGAIN, Outcome, Standing
from panic.broker.pages import Parameters
from panic.engine.case import Case
from panic.engine.deadline import Deadline, Leash
from panic.engine.events import What
from panic.engine.lane import Kind
from panic.engine.slots import Slots
from panic.engine.timetable import NEVER, Do, Step
from panic.kit.clock import Clock
from panic.kit.collector import Pause
from panic.orders import Filters

BEGAN_LATE = timedelta(days=1)
"""A look is void if it looked back from a moment this much later than it would now, given the clocks."""

_READS = {Standing.UNREAD: Kind.READ, Standing.CLEAR: Kind.READ_CLEAR}

CancelCall = Callable[[Account, Filters, Leash], Awaitable[Answer]]
"""Makes one DELETE of an account's orders within the leash; never raises but CancelledError."""

ReadCall = Callable[[Account, Parameters, Leash], Awaitable[Answer]]
"""Makes one GET of an account's orders within the leash; never raises but CancelledError."""


@dataclass(slots=True)
class Sweep:
    """Progress of a run's accounts: how many are owed their first DELETE, and which are not concluded.

    Attributes:
        done: Set while nobody is owed one, or none will be sent any more.
        last_at: Loop time at which the last account's first DELETE left this machine; None if none did.
        settled_at: Loop time at which all accounts were concluded; None while one is not.
        watch_until: Loop time until which reading continues after that.
        collector_pause: Ends with the sweep; it may begin earlier, while the run is prepared.
    """

    unsent: int = 0
    owed: int = 0
    began_at: float = 0.0
    done: asyncio.Event = field(default_factory=asyncio.Event)
    last_at: float | None = None
    settled_at: float | None = None
    watch_until: float = NEVER
    unconcluded: set[int] = field(default_factory=set)
    collector_pause: Pause = field(default_factory=Pause)

    def owe(self, more: int) -> None:
        """Owe this many accounts a first DELETE; a resumed run may owe none."""
        self.unsent += more
        self.owed += more
        if self.unsent:
            self.done.clear()
        else:
            self.end()

    def left(self, answer: Answer) -> None:
        """Note when an account's first DELETE left this machine."""
        self.last_at = max(self.last_at or answer.began, answer.began)

    def sent(self) -> None:
        """Note that one of them is over."""
        self.unsent -= 1
        if not self.unsent:
            self.end()

    def unsent_s(self, now: float) -> float:
        """Give how long the unsent ones take, as fast as it went so far, seconds."""
        return self.unsent * (now - self.began_at) / max(1, self.owed - self.unsent)

    def end(self) -> None:
        """Stop waiting for it."""
        self.done.set()
        self.collector_pause.end()

    def settles(self, case: Case) -> bool:
        """Note where a case stands; tell whether all are concluded now for the first time."""
        if case.is_concluded:
            self.unconcluded.discard(case.account.id)
        else:
            self.unconcluded.add(case.account.id)
        return not self.unconcluded and self.settled_at is None


@dataclass(slots=True)
class Clearing:
    """Cancels and reads accounts, each in a task of its own; `tell` hears of all events, `rng` spreads retries."""

    cancel: CancelCall
    read: ReadCall
    slots: Slots
    deadline: Deadline
    sweep: Sweep
    tell: Callable[[What, Case], None]
    clock: Clock
    rng: random.Random

    async def work(self, case: Case) -> None:
        """Do what is due for an account until nothing is, or the run is over."""
        if case.owes_first:
            await self._cancel(case)
        step = self._next(case)
        while step.do is Do.READ:  # most accounts are read until they are clear: there is nothing to retry
            await self._pause_until(step.at)
            step = await self._take_step(case)
        if step.do is Do.REST:
            return
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda step: step.do is not Do.REST),
            wait=self._wait,
            sleep=self.deadline.pause,
            stop=stop_never,
        )
        await self._pause_until(step.at)
        await retrying(self._take_step, case)

    async def _pause_until(self, moment: float) -> None:
        await self.deadline.pause(max(0.0, moment - self.clock.now()))

    async def _take_step(self, case: Case) -> Step:
        """Do what is due for a case; give what is due after it."""
        step = self._next(case)
        if step.do is Do.CANCEL and step.at <= self.clock.now():
            await self._cancel(case)
        elif step.do is Do.READ and step.at <= self.clock.now():
            await self._read(case)
        return self._next(case)

    def _next(self, case: Case) -> Step:
        now, deadline = self.clock.now(), self.deadline
        watched = now >= self.sweep.watch_until and case.is_concluded
        if watched or deadline.is_over or now >= deadline.pace.deadline:
            return Step(Do.REST)
        return case.step(now, deadline.pace)

    def _wait(self, state: RetryCallState) -> float:
        assert state.outcome is not None  # noqa: S101  (tenacity sets it before it asks)
        step: Step = state.outcome.result()
        return max(0.0, min(step.at, self.deadline.pace.deadline) - self.clock.now())

    async def _cancel(self, case: Case) -> None:
        account, kind = case.account, Kind.CANCEL
        if case.owes_first:
            kind = Kind.FIRST_CANCEL
        elif case.outcome is Outcome.RATE_LIMITED:
            kind = Kind.REFUSED_CANCEL
        if not await self.slots.acquire(account.credential, (kind, account.priority), account.id):
            return
        first, never_left = case.send(), case.outcome in NEVER_LEFT
        self.tell(What.SENDING, case)
        answer = await self.deadline.attempt(
            account.credential,
            account.id,
            lambda leash: self.cancel(account, case.filters, leash),
            is_read=False,
        )
        jitter = self.rng.uniform(-1, 1) if answer.outcome in TRY_AGAIN else 0.0
        case.cancelled(answer, self.deadline.pace, jitter=jitter)
        self.tell(What.CANCELLED, case)
        if answer.evidence.sent and (first or never_left):
            self.sweep.left(answer)
        if first:
            self.sweep.sent()

    async def _read(self, case: Case) -> None:
        account = case.account
        kind = _READS.get(case.standing, Kind.READ_AGAIN) if case.look is None else Kind.READ_ON
        if not await self.slots.acquire(account.credential, (kind, account.priority), account.id):
            return
        if case.pressed_again:  # while this waited for its turn
            self.slots.release()
            return
        look = case.begin_look(self.clock.now(), self.clock.wall(), self.clock.earlier())
        query, reappeared = look.query(), len(case.tally.reappeared)
        answer = await self.deadline.attempt(
            account.credential,
            account.id,
            lambda leash: self.read(account, query, leash),
            is_read=True,
            until=case.timetable.cancel_at,
        )
        if case.look is look and look.found.since - self.clock.earlier() > BEGAN_LATE:
            look.break_off("the broker's clock is behind ours: it looked back from too late a moment")
        case.read(answer, self.deadline.pace)
        if len(case.tally.reappeared) > reappeared:
            self.tell(What.REAPPEARED, case)
        if case.look is None:
            self.tell(What.LOOKED, case)
