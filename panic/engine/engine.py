"""The fan-out: every account cancelled, read and cancelled again until it is clear or the deadline has come.

It is handed two functions, `cancel` and `read`, which make one attempt each and give its answer as a value;
what to do about an account is decided by its `Case`; here is only the doing. One account's trouble never
reaches another.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from contextlib import suppress
from typing import Any

from panic.broker.answers import Answer, too_late
from panic.broker.outcomes import Standing
from panic.engine.attempts import Attempts, CancelCall, Leash, ReadCall, persistently
from panic.engine.case import Case
from panic.engine.clearing import Clearing
from panic.engine.deadline import Deadline
from panic.engine.doubts import QUIET_MOST_S, Doubts
from panic.engine.events import Events, Observer, What
from panic.engine.gate import Kind
from panic.engine.pacing import Pace
from panic.engine.settling import Settling
from panic.engine.slots import NOBODY, Slots
from panic.engine.sweep import Sweep
from panic.engine.tasks import Tasks
from panic.kit.clock import Clock

STOP_GRACE_S = 1.0
"""After a stop, requests in flight get so long to be answered; nobody waits longer to see it end."""

BESIDE_MOST_S = 4.0
"""When all accounts are settled, what runs beside them gets so long to come to an end."""

_STARTED_AT_ONCE = 8
"""The DELETEs of so many accounts leave before the tasks of thousands of others are made, which takes time."""

_TURNS_TO_LEAVE = 3
"""Turns of the loop until a request that found an open connection is on the wire."""

OLDER_CANCEL_S = 0.25
"""A DELETE that was under way when somebody pressed again gets so long to be answered before the new one goes."""


class Engine:
    """One run over one set of cases.

    Args:
        cancel: Makes one DELETE.
        read: Makes one GET.
        pace: The times of the run.
        slots: The concurrency bound; shared with whatever else asks the broker during the run.
        clock: The run's clock.
        observe: Told of every event.
        rng: Spreads the retries.

    Attributes:
        swept: Set while no account is owed its first DELETE.
        stopped: Whether somebody stopped it.
        failures: What went wrong in panic itself.
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
        self._slots, self._clock = slots, clock
        self.failures: list[str] = []
        self.stopped = False
        self.deadline = Deadline(pace, clock, self._send_no_more)
        self.settling = Settling()
        self.sweep = Sweep()
        self.swept = self.sweep.done
        self._attempts = Attempts(slots, self.deadline, clock)
        self._tasks = Tasks(self.failures, lambda: self.deadline.is_over)
        self._events = Events(observe, self.failures)
        self._doubts = Doubts(self._doubt_all)
        self._clearing = Clearing(
            cancel=cancel,
            read=read,
            slots=slots,
            attempts=self._attempts,
            deadline=self.deadline,
            settling=self.settling,
            sweep=self.sweep,
            tell=self._tell,
            clock=clock,
            rng=rng,
        )
        self._cases: list[Case] = []
        self._pressed_early: set[int] = set()

    async def run(self, cases: Iterable[Case], beside: Coroutine[Any, Any, None] | None = None) -> None:
        """Work on all cases until each is over, the deadline has come or `stop` was called.

        Args:
            cases: The accounts, in the order of their first DELETEs.
            beside: Something else to do in the run; it waits for `swept` itself and asks by `aside`.
        """
        self._begin(cases)
        if beside is not None:
            self._tasks.start(NOBODY, beside, "what ran beside the accounts")
        for case in self._cases[:_STARTED_AT_ONCE]:
            self._start(case)
        for _ in range(_TURNS_TO_LEAVE):
            await asyncio.sleep(0)
        for case in self._cases[_STARTED_AT_ONCE:]:
            self._start(case)
        try:
            await self._until_idle()
            while self.deadline.pace.verify and await self._is_disturbed():
                await self._until_idle()
        finally:
            self._send_no_more()
            await self._tasks.abandon()
            for case in self._cases:
                case.take_back_unless_quiet(self._clock.now(), QUIET_MOST_S)

    def _begin(self, cases: Iterable[Case]) -> None:
        self._cases = list(cases)
        self.settling.begin(self._cases)
        for case in self._cases:
            if case.account.id in self._pressed_early and not case.owes_first:
                case.press_again()
        self.deadline.begin()
        self.sweep.collector_pause.begin()
        self.sweep.owe(sum(case.owes_first for case in self._cases))

    # ── what others ask for ─────────────────────────────────────────────────────────────────────────────

    def stop(self) -> None:
        """Send nothing more; what is in flight gets a moment to be answered."""
        if self.stopped:
            return
        self.stopped = True
        self._send_no_more()
        self.deadline.wake_all()
        latest = self._clock.now() + STOP_GRACE_S
        self._attempts.cut_short(reads_at=latest, cancels_at=latest)

    def press_again(self, accounts: Collection[int], *, deadline: float, watch_s: float) -> bool:
        """Send every one of these accounts again, as a new press does; those not sent yet are sent once.

        Args:
            accounts: Which ones; all of them must be cases of this run.
            deadline: Loop time at which the new press would end; the later one counts.
            watch_s: How long the new press would go on reading; the longer one counts.

        Returns:
            Whether it was done; False once the run is over, or where it does not verify what it sends.
        """
        if self.deadline.is_over or not self.deadline.pace.verify:
            return False
        self.deadline.extend(deadline, watch_s)
        if not self._cases:  # it has not begun, and begins with these
            self._pressed_early.update(accounts)
            return True
        owing = [case for case in self._cases if case.account.id in accounts and not case.owes_first]
        for case in owing:
            case.press_again()
            self._reopen(case)
        self.sweep.owe(len(owing))
        self._slots.recall({case.account.id for case in owing})
        now = self._clock.now()  # no read, and no older DELETE, keeps an account from the new one
        self._attempts.cut_short(reads_at=now, cancels_at=now + OLDER_CANCEL_S)
        self.deadline.wake_all()
        return True

    def look_again(self) -> None:
        """Believe no clear that was proven before now: read every account anew."""
        if self.deadline.is_over or not self.deadline.pace.verify:
            return
        for case in self._cases:
            if case.look_again(self._clock.now()):
                self._reopen(case)
        self.deadline.wake_all()

    def give_way(self, *, while_so: bool) -> None:
        """Send nothing for the time being, or continue: another run has to go first."""
        if self.deadline.give_way(while_so=while_so):
            self._slots.hold(so=while_so)

    def doubt(self) -> None:
        """Take back every clear that rests on a connection that may have mixed up its answers; soon, and once."""
        self._doubts.add()

    async def aside(self, lane: str, call: Callable[[Leash], Awaitable[Answer]]) -> Answer:
        """Ask something else, after everything that concerns an account, as often as it takes if there is time."""

        async def ask() -> Answer:
            if not await self._slots.acquire(lane, (Kind.READ, 1 << 62), NOBODY):
                return too_late(self._clock.now())
            return await self._attempts.make(lane, NOBODY, call, is_read=True)

        return await persistently(ask, pause=self.deadline.pause, is_late=lambda: self.deadline.is_over)

    def _reopen(self, case: Case) -> None:
        self.settling.reopen()
        self._take_back(case)

    def _take_back(self, case: Case) -> None:
        """Continue with a case that was concluded, or may have been."""
        self.settling.note(case)
        self._events.tell(What.DOUBTED, case)
        if not self.deadline.is_over and not self._tasks.is_running(case.account.id):
            self._start(case)

    def _doubt_all(self) -> None:
        for case in self._cases:
            if case.doubt(self._clock.now()):
                self._take_back(case)
        self.deadline.wake_all()

    def _start(self, case: Case) -> None:
        self._tasks.start(case.account.id, self._clearing.work(case), f"account {case.account.id}")

    # ── all of them ─────────────────────────────────────────────────────────────────────────────────────

    def _tell(self, what: What, case: Case) -> None:
        self._events.tell(what, case)
        if what is not What.SENDING and self.settling.note(case):
            self.settling.settle(self._clock.now(), self.deadline.pace.watch_s)
            loop = asyncio.get_running_loop()
            loop.call_at(self.settling.watch_until, self.deadline.wake_all)
            loop.call_later(BESIDE_MOST_S, self._tasks.cancel, NOBODY)
            self._events.tell(What.SETTLED)

    def _send_no_more(self) -> None:
        self.deadline.end()
        self._slots.close()
        self.sweep.end()

    async def _until_idle(self) -> None:
        # Every wait of a case ends at the deadline by itself; the rest is a backstop.
        while not self._tasks.idle.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._backstop):
                    await self._tasks.idle.wait()
            if not self._tasks.idle.is_set() and self._clock.now() >= self._backstop:
                self.failures.append("some accounts did not end at the deadline")  # else a later press moved it
                return

    @property
    def _backstop(self) -> float:
        return self.deadline.pace.deadline + 2 * STOP_GRACE_S

    async def _is_disturbed(self) -> bool:
        """Listen for one quiet time; tell whether something came in it that undid a proof."""
        clear = any(case.standing is Standing.CLEAR for case in self._cases)
        if not clear or self.stopped or self.deadline.has_come:
            return False
        doubts = self._doubts.count
        quiet_s = self._doubts.quiet_s(self._attempts.slowest_s)
        await asyncio.sleep(max(0.0, min(quiet_s, self.deadline.pace.deadline - self._clock.now())))
        return bool(self._tasks) or doubts != self._doubts.count
