"""The sessions in a small SQLite file, which also has what hooks must remember. Blocks: call it on a thread.

There are so few that each write replaces all of them: what is not in memory any more is not in the file either.
"""

import errno
import math
import os
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from panic.config import is_plain_name

_BUSY_S = 0.5
_READ_MOST = 10_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS room_sessions (
    digest TEXT NOT NULL PRIMARY KEY, token TEXT NOT NULL, token_digest TEXT NOT NULL, began REAL NOT NULL,
    acted REAL NOT NULL
) WITHOUT ROWID
"""
_COLUMNS = "digest, token, token_digest, began, acted"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TOKEN_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Session(NamedTuple):
    """Somebody who gave a token to a page of ours.

    Attributes:
        digest: SHA-256 of the cookie, which only the browser has.
        token: The token's name.
        token_digest: The token's digest as the settings had it.
        began: When the token was given, seconds since 1970.
        acted: When somebody last did something deliberate, likewise.
    """

    digest: str
    token: str
    token_digest: str
    began: float
    acted: float


def load(file: Path) -> list[Session]:
    """Read what was kept; a row that cannot be one of ours is none.

    Raises:
        OSError: There is no regular file, and opening it could hang.
        sqlite3.Error: It cannot be read.
    """
    if not _exists(file):
        return []
    with closing(_connect(file)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'room_sessions'").fetchall():
            return []
        connection.text_factory = bytes  # text that is no UTF-8 would hide the rows beside it
        query = f"SELECT {_COLUMNS} FROM room_sessions ORDER BY began DESC LIMIT {_READ_MOST}"  # noqa: S608
        rows = connection.execute(query).fetchall()
    return [found for row in rows if (found := _session(row)) is not None]


def _session(row: Sequence[Any]) -> Session | None:
    texts, times = row[:3], row[3:]
    if not all(isinstance(one, bytes) and one.isascii() for one in texts):
        return None
    if not all(isinstance(one, float) and math.isfinite(one) for one in times):
        return None
    found = Session(*(one.decode() for one in texts), *times)
    is_ours = _DIGEST.fullmatch(found.digest) and _TOKEN_DIGEST.fullmatch(found.token_digest)
    return found if is_ours and is_plain_name(found.token) and found.began <= found.acted else None


def write(file: Path, sessions: Sequence[Session]) -> None:
    """Make these, and no others, durable; a file that somebody removed is begun again.

    Raises:
        OSError: As above, or the disk is full or gone.
        sqlite3.Error: It cannot be written.
    """
    if not _exists(file):
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    with closing(_connect(file)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_SCHEMA)
        connection.execute("DELETE FROM room_sessions")
        connection.executemany("INSERT INTO room_sessions VALUES (?, ?, ?, ?, ?)", sessions)
        connection.execute("COMMIT")


def _exists(file: Path) -> bool:
    if file.exists() and not file.is_file():
        raise OSError(errno.EINVAL, "It is no regular file")
    return file.exists()


def _connect(file: Path) -> sqlite3.Connection:
    address = f"file://{quote(os.fsencode(file.absolute()))}?mode=rw"
    return sqlite3.connect(address, timeout=_BUSY_S, isolation_level=None, uri=True)
