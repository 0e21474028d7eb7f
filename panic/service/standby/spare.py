"""A ledger that is open before anybody presses, and still the one on disk when it is taken."""

import asyncio
import os
import time
from contextlib import suppress

from panic.background import begin, within
from panic.config import LedgerFiles
from panic.ledger.writer import Writer
from panic.run.run import open_ledger

RENEW_S = 60.0
"""An opened ledger that nobody took is opened anew after so long."""

_STAT_S = 0.005
"""So long a press waits to learn whether the file is still there."""

_CLOSE_S = 1.0
_DAMAGED = "ledger_damaged"

_Identity = tuple[int, int]


class Spare:
    """Keeps one started writer ready to be taken; whoever takes one closes it.

    Args:
        files: Where the ledger is.
        renew_s: Seconds until one that nobody took is replaced.
    """

    def __init__(self, files: LedgerFiles, *, renew_s: float = RENEW_S) -> None:
        self.files = files
        self._renew_s = renew_s
        self._writer: Writer | None = None
        self._identity: _Identity | None = None
        self._opened_at = 0.0
        self._look: asyncio.Future[_Identity | None] | None = None

    @property
    def troubles(self) -> list[str]:
        """What is wrong with the ledger, as far as opening it shows."""
        return [trouble.text for trouble in self._writer.troubles] if self._writer else []

    async def tend(self) -> None:
        """Open a writer where there is none, and replace one that is aged or whose file has gone."""
        if self.files.file is None or (self._look is not None and not self._look.done()):
            return  # there is nothing to open, or the file system hangs
        self._look = begin(self._stat, "ledger-look")
        with suppress(TimeoutError, OSError, RuntimeError):
            async with asyncio.timeout(_CLOSE_S):
                there = await asyncio.shield(self._look)
                if self._writer is not None and self._identity is None and there is not None:
                    self._identity = there  # it was begun by our own writer
                aged = time.monotonic() - self._opened_at > self._renew_s
                gone = self._identity is not None and there != self._identity
                if self._writer is None or aged or gone:
                    self._renew(there)

    def take(self) -> Writer | None:
        """Give the writer away, or a fresh one if its file is not there any more; None without a ledger."""
        writer, self._writer = self._writer, None
        if writer is not None and not self._is_good(writer):
            self._put_away(writer)
            writer = None
        return writer or open_ledger(self.files)

    async def close(self) -> None:
        """Close the writer that nobody took."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(TimeoutError, RuntimeError):
                async with asyncio.timeout(_CLOSE_S):
                    await begin(lambda: writer.close(_CLOSE_S), "ledger-close")

    def _is_good(self, writer: Writer) -> bool:
        if writer.place != str(self.files.file) or (self._look is not None and not self._look.done()):
            return False
        try:
            there = within(self._stat, _STAT_S, "ledger-stat")
        except (TimeoutError, OSError, RuntimeError):
            return False
        return there is not None and self._identity in (None, there)

    def _renew(self, there: _Identity | None) -> None:
        old, self._writer = self._writer, open_ledger(self.files)
        self._identity, self._opened_at = there, time.monotonic()
        if old is not None:
            if self._writer is not None:  # that a ledger was damaged and set aside is for the next run's report
                self._writer.troubles += [trouble for trouble in old.troubles if trouble.code == _DAMAGED]
            self._put_away(old)

    def _put_away(self, writer: Writer) -> None:
        begin(lambda: writer.close(_CLOSE_S), "ledger-close").add_done_callback(asyncio.Future.exception)

    def _stat(self) -> _Identity | None:
        assert self.files.file is not None  # noqa: S101  (there is no writer otherwise)
        try:
            status = os.stat(self.files.file)  # noqa: PTH116
        except (OSError, ValueError):
            return None
        return status.st_dev, status.st_ino
