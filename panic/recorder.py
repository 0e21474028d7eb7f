"""Puts a run on record while it goes: what the engine tells becomes events of the ledger.

Everything that happens in one turn of the loop goes into one event of its kind, so that the record of a rush
costs little. Nothing here waits but `intend` and `finish`, and both are bounded.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from panic.case import Case
from panic.clock import Clock
from panic.engine import What
from panic.ledger.chain import Head
from panic.ledger.writer import Writer
from panic.plan import Plan
from panic.record import Finished, Kind, Mark, Pressed, Resumed, body, changes, planned
from panic.report import Flag, LatchReport

INTENT_S = 0.03
"""The intent is recorded before the act, but the first DELETE waits no longer for it than this."""

FINISH_S = 2.0
"""When all is over the record gets so long to be safe before the report is printed without its head."""


class Recorder:
    """Records one run, or one process's part of it."""

    def __init__(self, writer: Writer, run_id: str, clock: Clock) -> None:
        self._writer, self._run_id, self._clock = writer, run_id, clock
        self._marks: dict[int, Mark] = {}
        self._sending: list[tuple[int, int]] = []
        self._changed: dict[int, tuple[Kind, Case]] = {}
        self._flagged: set[Flag] = set()
        self._is_due = False

    # ── before the first DELETE ─────────────────────────────────────────────────────────────────────────

    def press(self, pressed: Pressed, plan: Plan) -> None:
        """Record who pressed, why, and the plan."""
        self._append(Kind.PRESSED, body(pressed), keep=True)
        self._append(Kind.PLANNED, planned(plan), keep=True)

    def resume(self, resumed: Resumed) -> None:
        """Record who took the run up again."""
        self._append(Kind.RESUMED, body(resumed), keep=True)

    def go_on(self, cases: Iterable[Case], flags: Iterable[Flag]) -> None:
        """Take these cases and flags for being on record already, as they are."""
        self._marks = {case.account.id: Mark.of(case) for case in cases}
        self._flagged = set(flags)

    async def intend(self) -> bool:
        """Wait until the intent is safe, but not for long; tell whether it is."""
        return await self._writer.settle(INTENT_S)

    # ── while it goes ───────────────────────────────────────────────────────────────────────────────────

    def observe(self, what: What, case: Case | None) -> None:
        """Take an event of the engine."""
        if case is None:
            return
        if what is What.SENDING:
            self._sending.append((case.account.id, case.cancels + 1))
        elif what is What.CANCELLED:
            self._changed[case.account.id] = (Kind.OUTCOME, case)
        else:
            self._changed.setdefault(case.account.id, (Kind.STANDING, case))
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def latched(self, latch: LatchReport) -> None:
        """Record what became of the latch."""
        self._append(Kind.LATCHED, body(latch))

    def flag(self, flags: Iterable[Flag]) -> None:
        """Record flags, each once."""
        for flag in flags:
            if flag not in self._flagged:
                self._flagged.add(flag)
                self._append(Kind.FLAG, body(flag))

    def _flush(self) -> None:
        self._is_due = False
        if self._sending:
            self._append(Kind.ATTEMPT, {"deletes": self._sending})
            self._sending = []
        for kind in (Kind.OUTCOME, Kind.STANDING):
            self._record(kind, [case for its, case in self._changed.values() if its is kind])
        self._changed.clear()

    def _record(self, kind: Kind, cases: Sequence[Case]) -> None:
        marks, clock = self._marks, self._clock
        found = []
        for case in cases:
            mark = marks.get(case.account.id)
            if mark is None:
                mark = marks[case.account.id] = Mark()
            found.append(changes(case, mark, clock))
        if found := [one for one in found if one]:
            self._append(kind, {"accounts": found})

    # ── when it is over ─────────────────────────────────────────────────────────────────────────────────

    async def finish(self, finished: Finished, cases: Sequence[Case], flags: Iterable[Flag]) -> Head | None:
        """Record the end; give the ledger's head, or None where the record is not safe in time."""
        self._flush()
        self._record(Kind.STANDING, cases)
        self.flag(flags)
        self._append(Kind.FINISHED, body(finished))
        return self._writer.head if await self._writer.settle(FINISH_S) else None

    def _append(self, kind: Kind, words: Any, *, keep: bool = False) -> None:
        at = self._clock.wall().isoformat(timespec="microseconds")
        self._writer.append(self._run_id, kind, at, words, keep=keep)
