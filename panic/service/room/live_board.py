"""The board of a run that is here, for all who watch it: each text is written once for all of them.

Its letters come from the run's own cases, right before they are told, so that a page which comes late is told the
same as one that was there. Writing takes a small share of the loop's time, which is the run's.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from time import perf_counter
from typing import Final, TypeVar

import structlog

from panic.engine.case import Case
from panic.kit.background import Aside
from panic.report import account as told
from panic.report.document import AccountReport, Timings
from panic.service.live import Live
from panic.service.room import board
from panic.service.room.assets import JSON, Asset, pack
from panic.service.room.letters import Letter, letter_of, worst_of
from panic.service.room.mailbox import Mailbox, event
from panic.service.room.views import Board

log = structlog.get_logger()

_T = TypeVar("_T")

BOARD_S: Final = 0.3
"""The least time between writing boards; more if that would take a larger share of the time than this."""

BEAT_S: Final = 2.0
"""How often a board is told in which nothing is new."""

_NO_TIMINGS: Final = Timings(None, None, 0.0, 0.0)
_SHARE: Final = 0.02
_BYTES_A_SECOND: Final = 1e9
"""What it takes to hand a text to one watcher."""

_SLICE_S: Final = 0.002
_REST_S: Final = 0.002
"""How long the run has the loop after a slice of work."""


class LiveBoard:
    """One run that is here, under way or lately over; it rests while it has no `watchers`."""

    def __init__(self, live: Live, aside: Aside) -> None:
        self.live, self._run, self._aside = live, live.run, aside
        cases, contact = live.run.cases, live.run.reporter.circumstances().contact
        self._unsent = board.in_order(told.unsent_of(one, contact) for one in live.run.prepared.plan.unsent)
        self._rows: list[board.Listed] = [*(case.account for case in cases), *self._unsent]
        self._order = board.order_of(self._rows)
        self._row = bytearray(b"w" * len(cases) + b"k" * len(self._unsent))
        self._places = {case.account.id: place for place, case in enumerate(cases)}
        self._touched = set(range(len(cases)))
        self.watchers: set[Mailbox] = set()
        self._over = asyncio.Event()
        self._last = b""
        self._accounts: Asset | None = None
        self._writing = asyncio.Lock()
        self._told: Board | None = None  # what all watchers know
        self._told_at = 0.0
        self._has_failed = False
        self._task: asyncio.Task[None] | None = None
        live.watchers.append(self._touch)
        live.when_over(lambda _: self._over.set())

    def _touch(self, case: Case) -> None:
        self._touched.add(self._places[case.account.id])

    def join(self, one: Mailbox) -> None:
        """Tell somebody from now on."""
        self.watchers.add(one)
        self._told = None
        if self._last:
            one.board(event("board", self._last))
        elif self._task is None:
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
        if self.live.is_over:
            await self._end()
        return self._last or self._text(self._board())

    async def accounts(self) -> Asset:
        """Give who the accounts are, in the order of the letters; the first to ask waits until it is written."""
        run = self._run

        def work() -> Asset:
            return pack(JSON, run.scrub(board.accounts(run.id, self._order, self._rows).decode()).encode())

        async with self._writing:
            if self._accounts is None:
                self._accounts = await self._aside.do(work, "accounts")
        return self._accounts

    def account(self, id_: int) -> bytes | None:
        """Report on one account as it stands now; None if it is not of this run."""
        place = self._places.get(id_)
        if place is None:
            place = next((n for n, one in enumerate(self._rows) if one.id == id_), None)
        if place is None:
            return None
        found = self._report(place, self._run.reporter.circumstances())
        return self._run.scrub(board.write_account(found).decode()).encode()

    async def _go(self) -> None:
        while not self._last:
            pause_s = BOARD_S
            try:
                pause_s = await self._write()
            except Exception as error:  # noqa: BLE001  (the run goes on, and its report is right)
                self._fail(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._over.wait()

    async def _write(self) -> float:
        """Write the board of this moment for all; give how long to leave the loop to the run."""
        await self._catch_up()
        if self.live.is_over:
            await self._end()
            return BOARD_S
        began = perf_counter()
        found, size = self._board(), 0
        if self._is_news(found):
            text = self._text(found)
            self._tell("board", text)
            self._told, self._told_at, size = _timeless(found), perf_counter(), len(text)
        to_hand_out_s = len(self.watchers) * size / _BYTES_A_SECOND
        return max(BOARD_S, (perf_counter() - began + to_hand_out_s) / _SHARE)

    def _is_news(self, found: Board) -> bool:
        """Whether it says more than the board before it: a slow link is not filled with what a page knows."""
        return self._told != _timeless(found) or perf_counter() - self._told_at >= BEAT_S

    async def _catch_up(self) -> None:
        """Read letters until nothing has happened since: then, and until the next wait, none is old."""
        async for place in _in_slices(self._popped()):
            self._row[place] = ord(letter_of(self._run.cases[place]))

    def _popped(self) -> Iterator[int]:
        while self._touched:
            yield self._touched.pop()

    async def _end(self) -> None:
        """Write the board of a run that is over: what the report says of it, and nothing else."""
        run, report = self._run, self.live.report or self._run.report()  # panic itself failed: it is all there is

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
            self._tell("board", text)

    def _board(self) -> Board:
        """Make the board of this moment; before the sweep is over without a word on single accounts."""
        run, facts, worst = self._run, self._run.reporter.circumstances(), list[tuple[AccountReport, Letter]]()
        if run.engine.swept.is_set():
            for place in worst_of(self._row, board.WORST_MOST):
                worst.append((self._report(place, facts), Letter(chr(self._row[place]))))
        found = board.live_board(facts, self._row.decode(), worst, run.reporter.ends_s)
        return replace(found, order=self._order, forecast=run.engine.forecast)

    def _text(self, found: Board) -> bytes:
        return self._run.scrub(board.write(found).decode()).encode()

    def _report(self, place: int, facts: told.Circumstances) -> AccountReport:
        cases = self._run.cases
        if place < len(cases):
            return told.account_of(cases[place], facts, self._run.wall)
        return self._unsent[place - len(cases)]

    def _fail(self, error: Exception) -> None:
        """Say that what is shown is old: a page must not look alive when it is not."""
        self._told = None
        if not self._has_failed:
            self._has_failed = True
            log.error("board_failed", run_id=self._run.id, exc_info=error)
        self._tell("stale", b'{"run_id":"%s"}' % self._run.id.encode())

    def _tell(self, kind: str, text: bytes) -> None:
        message = event(kind, text)
        for one in self.watchers:
            one.board(message)


def _timeless(found: Board) -> Board:
    """What a board says beside the times, which a page counts by itself."""
    return replace(found, elapsed_s=0.0, timings=_NO_TIMINGS)


async def _in_slices(several: Iterable[_T]) -> AsyncIterator[_T]:
    """Go through several on the loop, a few milliseconds at a time; after each the loop is the run's."""
    began = perf_counter()
    for one in several:
        yield one
        if perf_counter() - began > _SLICE_S:
            await asyncio.sleep(_REST_S)
            began = perf_counter()
