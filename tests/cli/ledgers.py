"""A firm's ledgers on disk: begun, looked into, and made to tell something else."""

from pathlib import Path

from panic.config import LedgerFiles
from panic.ledger import history
from panic.ledger.events import Event, decode, encode
from panic.ledger.reader import read
from panic.ledger.replay import Replay
from panic.ledger.store import SqliteStore

LEDGER = "records/ledger.db"
SETTINGS = f'[ledger]\nfile = "{LEDGER}"\n'


def begun(folder: Path, events: int = 3) -> Path:
    """Begin a ledger in which something stands already; its log is written back, as when all is quiet."""
    file = folder / LEDGER
    store = SqliteStore(file)
    at = "2026-03-01T15:30:00.000000+00:00"
    body = "x" * 200
    store.append([("", "archived", encode(Event("", "archived", f"old-{n}", at, body))) for n in range(events)])
    store.close()
    return file


def replayed(folder: Path) -> Replay | None:
    """The unfinished or else latest run that the ledger tells of, as far as it does now."""
    files = LedgerFiles(file=folder / LEDGER)
    found, _ = history.runs(files)
    return history.recall(files, found[0].run).replay if found else None


def kinds(file: Path) -> set[str]:
    """The kinds of the events in a ledger."""
    return {row.kind for row in read(file).rows}


def events(file: Path) -> list[Event]:
    """The events of a ledger."""
    return [decode(row.record) for row in read(file).rows]
