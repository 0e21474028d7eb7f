"""Until when the clock was looked at: kept beside the ledger, so that a restart knows what it may have missed."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from panic.config.own import CLOCK
from panic.kit import background
from panic.kit.files import replace

_DISK_S: Final = 5.0
_EVERY: Final = timedelta(seconds=30)


class Watermark:
    """Until when the clock was looked at; without a ledger it is in memory alone.

    Attributes:
        seen: The moment; None the first time ever.
    """

    def __init__(self, ledger: Path | None) -> None:
        self._file = ledger and ledger.with_name(CLOCK)
        self._written: datetime | None = None
        self.seen: datetime | None = None

    async def load(self) -> None:
        """Read what an earlier service wrote; raises whatever keeps it from being read."""
        if file := self._file:
            self.seen = await background.wait(lambda: _read(file), _DISK_S, "watermark")

    async def move(self, seen: datetime) -> None:
        """Remember a moment, and write it from time to time."""
        self.seen = seen
        if self._written is None or seen - self._written >= _EVERY:
            await self.write()

    async def write(self) -> None:
        """Write it; what cannot be written now is written half a minute later."""
        if (file := self._file) and self.seen:
            self._written, data = self.seen, json.dumps({"seen": self.seen.isoformat()}).encode()
            with suppress(Exception):
                await background.wait(lambda: replace(file, data), _DISK_S, "watermark")


def _read(file: Path) -> datetime | None:
    try:
        text = file.read_text()
    except FileNotFoundError:
        return None
    return datetime.fromisoformat(json.loads(text)["seen"]).astimezone(UTC)
