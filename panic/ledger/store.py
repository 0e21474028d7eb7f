"""Where events are kept: a SQLite file that only grows, safe against a crash at any moment."""

import errno
import os
import sqlite3
import stat
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from urllib.parse import quote

from panic.ledger.backlog import ConflictError, GoneError, Record, RewrittenError
from panic.ledger.events import GENESIS, Head, link

APPLICATION = int.from_bytes(b"PANC", "big")
"""SQLite's application_id, which marks a file as a ledger."""

VERSION = 1

BUSY_S = 1.0
"""How long to wait for another process that is writing."""

_SMALLEST = 512
"""Bytes: the smallest page of SQLite, and so the smallest file."""

_SCHEMA = (
    (
        "CREATE TABLE events (seq INTEGER PRIMARY KEY, run TEXT NOT NULL, kind TEXT NOT NULL,"
        " record BLOB NOT NULL, hash BLOB NOT NULL)"
    ),
    "CREATE INDEX events_of_run ON events (run, seq)",
    "CREATE TRIGGER events_stay BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'a ledger only grows'); END",
    "CREATE TRIGGER events_keep BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'a ledger only grows'); END",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)
_COLUMNS = {"seq", "run", "kind", "record", "hash"}

_ROWS_MOST = 1024
"""Rows in one statement. Each statement releases the interpreter lock, and a busy loop is slow to give it back."""

_INSERT = "INSERT INTO events (seq, run, kind, record, hash) VALUES"

_SEQ_MOST = 1 << 62


class SqliteStore:
    """A ledger file. One thread uses it at a time; other processes may write the same file."""

    def __init__(self, file: Path) -> None:
        """Open the ledger `file`, or begin it; an OSError or sqlite3.Error where it cannot be used."""
        try:
            self._file = Path(os.path.realpath(file))
        except ValueError as error:  # a NUL in the name
            raise OSError(errno.EINVAL, "Not a file name") from error
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._inode = _created(self._file)
        self._connection = _connect(self._file)

    def append(
        self, records: Sequence[Record], *, after: int | None = None, unless: str = "", known: Head = GENESIS
    ) -> Head:
        """Append as `Store` says; an OSError or sqlite3.Error where they could not be made durable."""
        if not self._is_in_place():
            raise GoneError(errno.ESTALE, "It was removed or replaced while it was in use")
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            head = _last(connection)
            _require(connection, known)
            if after is not None and records:
                _expect(connection, records[0][0], after)
            if unless and records:
                _expect_none(connection, records[0][1], unless)
            rows = []
            for run, kind, record in records:
                head = link(head, record)
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

    def _is_in_place(self) -> bool:
        """Whether the open file still has its name; SQLite keeps writing to a removed file."""
        with suppress(OSError):
            return self._file.stat().st_ino == self._inode
        return False


# ── the file ────────────────────────────────────────────────────────────────────────────────────────────────
#
# SQLite's locks on a file are lost as soon as its process closes that file anywhere. So nothing here opens a
# ledger that may be in use: whether it can be opened without harm is asked by its name.


def address(file: Path, mode: str) -> str:
    """Give the URI that opens a file in a mode."""
    return f"file://{quote(os.fsencode(file.absolute()))}?{mode}"


def check_regular(file: Path) -> os.stat_result:
    """Make sure, without opening a file, that opening it will not block; an OSError says why it may."""
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise OSError(errno.EINVAL, f"It is {kind}")
    return status


def check_log(file: Path) -> None:
    """Make sure that SQLite would not throw a write-ahead log away, as it does where the file is as good as empty.

    The log is looked at first: in a ledger that is just begun it grows after the file.
    """
    with suppress(OSError):
        if wal(file).stat().st_size > 0 and file.stat().st_size < _SMALLEST:
            raise sqlite3.DatabaseError("it is empty, but its write-ahead log is not")


def wal(file: Path) -> Path:
    """Give the name of a file's write-ahead log."""
    return file.with_name(f"{file.name}-wal")


def _created(file: Path) -> int:
    """Begin a file that only its owner reads, if there is none; give the inode.

    It gets its name when it is filled, on the disk and closed: nobody ever finds half of one.
    """
    if not os.path.lexists(file):
        fresh = file.with_name(f".{os.urandom(8).hex()}.new")
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        try:
            _connect(fresh, "OFF").close()
            with fresh.open("rb") as stream:
                os.fsync(stream.fileno())
            with suppress(FileExistsError):
                os.link(fresh, file)
        finally:
            fresh.unlink()
    return check_regular(file).st_ino


def _connect(file: Path, synchronous: str = "FULL") -> sqlite3.Connection:
    check_log(file)
    connection = sqlite3.connect(
        address(file, "mode=rw"), uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
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
        # Begin the log: that waits for the disk three times, so that a press's first event waits only once.
        with suppress(FileNotFoundError):  # SQLite does without one where there can be none
            if wal(file).stat().st_size == 0:
                connection.execute(f"PRAGMA user_version = {VERSION}")
    except UnicodeDecodeError as error:  # SQLite's message quotes what it met
        connection.close()
        raise sqlite3.DatabaseError("its text is broken") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _is_new(connection: sqlite3.Connection) -> bool:
    """Whether nothing stands in it yet; an error where it is no ledger, or none of ours."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == version == tables == 0:
        return True
    if application != APPLICATION:
        raise OSError(errno.EINVAL, "It is the database of another program")
    if version != VERSION:
        raise OSError(errno.EINVAL, f"It is a ledger of format {version}, and this panic writes format {VERSION}")
    if not _COLUMNS.issubset(name for _, name, *_ in connection.execute("PRAGMA table_info(events)")):
        raise sqlite3.DatabaseError("its table is not that of a ledger")
    return False


def _last(connection: sqlite3.Connection) -> Head:
    row = connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    seq, hashed = row or (GENESIS.seq, bytes.fromhex(GENESIS.hash))
    is_hash = isinstance(hashed, bytes) and len(hashed) == len(GENESIS.hash) // 2
    if not is_hash or not isinstance(seq, int) or not 0 <= seq < _SEQ_MOST:
        raise sqlite3.DatabaseError("its last event has no number or no hash")
    return Head(seq, hashed.hex())


def _require(connection: sqlite3.Connection, known: Head) -> None:
    """Make sure that a head is in it: whoever changes an earlier event changes the hash of every later one."""
    row = connection.execute("SELECT lower(hex(hash)) FROM events WHERE seq = ?", (known.seq,)).fetchone()
    if known != GENESIS and row != (known.hash,):
        raise RewrittenError(errno.ESTALE, f"What was recorded up to event {known.seq} was written anew by others")


def _expect(connection: sqlite3.Connection, run: str, after: int) -> None:
    row = connection.execute("SELECT seq FROM events WHERE run = ? ORDER BY seq DESC LIMIT 1", (run,)).fetchone()
    last = row[0] if row else 0
    if last != after:
        raise ConflictError(f"run {run} has gone on to event {last} since event {after}: somebody else has it")


def _expect_none(connection: sqlite3.Connection, kind: str, words: str) -> None:
    query = "SELECT 1 FROM events WHERE kind = ? AND instr(record, ?) LIMIT 1"
    if connection.execute(query, (kind, words.encode())).fetchone() is not None:
        raise ConflictError(f"there is an event with {words} already")
