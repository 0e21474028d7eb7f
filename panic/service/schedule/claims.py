"""Which scheduled runs were begun: each is claimed in the ledger before it begins, so that none begins twice.

This fails closed. A run that cannot be claimed does not run, and somebody is told: it is not an emergency.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from panic.config import LedgerFiles
from panic.kit import background
from panic.kit.errors import PanicError
from panic.ledger import history
from panic.ledger.backlog import ConflictError
from panic.ledger.events import Event, decode
from panic.ledger.record import Kind
from panic.ledger.writer import Writer
from panic.service.schedule.due import LATE_KEY

LEDGER_S: Final = 5.0
"""How long the ledger may take to answer."""


class Claims:
    """The claimed keys, as far as this process knows, and the way to claim more; every wait is bounded."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.are_read = False
        self._leg, self._names = secrets.token_hex(4), dict[str, str]()

    async def read(self, ledger: LedgerFiles, since: datetime) -> list[str]:
        """Learn the ledger's; gives those claimed since then whose run neither began nor was told of as late.

        Their process died in between.
        """
        events = await background.wait(lambda: list(_events(ledger)), LEDGER_S, "claims")
        claimed = {str(event.body["key"]): event.at for event in events if event.kind == Kind.CLAIMED}
        begun = {str(event.body["key"]) for event in events if event.kind != Kind.CLAIMED}
        self.keys |= claimed.keys()
        self.are_read = True
        settled = begun | {key.removesuffix(LATE_KEY) for key in claimed if key.endswith(LATE_KEY)}
        recent = [key for key, at in claimed.items() if datetime.fromisoformat(at) >= since]
        return [key for key in recent if key not in settled and not key.endswith(LATE_KEY)]

    async def claim(self, ledger: Writer | None, key: str, at: datetime) -> bool:
        """Claim a key; whether it is ours. A PanicError where there is no ledger, or it cannot be written.

        One that takes too long may still be written: a retry uses the same name.
        """
        name = self._names.setdefault(key, f"{self._leg}-{len(self._names) + 1}")
        event = Event("", Kind.CLAIMED, name, at.isoformat(timespec="microseconds"), {"key": key})
        is_ours = await background.wait(lambda: _put(ledger, event), LEDGER_S, "claim")
        self.keys.add(key)
        return is_ours


def _put(ledger: Writer | None, claim: Event) -> bool:
    """Write a claim; False if its key is claimed, unless by this one, which hung and came through."""
    if ledger is None:
        raise PanicError("the settings name no [ledger] file")
    try:
        ledger.put(claim, LEDGER_S, unless=f'"key":{json.dumps(claim.body["key"])}')
    except ConflictError:
        return any(one.id == claim.id for one in _events(LedgerFiles(file=Path(ledger.place))))
    except (PanicError, TimeoutError) as error:
        raise PanicError(f"{ledger.place} could not be written: {error}") from error
    return True


def _events(ledger: LedgerFiles) -> Iterator[Event]:
    for row in history.read(ledger, kinds=(Kind.CLAIMED, Kind.PRESSED, Kind.JOINED, Kind.AUDIT)).rows:
        with suppress(ValueError):
            event = decode(row.record)
            if isinstance(event.body, dict) and "key" in event.body:
                yield event
