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

LEDGER_S: Final = 5.0
"""How long the ledger may take to answer."""


def claim(ledger: Writer | None, key: str, at: datetime, name: str, *, late: str = "") -> bool:
    """Claim a key; False if it is claimed already, but for a claim of this name that hung and came through.

    `late` is the key of a run that did not begin in time, where the claim is for telling somebody so.

    Raises:
        PanicError: There is no ledger, or it cannot be written.
    """
    if ledger is None:
        raise PanicError("the settings name no [ledger] file")
    body = {"key": key, **({"late": late} if late else {})}
    event = Event("", Kind.CLAIMED, name, at.isoformat(timespec="microseconds"), body)
    try:
        ledger.put(event, LEDGER_S, unless=f'"key":{json.dumps(key)}')
    except ConflictError:
        return any(one.id == name for one in _events(LedgerFiles(file=Path(ledger.place))))
    except (PanicError, TimeoutError) as error:
        raise PanicError(f"{ledger.place} could not be written: {error}") from error
    return True


def read(ledger: LedgerFiles, since: datetime) -> tuple[set[str], list[str]]:
    """Give every claimed key, and those of them that were abandoned.

    Abandoned is what was claimed since that moment, and whose run neither began nor was told of as late: the
    process died in between.
    """
    keys, recent, settled = set[str](), list[str](), set[str]()
    for event in _events(ledger):
        body = event.body if isinstance(event.body, dict) else {}
        key, late = str(body.get("key") or ""), str(body.get("late") or "")
        if event.kind != Kind.CLAIMED:
            settled.add(key)
            continue
        keys.add(key)
        if late:
            settled.add(late)
        elif datetime.fromisoformat(event.at) >= since:
            recent.append(key)
    return keys, [key for key in recent if key not in settled]


def _events(ledger: LedgerFiles) -> Iterator[Event]:
    for row in history.read(ledger, kinds=(Kind.CLAIMED, Kind.PRESSED, Kind.JOINED, Kind.AUDIT)).rows:
        with suppress(ValueError):
            yield decode(row.record)


class Claims:
    """What is claimed, as far as this process knows, and the way to claim more; no wait is longer than LEDGER_S.

    Attributes:
        keys: The claimed keys.
        are_read: Whether the ledger's are among them.
    """

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.are_read = False
        self._leg, self._names = secrets.token_hex(4), dict[str, str]()

    async def read(self, ledger: LedgerFiles, since: datetime) -> list[str]:
        """Learn the ledger's; gives the abandoned ones."""
        found, abandoned = await background.wait(lambda: read(ledger, since), LEDGER_S, "claims")
        self.keys |= found
        self.are_read = True
        return abandoned

    async def claim(self, ledger: Writer | None, key: str, at: datetime, *, late: str = "") -> bool:
        """Claim a key; whether it is ours.

        One that takes too long may still be written: a retry uses the same name.
        """
        name = self._names.setdefault(key, f"{self._leg}-{len(self._names) + 1}")
        is_ours = await background.wait(lambda: claim(ledger, key, at, name, late=late), LEDGER_S, "claim")
        self.keys.add(key)
        return is_ours
