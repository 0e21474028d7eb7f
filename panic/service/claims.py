"""Which scheduled runs were begun: written down before they begin, so that none is begun twice.

This fails closed. A schedule that nobody could write down is told, and not run: it is no emergency.
"""

import json
import secrets
from collections.abc import Iterator
from datetime import datetime

from panic import history
from panic.config import LedgerFiles
from panic.errors import PanicError
from panic.ledger import reader
from panic.ledger.events import Event, decode, encode
from panic.ledger.store import ConflictError, SqliteStore
from panic.record import Kind


def claim(ledger: LedgerFiles, key: str, at: datetime) -> bool:
    """Write a key down; False if it is written down already, by whatever process.

    Raises:
        PanicError: There is no ledger, or it cannot be written.
    """
    if ledger.file is None:
        raise PanicError("the settings name no [ledger] file")
    event = Event(
        "", Kind.CLAIMED, f"{secrets.token_hex(4)}-1", at.isoformat(timespec="microseconds"), {"key": key}
    )
    try:
        store = SqliteStore(ledger.file)
        try:
            store.append([(event.run, event.kind, encode(event))], unless=f'"key":{json.dumps(key)}')
        finally:
            store.close()
    except ConflictError:
        return False
    except Exception as error:
        raise PanicError(f"{ledger.file} could not be written: {error}") from error
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
    for file in history.files(ledger):
        for row in reader.read(file, kinds=(kind,)).rows:
            try:
                yield decode(row.record)
            except ValueError:
                continue
