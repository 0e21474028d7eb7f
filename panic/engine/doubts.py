"""Answers that got mixed up: proofs that rest on their connections are taken back, and silence is listened to."""

import asyncio
from collections.abc import Callable

QUIET_LEAST_S, QUIET_MOST_S = 0.1, 2.0
"""After the last proof the connections are listened to for as long as the slowest answer of the run took,
within these bounds: an answer that nobody asked for would undo the proof."""


class Doubts:
    """Counts them, and has proofs taken back soon: once for all doubts that come at the same time."""

    def __init__(self, take_back: Callable[[], None]) -> None:
        self.count = 0
        self._take_back = take_back
        self._is_due = False

    def add(self) -> None:
        """Doubt every proof that came over a used connection."""
        self.count += 1
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._ring)

    def quiet_s(self, slowest_s: float) -> float:
        """Give how long to listen after the last proof, seconds; to the full, once answers got mixed up."""
        return QUIET_MOST_S if self.count else min(max(slowest_s, QUIET_LEAST_S), QUIET_MOST_S)

    def _ring(self) -> None:
        self._is_due = False
        self._take_back()
