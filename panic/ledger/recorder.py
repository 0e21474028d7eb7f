"""Records a run as it happens. Only `intend` and `end` wait, and both for a limited time.

All that happens in one turn of the loop goes into one event of its kind, so that a rush costs little.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import structlog

from panic.accounts.plan import Plan
from panic.engine.case import Case
from panic.engine.events import What
from panic.kit.clock import Clock
from panic.kit.words import clip
from panic.ledger.changes import Image, changes
from panic.ledger.record import Finished, Joined, Kind, Pressed, Resumed, body, planned
from panic.ledger.writer import Leg
from panic.report.document import Flag, Report

log = structlog.get_logger()

INTENT_S = 0.03
"""The intent is recorded before the act, but the first DELETE waits no longer than this for it."""

FINISH_S = 2.0
"""How long the record may take at the end before the report is printed without its head."""


class Recorder:
    """Records one run, or one process's part of it."""

    def __init__(self, leg: Leg, clock: Clock) -> None:
        self._leg, self._clock = leg, clock
        self._known: dict[int, Image] = {}
        self._sending: list[tuple[int, int]] = []
        self._changed: dict[int, tuple[Kind, Case]] = {}
        self._flagged: set[Flag] = set()
        self._is_due = False
        self._is_late = False

    def press(self, pressed: Pressed, plan: Plan) -> None:
        """Record who pressed, why, and the plan."""
        self._append(Kind.PRESSED, body(pressed))
        self._append(Kind.PLANNED, planned(plan))

    def resume(self, resumed: Resumed) -> None:
        """Record who resumed the run."""
        self._append(Kind.RESUMED, body(resumed))

    def join(self, joined: Joined) -> None:
        """Record another press that joins the run, before anything is sent for it."""
        self._flush()
        self._append(Kind.JOINED, body(joined))

    def go_on(self, cases: Iterable[Case], flags: Iterable[Flag]) -> None:
        """Treat these cases and flags as already on record."""
        for case in cases:
            changes(case, self._known, self._clock)
        self._flagged = set(flags)

    async def intend(self) -> None:
        """Wait until the intent is safe, but not for long."""
        self._is_late = not await self._leg.settle(INTENT_S)

    def troubles(self) -> list[Flag]:
        """Say what a reader of the report must know about the ledger."""
        found = [Flag(one.code, clip(one.text, 1000)) for one in self._leg.troubles]
        if self._is_late and not found:
            text = f"the intent was not on record within {INTENT_S * 1000:.0f} ms, and no DELETE waited for it"
            found.append(Flag("ledger_late", f"{text}: is {self._leg.place} on a slow disk?"))
        return found

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
        if found := [one for case in cases if (one := changes(case, self._known, self._clock))]:
            self._append(kind, {"accounts": found})

    async def end(self, report: Report, cases: Sequence[Case], *, left: bool) -> Report:
        """Record the end, or how far the run came if it is left for another process to resume; never raises."""
        try:
            self._flush()
            self._record(Kind.STANDING, cases)
            if not left:
                return await self._finish(report)
            await self._leg.settle(FINISH_S)
        except Exception as error:  # noqa: BLE001  (whatever is wrong with the record, there is a report)
            self.fail(error)
            return self._with_troubles(report)
        return report

    def fail(self, error: Exception) -> None:
        """Note that recording itself is broken, for the report."""
        self._leg.note("ledger_failed", f"recording failed: {type(error).__name__}")
        if structlog.is_configured():
            log.error("recording_failed", run_id=self._leg.run, exc_info=error)

    async def _finish(self, report: Report) -> Report:
        """Record the end; give the report with the ledger's head, or with flags that say why it has none."""
        if report.latch is not None:
            self._append(Kind.LATCHED, body(report.latch))
        await self._leg.settle(FINISH_S)  # what went wrong until now is part of the report, and of its record
        report = self._with_troubles(report)
        self.flag(report.flags)
        head = await self._leg.conclude(Kind.FINISHED, self._now(), body(_finished(report)), FINISH_S)
        if head is None:
            report = self._with_troubles(report)
            incomplete = Flag("ledger_incomplete", "the whole of this run is not on record: keep this report")
            report = replace(report, flags=(*report.flags, incomplete))
        return replace(report, ledger_head=None if head is None else str(head))

    def _with_troubles(self, report: Report) -> Report:
        late = [flag for flag in self.troubles() if flag not in report.flags]
        return replace(report, flags=(*report.flags, *late))

    def _append(self, kind: Kind, words: Any) -> None:
        self._leg.append(kind, self._now(), words)

    def _now(self) -> str:
        return self._clock.wall().isoformat(timespec="microseconds")


def _finished(report: Report) -> Finished:
    return Finished(
        version=report.version,
        verdict=report.verdict,
        exit_code=report.exit_code,
        finished_at=report.finished_at,
        timings=report.timings,
        roster_checked=report.coverage.roster_checked,
        unlisted=report.coverage.unlisted_accounts,
        verdicts=report.totals.verdicts,
    )
