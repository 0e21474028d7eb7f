"""What the latch and the ledger say, for the control room: read aside now and then, since a disk may hang."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from time import monotonic
from typing import Final, Generic, NamedTuple, TypeVar

from panic import latch
from panic.config import LedgerFiles, Settings
from panic.kit.background import Aside, Start, begin
from panic.kit.errors import PanicError, UsageError
from panic.ledger import history
from panic.report.document import Totals
from panic.run.engagement import Engagement, HoldView, look
from panic.service.desk import Desk
from panic.service.live import Live
from panic.service.room.last_run import Ended, counted, ended, is_everything, shown
from panic.service.room.views import LastRun, RoomLatch

LATCH_S: Final = 1.0
"""How old the shown state of the latch may be."""

LEDGER_S: Final = 15.0
"""How often the ledger is read, for the last run and whether what is engaged is clear; also after each run."""

PATIENCE_S: Final = 5.0
_KNOWN_S: Final = 0.5

_RUNS_MOST: Final = 100

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
            why = "it takes too long" if isinstance(error, TimeoutError) else type(error).__name__
            self.problem = f"{self._what} does not answer: {why}"


class Recorded(NamedTuple):
    """What the ledger says of what is engaged, unless the latch itself is unknown; and its runs, latest first."""

    engaged: Engagement | None
    runs: tuple[Ended, ...]


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
        """Give the run to show as the last one, on record or here and over; and why it may be another."""
        over = {run: _ended(live) for run, live in here.items() if live.is_over}
        recorded = {one.press.run: one for one in reversed(self.ledger.found.runs if self.ledger.found else ())}
        order = history.by_last_press(
            [one.press for one in recorded.values()],
            [live.run.story.last_press for live in here.values() if live.is_over],
        )
        known = [(recorded | over)[run] for run in reversed(order)]
        return shown(known, self._settings().broker.base_url), self.ledger.problem


def _state(settings: Settings) -> latch.State:
    if settings.latch.file is None:
        raise UsageError("the settings name no [latch] file")
    return latch.read(settings.latch.file)


def _ended(live: Live) -> Ended:
    report, story = live.report, live.run.story
    is_whole = report is not None and report.finished
    one = ended(
        story.last_press, story.pressed, (report.verdict, report.finished_at) if report and is_whole else None
    )
    return counted(one, report.totals) if report and is_whole else one


def _recorded(settings: Settings, *, is_known: bool) -> Recorded:
    if settings.ledger.file is None:
        raise UsageError("there is no ledger, and nothing is known of other runs")
    return Recorded(look(settings) if is_known else None, tuple(_runs(settings.ledger, settings.broker.base_url)))


def _runs(ledger: LedgerFiles, broker: str) -> list[Ended]:
    """Give the latest runs, back to one that shows all of it clear; the record of a clear one must support that.

    The accounts of the one that is shown are counted.
    """
    found, places = list[Ended](), dict[str, int]()
    for one in sorted(history.runs(ledger)[0], key=lambda one: one.pressed_last, reverse=True)[:_RUNS_MOST]:
        told = history.checked(ledger, one) if one.is_clear or not found else one
        end = told.finished
        found.append(ended(told.last_press, told.pressed, (end.verdict, end.finished_at) if end else None))
        places[one.run] = one.ended
        if found[-1].broker == broker and is_everything(found[-1]):
            break
    if (view := shown(found, broker)) and view.verdict and ledger.file:
        totals = _totals(ledger.file, view.run_id, places[view.run_id])
        return [counted(one, totals) if totals and one.press.run == view.run_id else one for one in found]
    return found


@lru_cache(maxsize=8)
def _totals(file: Path, run: str, _ended: int) -> Totals | None:
    """Count a run's accounts; None where too little is left of its record. It takes long, so once for each end."""
    with suppress(UsageError):
        return history.recall(LedgerFiles(file=file), run).report().totals
    return None
