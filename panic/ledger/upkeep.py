"""Keep a ledger while it is in use: copy it, and take out its oldest events once they are safe elsewhere."""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from panic.errors import PanicError, UsageError
from panic.files import new_file, why
from panic.ledger.chain import Head, digest, link
from panic.ledger.place import POLL_S, address, check_regular, held
from panic.ledger.port import Record
from panic.ledger.reader import Volume, read
from panic.ledger.store import APPLICATION, VERSION
from panic.words import clip

PATIENCE_S = 10.0
"""So long this waits for a process that is writing: nobody is in a hurry here."""


def _connect(file: Path, mode: str) -> sqlite3.Connection:
    check_regular(file)
    return sqlite3.connect(address(file, mode), uri=True, timeout=PATIENCE_S, isolation_level=None)


# ── backup ──────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── removal ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Removal:
    """Which events to take out of a ledger that was read and found whole.

    Attributes:
        base: What its first event was linked to.
        last: The last event to take out.
        count: How many that are.
        end: The ledger's last event when it was read.
        runs: The runs that these events are of: nothing may have been added to them since.
    """

    file: Path
    base: Head
    last: Head
    count: int
    end: Head
    runs: frozenset[str]


def remove(removal: Removal, farewell: Record) -> Head:
    """Take events out and append one that says so, all or nothing; give the head after it.

    Raises:
        PanicError: The ledger is not as it was, or cannot be written: nothing was removed.
    """
    try:
        with closing(_reopened(Path(os.path.realpath(removal.file)))) as connection:
            _begin(connection)
            try:
                _check_that_nothing_changed(connection, removal)
                head = _replace(connection, removal, farewell)
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
    except (sqlite3.Error, OSError) as error:
        reason = why(error) if isinstance(error, OSError) else str(error)
        raise _refusal(removal, clip(reason)) from error
    return head


def _reopened(file: Path) -> sqlite3.Connection:
    with held(file.parent, alone=False):
        connection = _connect(file, "mode=rw")
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("SELECT seq FROM base").fetchone()  # only now SQLite opens its log
        except BaseException:
            connection.close()
            raise
    return connection


def _begin(connection: sqlite3.Connection) -> None:
    until = time.monotonic() + PATIENCE_S
    connection.execute("PRAGMA busy_timeout = 0")  # SQLite would sleep through the gaps that a busy writer leaves
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        else:
            return
        time.sleep(POLL_S)


def _refusal(removal: Removal, reason: str) -> PanicError:
    return PanicError(f"nothing was removed from {clip(str(removal.file))}: {reason}. Try again into a new file.")


def _check_that_nothing_changed(connection: sqlite3.Connection, removal: Removal) -> None:
    def ask(query: str, *values: object) -> tuple[object, ...]:
        return connection.execute(query, values).fetchone() or ()

    if ask("PRAGMA application_id") + ask("PRAGMA user_version") != (APPLICATION, VERSION):
        raise _refusal(removal, "it is no ledger that this panic writes")
    hash_of = "SELECT lower(hex(hash)) FROM events WHERE seq = ?"
    is_same = (
        ask("SELECT seq, lower(hex(hash)) FROM base") == removal.base
        and ask("SELECT count(*) FROM events WHERE seq <= ?", removal.last.seq) == (removal.count,)
        and ask(hash_of, removal.last.seq) == (removal.last.hash,)
        and ask(hash_of, removal.end.seq) == (removal.end.hash,)
    )
    if not is_same:
        raise _refusal(removal, "it is not as it was when it was read")
    since = connection.execute("SELECT DISTINCT run FROM events WHERE seq > ?", (removal.end.seq,))
    if any(run in removal.runs for (run,) in since):
        raise _refusal(removal, "one of its runs has gone on meanwhile")


def _replace(connection: sqlite3.Connection, removal: Removal, farewell: Record) -> Head:
    """Remove, with what forbids it out of the way, and append."""
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        quoted = str(name).replace('"', '""')
        connection.execute(f'DROP TRIGGER "{quoted}"')
    connection.execute("DELETE FROM events WHERE seq <= ?", (removal.last.seq,))
    connection.execute("UPDATE base SET seq = ?, hash = ?", (removal.last.seq, bytes.fromhex(removal.last.hash)))
    end = connection.execute("SELECT seq, lower(hex(hash)) FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    run, kind, record = farewell
    head = link(Head(*end) if end else removal.last, digest(record))
    values = (head.seq, run, kind, record, bytes.fromhex(head.hash))
    connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", values)
    for _, statement in triggers:
        connection.execute(statement)
    return head
