"""What is engaged, and whether the ledger knows it to be clear; read on threads, for a disk may hang."""

from collections.abc import Callable
from time import monotonic
from typing import Final

from panic import latch
from panic.config import Settings
from panic.kit.background import Aside
from panic.kit.errors import PanicError
from panic.run.engagement import Engagement, HoldView, look
from panic.service.room.views import RoomLatch

LATCH_S: Final = 1.0
"""So old may be what is said of the latch."""

DOUBTS_S: Final = 15.0
"""So often the ledger is asked whether what is engaged is clear; and after each run."""

PATIENCE_S: Final = 5.0

_UNSEEN: Final = "whether it is clear was not looked at yet"
_NEVER: Final = float("-inf")


class LatchWatch:
    """Knows what the latch said last.

    Args:
        settings: Gives those in force.
    """

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._state: latch.State | None = None
        self._problem = "it was not read yet"
        self._found: Engagement | None = None
        self._silence = ""
        self._read_at = self._looked_at = _NEVER
        # An open page asks again and again, and a disk that hangs keeps each place: these are only ours.
        self._file_aside, self._ledger_aside = Aside(1), Aside(1)

    def expire(self) -> None:
        """Ask the ledger anew: a run has ended."""
        self._looked_at = _NEVER

    async def refresh(self, *, is_quiet: bool) -> None:
        """Read again what is old; the ledger only while no run is under way."""
        if monotonic() - self._read_at < LATCH_S:
            return
        settings, before = self._settings(), self._state
        file = settings.latch.file
        if file is None:
            self._fail("the settings name no [latch] file")
            return
        try:
            self._state = await self._file_aside.do(lambda: latch.read(file), "room-latch", PATIENCE_S)
        except (TimeoutError, OSError, RuntimeError) as error:
            self._fail(f"it does not answer: {type(error).__name__}")
            return
        self._problem, self._read_at = "", monotonic()
        if is_quiet and (self._state != before or self._read_at - self._looked_at >= DOUBTS_S):
            await self._look(settings)

    def _fail(self, problem: str) -> None:
        self._state = self._found = None
        self._problem, self._read_at, self._looked_at = problem, monotonic(), _NEVER

    async def _look(self, settings: Settings) -> None:
        """Ask the ledger what it says of what is engaged."""
        try:
            self._found = await self._ledger_aside.do(lambda: look(settings), "room-engaged", PATIENCE_S)
        except (TimeoutError, OSError, RuntimeError, ValueError, PanicError) as error:
            self._silence = f"the ledger does not answer: {type(error).__name__}"
        else:
            self._state, self._silence = self._found.state, ""
        self._looked_at = monotonic()

    @property
    def view(self) -> RoomLatch:
        """What the room is told."""
        if self._state is None:
            return RoomLatch(known=False, engaged=False, problem=self._problem)
        state, found = self._state, self._found
        holds = found.holds if state.problem and found else state.holds
        return RoomLatch(
            known=True,
            engaged=state.engaged,
            problem=state.problem,
            holds=tuple(HoldView(*hold, doubt=self._doubt(hold)) for hold in holds),
            warnings=tuple(found.warnings) if found else (),
        )

    def _doubt(self, hold: latch.Hold) -> str:
        if self._silence or self._found is None:
            return self._silence or _UNSEEN
        return self._found.doubts.get(hold, "") if hold in self._found.holds else _UNSEEN
