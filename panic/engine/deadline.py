"""When a run ends at the latest, and every wait that must not outlast it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from panic.engine.pacing import Pace
from panic.kit.clock import Clock

HELD_MOST_S = 600.0
"""A run that gives way to others is given so much time for that in all: no run goes on without end."""


class Deadline:
    """The end of a run, which a later press or giving way to another run may put off.

    Args:
        pace: The times of the run.
        clock: The run's clock.
        ring: Called when the deadline has come.

    Attributes:
        is_over: Whether nothing is to be sent any more.
        held_s: For how long the run gave way to others, seconds.
    """

    def __init__(self, pace: Pace, clock: Clock, ring: Callable[[], None]) -> None:
        self.pace = pace
        self.is_over = False
        self.held_s = 0.0
        self._now, self._ring = clock.now, ring
        self._alarm: asyncio.TimerHandle | None = None
        self._held_at: float | None = None
        self._sleepers: set[asyncio.Future[None]] = set()

    @property
    def has_come(self) -> bool:
        """Whether its time has come."""
        return self._now() >= self.pace.deadline

    def begin(self) -> None:
        """Ring when it comes."""
        self._put_off_to(self.pace.deadline)

    def extend(self, deadline: float, watch_s: float) -> None:
        """Take in a later press: the later deadline counts, and the longer watch."""
        self.pace = replace(self.pace, watch_s=max(self.pace.watch_s, watch_s))
        self._put_off_to(max(self.pace.deadline, deadline))

    def give_way(self, *, while_so: bool) -> bool:
        """Let the time for which another run goes first, up to `HELD_MOST_S`, not count; False changes nothing."""
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

    def _put_off_to(self, moment: float) -> None:
        self.pace = replace(self.pace, deadline=moment)
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_at(moment, self._ring)


def _wake(sleeper: "asyncio.Future[None]") -> None:
    if not sleeper.done():
        sleeper.set_result(None)
