"""One clock for a run: the loop's for every wait, tied once to the wall clock for every stamp.

A wall clock that is set while a run is under way neither stretches a wait nor reorders a report.
"""

import asyncio
import time
from datetime import UTC, datetime


class Clock:
    """Reads the running loop's time; create it inside the loop."""

    def __init__(self) -> None:
        self.now = asyncio.get_running_loop().time
        self._offset = time.time() - self.now()

    def wall(self, moment: float | None = None) -> datetime:
        """Give the wall-clock time of a loop time (seconds), or of now; UTC, aware."""
        return datetime.fromtimestamp((self.now() if moment is None else moment) + self._offset, UTC)
