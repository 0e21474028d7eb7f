"""Where events are kept: a SQLite file that only grows, safe against a crash at any moment."""

import errno
import fcntl
import os
import sqlite3
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote
from uuid import uuid4

from panic.errors import PanicError
from panic.ledger.chain import GENESIS, Head, digest, link

Record = tuple[str, str, bytes]
"""The run and the kind of an event, and the event as it is written down."""

APPLICATION = 0x50414E43
"""SQLite's application_id of a ledger: "PANC"."""

VERSION = 1

BUSY_S = 1.0
"""So long one waits for another process that is writing."""

_SCHEMA = (
    "CREATE TABLE events (seq INTEGER PRIMARY KEY, run TEXT NOT NULL, kind TEXT NOT NULL,"
    " record BLOB NOT NULL, hash BLOB NOT NULL)",
    "CREATE INDEX events_of_run ON events (run, seq)",
    "CREATE TABLE base (seq INTEGER NOT NULL, hash BLOB NOT NULL)",
    "CREATE TRIGGER events_stay BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'a ledger only grows'); END",
    "CREATE TRIGGER events_stay_as_they_are BEFORE UPDATE ON events"
    " BEGIN SELECT RAISE(ABORT, 'a ledger only grows'); END",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)

_ROWS_MOST = 128
"""Rows in one statement. Each statement lets go of the interpreter, and a busy loop gives it back late."""

_SEQ_MOST = 1 << 62


class ConflictError(PanicError):
    """Somebody else has written about this run since it was read."""


class Store(Protocol):
    """The whole of what a writer asks for, so that a store shared by several machines can take a file's place.

    Attributes:
        place: Where it is, in words for people.
    """

    place: str

    def append(self, records: Sequence[Record], *, after: int | None = None) -> Head:
        """Make records durable, all or none, in this order, and give the head after the last."""

    def close(self) -> None:
        """Let go of it."""


class DamagedError(sqlite3.DatabaseError):
    """It is a ledger, but what stands in it cannot be."""


class SqliteStore:
    """A ledger file. One thread uses it at a time; other processes may write the same file.

    Attributes:
        place: The file's name.
        set_aside: Where a damaged file that stood in its place was moved, with its write-ahead log; None if none.
    """

    def __init__(self, file: Path) -> None:
        """Open the ledger `file`, or begin it.

        Raises:
            OSError: it is no regular file, another program's, or cannot be reached.
            sqlite3.Error: SQLite cannot use it.
        """
        self.place = str(file)
        self.set_aside: Path | None = None
        try:
            self._file = Path(os.path.realpath(file))
        except ValueError as error:  # a NUL in the name
            raise OSError(errno.EINVAL, "Not a file name") from error
        try:
            self._connection, self._inode = _open(self._file), _inode(self._file)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self.set_aside = _set_aside(self._file)
            self._connection = _open(self._file)

    def append(self, records: Sequence[Record], *, after: int | None = None) -> Head:
        """Make records durable, all or none, in this order, and give the head after the last.

        Args:
            records: What to append; of one run, if `after` is given.
            after: Append only if this is the last event of that run so far; 0 for none.

        Raises:
            ConflictError: it is not.
            OSError, sqlite3.Error: they could not be made durable.
        """
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            head = _last(connection)
            if after is not None and records:
                _expect(connection, records[0][0], after)
            rows: list[object] = []
            for run, kind, record in records:
                head = link(head, digest(record))
                rows += (head.seq, run, kind, record, bytes.fromhex(head.hash))
            _insert(connection, rows)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return head

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken, rather than locked, full or out of reach."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, DamagedError) or code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def address(file: Path, mode: str) -> str:
    """Give the URI that opens a file in a mode."""
    return f"file://{quote(os.fsencode(os.path.abspath(file)))}?{mode}"


def check_regular(file: Path) -> os.stat_result:
    """Make sure that opening a file blocks nobody, without opening it.

    To open and close it would drop the locks that this process holds on it elsewhere.

    Raises:
        OSError: it is missing, a pipe, a device or a directory.
    """
    status = os.stat(file)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(
            errno.EINVAL, "It is a directory" if stat.S_ISDIR(status.st_mode) else "It is a pipe or a device"
        )
    return status


def _inode(file: Path) -> int:
    return check_regular(file).st_ino


def _create(file: Path) -> None:
    """Begin an empty file that only its owner reads.

    It gets its name when it is closed again: closing a file drops the locks that this process holds on it.
    """
    if os.path.lexists(file):
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_name(f".{uuid4().hex}.new")
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        with suppress(FileExistsError):
            os.link(fresh, file)
    finally:
        fresh.unlink()


def _open(file: Path) -> sqlite3.Connection:
    _create(file)
    check_regular(file)
    connection = sqlite3.connect(
        address(file, "mode=rw"), uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        if _is_new(connection, file):
            _use_wal(connection)
            _begin(connection, file)
        else:
            _use_wal(connection)
        _last(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_new(connection: sqlite3.Connection, file: Path) -> bool:
    """Whether nothing stands in it yet.

    Raises:
        OSError: it is no ledger, or one of a later version.
    """
    application, version = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    if application == version == 0 and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return True
    if application != APPLICATION:
        raise OSError(errno.EINVAL, "It is the database of another program", str(file))
    if version > VERSION:
        raise OSError(
            errno.EINVAL,
            f"It was written by a later panic (format {version}, this one knows {VERSION})",
            str(file),
        )
    return False


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to a write-ahead log. SQLite does not wait by itself when another process does the same."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            break
    if mode != "wal":
        raise OSError(errno.ENOTSUP, "Its file system has no room for a write-ahead log")


def _begin(connection: sqlite3.Connection, file: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _is_new(connection, file):
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("INSERT INTO base VALUES (?, ?)", (GENESIS.seq, bytes.fromhex(GENESIS.hash)))
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _last(connection: sqlite3.Connection) -> Head:
    row = connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    row = row or connection.execute("SELECT seq, hash FROM base").fetchone() or (-1, b"")
    seq, hashed = row
    if not isinstance(hashed, bytes) or len(hashed) != len(GENESIS.hash) // 2 or not 0 <= seq < _SEQ_MOST:
        raise DamagedError("its last event has no number or no hash")
    return Head(seq, hashed.hex())


def _expect(connection: sqlite3.Connection, run: str, after: int) -> None:
    row = connection.execute("SELECT seq FROM events WHERE run = ? ORDER BY seq DESC LIMIT 1", (run,)).fetchone()
    last = row[0] if row else 0
    if last != after:
        raise ConflictError(
            f"Run {run} was last written about in event {last}, not {after}: somebody else goes on with it."
        )


def _insert(connection: sqlite3.Connection, values: Sequence[object]) -> None:
    """Insert rows in as few statements as there can be, of few lengths, so that SQLite need not parse them anew."""
    start, rows = 0, _ROWS_MOST
    while start < len(values):
        while rows * 5 > len(values) - start:
            rows //= 2
        statement = "INSERT INTO events VALUES " + ",".join(["(?,?,?,?,?)"] * rows)
        connection.execute(statement, values[start : start + rows * 5])
        start += rows * 5


def _set_aside(file: Path) -> Path:
    """Move a damaged file and its log out of the way under one name, so that SQLite still finds them together."""
    aside = file.with_name(f"{file.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                os.rename(f"{file}{suffix}", f"{aside}{suffix}")
    finally:
        os.close(folder)
    return aside
