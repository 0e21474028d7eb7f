"""The board of a run that is here, for all who watch it: each text is written once for all of them.

Its letters come from the run's own cases, right before they are told, so that a page which comes late is told the
same as one that was there. Before every first DELETE has left there is next to no work: the loop is the run's.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from time import perf_counter
from typing import Final, TypeVar

import structlog

from panic.engine.case import Case
from panic.kit.background import Aside
from panic.report import account as told
from panic.report.document import AccountReport
from panic.run.run import Run
from panic.service.live import Live
from panic.service.room import board
from panic.service.room.board import Listed
from panic.service.room.letters import Letter, Letters, letter_of
from panic.service.room.mailbox import Mailbox, event
from panic.service.room.views import Board

log = structlog.get_logger()

_T = TypeVar("_T")

CELLS_S: Final = 0.2
"""The least time between sending changed letters."""

BOARD_S: Final = 1.0
"""The least time between writing whole boards; more if that would take too large a share of the time."""

_SHARE: Final = 0.02
_SLICE_S: Final = 0.002
_REST_S: Final = 0.008
"""How long the run has the loop after a slice of work."""

_BYTES_A_SECOND: Final = 1e9
"""What it takes to hand a text to one watcher."""

_FAILED_AGAIN_S: Final = 60.0
"""How often a persistent fault is logged."""


class LiveBoard:
    """One run that is here, under way or lately over. It rests while nobody watches.

    Attributes:
        watchers: Who is told.
    """

    def __init__(self, live: Live, aside: Aside) -> None:
        self._live, self._run, self._aside = live, live.run, aside
        cases = live.run.cases
        self._letters = Letters(len(cases), len(live.run.prepared.plan.unsent))
        self._places = {case.account.id: place for place, case in enumerate(cases)}
        self._touched = set(range(len(cases)))
        self.watchers: set[Mailbox] = set()
        self._over = asyncio.Event()
        self._rows = self._last = b""
        self._written: Board | None = None
        self._written_at = self._cost_s = 0.0
        self._failed_at = -_FAILED_AGAIN_S
        self._task: asyncio.Task[None] | None = None
        live.watchers.append(self._touch)
        live.when_over(lambda _: self._over.set())

    def _touch(self, case: Case) -> None:
        self._touched.add(self._places[case.account.id])

    # ── who watches ─────────────────────────────────────────────────────────────────────────────────────

    def join(self, one: Mailbox) -> None:
        """Tell somebody from now on, beginning with a whole board."""
        self.watchers.add(one)
        if self._last:
            one.board(event("board", self._last))
            return
        self._written = None
        if self._task is None:
            self._task = asyncio.create_task(self._go(), name=f"panic-board-{self._run.id}")

    def leave(self, one: Mailbox) -> None:
        """Tell somebody no more; with the last one all work on it ends."""
        self.watchers.discard(one)
        if not self.watchers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def text(self) -> bytes:
        """Give the board of this moment, for somebody who asks once."""
        await self._catch_up()
        if self._live.is_over:
            await self._end()
        return self._last or board.with_accounts(self._text_of(self._board()), self._rows)

    # ── the work ────────────────────────────────────────────────────────────────────────────────────────

    async def _go(self) -> None:
        while not self._last:
            try:
                await self._turn()
            except Exception as error:  # noqa: BLE001  (the run goes on, and its report is right)
                self._fail(error)
                await asyncio.sleep(BOARD_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(CELLS_S):
                    await self._over.wait()

    async def _turn(self) -> None:
        await self._catch_up()
        if self._live.is_over:
            await self._end()
        elif self._written is None or (self._run.engine.swept.is_set() and self._is_due):
            self._write()
        elif self._letters.changed:
            self._tell_cells()

    @property
    def _is_due(self) -> bool:
        return perf_counter() - self._written_at >= max(BOARD_S, self._cost_s / _SHARE)

    async def _catch_up(self) -> None:
        """Read letters until nothing has happened since: then, and until the next wait, none is old."""
        if not self._rows:
            self._rows = await _rows_of(self._run)
        async for place in _in_slices(self._popped()):
            self._letters.put(place, letter_of(self._run.cases[place]))

    def _popped(self) -> Iterator[int]:
        while self._touched:
            yield self._touched.pop()

    def _tell_cells(self) -> None:
        facts = {
            "run_id": self._run.id,
            "elapsed_s": round((self._run.wall() - self._run.started_at).total_seconds(), 3),
            "counts": self._letters.counts,
            "changed": self._letters.take_changes(),
        }
        message = event("cells", json.dumps(facts, separators=(",", ":")).encode())
        for one in self.watchers:
            one.cells(message)

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────

    def _write(self) -> None:
        """Write the board of this moment for all, unless it is the one that they have."""
        began, found = perf_counter(), self._board()
        if self._written is None or self._letters.changed or _bare(found) != _bare(self._written):
            text = self._text_of(found)
            self._tell(text, board.with_accounts(text, self._rows))
            self._letters.changed.clear()
            self._written = found
        self._written_at = perf_counter()
        to_hand_out_s = len(self.watchers) * (len(self._letters.row) + len(self._rows)) / _BYTES_A_SECOND
        self._cost_s = self._written_at - began + to_hand_out_s

    def _tell(self, short: bytes, whole: bytes) -> None:
        """Tell a board; those who know its accounts do not need them."""
        short, whole = event("board", short), event("board", whole)
        for one in self.watchers:
            one.board(short if one.knows_accounts else whole)

    async def _end(self) -> None:
        """Write the board of a run that is over: what the report says of it, and nothing else."""
        run, report = self._run, self._live.report or self._run.report()  # panic itself failed: it is all there is

        def work() -> bytes:
            return run.scrub(board.final_board(report, run.cases, run.wall).decode()).encode()

        if self._last:
            return
        try:
            text = await self._aside.do(work, "board")
        except TimeoutError:  # all threads hang on a dead disk: this one thing needs none
            text = work()
        if not self._last:
            self._last = text
            self._tell(text, text)

    def _text_of(self, found: Board) -> bytes:
        return self._run.scrub(board.write(found).decode()).encode()

    def _board(self) -> Board:
        """Make the board of this moment; before the sweep is over without a word on single accounts."""
        run, facts, worst = self._run, self._run.reporter.circumstances(), list[Listed]()
        if run.engine.swept.is_set():
            for place in self._letters.worst(board.WORST_MOST):
                worst.append(Listed(_account(run, place, facts), Letter(chr(self._letters.row[place]))))
        return board.live_board(facts, self._letters, worst, run.reporter.ends_s)

    def _fail(self, error: Exception) -> None:
        """Say that what is shown is old: a page must not look alive when it is not."""
        self._written = None
        if perf_counter() - self._failed_at >= _FAILED_AGAIN_S:
            self._failed_at = perf_counter()
            log.error("board_failed", run_id=self._run.id, exc_info=error)
        for one in self.watchers:
            one.cells(event("stale", json.dumps({"run_id": self._run.id}).encode()))


def _bare(view: Board) -> Board:
    """Give what has to change for a board to be told anew: a clock alone is no news."""
    return replace(view, elapsed_s=0.0, timings=replace(view.timings, total_s=0.0))


def _account(run: Run, place: int, facts: told.Circumstances) -> AccountReport:
    if place < len(run.cases):
        return told.account_of(run.cases[place], facts, run.wall)[0]
    return told.unsent_of(run.prepared.plan.unsent[place - len(run.cases)], facts.contact)


async def _rows_of(run: Run) -> bytes:
    """Write who the accounts are."""
    rows = [
        board.identity(one.account.id, one.account.name, one.account.group) async for one in _in_slices(run.cases)
    ]
    unsent = [told.unsent_of(one, "") for one in run.prepared.plan.unsent]
    rows += [board.identity(one.id, one.name, one.group) for one in unsent]
    return run.scrub(",".join(rows)).encode()


async def _in_slices(several: Iterable[_T]) -> AsyncIterator[_T]:
    """Go through several on the loop, a few milliseconds at a time; after each the loop is the run's."""
    began = perf_counter()
    for one in several:
        yield one
        if perf_counter() - began > _SLICE_S:
            await asyncio.sleep(_REST_S)
            began = perf_counter()
