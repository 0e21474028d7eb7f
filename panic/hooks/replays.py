"""Which signed calls were taken before: in memory, and in a small file that outlives the process.

The file never stands between a breach and its press: what is known in memory decides at once, and what was
taken is made durable before the caller is answered. Where the file hangs, is full or has gone, calls still
fire, and whoever asks is told that a replay might, too.
"""

import asyncio
import errno
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from panic.background import begin
from panic.hooks.decisions import Earlier
from panic.words import clip

_BUSY_S = 0.5
_SCHEMA = """
CREATE TABLE IF NOT EXISTS hook_calls (
    hook TEXT NOT NULL, id TEXT NOT NULL, digest TEXT NOT NULL, timestamp INTEGER NOT NULL, run TEXT NOT NULL,
    until REAL NOT NULL, PRIMARY KEY (hook, id)
) WITHOUT ROWID
"""
_KEPT_TIMES = 2
"""A timestamp may be one tolerance ahead of our clock, and its call is let in until one tolerance after it."""

_Row = tuple[str, str, str, int, str, float]


class Replays:
    """Remembers the calls that were taken, each for twice its hook's tolerance. Use it inside one loop.

    Attributes:
        wrong: What is wrong with the file, in the middle of a sentence; empty if nothing is.
    """

    def __init__(self, file: Path, *, now: Callable[[], float] = time.time, patience_s: float = 0.5) -> None:
        """Touch nothing yet.

        Args:
            file: The SQLite file; begun where there is none.
            now: Our clock, seconds since 1970.
            patience_s: So long a call waits for the file, seconds.
        """
        self.wrong = ""
        self._file = file
        self._now = now
        self._patience_s = patience_s
        self._known: dict[tuple[str, str], tuple[Earlier, float]] = {}
        self._unkept: dict[tuple[str, str], _Row] = {}
        self._is_loaded = False
        self._working: asyncio.Future[list[_Row]] | None = None

    async def ready(self) -> bool:
        """Wait for the file to be read, but not for long; tell whether it has been.

        Await it when the service starts, and before `earlier`: from then on it returns at once, and where the
        file is known to be in trouble it does so, too.
        """
        if not self._is_loaded:
            await self._settle(lambda: self._is_loaded, 0.0 if self.wrong else self._patience_s)
        return self._is_loaded

    def earlier(self, hook: str, id_: str) -> Earlier | None:
        """Give the call of this id that was taken before."""
        found = self._known.get((hook, id_))
        return found[0] if found and found[1] >= self._now() else None

    def take(self, hook: str, id_: str, call: Earlier, tolerance_s: float) -> None:
        """Remember a call, from this moment; `kept` makes it durable."""
        until = self._now() + _KEPT_TIMES * tolerance_s
        self._known[hook, id_] = (call, until)
        self._unkept[hook, id_] = (hook, id_, call.digest, call.timestamp, call.run, until)

    async def kept(self) -> str:
        """Wait until everything taken is durable, but not for long; empty if it is, else what is wrong."""
        is_kept = await self._settle(lambda: self._is_loaded and not self._unkept, self._patience_s)
        return "" if is_kept else self.wrong

    async def _settle(self, is_done: Callable[[], bool], patience_s: float) -> bool:
        """Let file and memory catch up with each other: one thread at a time does what all callers wait for."""
        try:
            async with asyncio.timeout(patience_s):
                while not is_done():
                    working = self._working or self._begin()
                    await asyncio.wait([working])
                    if working.cancelled() or working.exception() is not None:
                        return False
        except TimeoutError:
            if is_done():
                return True
            self.wrong = self.wrong or f"{self._file} does not answer within {self._patience_s:g} s"
            return False
        return True

    def _begin(self) -> asyncio.Future[list[_Row]]:
        if not self._is_loaded:
            self._working = begin(lambda: load(self._file), "hook-calls")
            self._working.add_done_callback(self._loaded)
            return self._working
        self._forget()
        unkept = dict(self._unkept)
        known = [
            (*key, call.digest, call.timestamp, call.run, until) for key, (call, until) in self._known.items()
        ]
        rows, now = list(unkept.values()), self._now()
        self._working = begin(lambda: _write(self._file, rows, known, now), "hook-calls")
        self._working.add_done_callback(lambda done: self._written(unkept, done))
        return self._working

    def _loaded(self, done: asyncio.Future[list[_Row]]) -> None:
        if self._went_well(done):
            self._is_loaded = True
            for hook, id_, digest, timestamp, run, until in done.result():
                self._known.setdefault((hook, id_), (Earlier(digest, timestamp, run), until))

    def _written(self, rows: dict[tuple[str, str], _Row], done: asyncio.Future[list[_Row]]) -> None:
        if self._went_well(done):
            self._unkept = {key: row for key, row in self._unkept.items() if rows.get(key) != row}

    def _went_well(self, done: asyncio.Future[list[_Row]]) -> bool:
        self._working = None
        error = None if done.cancelled() else done.exception()
        is_well = error is None and not done.cancelled()
        words = clip(str(error) or type(error).__name__)
        self.wrong = "" if is_well else f"{self._file} cannot be used: {words}"
        return is_well

    def _forget(self) -> None:
        """Let go of what need not be remembered any longer."""
        now = self._now()
        self._known = {key: value for key, value in self._known.items() if value[1] >= now}
        self._unkept = {key: row for key, row in self._unkept.items() if row[-1] >= now}


def load(file: Path) -> list[_Row]:
    """Read what was kept; a file that nobody can write is read all the same.

    Raises:
        OSError: It cannot be read. So for sqlite3.Error.
    """
    if not _exists(file):
        return []
    with closing(_connect(file)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'hook_calls'").fetchall():
            return []
        return connection.execute("SELECT hook, id, digest, timestamp, run, until FROM hook_calls").fetchall()


def _write(file: Path, rows: Sequence[_Row], known: Sequence[_Row], now: float) -> list[_Row]:
    """Make rows durable, or everything that is known if the file has gone since; drop what is too old.

    The file is opened anew each time: one that somebody removed or replaced is begun again, not written to
    where nobody will ever read it.
    """
    if not _exists(file):
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        rows = known
    with closing(_connect(file)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_SCHEMA)
        connection.execute("DELETE FROM hook_calls WHERE until < ?", (now,))
        connection.executemany("INSERT OR REPLACE INTO hook_calls VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.execute("COMMIT")
    return []


def _exists(file: Path) -> bool:
    """Whether there is a file.

    Raises:
        OSError: There is something else, and opening it could hang.
    """
    if file.exists() and not file.is_file():
        raise OSError(errno.EINVAL, "It is no regular file")
    return file.exists()


def _connect(file: Path) -> sqlite3.Connection:
    address = f"file://{quote(os.fsencode(file.absolute()))}?mode=rw"
    return sqlite3.connect(address, timeout=_BUSY_S, isolation_level=None, uri=True)
