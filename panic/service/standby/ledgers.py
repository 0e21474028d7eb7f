"""The ledger, open before anybody presses: one writer for each file that the settings have named."""

import asyncio
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from panic.config import LedgerFiles
from panic.kit.background import begin
from panic.ledger.writer import Writer, open_ledger

_PROBE_S: Final = 60.0
"""How often to check that the ledger still accepts events."""

_CLOSE_S: Final = 2.0
"""How long the end waits for events on their way to the ledger."""


class Ledgers:
    """Every writer of this process; a reload may name another file while a run still writes to the old one."""

    def __init__(self) -> None:
        self._open: dict[Path, Writer] = {}
        self._probed_at: dict[Path, float] = {}

    def of(self, where: LedgerFiles) -> Writer | None:
        """Give the writer of a ledger; None where there is none."""
        if where.file is None:
            return None
        if where.file not in self._open and (opened := open_ledger(where)):
            self._open[where.file] = opened
        return self._open.get(where.file)

    def tend(self, where: LedgerFiles) -> None:
        """See now and then whether a ledger still answers; one that failed is tried again."""
        ledger, now = self.of(where), time.monotonic()
        if ledger and where.file and now - self._probed_at.get(where.file, -_PROBE_S) >= _PROBE_S:
            self._probed_at[where.file] = now
            ledger.probe()

    async def close(self) -> None:
        """Close them all, but not for long."""
        for ledger in self._open.values():
            with suppress(TimeoutError, RuntimeError):
                async with asyncio.timeout(_CLOSE_S + 1):
                    await begin(partial(ledger.close, _CLOSE_S), "ledger-close")
