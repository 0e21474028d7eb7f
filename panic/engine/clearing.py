"""The work on one account: what its case says is due, done in a slot at its time."""

import random
from collections.abc import Callable
from datetime import timedelta

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_never

from panic.broker.outcomes import TRY_AGAIN, Standing
from panic.engine.attempts import Attempts, CancelCall, ReadCall
from panic.engine.case import Case
from panic.engine.deadline import Deadline
from panic.engine.events import What
from panic.engine.gate import Kind
from panic.engine.pacing import Budget
from panic.engine.settling import Settling
from panic.engine.slots import Slots
from panic.engine.sweep import Sweep
from panic.engine.timetable import Do, Step
from panic.kit.clock import Clock

BEGAN_LATE = timedelta(days=1)
"""A look that began to look back so much later than it would now, by what was learned of the clocks, is none."""


class Clearing:
    """Cancels and reads accounts, each in a task of its own.

    Args:
        cancel: Makes one DELETE.
        read: Makes one GET.
        slots: The concurrency bound.
        attempts: The requests under way.
        deadline: The run's end.
        settling: Until when concluded accounts are watched.
        sweep: Told of every first DELETE that is over.
        tell: Told of every event.
        clock: The run's clock.
        rng: Spreads the retries.
    """

    def __init__(
        self,
        *,
        cancel: CancelCall,
        read: ReadCall,
        slots: Slots,
        attempts: Attempts,
        deadline: Deadline,
        settling: Settling,
        sweep: Sweep,
        tell: Callable[[What, Case], None],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._cancel_call, self._read_call = cancel, read
        self._slots, self._attempts = slots, attempts
        self._deadline, self._settling, self._sweep = deadline, settling, sweep
        self._tell, self._clock, self._rng = tell, clock, rng
        self._budget = Budget()

    async def work(self, case: Case) -> None:
        """Do what is due for an account until nothing is, or the run is over."""
        if case.owes_first:
            await self._cancel(case)
        step = self._next(case)
        if step.do is Do.REST:  # most accounts of a run that is not verified: no retrying to set up
            return
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda step: step.do is not Do.REST),
            wait=self._wait,
            sleep=self._deadline.pause,
            stop=stop_never,
        )
        await self._deadline.pause(max(0.0, step.at - self._clock.now()))
        await retrying(self._take_step, case)

    async def _take_step(self, case: Case) -> Step:
        """Do what is due for a case; give what is due after it."""
        step = self._next(case)
        if step.do is Do.CANCEL and step.at <= self._clock.now():
            await self._cancel(case)
        elif step.do is Do.READ and step.at <= self._clock.now():
            await self._read(case)
        return self._next(case)

    def _next(self, case: Case) -> Step:
        now = self._clock.now()
        watched = case.is_concluded and now >= self._settling.watch_until
        if self._deadline.is_over or watched or self._deadline.has_come:
            return Step(Do.REST)
        return case.step(now, self._deadline.pace)

    def _wait(self, state: RetryCallState) -> float:
        assert state.outcome is not None  # noqa: S101  (tenacity sets it before it asks)
        step: Step = state.outcome.result()
        return max(0.0, min(step.at, self._deadline.pace.deadline) - self._clock.now())

    async def _cancel(self, case: Case) -> None:
        kind = Kind.FIRST_CANCEL if case.owes_first else Kind.CANCEL
        account = case.account
        if not await self._slots.acquire(account.credential, (kind, account.priority), account.id):
            return
        first = case.send()
        self._tell(What.SENDING, case)
        answer = await self._attempts.make(
            account.credential,
            account.id,
            lambda leash: self._cancel_call(account, case.filters, leash),
            is_read=False,
        )
        queue_s = jitter = 0.0
        if answer.outcome in TRY_AGAIN:
            queue_s, jitter = self._budget.spend(self._clock.now()), self._rng.uniform(-1, 1)
        case.cancelled(answer, self._deadline.pace, queue_s=queue_s, jitter=jitter)
        self._tell(What.CANCELLED, case)
        if first:
            self._sweep.sent(answer)

    async def _read(self, case: Case) -> None:
        account = case.account
        kind = Kind.READ if case.standing is Standing.UNREAD else Kind.READ_AGAIN
        if not await self._slots.acquire(account.credential, (kind, account.priority), account.id):
            return
        if case.pressed_again:  # while this waited for its turn
            self._slots.release()
            return
        look = case.begin_look(self._clock.now(), self._clock.wall(), self._clock.earlier())
        query, reappeared = look.query(), len(case.tally.reappeared)
        answer = await self._attempts.make(
            account.credential,
            account.id,
            lambda leash: self._read_call(account, query, leash),
            is_read=True,
            until=case.timetable.cancel_at,
        )
        if case.look is look and look.since - self._clock.earlier() > BEGAN_LATE:
            look.break_off("the broker's clock is behind ours: it looked back from too late a moment")
        case.read(answer, self._deadline.pace)
        if len(case.tally.reappeared) > reappeared:
            self._tell(What.REAPPEARED, case)
        if case.look is None:
            self._tell(What.LOOKED, case)
