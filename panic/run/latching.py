"""Engages the latch during a run, on a thread of its own, so that a dead disk delays no cancel."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from panic import latch
from panic.accounts.plan import Scope
from panic.kit import background
from panic.kit.words import clip
from panic.latch import Hold
from panic.report.document import LatchReport

PATIENCE_S = 1.0
"""How long the latch may take once all else is over; after that the report says that it was not written."""

_TEXT_MOST = 1000


def holds_of(scope: Scope, run: str, at: datetime) -> list[Hold]:
    """Give what a press engages. Order filters do not narrow it: a strategy asks before it knows its order."""
    stamp = at.isoformat(timespec="seconds")
    if scope.all:
        return [Hold("all", "", run, stamp)]
    found = [Hold("group", group, run, stamp) for group in scope.groups]
    return found + [Hold("account", str(id_), run, stamp) for id_ in scope.accounts]


@dataclass(slots=True)
class Latching:
    """Engages the latch for the presses of a run."""

    run: str
    _begun: list[tuple[Path | None, asyncio.Future[LatchReport]]] = field(default_factory=list)

    def begin(self, file: Path | None, scope: Scope, at: datetime) -> None:
        """Engage it for a press, in the background; `file` is None where the settings name none."""
        self._begun.append((file, background.begin(partial(_engage, file, scope, self.run, at), "latch")))

    async def end(self, before: LatchReport | None) -> LatchReport | None:
        """Say what became of it, after what was said of it before a resume."""
        for file, done in self._begun:
            before = _both(before, await _outcome(file, done))
        return before


def _engage(file: Path | None, scope: Scope, run: str, at: datetime) -> LatchReport:
    if file is None:
        return _not("the settings name no [latch] file: strategies were not stopped")
    holds = holds_of(scope, run, at)
    wrong = latch.engage(file, holds)
    text = wrong or f"{file} says engaged for {scope}, until panic reset"
    return LatchReport(latch.read(file).includes(holds), clip(text, _TEXT_MOST), as_asked=not wrong)


async def _outcome(file: Path | None, done: asyncio.Future[LatchReport]) -> LatchReport:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await done
    except Exception as error:  # noqa: BLE001  (whatever went wrong, the run is done)
        why = "in time" if isinstance(error, TimeoutError) else f"({type(error).__name__})"
        return _not(f"{file} could not be written {why}: strategies may not be stopped")


def _not(text: str) -> LatchReport:
    return LatchReport(engaged=False, text=clip(text, _TEXT_MOST), as_asked=False)


def _both(one: LatchReport | None, other: LatchReport) -> LatchReport:
    if one is None or one == other:
        return other
    return LatchReport(
        one.engaged and other.engaged,
        clip(f"{one.text}; {other.text}", _TEXT_MOST),
        one.as_asked and other.as_asked,
    )
