"""The fan-out: every account cancelled, read and cancelled again until it is clear or the deadline has come.

It is handed two functions, `cancel` and `read`, which make one attempt each and give its answer as a value;
what to do about an account is decided by its `Case`; here is only the doing. One account's trouble never
reaches another.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from typing import Any

from panic.broker.answers import Answer, too_late
from panic.broker.outcomes import Standing
from panic.engine.case import Case
from panic.engine.clearing import CancelCall, Clearing, ReadCall, Sweep
from panic.engine.deadline import STOP_GRACE_S, Deadline, Leash, persistently
from panic.engine.events import Observer
from panic.engine.forecast import Forecast
from panic.engine.foresight import Foresight
from panic.engine.lane import Kind
from panic.engine.pacing import Pace
from panic.engine.settling import Settling
from panic.engine.slots import NOBODY, Slots
from panic.engine.tasks import Tasks
from panic.kit.clock import Clock

_STARTED_AT_ONCE = 8
"""Accounts whose DELETEs leave before tasks are made for thousands of others, which takes time."""

_STARTED_BY_TURNS = 1000
"""Tasks made before others have a turn: answers, a signal, and whoever watches."""

_TURNS_TO_LEAVE = 3
"""Turns of the loop until a request that found an open connection is on the wire."""

OLDER_CANCEL_S = 0.25
"""How long a DELETE in flight at a new press may take to be answered before the new one is sent."""

QUIET_LEAST_S, QUIET_MOST_S = 0.1, 2.0
"""After the last proof, connections are listened to for as long as the slowest answer of the run took,
within these bounds: an unrequested answer would undo the proof."""


class Engine:
    """One run over one set of cases; `rng` spreads the retries.

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
        self.slots, self._clock = slots, clock
        self.failures: list[str] = []
        self.stopped = False
        self.deadline = Deadline(pace, slots, clock, self._send_no_more)
        self.sweep = Sweep()
        self.swept = self.sweep.done
        self._cases: list[Case] = []
        self._tasks = Tasks(self.failures, self.deadline)
        self._settling = Settling(self._cases, self.sweep, slots, self.deadline, self._tasks, observe)
        self._foresight = Foresight(self._cases, slots, self.deadline, self.sweep)
        self._clearing = Clearing(cancel, read, slots, self.deadline, self.sweep, self._settling.tell, clock, rng)
        self._pressed_early: set[int] = set()
        self._doubts, self._is_doubting = 0, False

    @property
    def forecast(self) -> Forecast | None:
        """How long it will take at the broker's pace; None while the broker sets none."""
        return self._foresight.forecast

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
        for number, case in enumerate(self._cases[_STARTED_AT_ONCE:], 1):
            self._start(case)
            if not number % _STARTED_BY_TURNS:
                await asyncio.sleep(0)
        try:
            await self._tasks.until_idle()
            while self.deadline.pace.verify and await self._is_disturbed():
                await self._tasks.until_idle()
        finally:
            self._send_no_more()
            await self._tasks.abandon()
            for case in self._cases:
                case.take_back_unless_quiet(self._clock.now(), QUIET_MOST_S)

    def _begin(self, cases: Iterable[Case]) -> None:
        self._cases.extend(cases)
        self.sweep.unconcluded.update(case.account.id for case in self._cases)
        for case in self._cases:
            if case.account.id in self._pressed_early and not case.owes_first:
                case.press_again()
        self.deadline.begin()
        self._foresight.begin()
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

    def press_again(
        self, accounts: Collection[int], *, deadline: float, watch_s: float, latest: float = 0.0
    ) -> bool:
        """Send each of these cases again, as a new press does; those not sent yet are sent once.

        The later `deadline` and `latest` (loop times) and the longer watch count. False once the run is over, or
        where it does not verify what it sends: then nothing was done.
        """
        if self.deadline.is_over or not self.deadline.pace.verify:
            return False
        self.deadline.extend(deadline, latest, watch_s)
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
        self.slots.begin_anew()
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
        self._settling.reopen()
        self._take_back(case)

    def _take_back(self, case: Case) -> None:
        """Continue with a case that was concluded, or may have been."""
        self._settling.take_back(case)
        if not self.deadline.is_over and not self._tasks.is_running(case.account.id):
            self._start(case)

    def _doubt_all(self) -> None:
        self._is_doubting = False
        for case in self._cases:
            if case.doubt(self._clock.now()):
                self._take_back(case)
        self.deadline.wake_all()

    def _send_no_more(self) -> None:
        self._foresight.end()
        self.deadline.end()
        self.slots.close()
        self.sweep.end()

    async def _is_disturbed(self) -> bool:
        """Listen for one quiet period; tell whether something arrived that undid a proof."""
        clear = any(case.standing is Standing.CLEAR for case in self._cases)
        if not clear or self.stopped or self.deadline.has_come:
            return False
        doubts = self._doubts
        quiet_s = QUIET_MOST_S if doubts else min(max(self.deadline.slowest_s, QUIET_LEAST_S), QUIET_MOST_S)
        await asyncio.sleep(max(0.0, min(quiet_s, self.deadline.pace.deadline - self._clock.now())))
        return not self._tasks.idle.is_set() or doubts != self._doubts
