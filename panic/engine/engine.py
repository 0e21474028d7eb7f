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

import structlog

from panic.broker.answers import Answer, too_late
from panic.broker.outcomes import Standing
from panic.engine.case import Case
from panic.engine.clearing import CancelCall, Clearing, ReadCall, Sweep
from panic.engine.deadline import Deadline, Leash, persistently
from panic.engine.events import Observer, What
from panic.engine.forecast import EVERY_S, Forecast, foresee, waits_for_turn
from panic.engine.lane import Kind
from panic.engine.pacing import Pace
from panic.engine.slots import NOBODY, Slots
from panic.engine.timetable import NEVER
from panic.kit.clock import Clock

log = structlog.get_logger()

STOP_GRACE_S = 1.0
"""How long requests in flight may still be answered after a stop."""

BESIDE_MOST_S = 4.0
"""How long work beside the accounts may still take once all are settled."""

_STARTED_AT_ONCE = 8
"""Accounts whose DELETEs leave before tasks are made for thousands of others, which takes time."""

_TURNS_TO_LEAVE = 3
"""Turns of the loop until a request that found an open connection is on the wire."""

OLDER_CANCEL_S = 0.25
"""How long a DELETE in flight at a new press may take to be answered before the new one is sent."""

QUIET_LEAST_S, QUIET_MOST_S = 0.1, 2.0
"""After the last proof, connections are listened to for as long as the slowest answer of the run took,
within these bounds: an unrequested answer would undo the proof."""


class _Tasks:
    """One task for each account, so that no fault of one reaches another; faults are added to `failures`."""

    def __init__(self, failures: list[str], deadline: Deadline) -> None:
        self.idle = asyncio.Event()
        self._failures, self._deadline = failures, deadline
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def start(self, key: int, work: Coroutine[Any, Any, None], name: str) -> None:
        """Begin some work."""
        self.idle.clear()
        task = self._tasks[key] = asyncio.create_task(work)
        task.add_done_callback(lambda task: self._ended(key, name, task))

    def is_running(self, key: int) -> bool:
        """Tell whether somebody works on an account."""
        task = self._tasks.get(key)
        return task is not None and not task.done()

    def cancel(self, key: int) -> None:
        """End one of them, if it still runs."""
        if (task := self._tasks.get(key)) is not None:
            task.cancel()

    async def abandon(self) -> None:
        """End all of them."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _ended(self, key: int, name: str, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None and not (task.cancelled() and (self._deadline.is_over or key == NOBODY)):
            # A bug of ours. The account keeps its state, which is never an unproven clear.
            if structlog.is_configured():
                log.error("task_failed", task=name, exc_info=error)
            self._failures.append(f"{name}: {type(error).__name__}")
        if not self._tasks:
            self.idle.set()


class Engine:
    """One run over one set of cases; `rng` spreads the retries.

    Attributes:
        swept: Set while no account is owed its first DELETE.
        stopped: Whether somebody stopped it.
        failures: What went wrong in panic itself.
        forecast: How long it will take at the broker's pace; None while the broker sets none.
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
        self.slots, self._clock, self._observe = slots, clock, observe
        self.failures: list[str] = []
        self.stopped = False
        self.deadline = Deadline(pace, slots, clock, self._send_no_more)
        self.sweep = Sweep()
        self.swept = self.sweep.done
        self._tasks = _Tasks(self.failures, self.deadline)
        self._clearing = Clearing(cancel, read, slots, self.deadline, self.sweep, self._tell, clock, rng)
        self._cases: list[Case] = []
        self._pressed_early: set[int] = set()
        self._doubts, self._is_doubting = 0, False
        self.forecast: Forecast | None = None
        self._foreseeing: asyncio.TimerHandle | None = None

    async def run(self, cases: Iterable[Case], beside: Coroutine[Any, Any, None] | None = None) -> None:
        """Work on all cases until each is over, the deadline has come or `stop` was called.

        The first DELETEs go in the order of `cases`; `beside` waits for `swept` itself and asks by `aside`.
        """
        self._begin(cases)
        self.slots.begin(len(self._cases))
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
        self.sweep.unconcluded.update(case.account.id for case in self._cases)
        for case in self._cases:
            if case.account.id in self._pressed_early and not case.owes_first:
                case.press_again()
        self.deadline.begin()
        self._foresee_soon()
        self.sweep.collector_pause.begin()
        self.sweep.began_at = self._clock.now()
        self.sweep.owe(sum(case.owes_first for case in self._cases))
        if self.stopped:  # before it began: nobody waits for what will not be sent
            self._send_no_more()

    # ── what others ask for ─────────────────────────────────────────────────────────────────────────────

    def stop(self) -> None:
        """Send nothing more; what is in flight gets a moment to be answered."""
        if self.stopped:
            return
        self.stopped = True
        self._send_no_more()
        self.deadline.wake_all()
        latest = self._clock.now() + STOP_GRACE_S
        self.deadline.cut_short(reads_at=latest, cancels_at=latest)

    def press_again(self, accounts: Collection[int], *, deadline: float, watch_s: float) -> bool:
        """Send each of these cases again, as a new press does; those not sent yet are sent once.

        The later `deadline` (loop time) and the longer watch count. False once the run is over, or where it does
        not verify what it sends: then nothing was done.
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
        self.slots.recall({case.account.id for case in owing})
        now = self._clock.now()  # no read, and no older DELETE, keeps an account from the new one
        self.deadline.cut_short(reads_at=now, cancels_at=now + OLDER_CANCEL_S)
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
        """Pause sending, or continue: another run goes first."""
        if self.deadline.give_way(while_so=while_so):
            self.slots.hold(so=while_so)

    def doubt(self) -> None:
        """Take back every clear that rests on a connection that may have mixed up its answers.

        It happens soon, and once for all doubts that arise together.
        """
        self._doubts += 1
        if not self._is_doubting:
            self._is_doubting = True
            asyncio.get_running_loop().call_soon(self._doubt_all)

    async def aside(self, lane: str, call: Callable[[Leash], Awaitable[Answer]]) -> Answer:
        """Ask something else, after every first read of an account, and retry while there is time."""

        async def ask() -> Answer:
            if not await self.slots.acquire(lane, (Kind.READ, 1 << 62), NOBODY):
                return too_late(self._clock.now())
            return await self.deadline.attempt(lane, NOBODY, call, is_read=True)

        return await persistently(ask, pause=self.deadline.pause, is_late=lambda: self.deadline.is_over)

    # ── all of them ─────────────────────────────────────────────────────────────────────────────────────

    def _start(self, case: Case) -> None:
        self._tasks.start(case.account.id, self._clearing.work(case), f"account {case.account.id}")

    def _reopen(self, case: Case) -> None:
        """Let a later press settle once more, and watch anew after that."""
        self.sweep.settled_at, self.sweep.watch_until = None, NEVER
        self._take_back(case)

    def _take_back(self, case: Case) -> None:
        """Continue with a case that was concluded, or may have been."""
        self.sweep.settles(case)
        self._tell_observer(What.DOUBTED, case)
        if not self.deadline.is_over and not self._tasks.is_running(case.account.id):
            self._start(case)

    def _doubt_all(self) -> None:
        self._is_doubting = False
        for case in self._cases:
            if case.doubt(self._clock.now()):
                self._take_back(case)
        self.deadline.wake_all()

    def _tell(self, what: What, case: Case) -> None:
        self._tell_observer(what, case)
        sweep = self.sweep
        if what is not What.SENDING and sweep.settles(case):
            sweep.settled_at = self._clock.now()
            sweep.watch_until = sweep.settled_at + self.deadline.pace.watch_s
            loop = asyncio.get_running_loop()
            loop.call_at(sweep.watch_until, self._end_watch)
            loop.call_later(BESIDE_MOST_S, self._tasks.cancel, NOBODY)
            self._tell_observer(What.SETTLED, None)

    def _end_watch(self) -> None:
        """End what only watches, also where it waits for a turn; anything else is due again at once."""
        if self._clock.now() >= self.sweep.watch_until:  # else there was a press meanwhile
            self.slots.recall({case.account.id for case in self._cases})
            self.deadline.wake_all()

    def _tell_observer(self, what: What, case: Case | None) -> None:
        try:
            self._observe(what, case)
        except Exception as error:  # whoever watches must not end the work on an account
            text = f"what watches the run: {type(error).__name__}"
            if text not in self.failures:
                self.failures.append(text)
                if structlog.is_configured():
                    log.exception("observer_failed")

    def _foresee_soon(self) -> None:
        self._foreseeing = asyncio.get_running_loop().call_later(EVERY_S, self._foresee)

    def _foresee(self) -> None:
        """See how long it takes, and put the end off: no first DELETE that could still be sent is abandoned.

        It is not put off for accounts that had their turns: only the first look of each is sure to be worth it.
        """
        pace, now, sweep = self.deadline.pace, self._clock.now(), self.sweep
        forecast = foresee(self._cases, self.slots.rates, verify=pace.verify)
        is_learned = all(lane.rate.is_learned for lane in self.slots.limited.values())
        self.forecast = forecast if is_learned else None  # nobody is told a guess
        if forecast and any(waits_for_turn(case, verify=pace.verify) for case in self._cases):
            self.deadline.put_off(now + forecast.needs_s + pace.watch_s)
        elif sweep.unsent and pace.deadline - now < pace.attempt_s + 2 * EVERY_S:  # it hangs, or the run is large
            self.deadline.put_off(now + sweep.unsent_s(now) + pace.attempt_s)
        self._foresee_soon()

    def _send_no_more(self) -> None:
        if self._foreseeing is not None:
            self._foreseeing.cancel()
        self.deadline.end()
        self.slots.close()
        self.sweep.end()

    async def _until_idle(self) -> None:
        # Every wait of a case ends at the deadline by itself; the rest is a backstop.
        idle = self._tasks.idle
        while not idle.is_set():
            backstop = self.deadline.pace.deadline + 2 * STOP_GRACE_S
            with suppress(TimeoutError):
                async with asyncio.timeout_at(backstop):
                    await idle.wait()
            if not idle.is_set() and self._clock.now() >= self.deadline.pace.deadline + 2 * STOP_GRACE_S:
                self.failures.append("some accounts did not end at the deadline")  # else a later press moved it
                return

    async def _is_disturbed(self) -> bool:
        """Listen for one quiet period; tell whether something arrived that undid a proof."""
        clear = any(case.standing is Standing.CLEAR for case in self._cases)
        if not clear or self.stopped or self.deadline.has_come:
            return False
        doubts = self._doubts
        quiet_s = QUIET_MOST_S if doubts else min(max(self.deadline.slowest_s, QUIET_LEAST_S), QUIET_MOST_S)
        await asyncio.sleep(max(0.0, min(quiet_s, self.deadline.pace.deadline - self._clock.now())))
        return not self._tasks.idle.is_set() or doubts != self._doubts
