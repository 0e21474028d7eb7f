"""The fan-out: every account cancelled, read and cancelled again until it is clear or the deadline has come.

It knows no HTTP. It is handed two functions, `cancel` and `read`, which make one attempt each and give its
answer as a value; what to do about an account is decided by its `Case`; here is only the doing: slots,
sleeping, the deadline, stopping. One account's trouble never reaches another.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_never

from panic.broker.answers import Answer
from panic.broker.outcomes import TRY_AGAIN, Standing
from panic.broker.pages import Query
from panic.clock import Clock
from panic.collector import Pause
from panic.engine.case import NEVER, Case, Do, Step
from panic.engine.pacing import Budget, Pace
from panic.engine.slots import NOBODY, Kind, Slots
from panic.orders import Filters
from panic.roster import Account

log = structlog.get_logger()

STOP_GRACE_S = 1.0
"""After a stop, requests in flight get so long to be answered; nobody waits longer to see it end."""

QUIET_LEAST_S, QUIET_MOST_S = 0.1, 2.0
"""After the last proof the connections are listened to for as long as the slowest answer of the run took,
within these bounds: an answer that nobody asked for would undo the proof."""

BESIDE_MOST_S = 2.0
"""When all accounts are settled, what runs beside them gets so long to come to an end."""

HELD_MOST_S = 600.0
"""A run that gives way to others is given so much time for that in all: no run goes on without end."""

_STARTED_AT_ONCE = 8
"""The DELETEs of so many accounts leave before the tasks of thousands of others are made, which takes time."""

_TURNS_TO_LEAVE = 3
"""Turns of the loop until a request that found an open connection is on the wire."""

OLDER_CANCEL_S = 0.25
"""A DELETE that was under way when somebody pressed again gets so long to be answered before the new one goes."""

BEGAN_LATE = timedelta(days=1)
"""A look that began to look back so much later than it would now, by what was learned of the clocks, is none."""

LEAST_ATTEMPT_S = 1.0
"""A read that would have to make way for a DELETE gets so long at least."""

Leash = asyncio.Timeout


CancelCall = Callable[[Account, Filters, Leash], Awaitable[Answer]]
"""Makes one DELETE of an account's orders within the leash; never raises but CancelledError."""

ReadCall = Callable[[Account, Query, Leash], Awaitable[Answer]]
"""Makes one GET of an account's orders within the leash; never raises but CancelledError."""


class What(StrEnum):
    """What an observer is told about a case.

    SENDING comes right before a DELETE leaves, CANCELLED when it is over, LOOKED when a look is, DOUBTED when
    a proof was taken back, REAPPEARED when new orders were seen, and SETTLED once, without a case, when every
    account is concluded for the first time.
    """

    SENDING = "sending"
    CANCELLED = "cancelled"
    LOOKED = "looked"
    DOUBTED = "doubted"
    REAPPEARED = "reappeared"
    SETTLED = "settled"


Observer = Callable[[What, Case | None], None]


class Engine:
    """One run over one set of cases.

    Args:
        cancel: Makes one DELETE.
        read: Makes one GET.
        pace: The times of the run.
        slots: The concurrency bound; shared with whatever else asks the broker during the run.
        clock: The run's clock.
        observe: Told of every event, synchronously; must not block.
        rng: Spreads the retries.

    Attributes:
        held_s: For how long it gave way to other runs, seconds.
        collector_pause: Ends with the sweep; whoever makes the run ready may begin it before.
    """

    def __init__(
        self,
        *,
        cancel: CancelCall,
        read: ReadCall,
        pace: Pace,
        slots: Slots,
        clock: Clock,
        observe: Observer,
        rng: random.Random,
    ) -> None:
        self._cancel_call, self._read_call = cancel, read
        self._pace, self._slots, self._clock = pace, slots, clock
        self._observe, self._rng = observe, rng
        self._budget = Budget()
        self._cases: list[Case] = []
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._leashes: dict[Leash, bool] = {}
        self._sleepers: set[asyncio.Future[None]] = set()
        self._idle = asyncio.Event()
        self._unconcluded: set[int] = set()
        self._pressed_early: set[int] = set()
        self._unsent = 0
        self.collector_pause = Pause()
        self._slowest_s = 0.0
        self._doubting = False
        self._doubts = 0
        self._is_over = False
        self._held_at: float | None = None
        self.held_s = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._watch_until = float("inf")
        self.swept = asyncio.Event()
        self.stopped = False
        self.settled_at: float | None = None
        self.last_first_cancel_at: float | None = None
        self.failures: list[str] = []

    async def run(self, cases: Iterable[Case], beside: Coroutine[Any, Any, None] | None = None) -> None:
        """Work on all cases until each is over, the deadline has come or `stop` was called.

        Args:
            cases: The accounts, in the order of their first DELETEs.
            beside: Something else to do in the run; it waits for `swept` itself and asks by `aside`.
        """
        self._cases = list(cases)
        self._unconcluded = {case.account.id for case in self._cases}
        for case in self._cases:
            if case.account.id in self._pressed_early and not case.owes_first:
                case.press_again()
        self._unsent = sum(case.owes_first for case in self._cases)
        self._set_alarm()
        self.collector_pause.begin()
        if not self._unsent:  # a run that was taken up again may owe nobody a first DELETE
            self._end_sweep()
        if beside is not None:
            self._spawn(NOBODY, beside, "what ran beside the accounts")
        for case in self._cases[:_STARTED_AT_ONCE]:
            self._start(case)
        for _ in range(_TURNS_TO_LEAVE):
            await asyncio.sleep(0)
        for case in self._cases[_STARTED_AT_ONCE:]:
            self._start(case)
        try:
            await self._until_idle()
            while self._pace.verify and await self._is_disturbed():
                await self._until_idle()
        finally:
            self._send_no_more()
            await self._abandon()
            for case in self._cases:
                case.take_back_unless_quiet(self._clock.now(), QUIET_MOST_S)

    @property
    def unsent(self) -> int:
        """How many accounts are still owed their first DELETE."""
        return self._unsent

    @property
    def watches_s(self) -> float:
        """How long reading goes on after the first clear, seconds."""
        return self._pace.watch_s

    def stop(self) -> None:
        """Send nothing more; what is in flight gets a moment to be answered."""
        if self.stopped:
            return
        self.stopped = True
        self._send_no_more()
        self._wake_all()
        latest = self._clock.now() + STOP_GRACE_S
        for leash in self._leashes:
            when = leash.when()
            if when is None or when > latest:
                leash.reschedule(latest)

    def press_again(self, accounts: Collection[int], *, deadline: float, watch_s: float) -> bool:
        """Send every one of these accounts again, as a new press does; those not sent yet are sent once.

        Args:
            accounts: Which ones; all of them must be cases of this run.
            deadline: Loop time at which the new press would end; the later one counts.
            watch_s: How long the new press would go on reading; the longer one counts.

        Returns:
            Whether it was done; False once the run is over, or where it does not verify what it sends.
        """
        if self._is_over or not self._pace.verify:
            return False
        self._pace = replace(
            self._pace, deadline=max(self._pace.deadline, deadline), watch_s=max(self._pace.watch_s, watch_s)
        )
        self._set_alarm()
        if not self._cases:  # it has not begun, and begins with these
            self._pressed_early.update(accounts)
            return True
        owing = [case for case in self._cases if case.account.id in accounts and not case.owes_first]
        for case in owing:
            case.press_again()
            self._take_back(case)
        if owing:
            self._unsent += len(owing)
            self.swept.clear()
        self._slots.recall({case.account.id for case in owing})
        self._cut_short()
        self._wake_all()
        return True

    def look_again(self) -> None:
        """Believe no clear that was proven before now: read every account anew."""
        if self._is_over or not self._pace.verify:
            return
        for case in self._cases:
            if case.look_again(self._clock.now()):
                self._take_back(case)
        self._wake_all()

    def _take_back(self, case: Case) -> None:
        """Go on with a case that was concluded, or may have been."""
        self.settled_at, self._watch_until = None, float("inf")
        self._unconcluded.add(case.account.id)
        self._tell_observer(What.DOUBTED, case)
        self._go_on_with(case)

    @property
    def takes_presses(self) -> bool:
        """Whether another press can still become a part of this run."""
        return not self._is_over

    def give_way(self, *, while_so: bool) -> None:
        """Send nothing for the time being, or go on: another run has to go first.

        The time that this takes, up to HELD_MOST_S, does not count against the run's deadline.
        """
        if self._is_over or while_so == (self._held_at is not None):
            return
        now = self._clock.now()
        if self._held_at is None:
            self._held_at, more = now, HELD_MOST_S - self.held_s
        else:
            held = min(now - self._held_at, HELD_MOST_S - self.held_s)
            more, self._held_at = held - (HELD_MOST_S - self.held_s), None
            self.held_s += held
        self._pace = replace(self._pace, deadline=self._pace.deadline + more)
        self._set_alarm()
        self._slots.hold(so=while_so)

    def _cut_short(self) -> None:
        """Let no read, and no older DELETE, keep an account from the DELETE of a new press."""
        now = self._clock.now()
        for leash, is_read in self._leashes.items():
            latest = now if is_read else now + OLDER_CANCEL_S
            when = leash.when()
            if when is None or when > latest:
                leash.reschedule(latest)

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_at(self._pace.deadline, self._send_no_more)

    def doubt(self) -> None:
        """Take back every clear that rests on a connection that may have mixed up its answers; soon, and once."""
        self._doubts += 1
        if not self._doubting:
            self._doubting = True
            asyncio.get_running_loop().call_soon(self._doubt_all)

    def _doubt_all(self) -> None:
        self._doubting = False
        for case in self._cases:
            if case.doubt(self._clock.now()):
                self._unconcluded.add(case.account.id)
                self._tell_observer(What.DOUBTED, case)
                if not self._is_over:
                    self._go_on_with(case)
        self._wake_all()

    async def aside(self, lane: str, call: Callable[[Leash], Awaitable[Answer]]) -> Answer | None:
        """Make another request of the run, after everything that concerns an account; None if it is too late."""
        if not await self._slots.acquire(lane, (Kind.READ, 1 << 62), NOBODY):
            return None
        leash = self._leash()
        return await self._attempt(lane, NOBODY, leash, call(leash), is_read=True)

    # ── one account ─────────────────────────────────────────────────────────────────────────────────────

    def _start(self, case: Case) -> None:
        self._spawn(case.account.id, self._clear(case), f"account {case.account.id}")

    def _go_on_with(self, case: Case) -> None:
        """Work on a case again, unless somebody still does."""
        task = self._tasks.get(case.account.id)
        if task is None or task.done():
            self._start(case)

    def _spawn(self, key: int, work: Coroutine[Any, Any, None], name: str) -> None:
        self._idle.clear()
        task = asyncio.create_task(work)
        self._tasks[key] = task
        task.add_done_callback(lambda task: self._ended(key, name, task))

    async def _clear(self, case: Case) -> None:
        if case.owes_first:
            await self._cancel(case)
        step = self._next(case)
        if step.do is Do.REST:  # most accounts of a run that is not verified: no retrying to set up
            return
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda step: step.do is not Do.REST),
            wait=self._wait,
            sleep=self.pause,
            stop=stop_never,
        )
        await self.pause(max(0.0, step.at - self._clock.now()))
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
        watched = case.is_concluded and now >= self._watch_until
        if self._is_over or watched or now >= self._pace.deadline:
            return Step(Do.REST)
        return case.step(now, self._pace)

    def _wait(self, state: RetryCallState) -> float:
        assert state.outcome is not None  # noqa: S101  (tenacity sets it before it asks)
        step: Step = state.outcome.result()
        return max(0.0, min(step.at, self._pace.deadline) - self._clock.now())

    async def _cancel(self, case: Case) -> None:
        kind = Kind.FIRST_CANCEL if case.owes_first else Kind.CANCEL
        account = case.account
        if not await self._slots.acquire(account.credential, (kind, account.priority), account.id):
            return
        first = case.send()
        self._tell_observer(What.SENDING, case)
        leash = self._leash()
        call = self._cancel_call(account, case.filters, leash)
        answer = await self._attempt(account.credential, account.id, leash, call, is_read=False)
        if answer.outcome in TRY_AGAIN:
            queue_s, jitter = self._budget.spend(self._clock.now()), self._rng.uniform(-1, 1)
            case.cancelled(answer, self._pace, queue_s=queue_s, jitter=jitter)
        else:
            case.cancelled(answer, self._pace)
        self._tell(What.CANCELLED, case)
        if first:
            self._first_sent(answer)

    def _first_sent(self, answer: Answer) -> None:
        self._unsent -= 1
        self.last_first_cancel_at = max(self.last_first_cancel_at or answer.began, answer.began)
        if not self._unsent:
            self._end_sweep()

    def _end_sweep(self) -> None:
        self.swept.set()
        self.collector_pause.end()

    async def _read(self, case: Case) -> None:
        account = case.account
        kind = Kind.READ if case.standing is Standing.UNREAD else Kind.READ_AGAIN
        if not await self._slots.acquire(account.credential, (kind, account.priority), account.id):
            return
        if case.pressed_again:  # while this waited for its turn
            self._slots.release()
            return
        look = case.begin_look(self._clock.now(), self._clock.wall(), self._clock.earlier())
        query, reappeared = look.query(), len(case.reappeared)
        leash = self._leash(case.must_cancel_by)
        call = self._read_call(account, query, leash)
        answer = await self._attempt(account.credential, account.id, leash, call, is_read=True)
        if case.look is look and look.since - self._clock.earlier() > BEGAN_LATE:
            look.break_off("the broker's clock is behind ours: it looked back from too late a moment")
        case.read(answer, self._pace)
        if len(case.reappeared) > reappeared:
            self._tell(What.REAPPEARED, case)
        if case.look is None:
            self._tell(What.LOOKED, case)

    def _leash(self, until: float = NEVER) -> Leash:
        """Bound an attempt by its own limit, by what has to come after it and by the run's deadline."""
        now = self._clock.now()
        limit = min(now + self._pace.attempt_s, max(until, now + LEAST_ATTEMPT_S))
        return asyncio.timeout_at(min(limit, self._pace.deadline))

    async def _attempt(
        self, lane: str, account: int, leash: Leash, call: Awaitable[Answer], *, is_read: bool
    ) -> Answer:
        """Make one attempt in the slot already held; give the slot back."""
        self._leashes[leash] = is_read
        limited, retry_after = None, None
        try:
            answer = await call
            retry_after = answer.retry_after
            if answer.is_answered and account != NOBODY:  # the accounts' gate is the accounts' business
                limited = answer.is_limited
            if answer.is_answered:
                self._slowest_s = max(self._slowest_s, answer.ended - answer.began)
        finally:
            del self._leashes[leash]
            self._slots.answered(lane, account, limited=limited, retry_after=retry_after)
            self._slots.release()
        return answer

    # ── all of them ─────────────────────────────────────────────────────────────────────────────────────

    def _tell(self, what: What, case: Case) -> None:
        if case.is_concluded:
            self._unconcluded.discard(case.account.id)
        else:
            self._unconcluded.add(case.account.id)
        self._tell_observer(what, case)
        if not self._unconcluded and self.settled_at is None:
            self.settled_at = self._clock.now()
            self._watch_until = self.settled_at + self._pace.watch_s
            loop = asyncio.get_running_loop()
            loop.call_at(self._watch_until, self._wake_all)
            loop.call_later(BESIDE_MOST_S, self._end_beside)
            self._tell_observer(What.SETTLED, None)

    def _tell_observer(self, what: What, case: Case | None) -> None:
        try:
            self._observe(what, case)
        except Exception as error:  # whoever watches must not end the work on an account
            text = f"what watches the run: {type(error).__name__}"
            if text not in self.failures:
                self.failures.append(text)
                if structlog.is_configured():
                    log.exception("observer_failed")

    def _ended(self, key: int, name: str, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None and not (task.cancelled() and (self._is_over or key == NOBODY)):
            # A fault of ours. The account keeps what it has, which is never a clear that was not proven.
            if structlog.is_configured():
                log.error("task_failed", task=name, exc_info=error)
            self.failures.append(f"{name}: {type(error).__name__}")
        if not self._tasks:
            self._idle.set()

    def _end_beside(self) -> None:
        if (task := self._tasks.get(NOBODY)) is not None:
            task.cancel()

    def _send_no_more(self) -> None:
        self._is_over = True
        if self._alarm is not None:
            self._alarm.cancel()
        self._slots.close()
        self._end_sweep()

    async def _until_idle(self) -> None:
        # Every wait of a case ends at the deadline by itself; the rest is a backstop.
        while not self._idle.is_set():
            backstop = self._pace.deadline + 2 * STOP_GRACE_S
            with suppress(TimeoutError):
                async with asyncio.timeout_at(backstop):
                    await self._idle.wait()
            if not self._idle.is_set() and self._clock.now() >= self._pace.deadline + 2 * STOP_GRACE_S:
                self.failures.append("some accounts did not end at the deadline")  # else a later press moved it
                return

    async def _is_disturbed(self) -> bool:
        """Listen for one quiet time; tell whether something came in it that undid a proof."""
        clear = any(case.standing is Standing.CLEAR for case in self._cases)
        if not clear or self.stopped or self._clock.now() >= self._pace.deadline:
            return False
        doubts = self._doubts
        await asyncio.sleep(max(0.0, min(self._quiet_s, self._pace.deadline - self._clock.now())))
        return bool(self._tasks) or doubts != self._doubts

    @property
    def _quiet_s(self) -> float:
        """How long to listen after the last proof, seconds; to the full, once answers got mixed up."""
        return QUIET_MOST_S if self._doubts else min(max(self._slowest_s, QUIET_LEAST_S), QUIET_MOST_S)

    async def _abandon(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def pause(self, seconds: float) -> None:
        """Sleep, but not past a stop, a doubt, the watch's end or the deadline."""
        loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[None] = loop.create_future()
        until = min(self._clock.now() + seconds, self._pace.deadline)
        handle = loop.call_at(until, _wake, sleeper)
        self._sleepers.add(sleeper)
        try:
            if not self._is_over:
                await sleeper
        finally:
            handle.cancel()
            self._sleepers.discard(sleeper)

    def _wake_all(self) -> None:
        for sleeper in self._sleepers:
            _wake(sleeper)


def _wake(sleeper: "asyncio.Future[None]") -> None:
    if not sleeper.done():
        sleeper.set_result(None)
