"""Where events are kept: a SQLite file that only grows, safe against a crash at any moment."""

import errno
import os
import sqlite3
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from panic.ledger.chain import GENESIS, Head, digest, link
from panic.ledger.place import (
    BUSY_S,
    MARK,
    POLL_S,
    address,
    created,
    has_orphaned_log,
    held,
    is_at,
    moved,
    wal,
)
from panic.ledger.shift import DAMAGED, REMOVED, ConflictError, GoneError, Record

APPLICATION = int.from_bytes(MARK, "big")
VERSION = 1

_SCHEMA = (
    (
        "CREATE TABLE events (seq INTEGER PRIMARY KEY, run TEXT NOT NULL, kind TEXT NOT NULL,"
        " record BLOB NOT NULL, hash BLOB NOT NULL)"
    ),
    "CREATE INDEX events_of_run ON events (run, seq)",
    "CREATE TABLE base (seq INTEGER NOT NULL, hash BLOB NOT NULL)",
    f"INSERT INTO base VALUES ({GENESIS.seq}, x'{GENESIS.hash}')",  # noqa: S608 - our own constants
    "CREATE TRIGGER events_stay BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'a ledger only grows'); END",
    "CREATE TRIGGER events_keep BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'a ledger only grows'); END",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)
_NEEDED = {"events": {"seq", "run", "kind", "record", "hash"}, "base": {"seq", "hash"}}

_ROWS_MOST = 1024
"""Rows in one statement. Each statement releases the interpreter lock, and a busy loop is slow to give it back."""

_INSERT = "INSERT INTO events (seq, run, kind, record, hash) VALUES"

_SEQ_MOST = 1 << 62


class DamagedError(sqlite3.DatabaseError):
    """It is a ledger, and holds what panic never writes."""


class SqliteStore:
    """A ledger file. One thread uses it at a time; other processes may write the same file.

    Attributes:
        set_aside: Where a damaged file that stood in its place was moved, with its write-ahead log; None if none.
    """

    def __init__(self, file: Path) -> None:
        """Open the ledger `file`, or begin it.

        Raises:
            OSError: it is no regular file, another program's, or cannot be reached.
            sqlite3.Error: SQLite cannot use it.
        """
        self.set_aside: Path | None = None
        try:
            self._file = Path(os.path.realpath(file))
        except ValueError as error:  # a NUL in the name
            raise OSError(errno.EINVAL, "Not a file name") from error
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self.set_aside = self._move_aside()
            self._open()

    def append(self, records: Sequence[Record], *, after: int | None = None, unless: str = "") -> Head:
        """Append as `Store` says.

        Raises:
            ConflictError: A condition does not hold.
            GoneError: The file was removed, or found damaged and set aside.
            OSError, sqlite3.Error: They could not be made durable.
        """
        if not is_at(self._file, self._inode):
            raise GoneError(REMOVED, "It was removed or replaced while it was in use")
        try:
            return self._append(records, after, unless)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self.close()
            aside = self._move_aside()
            if aside is None:  # another process was faster
                raise GoneError(REMOVED, "It was damaged, and another process set it aside") from error
            raise GoneError(DAMAGED, f"It was damaged, is kept as {aside}, and begins anew") from error

    def _append(self, records: Sequence[Record], after: int | None, unless: str) -> Head:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            head = _last(connection)
            if after is not None and records:
                _expect(connection, records[0][0], (after,) if self.set_aside is None else (after, 0))
            if unless and records:
                _expect_none(connection, records[0][1], unless)
            rows = []
            for run, kind, record in records:
                head = link(head, digest(record))
                rows.append((head.seq, run, kind, record, bytes.fromhex(head.hash)))
            for start in range(0, len(rows), _ROWS_MOST):
                some = rows[start : start + _ROWS_MOST]
                connection.execute(f"{_INSERT} {','.join(['(?,?,?,?,?)'] * len(some))}", [*chain(*some)])
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return head

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _open(self) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with held(self._file.parent, alone=False):
            self._inode = created(self._file, _fill)
            self._connection = _connect(self._file)

    def _move_aside(self) -> Path | None:
        aside = self._file.with_name(f"{self._file.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
        return aside if moved(self._file, aside, self._inode) else None


def is_damage(error: Exception) -> bool:
    """Whether the file itself is broken, rather than locked, full or out of reach."""
    if isinstance(error, (DamagedError, UnicodeDecodeError)):  # SQLite's own message may quote what it met
        return True
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class _Patient(sqlite3.Connection):
    """A connection that asks again while another process writes: SQLite itself would sleep too long in between."""

    def execute(self, *words: Any) -> sqlite3.Cursor:
        until = time.monotonic() + BUSY_S
        while True:
            try:
                return super().execute(*words)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
            time.sleep(POLL_S)


def _fill(file: Path) -> None:
    _connect(file, "OFF").close()


def _connect(file: Path, synchronous: str = "FULL") -> sqlite3.Connection:
    if has_orphaned_log(file):
        raise DamagedError("it is empty, but its write-ahead log is not")
    uri = address(file, "mode=rw")
    connection = sqlite3.connect(
        uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False, factory=_Patient
    )
    try:
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("BEGIN IMMEDIATE")  # another process may be just beginning it
        if _is_new(connection):
            for statement in _SCHEMA:
                connection.execute(statement)
        _last(connection)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
        _warm_up(connection, file)
    except UnicodeDecodeError as error:  # SQLite's message quotes what it met
        connection.close()
        raise DamagedError("its text is broken") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _is_new(connection: sqlite3.Connection) -> bool:
    """Whether nothing stands in it yet.

    Raises:
        DamagedError: it is a ledger that lost its tables, or their names.
        OSError: it is no ledger, or one of another version.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == version == tables == 0:
        return True
    if application != APPLICATION:
        raise OSError(errno.EINVAL, "It is the database of another program")
    if version != VERSION:
        raise OSError(errno.EINVAL, f"It is a ledger of format {version}, and this panic writes format {VERSION}")
    for table, columns in _NEEDED.items():
        if not columns.issubset(name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")):
            raise DamagedError("its tables are not those of a ledger")
    return False


def _warm_up(connection: sqlite3.Connection, file: Path) -> None:
    """Begin the log: that waits for the disk three times, so that a press's first event waits only once."""
    with suppress(FileNotFoundError):  # SQLite does without one where there can be none
        if wal(file).stat().st_size == 0:
            connection.execute(f"PRAGMA user_version = {VERSION}")


def _last(connection: sqlite3.Connection) -> Head:
    row = connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    seq, hashed = row or connection.execute("SELECT seq, hash FROM base").fetchone() or (-1, b"")
    is_hash = isinstance(hashed, bytes) and len(hashed) == len(GENESIS.hash) // 2
    if not is_hash or not isinstance(seq, int) or not 0 <= seq < _SEQ_MOST:
        raise DamagedError("its last event has no number or no hash")
    return Head(seq, hashed.hex())


def _expect(connection: sqlite3.Connection, run: str, after: Collection[int]) -> None:
    row = connection.execute("SELECT seq FROM events WHERE run = ? ORDER BY seq DESC LIMIT 1", (run,)).fetchone()
    last = row[0] if row else 0
    if last not in after:
        raise ConflictError(
            f"run {run} has gone on to event {last} since event {max(after)}: somebody else has it"
        )


def _expect_none(connection: sqlite3.Connection, kind: str, words: str) -> None:
    query = "SELECT 1 FROM events WHERE kind = ? AND instr(record, ?) LIMIT 1"
    if connection.execute(query, (kind, words.encode())).fetchone() is not None:
        raise ConflictError(f"there is an event with {words} already")
