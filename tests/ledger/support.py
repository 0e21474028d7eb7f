"""What the ledger's tests share."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from panic.ledger.chain import Head
from panic.ledger.events import Event, decode, encode
from panic.ledger.reader import faults, read
from panic.ledger.store import Record, SqliteStore
from panic.ledger.writer import Writer

AT = "2026-03-01T15:30:00.000000+00:00"
PATIENCE_S = 30.0


def event(n: int = 1, *, run: str = "r1", kind: str = "outcome", body: Any = None, leg: str = "leg") -> Event:
    return Event(run, kind, f"{leg}-{n}", AT, {"account": n} if body is None else body)


def record(n: int = 1, **more: Any) -> Record:
    """An event as a store takes it."""
    one = event(n, **more)
    return one.run, one.kind, encode(one)


def begun(file: Path, count: int = 0, **more: Any) -> SqliteStore:
    """A ledger with so many events, each in a transaction of its own."""
    store = SqliteStore(file)
    for n in range(1, count + 1):
        store.append([record(n, **more)])
    return store


def ids(file: Path) -> list[str]:
    """The ids of all events of a ledger in which nothing is wrong."""
    volume = read(file, whole=True)

    assert "" == volume.damage
    assert () == faults(volume)
    return [decode(row.record).id for row in volume.rows]


def names(*numbers: int) -> list[str]:
    return [f"leg-{n}" for n in numbers]


def python(script: str, *arguments: object) -> "subprocess.Popen[str]":
    """Another process."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def until(condition: Callable[[], object]) -> None:
    """Wait until it is so."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


class Hanging:
    """A store that answers only when it is told to: at its opening, at an append or at its close."""

    place = "hanging"

    def __init__(self, file: Path, *where: str) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()
        self.closed = threading.Event()
        self._file, self._where = file, where

    def open(self) -> "Hanging":
        self._hang("open")
        self._store = SqliteStore(self._file)
        return self

    def append(self, records: Sequence[Record], *, after: int | None = None) -> Head:
        self._hang("append")
        return self._store.append(records, after=after)

    def close(self) -> None:
        self._hang("close")
        self._store.close()
        self.closed.set()

    def _hang(self, where: str) -> None:
        if where in self._where:
            self.reached.set()
            assert self.released.wait(PATIENCE_S)


def append(writer: Writer, *numbers: int, keep: bool = False) -> None:
    for n in numbers:
        writer.append("r1", "planned" if keep else "outcome", AT, {"account": n}, keep=keep)
