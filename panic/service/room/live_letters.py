"""The letters of a run under way, kept up to date as things happen to its accounts."""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Final

from panic.engine.case import Case
from panic.service.room.letters import Letters, letter_of

_SLICE_S: Final = 0.002
_REST_S: Final = 0.008
"""After a slice the loop is the run's for so long."""


class Slices:
    """Work on the loop in slices of a few milliseconds; after each the loop is the run's for a moment."""

    def __init__(self) -> None:
        self._began = perf_counter()

    async def rest(self) -> None:
        """Let the run go on, if this slice has taken its time."""
        if perf_counter() - self._began > _SLICE_S:
            await asyncio.sleep(_REST_S)
            self._began = perf_counter()


class LiveLetters(Letters):
    """Letters that are read off the run's cases: off those to which something happened, and off no other."""

    def __init__(self, cases: Sequence[Case], unsent: int) -> None:
        super().__init__(len(cases), unsent)
        self._cases = cases
        self._places = {case.account.id: place for place, case in enumerate(cases)}
        self._touched = set(range(len(cases)))

    def touch(self, case: Case) -> None:
        """Note that something happened to an account."""
        self._touched.add(self._places[case.account.id])

    async def catch_up(self) -> None:
        """Read them, until nothing has happened since: then, and until the next wait, no letter is old."""
        slices = Slices()
        while self._touched:
            place = self._touched.pop()
            self.put(place, letter_of(self._cases[place]))
            await slices.rest()
