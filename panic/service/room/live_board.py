"""The board of a run that is here, for all who watch it.

Its letters come from the run's own cases, right before they are told, so that a page which comes late is told the
same as one that was there. Before every first DELETE has left there is next to no work: the loop is the run's.
"""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from time import perf_counter
from typing import Final

import structlog

from panic.kit.background import Aside
from panic.report import account as told
from panic.report.document import AccountReport
from panic.run.run import Run
from panic.service.live import Live
from panic.service.room import board
from panic.service.room.audience import Audience
from panic.service.room.board import Listed
from panic.service.room.letters import Letter
from panic.service.room.live_letters import LiveLetters, Slices
from panic.service.room.mailbox import Mailbox
from panic.service.room.views import Board

log = structlog.get_logger()

CELLS_S: Final = 0.2
"""Letters that changed are told so often at most."""

BOARD_S: Final = 1.0
"""The whole board is written so often at most; seldomer where that would take more than a share of the time."""

_SHARE: Final = 0.02
_FAILED_AGAIN_S: Final = 60.0
"""A fault that stays is logged so often."""


class LiveBoard:
    """One run that is here, under way or lately over. It rests while nobody watches."""

    def __init__(self, live: Live, aside: Aside) -> None:
        self._live, self._run, self._aside = live, live.run, aside
        self._letters = LiveLetters(live.run.cases, len(live.run.prepared.plan.unsent))
        self._audience = Audience()
        self._lock, self._over = asyncio.Lock(), asyncio.Event()
        self._written: Board | None = None
        self._written_at = self._cost_s = 0.0
        self._is_final = False
        self._failed_at = -_FAILED_AGAIN_S
        self._task: asyncio.Task[None] | None = None
        live.watchers.append(self._letters.touch)
        live.when_over(lambda _: self._over.set())

    # ── who watches ─────────────────────────────────────────────────────────────────────────────────────

    @property
    def is_watched(self) -> bool:
        """Whether anybody does."""
        return bool(self._audience.watchers)

    def join(self, one: Mailbox) -> None:
        """Tell somebody from now on; what is written already comes at once."""
        if self._task is None and not self._is_final:
            self._audience.forget()  # nobody kept it up to date
            self._written = None
            self._task = asyncio.create_task(self._go(), name=f"panic-board-{self._run.id}")
        self._audience.welcome(one)

    def leave(self, one: Mailbox) -> None:
        """Tell somebody no more; with the last one all work on it ends."""
        self._audience.watchers.discard(one)
        if not self.is_watched and self._task is not None:
            self._task.cancel()
            self._task = None

    async def text(self) -> bytes:
        """Give the board of this moment, for somebody who asks once."""
        async with self._lock:
            if not self._is_final:
                await self._catch_up()
                is_old = perf_counter() - self._written_at >= BOARD_S / 2
                if self._live.is_over:
                    await self._end()
                elif is_old or self._written is None or self._letters.changed or self._audience.is_behind:
                    self._write()
            return self._audience.whole

    # ── the work ────────────────────────────────────────────────────────────────────────────────────────

    async def _go(self) -> None:
        while not self._is_final:
            try:
                async with self._lock:
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
        return perf_counter() - self._written_at >= max(BOARD_S, (self._cost_s + self._audience.cost_s) / _SHARE)

    async def _catch_up(self) -> None:
        if not self._audience.rows:
            self._audience.rows = await _rows_of(self._run)
        await self._letters.catch_up()

    def _tell_cells(self) -> None:
        facts = {
            "run_id": self._run.id,
            "elapsed_s": round((self._run.wall() - self._run.started_at).total_seconds(), 3),
            "counts": self._letters.counts,
            "changed": self._letters.take_changes(),
        }
        self._audience.tell_cells(json.dumps(facts, separators=(",", ":")).encode())

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────

    def _write(self) -> None:
        """Write the board of this moment for all, unless it is the one that they have."""
        began = perf_counter()
        found = _board_of(self._run, self._letters)
        is_news = self._written is None or bool(self._letters.changed) or _bare(found) != _bare(self._written)
        if is_news:
            self._audience.tell_board(self._run.scrub(board.write(found).decode()).encode())
            self._letters.changed.clear()
            self._written = found
        self._written_at = perf_counter()
        self._cost_s = self._written_at - began

    async def _end(self) -> None:
        """Write the board of a run that is over: what the report says of it, and nothing else."""
        run, report = self._run, self._live.report or self._run.report()  # panic itself failed: it is all there is

        def work() -> bytes:
            return run.scrub(board.final_board(report, run.cases, run.wall).decode()).encode()

        try:
            text = await self._aside.do(work, "board")
        except TimeoutError:  # all threads hang on a dead disk: this one thing needs none
            text = work()
        self._audience.tell_last(text)
        self._is_final = True

    def _fail(self, error: Exception) -> None:
        """Say that what is shown is old: a page must not look alive when it is not."""
        self._written = None
        if perf_counter() - self._failed_at >= _FAILED_AGAIN_S:
            self._failed_at = perf_counter()
            log.error("board_failed", run_id=self._run.id, exc_info=error)
        self._audience.tell_stale(json.dumps({"run_id": self._run.id}).encode())


def _bare(view: Board) -> Board:
    """Give what has to change for a board to be told anew: a clock alone is no news."""
    return replace(view, elapsed_s=0.0, timings=replace(view.timings, total_s=0.0))


def _board_of(run: Run, letters: LiveLetters) -> Board:
    """Make the board of a run under way; before the sweep is over without a word on single accounts."""
    facts, worst = run.facts(), list[Listed]()
    if run.engine.swept.is_set():
        for place in letters.worst(board.WORST_MOST):
            worst.append(Listed(_account(run, place, facts), Letter(chr(letters.row[place]))))
    return board.live_board(facts, letters, worst, run.ends_s)


def _account(run: Run, place: int, facts: told.Circumstances) -> AccountReport:
    if place < len(run.cases):
        return told.account_of(run.cases[place], facts, run.wall)[0]
    return told.unsent_of(run.prepared.plan.unsent[place - len(run.cases)], facts.contact)


async def _rows_of(run: Run) -> bytes:
    """Write who the accounts are."""
    rows, slices = list[str](), Slices()
    for account in (case.account for case in run.cases):
        rows.append(board.identity(account.id, account.name, account.group))
        await slices.rest()
    unsent = [told.unsent_of(one, "") for one in run.prepared.plan.unsent]
    rows += [board.identity(one.id, one.name, one.group) for one in unsent]
    return run.scrub(",".join(rows)).encode()
