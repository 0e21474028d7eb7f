"""The boards of the runs that somebody watches: one for each run, however many watch it.

A board is made when its first watcher comes, is fed in slices of a few milliseconds, rests while nobody watches,
and is written once for all who do. Before every first DELETE has left, it does next to nothing: the loop is the
run's.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Final

import structlog

from panic import fold, history
from panic.board import Board, Code
from panic.broker.outcomes import Standing
from panic.fold import Circumstances
from panic.ledger.events import Event
from panic.report import AccountReport
from panic.service.api.answers import aside
from panic.service.api.problems import ProblemError
from panic.service.desk import Live
from panic.service.parts import Parts
from panic.service.room import tell
from panic.service.room.mailbox import Mailbox, event
from panic.service.room.sums import Sums

log = structlog.get_logger()

CELLS_S: Final = 0.2
"""Letters that changed are told so often at most."""

BOARD_S: Final = 1.0
"""The whole board is written so often at most; seldomer where that would take more than a share of the time."""

_SHARE: Final = 0.02
_SLICE_S: Final = 0.002
_REST_S: Final = 0.008
"""After a slice the loop is the run's for so long."""

_FAILED_AGAIN_S: Final = 60.0
"""A fault that stays is written down so often."""

_BYTES_A_SECOND: Final = 1e9
"""What it takes to hand a text to one watcher."""


class Watched:
    """One run that is here, under way or lately over.

    Attributes:
        watchers: Who is told.
    """

    def __init__(self, parts: Parts, live: Live) -> None:
        self.watchers: set[Mailbox] = set()
        self._parts, self._live = parts, live
        self._run = live.run
        self._cases = live.run.cases
        self._unsent = live.run.prepared.plan.unsent
        self._board = Board(live.run.started_at)
        self._rows = b""
        self._sums = Sums(len(self._cases), len(self._unsent))
        self._index, self._seen = 0, frozenset[str]()
        self._by_journal = live.has_record
        self._has_begun = False
        self._lock = asyncio.Lock()
        self._over = asyncio.Event()
        self._text = b""
        self._since: list[bytes] = []
        self._written_at, self._cost_s = 0.0, 0.0
        self._told: object = None
        self._is_final = False
        self._slice_began = self._worked_s = 0.0
        self._failed_at = -_FAILED_AGAIN_S
        self._task: asyncio.Task[None] | None = None
        live.when_over(lambda _: self._over.set())

    # ── who watches ─────────────────────────────────────────────────────────────────────────────────────

    def join(self, one: Mailbox) -> None:
        """Tell somebody from now on; what is written already comes at once."""
        self.watchers.add(one)
        if self._text and (self._is_final or self._task is not None):
            one.board(event("board", self._whole()))
            for cells in self._since:
                one.cells(cells)
        if self._task is None and not self._is_final:
            self._text, self._since = b"", []  # nobody kept it up to date
            self._task = asyncio.create_task(self._go(), name=f"panic-board-{self._run.id}")

    def leave(self, one: Mailbox) -> None:
        """Tell somebody no more; with the last one all work on it ends."""
        self.watchers.discard(one)
        if not self.watchers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def text(self) -> bytes:
        """Give the board of this moment, for somebody who asks once."""
        async with self._lock:
            if not self._is_final:
                await self._catch_up()
                self._board.withdraw(self._is_clear)
                is_news = bool(self._since or self._board.changed)
                is_old = perf_counter() - self._written_at >= BOARD_S / 2
                if self._live.is_over or not self._text or is_news or is_old:
                    await self._write()
            return self._whole()

    def _whole(self) -> bytes:
        """Give the board as it was written last, with its accounts."""
        return self._text if self._is_final else tell.whole(self._text, self._rows)

    # ── the work ────────────────────────────────────────────────────────────────────────────────────────

    async def _go(self) -> None:
        while not self._is_final:
            wait_s = 0.0 if self._over.is_set() else CELLS_S
            try:
                async with self._lock:
                    await self._turn()
            except Exception as error:  # noqa: BLE001  (the run goes on, and its report is right)
                self._fail(error)
                await asyncio.sleep(BOARD_S)
            if wait_s and not self._is_final:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._over.wait()

    def _fail(self, error: Exception) -> None:
        """Say that what is shown is old: a page must not look alive when it is not."""
        self._told = None  # what was new is untold
        if perf_counter() - self._failed_at >= _FAILED_AGAIN_S:
            self._failed_at = perf_counter()
            log.error("board_failed", run_id=self._run.id, exc_info=error)
        message = event("stale", json.dumps({"run_id": self._run.id}).encode())
        for one in self.watchers:
            one.cells(message)

    async def _turn(self) -> None:
        await self._catch_up()
        if self._live.is_over or not self._text:
            await self._write()
            return
        self._board.withdraw(self._is_clear)
        if self._board.changed:
            self._tell_cells()
        if self._swept and self._is_due:
            await self._write()

    @property
    def _swept(self) -> bool:
        return self._run.engine.swept.is_set()

    @property
    def _is_due(self) -> bool:
        """Whether the whole of it is to be written again: there is something new, and it was long enough ago."""
        cost_s = self._cost_s + len(self.watchers) * len(self._text) / _BYTES_A_SECOND
        if perf_counter() - self._written_at < max(BOARD_S, cost_s / _SHARE):
            return False
        return bool(self._since or self._board.touched) or self._about(self._run.facts()) != self._told

    @staticmethod
    def _about(facts: Circumstances) -> object:
        return (
            tuple(facts.flags),
            facts.joined,
            facts.resumed,
            facts.latch,
            facts.unlisted,
            facts.roster_checked,
            facts.timings.deadline_s,
            facts.timings.settled_s,
            facts.watch_s,
        )

    def _tell_cells(self) -> None:
        board = self._board
        changed: dict[str, list[int]] = {}
        for place in sorted(board.changed):
            changed.setdefault(chr(board.codes[place]), []).append(place)
        board.changed.clear()
        facts = {
            "run_id": self._run.id,
            "elapsed_s": round((self._run.wall() - self._run.started_at).total_seconds(), 3),
            "counts": {str(code): count for code, count in board.counts.items() if count},
            "changed": changed,
        }
        message = event("cells", json.dumps(facts, separators=(",", ":")).encode())
        self._since.append(message)
        for one in self.watchers:
            one.cells(message)

    # ── feeding ─────────────────────────────────────────────────────────────────────────────────────────

    async def _catch_up(self) -> None:
        """Take in what happened since the last time, a slice at a time."""
        self._slice_began = perf_counter()
        if not self._has_begun:
            await self._begin()
        if self._by_journal:
            entries = self._live.journal.entries
            while self._index < len(entries):
                entry = entries[self._index]
                self._index += 1
                if entry.id not in self._seen:
                    self._board.take(entry.event)
                await self._rest()
        else:
            for place, case in enumerate(self._cases):
                self._board.show(place, case, self._run.wall)
                await self._rest()

    def _is_clear(self, place: int) -> bool:
        """Whether the run itself takes an account for clear: the board never says more than the report."""
        case = self._cases[place]
        return case.standing is Standing.CLEAR and not case.pressed_again and not case.sending

    async def _begin(self) -> None:
        """Learn of which accounts the run is, and what an earlier process did."""
        self._board, self._index = Board(self._run.started_at), 0  # one that broke off is begun anew
        self._board.plan([case.account.id for case in self._cases], len(self._unsent))
        rows = []
        for case in self._cases:
            account = case.account
            rows.append(tell.row(account.id, account.name, account.group))
            await self._rest()
        rows += [tell.row(one.id, one.name, one.group) for one in fold.unsent_of(self._unsent, "")]
        self._rows = self._scrubbed(",".join(rows).encode())
        if self._run.prepared.unfinished is not None:
            self._board.touched.update(range(len(self._cases)))
            await self._look_back()
        self._has_begun = True

    async def _look_back(self) -> None:
        """The journal of a run that was taken up knows nothing of the processes before: the ledger does."""
        ledger, run = self._parts.settings.ledger, self._run.id
        events: Sequence[Event] = ()
        if self._by_journal and ledger.file is not None:
            with suppress(ProblemError):
                past = await aside(self._parts, lambda: history.recall(ledger, run), "board", usage="not_found")
                events = past.events
        self._by_journal = bool(events)  # else the cases tell it
        for one in events:
            self._board.take(one)
            await self._rest()
        self._seen = frozenset(one.id for one in events)

    async def _rest(self) -> None:
        worked_s = perf_counter() - self._slice_began
        if worked_s > _SLICE_S:
            self._worked_s += worked_s
            await asyncio.sleep(_REST_S)
            self._slice_began = perf_counter()

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────

    async def _write(self) -> None:
        self._slice_began, self._worked_s = perf_counter(), 0.0
        is_over = self._live.is_over
        self._text = await self._report_of_it() if is_over else await self._now()
        self._is_final = is_over
        self._since, self._written_at = [], perf_counter()
        self._cost_s = self._worked_s + self._written_at - self._slice_began
        self._board.changed.clear()
        short, whole = event("board", self._text), event("board", self._whole())
        for one in self.watchers:
            one.board(short if one.knows_accounts else whole)

    async def _now(self) -> bytes:
        """Write the board of a run under way; before the sweep is over without details."""
        board, facts = self._board, self._run.facts()
        self._told = self._about(facts)
        worst: list[AccountReport] = []
        if self._swept:
            await self._count()
            for place in board.places(tell.WORST_MOST):
                worst += self._account(place, facts)
                await self._rest()
        report = fold.assemble(facts, worst, self._sums.totals, self._sums.coverage(facts))
        board.withdraw(self._is_clear)  # and from here to the end nothing else can happen
        letters = tell.Letters(bytes(board.codes), board.counts)
        more = len(board.codes) - board.counts[Code.CLEAR] - len(worst)
        ends_s = self._run.ends_s
        return self._scrubbed(tell.write(report, letters, board, live=True, more=more, deadline_s=ends_s))

    async def _count(self) -> None:
        touched = self._board.touched
        while touched:
            if (place := touched.pop()) < len(self._cases):
                self._sums.look(place, self._cases[place], self._run.scrub)
                await self._rest()

    def _account(self, place: int, facts: Circumstances) -> list[AccountReport]:
        if place < len(self._cases):
            return [fold.account_of(self._cases[place], facts, self._run.wall)]
        return fold.unsent_of([self._unsent[place - len(self._cases)]], facts.contact)

    async def _report_of_it(self) -> bytes:
        """Write the board of a run that is over: what the report says of it, and nothing else."""
        report = self._live.report or self._run.report()  # panic itself failed: what is known is all there is
        order, board = [case.account.id for case in self._cases], self._board
        work = lambda: self._scrubbed(tell.over(report, order, board))  # noqa: E731  (on a thread, or here)
        return await _off_the_loop(self._parts, work)

    def _scrubbed(self, text: bytes) -> bytes:
        return self._run.scrub(text.decode()).encode()


async def _off_the_loop(parts: Parts, work: Callable[[], bytes]) -> bytes:
    try:
        return await parts.aside.do(work, "board")
    except TimeoutError:  # all threads hang on a dead disk: this one thing needs none
        return work()


class Boards:
    """The boards of all runs that are here."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._watched: dict[str, Watched] = {}

    def of(self, live: Live) -> Watched:
        """Give the board of a run that is here; it is made when it is first asked for."""
        for run in [run for run, one in self._watched.items() if not one.watchers]:
            if self._parts.desk.find(run) is None:
                del self._watched[run]
        if live.run.id not in self._watched:
            self._watched[live.run.id] = Watched(self._parts, live)
        return self._watched[live.run.id]

    async def text(self, found: Live | str) -> bytes:
        """Give a board once, of a run that is here or on record."""
        if not isinstance(found, str):
            return await self.of(found).text()
        ledger, scrub = self._parts.settings.ledger, self._parts.scrub
        return await aside(
            self._parts, lambda: scrub(tell.recorded(ledger, found).decode()).encode(), "board", usage="not_found"
        )
