"""What the latch and the ledger say, for the control room: read aside now and then, since a disk may hang."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Final, Generic, NamedTuple, TypeVar

from panic import latch
from panic.config import LedgerFiles, Settings
from panic.kit.background import Aside, Start, begin
from panic.kit.errors import PanicError, UsageError
from panic.ledger import history
from panic.ledger.record import LastPress
from panic.run.engagement import Engagement, HoldView, look
from panic.service.desk import Desk
from panic.service.live import Live
from panic.service.room.views import LastRun, RoomLatch

LATCH_S: Final = 1.0
"""How old the shown state of the latch may be."""

LEDGER_S: Final = 15.0
"""How often the ledger is read, for the last run and whether what is engaged is clear; also after each run."""

PATIENCE_S: Final = 5.0
_KNOWN_S: Final = 0.5

_UNSEEN: Final = "whether it is clear was not looked at yet"
_NEVER: Final = float("-inf")

_T = TypeVar("_T")


class Look(Generic[_T]):
    """Something on a disk, as it was `found` last; `problem` is why another may be true by now."""

    def __init__(self, what: str, start: Start = begin) -> None:
        self.found: _T | None = None
        self.problem = f"{what} was not read yet"
        self._what, self._read_at = what, _NEVER
        self._aside = Aside(
            1, start=start
        )  # an open page asks again and again, and a disk that hangs keeps its place

    def expire(self) -> None:
        """Read it anew at the next refresh."""
        self._read_at = _NEVER

    async def refresh(self, read: Callable[[], _T], every_s: float) -> None:
        """Read it again if it is old."""
        if monotonic() - self._read_at < every_s:
            return
        self._read_at = monotonic()
        try:
            self.found, self.problem = await self._aside.do(read, "room", PATIENCE_S), ""
        except UsageError as error:  # the settings name none
            self.problem = str(error)
        except (TimeoutError, OSError, RuntimeError, ValueError, PanicError) as error:
            self.problem = f"{self._what} does not answer: {type(error).__name__}"


class Recorded(NamedTuple):
    """What the ledger says of what is engaged, unless the latch itself is unknown; and the run pressed last."""

    engaged: Engagement | None
    last: tuple[LastPress, LastRun] | None


class DiskWatch:
    """Knows what latch and ledger said last. During a sweep it reads nothing, and during a run not the ledger."""

    def __init__(self, desk: Desk, settings: Callable[[], Settings], reading: Start) -> None:
        self._desk, self._settings = desk, settings
        self._latch, self.ledger = Look[latch.State]("it"), Look[Recorded]("the ledger", reading)
        self._reading: asyncio.Task[None] | None = None

    async def known(self) -> None:
        """Read again what is old, and wait a moment for it; a disk that hangs keeps nobody."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name="panic-room-read")
        with suppress(TimeoutError):
            async with asyncio.timeout(_KNOWN_S):
                await asyncio.shield(self._reading)

    async def close(self) -> None:
        """Read nothing more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def _read(self) -> None:
        under_way = [live for live in self._desk.live.values() if not live.is_over]
        if not all(live.run.engine.swept.is_set() for live in under_way):
            return
        settings, before = self._settings(), self._latch.found
        await self._latch.refresh(lambda: _state(settings), LATCH_S)
        if under_way:
            return
        is_known = not self._latch.problem
        if self._latch.found != before:
            self.ledger.expire()
        await self.ledger.refresh(partial(_recorded, settings, is_known=is_known), LEDGER_S)

    @property
    def latched(self) -> RoomLatch:
        """What is engaged."""
        state, found = self._latch.found, self.ledger.found and self.ledger.found.engaged
        if state is None or self._latch.problem:
            return RoomLatch(known=False, engaged=False, problem=self._latch.problem)
        holds = found.holds if state.problem and found else state.holds
        return RoomLatch(
            known=True,
            engaged=state.engaged,
            problem=state.problem,
            holds=tuple(HoldView(*hold, doubt=self._doubt(hold, found)) for hold in holds),
            warnings=tuple(found.warnings) if found else (),
        )

    def _doubt(self, hold: latch.Hold, found: Engagement | None) -> str:
        if found is None or hold not in found.holds:
            return _UNSEEN
        return self.ledger.problem or found.doubts.get(hold, "")

    def last_run(self, here: Mapping[str, Live]) -> tuple[LastRun | None, str]:
        """Give the run that was pressed last, on record or here and over; and why another may be the last."""
        over = {run: live for run, live in here.items() if live.is_over}
        press, told = (self.ledger.found and self.ledger.found.last) or (None, None)
        order = history.by_last_press(
            [press] if press else [], [live.run.story.last_press for live in over.values()]
        )
        return _ended(over[order[-1]]) if order and order[-1] in over else told, self.ledger.problem


def _state(settings: Settings) -> latch.State:
    if settings.latch.file is None:
        raise UsageError("the settings name no [latch] file")
    return latch.read(settings.latch.file)


def _ended(live: Live) -> LastRun:
    report, run = live.report, live.run
    verdict = report.verdict if report and report.finished else None
    return LastRun(run.id, verdict, report.finished_at if report else run.started_at, run.drill)


def _recorded(settings: Settings, *, is_known: bool) -> Recorded:
    if settings.ledger.file is None:
        raise UsageError("there is no ledger, and nothing is known of other runs")
    return Recorded(look(settings) if is_known else None, _last(settings.ledger))


def _last(ledger: LedgerFiles) -> tuple[LastPress, LastRun] | None:
    one = max(history.runs(ledger)[0], key=lambda one: one.pressed_last, default=None)
    if one is None:
        return None
    one = history.checked(ledger, one)
    verdict = one.finished.verdict if one.finished else None
    at = one.finished.finished_at if one.finished else one.pressed.started_at
    return one.last_press, LastRun(one.run, verdict, at, one.pressed.drill)
