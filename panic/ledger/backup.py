"""Copy a ledger while it is in use."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from panic.kit.errors import PanicError, UsageError
from panic.kit.files import new_file, why
from panic.kit.words import clip
from panic.ledger.place import address, check_regular
from panic.ledger.reader import Volume, read

PATIENCE_S = 10.0
"""So long this waits for a process that is writing: nobody is in a hurry here."""


def _connect(file: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(address(file, mode), uri=True, timeout=PATIENCE_S, isolation_level=None)


def backup(file: Path, target: Path) -> Volume:
    """Copy a ledger as it stands at one moment, whoever is writing it, and read the copy.

    Raises:
        UsageError: There is no ledger, or something at `target` already.
        PanicError: It could not be copied.
    """
    try:
        check_regular(file)
    except OSError as error:
        raise UsageError(f"there is no ledger to copy: {clip(str(file))}: {why(error)}") from None
    with new_file(target):
        try:
            with closing(_connect(file, "mode=ro")) as source, closing(_connect(target, "mode=rw")) as copy:
                source.backup(copy, progress=_not_for_ever(), sleep=0.05)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, readable where nothing can be written
        except sqlite3.Error as error:
            remedy = "Try again; if it stays so, copy the file and its -wal while nothing writes them."
            raise PanicError(f"{clip(str(file))} could not be copied: {clip(str(error))}. {remedy}") from error
    return read(target, whole=True)


def _not_for_ever() -> Callable[[int, int, int], None]:
    until = time.monotonic() + PATIENCE_S

    def progress(status: int, _remaining: int, _total: int) -> None:
        if status in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} and time.monotonic() > until:
            raise sqlite3.OperationalError("another process keeps it locked")

    return progress
