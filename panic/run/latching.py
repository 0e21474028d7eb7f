"""Engages the latch during a run, on a thread of its own, so that a dead disk delays no cancel."""

import asyncio
from datetime import datetime
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


class Engaging:
    """One press's engaging of the latch `file`; None where the settings name none."""

    def __init__(self, file: Path | None, scope: Scope, run: str, at: datetime) -> None:
        self._file, self._scope = file, scope
        self._holds = holds_of(scope, run, at)
        self._done: asyncio.Future[LatchReport] | None = None

    def begin(self) -> None:
        """Engage it in the background."""
        if self._file is not None and self._done is None:
            self._done = background.begin(self._engage, "latch")

    async def end(self) -> LatchReport:
        """Say what became of it."""
        if self._done is None:
            return _not("the settings name no [latch] file: strategies were not stopped")
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._done
        except Exception as error:  # noqa: BLE001  (whatever went wrong, the run is done)
            why = "in time" if isinstance(error, TimeoutError) else f"({type(error).__name__})"
            return _not(f"{self._file} could not be written {why}: strategies may not be stopped")

    def _engage(self) -> LatchReport:
        assert self._file is not None  # noqa: S101  (else it is not begun)
        wrong = latch.engage(self._file, self._holds)
        text = wrong or f"{self._file} says engaged for {self._scope}, until panic reset"
        return LatchReport(
            latch.read(self._file).includes(self._holds), clip(text, _TEXT_MOST), as_asked=not wrong
        )


def _not(text: str) -> LatchReport:
    return LatchReport(engaged=False, text=clip(text, _TEXT_MOST), as_asked=False)


def both(one: LatchReport | None, other: LatchReport) -> LatchReport:
    """Merge what two presses did to the latch."""
    if one is None or one == other:
        return other
    return LatchReport(
        one.engaged and other.engaged,
        clip(f"{one.text}; {other.text}", _TEXT_MOST),
        one.as_asked and other.as_asked,
    )
