"""Which scheduled runs were begun: written down before they begin, so that none is begun twice.

This fails closed. A schedule that nobody could write down is told, and not run: it is no emergency.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from panic import history
from panic.config import LedgerFiles
from panic.errors import PanicError
from panic.ledger.events import Event, decode
from panic.ledger.port import ConflictError
from panic.ledger.writer import Writer
from panic.process import here
from panic.record import Kind

WRITE_S = 10.0
"""So long a key may take to be written down."""


def claim(ledger: Writer | None, key: str, at: datetime) -> bool:
    """Write a key down; False if another process has done so already. It blocks.

    Raises:
        PanicError: There is no ledger, or it cannot be written.
    """
    if ledger is None:
        raise PanicError("the settings name no [ledger] file")
    ours = sha256(f"{here()!r} {key}".encode()).hexdigest()[:8]  # a claim that hung may come through after all
    event = Event("", Kind.CLAIMED, f"{ours}-1", at.isoformat(timespec="microseconds"), {"key": key})
    try:
        ledger.put(event, WRITE_S, unless=f'"key":{json.dumps(key)}')
    except ConflictError:
        return any(one.id == event.id for one in _events(LedgerFiles(file=Path(ledger.place)), Kind.CLAIMED))
    except (PanicError, TimeoutError) as error:
        raise PanicError(f"{ledger.place} could not be written: {error}") from error
    return True


def claimed(ledger: LedgerFiles) -> set[str]:
    """Give every key that is written down."""
    return {str(event.body.get("key")) for event in _events(ledger, Kind.CLAIMED) if isinstance(event.body, dict)}


def forsaken(ledger: LedgerFiles, since: datetime) -> list[str]:
    """Give the keys written down since a moment of which no run is on record: its process died in between."""
    began = {
        str(event.body["key"])
        for kind in (Kind.PRESSED, Kind.JOINED)
        for event in _events(ledger, kind)
        if isinstance(event.body, dict) and event.body.get("key")
    }
    drilled = {str(event.body.get("key")) for event in _events(ledger, Kind.AUDIT) if isinstance(event.body, dict)}
    keys = [
        str(event.body.get("key"))
        for event in _events(ledger, Kind.CLAIMED)
        if isinstance(event.body, dict) and datetime.fromisoformat(event.at) >= since
    ]
    known = began | drilled | set(keys)
    return [
        key
        for key in keys
        if not key.endswith("/late") and key not in began | drilled and f"{key}/late" not in known
    ]


def _events(ledger: LedgerFiles, kind: Kind) -> Iterator[Event]:
    for row in history.read(ledger, kinds=(kind,)).rows:
        try:
            yield decode(row.record)
        except ValueError:
            continue
