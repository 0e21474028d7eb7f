"""How long a run will take at the broker's pace, seen while it is under way."""

import asyncio
from collections.abc import Sequence

from panic.engine.case import Case
from panic.engine.clearing import Sweep
from panic.engine.deadline import Deadline
from panic.engine.forecast import EVERY_S, Forecast, foresee, waits_for_turn
from panic.engine.slots import Slots


class Foresight:
    """Forecasts every second, and puts the end of the run off: no first DELETE that could be sent is abandoned.

    Attributes:
        forecast: How long it will take; None while the broker sets no pace.
    """

    def __init__(self, cases: Sequence[Case], slots: Slots, deadline: Deadline, sweep: Sweep) -> None:
        self.forecast: Forecast | None = None
        self._cases, self._slots, self._deadline, self._sweep = cases, slots, deadline, sweep
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Look ahead in a second, and then every second."""
        self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._foresee)

    def end(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _foresee(self) -> None:
        """The end is not put off for accounts that had their turns: only the first look is sure to be worth it."""
        pace, now, sweep = self._deadline.pace, asyncio.get_running_loop().time(), self._sweep
        forecast = foresee(self._cases, self._slots.rates, verify=pace.verify)
        is_learned = all(lane.rate.is_learned for lane in self._slots.limited.values())
        self.forecast = forecast if is_learned else None  # nobody is told a guess
        if forecast and any(waits_for_turn(case, verify=pace.verify) for case in self._cases):
            self._deadline.put_off(now + forecast.needs_s + pace.watch_s)
        elif sweep.unsent and pace.deadline - now < pace.attempt_s + 2 * EVERY_S:  # it hangs, or the run is large
            self._deadline.put_off(now + sweep.unsent_s(now) + pace.attempt_s)
        self.begin()
