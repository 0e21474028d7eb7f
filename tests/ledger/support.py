"""What the ledger's tests share."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from panic.ledger.backlog import Record
from panic.ledger.events import GENESIS, Event, Head, decode, encode, link
from panic.ledger.reader import faults, read
from panic.ledger.store import SqliteStore
from panic.ledger.writer import Leg, Writer
from tests import ROOT

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


def tamper(file: Path, *statements: str) -> None:
    """Be somebody who knows SQL, and has been at a ledger."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for trigger in ("events_stay", "events_keep"):
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        for statement in statements:
            connection.execute(statement)


def rewrite(file: Path, change: Callable[[Event], Event | None] = lambda event: event) -> None:
    """Be somebody who knows panic as well, and write a ledger anew, each event with the hash that fits."""
    before = [decode(row.record) for row in read(file).rows]
    tamper(file, "DELETE FROM events")
    with closing(SqliteStore(file)) as store:
        store.append([(new.run, new.kind, encode(new)) for event in before if (new := change(event))])


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
        cwd=ROOT,
    )


def until(condition: Callable[[], object]) -> None:
    """Wait until it is so."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def notes(at: Path) -> None:
    """Somebody else's file."""
    at.write_bytes(b"account_id,name\n1,one\n" * 300)


def theirs(at: Path) -> None:
    """Somebody else's database."""
    at.unlink(missing_ok=True)
    with closing(sqlite3.connect(at)) as connection:
        connection.execute("CREATE TABLE theirs (x)")


class Memory:
    """A store in memory, that fails, finds damage or hangs as it is told.

    Attributes:
        records: What it holds.
        batches: How many records came at once.
        fails: What every append raises.
        opens: Whether it can be opened; if not, what that raises.
        gate: What an append waits for.
        reached: Set when one waits.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.batches: list[int] = []
        self.fails: Exception | None = None
        self.opens: Exception | None = None
        self.gate, self.reached = threading.Event(), threading.Event()
        self.gate.set()
        self.opened = 0
        self._head = GENESIS

    def open(self) -> "Memory":
        """Open it."""
        self.opened += 1
        if self.opens is not None:
            raise self.opens
        return self

    def append(
        self, records: Sequence[Record], *, after: int | None = None, unless: str = "", known: Head = GENESIS
    ) -> Head:
        self.reached.set()
        assert self.gate.wait(PATIENCE_S)
        if self.fails is not None:
            raise self.fails
        self.batches.append(len(records))
        for one in records:
            self.records.append(one)
            self._head = link(self._head, one[2])
        return self._head

    def close(self) -> None:
        pass

    @property
    def ids(self) -> list[str]:
        """The ids of the events that it holds."""
        return [decode(one[2]).id for one in self.records]


def append(leg: Leg, *numbers: int) -> None:
    for n in numbers:
        leg.append("outcome", AT, {"account": n})


def leg_of(writer: Writer, run: str = "r1", name: str = "leg") -> Leg:
    return writer.leg(run, name=name)
