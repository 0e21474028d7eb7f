"""Read ledgers back, damaged ones too, and say what is wrong with them. Nothing here changes what was recorded."""

import json
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from panic.kit.errors import PanicError, UsageError
from panic.kit.files import new_file, why
from panic.kit.words import clip
from panic.ledger.events import GENESIS, Head, beginning, link
from panic.ledger.store import APPLICATION, BUSY_S, VERSION, address, check_log, check_regular, wal

_ROW = "SELECT seq, run, kind, record, lower(hex(hash)) FROM events NOT INDEXED"
"""Without the index: a damaged one would hide events, and scanning a million takes a tenth of a second."""

_OUT_OF_REACH = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
"""What SQLite says if it may not create the index of the write-ahead log, which even reading needs."""

_UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What reading a damaged file raises; the latter if SQLite's message quotes the damage."""

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
"""What SQLite says if the file itself is broken, rather than locked or out of reach."""

PATIENCE_S = 10.0
"""How long a backup waits for a process that is writing: there is no hurry."""

_Asked = Mapping[str, Collection[str]]
"""Which events are asked for: those with one of these values in each column."""


class Row(NamedTuple):
    """An event as it stands in a ledger."""

    seq: int
    run: str
    kind: str
    record: bytes
    hash: str


@dataclass(frozen=True, slots=True)
class Volume:
    """What one ledger file holds: the events asked for, and the head after the last of all.

    Attributes:
        damage: What is wrong with reading it, in words; "" when nothing is.
        before: The hash of the event before each of them, "" if that is missing.
    """

    file: Path
    rows: tuple[Row, ...] = ()
    head: Head = GENESIS
    damage: str = ""
    before: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def wrong(self) -> tuple[str, ...]:
        """Name all that is wrong with a ledger that was read whole: with reading it, and with its chain."""
        return (*filter(None, [self.damage]), *faults(self))


def backup(file: Path, target: Path) -> Volume:
    """Copy a consistent snapshot of a ledger into a new file, even while it is written, and read the copy."""
    try:
        check_regular(file)
    except OSError as error:
        raise UsageError(f"there is no ledger to copy: {clip(str(file))}: {why(error)}") from None
    with new_file(target):
        try:
            with _opened(file, "mode=ro", PATIENCE_S) as source, _opened(target, "mode=rw", PATIENCE_S) as copy:
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


def read(file: Path, *, run: str = "", kinds: Collection[str] = (), whole: bool = False) -> Volume:
    """Read one run's events, or those of some kinds, or all, as far as a file can be read. Never raises.

    `whole` is every event, whatever else is said, and a check of the file's own structure, which alone finds
    events that a damaged page hides.
    """
    columns = {"run": [run] if run else [], "kind": [*map(str, kinds)]}
    asked = {column: values for column, values in columns.items() if values and not whole}
    try:
        check_regular(file)
        check_log(file)
        try:
            return _read(file, "mode=ro", asked, whole=whole)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _OUT_OF_REACH or wal(file).exists():
                raise
        return _read(file, "mode=ro&immutable=1", asked, whole=whole)
    except OSError as error:
        return Volume(file, damage=why(error))
    except (sqlite3.Error, ValueError) as error:  # a NUL in the name
        return Volume(file, damage=clip(f"it cannot be read: {error}"))


# ── what is wrong ───────────────────────────────────────────────────────────────────────────────────────────


def faults(volume: Volume, *, alone: bool = False) -> tuple[str, ...]:
    """Name every event of a volume that is not what was written, or whose neighbour was taken away.

    With `alone`, a missing event before one is acceptable: it may be another run's.
    """
    return tuple(_faults(volume, alone=alone or bool(volume.damage)))


def _faults(volume: Volume, *, alone: bool) -> Iterator[str]:
    for row, before in zip(volume.rows, volume.before, strict=True):
        name = f"event {row.seq} ({clip(row.kind, 40)})"
        if not before:
            if not alone:
                yield f"{name}: the event before it is missing"
        elif link(Head(row.seq - 1, before), row.record).hash != row.hash:
            yield f"{name}: it does not match its hash"
        if not row.record.startswith(beginning(row.run, row.kind)):
            yield f"{name}: its record is of another run or kind"


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _opened(file: Path, mode: str, patience_s: float) -> Iterator[sqlite3.Connection]:
    with closing(
        sqlite3.connect(address(file, mode), uri=True, timeout=patience_s, isolation_level=None)
    ) as connection:
        connection.text_factory = lambda stored: stored.decode("utf-8", "replace")
        yield connection


def _read(file: Path, mode: str, asked: _Asked, *, whole: bool) -> Volume:
    with _opened(file, mode, BUSY_S) as connection:
        try:
            connection.execute("BEGIN")
            marks = [
                connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
            ]
            if not any(marks) and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                return Volume(file)  # another process is about to begin it
            rows = tuple(_select(connection, asked))
            last = [*_rows(connection, f"{_ROW} ORDER BY seq DESC LIMIT 1")]
            before = _before(connection, rows) if asked else links(rows)
            damage = "" if marks[0] == APPLICATION else "it is not marked as a ledger"
            if not damage and marks[1] != VERSION:
                damage = f"it is of format {marks[1]}, and this panic reads format {VERSION}"
            if whole and not damage:
                found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
                damage = "" if found == "ok" else clip(f"its structure is damaged: {found}")
        except _UNREADABLE as error:
            if isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF not in _DAMAGE:
                raise
            reason = str(error) if isinstance(error, sqlite3.Error) else "its text is broken"
        else:
            head = Head(last[0].seq, last[0].hash) if last else GENESIS
            return Volume(file, rows, head, damage, before)
    with _opened(file, mode, BUSY_S) as connection:
        return _damaged(connection, file, reason, asked)


def _damaged(connection: sqlite3.Connection, file: Path, reason: str, asked: _Asked) -> Volume:
    """Read from both ends up to what is damaged; what stands between is lost."""
    rows, behind = list[Row](), list[Row]()
    connection.execute("PRAGMA writable_schema = ON")  # then SQLite reads what there is of a file that was cut off
    with suppress(*_UNREADABLE):  # the first time it gives up at a broken table, and then it leaves that one out
        connection.execute("SELECT count(*) FROM sqlite_master")
    with suppress(*_UNREADABLE):
        rows.extend(_select(connection, asked))
    with suppress(*_UNREADABLE):
        known = set(rows)
        for row in _select(connection, asked, "DESC"):
            if row in known:
                break
            behind.append(row)
    rows += behind[::-1]
    head = Head(rows[-1].seq, rows[-1].hash) if rows else GENESIS
    damage = clip(f"it is damaged ({reason}); {len(rows)} of its events can be read")
    return Volume(file, tuple(rows), head, damage, links(rows))


def _select(connection: sqlite3.Connection, asked: _Asked, order: str = "ASC") -> Iterator[Row]:
    where = " AND ".join(f"{column} IN (SELECT value FROM json_each(?))" for column in asked)  # noqa: S608 - ours
    values = [json.dumps([*names]) for names in asked.values()]
    return _rows(connection, f"{_ROW}{f' WHERE {where}' if where else ''} ORDER BY seq {order}", values)


def _before(connection: sqlite3.Connection, rows: Sequence[Row]) -> tuple[str, ...]:
    wanted = [row.seq - 1 for row in rows]
    query = "SELECT seq, lower(hex(hash)) FROM events NOT INDEXED WHERE seq IN (SELECT value FROM json_each(?))"
    return _links(wanted, connection.execute(query, [json.dumps(wanted)]))


def links(rows: Sequence[Row], base: Head = GENESIS) -> tuple[str, ...]:
    """Give the hash of the event before each of these, from among them and `base`; "" where it is missing."""
    return _links([row.seq - 1 for row in rows], ((row.seq, row.hash) for row in rows), base)


def _links(wanted: Iterable[int], found: Iterable[tuple[int, str]], base: Head = GENESIS) -> tuple[str, ...]:
    hashes = dict([base, *found])
    return tuple(hashes.get(seq, "") if seq >= 0 else "" for seq in wanted)


def _rows(connection: sqlite3.Connection, query: str, values: Sequence[object] = ()) -> Iterator[Row]:
    """Give rows as they are: in a damaged file a column can hold anything."""
    for seq, run, kind, record, hashed in connection.execute(query, values):
        as_bytes = record if isinstance(record, bytes) else str(record).encode()
        yield Row(seq if isinstance(seq, int) else 0, str(run), str(kind), as_bytes, hashed)
