"""Read ledgers back, damaged ones too, and say what is wrong with them. Nothing here changes what was recorded."""

import json
import os
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from glob import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from panic.kit.files import why
from panic.kit.words import clip
from panic.ledger.chain import GENESIS, Head, digest, link
from panic.ledger.events import beginning, decode
from panic.ledger.place import BUSY_S, address, check_regular, has_orphaned_log, wal
from panic.ledger.store import APPLICATION, VERSION, is_damage

_ROW = "SELECT seq, run, kind, record, lower(hex(hash)) FROM events NOT INDEXED"
"""By the table alone: a damaged index would hide events, and a million take a tenth of a second."""

_ASKED_MOST = 500
"""Events in one question: to ask for each by itself takes longer than to read it."""

_OUT_OF_REACH = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
"""What SQLite says when it may not make the index of the write-ahead log that even reading needs."""


_UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What reading a damaged file raises; the latter where SQLite's own message quotes what it met."""


class Row(NamedTuple):
    """An event as it stands in a ledger."""

    seq: int
    run: str
    kind: str
    record: bytes
    hash: str


@dataclass(frozen=True, slots=True)
class Volume:
    """What one ledger file holds.

    Attributes:
        file: The file.
        base: What its first event is linked to.
        rows: The events that were asked for, in order.
        head: The last event of the whole file, whatever was asked for.
        damage: What is wrong with reading it, in words; "" when nothing is.
        before: The hash of the event before each of them, "" where not known; empty where all were asked for.
    """

    file: Path
    base: Head = GENESIS
    rows: tuple[Row, ...] = ()
    head: Head = GENESIS
    damage: str = ""
    before: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def wrong(self) -> tuple[str, ...]:
        """Name all that is wrong with a ledger that was read whole: with reading it, and with its chain."""
        return (*filter(None, [self.damage]), *faults(self))


def set_aside(file: Path) -> list[Path]:
    """List the damaged ledgers that stood in the place of this one, the oldest first."""
    real = Path(os.path.realpath(file))
    found = sorted(real.parent.glob(f"{escape(real.name)}.damaged-*"))
    return [one for one in found if not one.name.endswith(("-wal", "-shm"))]


def read(
    file: Path,
    *,
    run: str = "",
    runs: Collection[str] = (),
    kinds: Collection[str] = (),
    whole: bool = False,
) -> Volume:
    """Read a ledger, as much of it as can be read; never raises.

    Args:
        file: The ledger; another process may be writing it.
        run: Only this run's events; "" for all runs.
        runs: Only these runs' events; none for all runs.
        kinds: Only events of these kinds; none for all kinds.
        whole: Every event, whatever else is said, and a check of the file's own structure as well: it
            alone finds events that a damaged page hides.
    """
    asked = _Asked() if whole else _Asked(frozenset({run} if run else runs), frozenset(map(str, kinds)))
    try:
        check_regular(file)
        if has_orphaned_log(file):
            return Volume(file, damage="it is empty, but its write-ahead log is not")
        try:
            return _read(file, "mode=ro", asked, whole=whole)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _OUT_OF_REACH:
                raise
        if wal(file).exists():
            return _from_copy(file, asked, whole=whole)
        return _read(file, "mode=ro&immutable=1", asked, whole=whole)
    except OSError as error:
        return Volume(file, damage=why(error))
    except (sqlite3.Error, ValueError) as error:  # a NUL in the name
        return Volume(file, damage=clip(f"it cannot be read: {error}"))


class _Asked(NamedTuple):
    """Which events are asked for; nothing stands for all."""

    runs: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()


# ── what is wrong ───────────────────────────────────────────────────────────────────────────────────────────


def faults(volume: Volume) -> tuple[str, ...]:
    """Walk the chain of a volume that was read whole and name every event that is not what was written."""
    return tuple(_faults(volume.rows, volume.base))


def faults_of_rows(rows: Sequence[Row], before: Sequence[str] = ()) -> tuple[str, ...]:
    """Do the same for some of a ledger's events.

    Args:
        rows: The events, as a volume has them.
        before: The hash of the event before each of them, as the volume has it; without it links are checked
            only where an event follows the one before it.
    """
    links = zip(rows, before, strict=False)
    broken = [row for row, hashed in links if hashed and not _fits(row, Head(row.seq - 1, hashed))]
    told = [f"event {row.seq} ({clip(row.kind, 40)}): it does not match its hash" for row in broken]
    return tuple(dict.fromkeys([*told, *_faults(rows, None)]))


def faults_of_part(volume: Volume) -> tuple[str, ...]:
    """Name those of a volume's events that are not what was written, or whose neighbour was taken away."""
    pairs = () if volume.damage else zip(volume.rows, volume.before, strict=False)
    lonely = [row for row, hashed in pairs if not hashed]
    told = [f"event {row.seq} ({clip(row.kind, 40)}): the event before it is missing" for row in lonely]
    return (*faults_of_rows(volume.rows, volume.before), *told)


def are_as_written(volume: Volume) -> bool:
    """Whether a volume's events fit their hashes; what they say is not read, as `faults_of_rows` does."""
    links = zip(volume.rows, volume.before, strict=False)
    return all(
        (not hashed or _fits(row, Head(row.seq - 1, hashed)))
        and row.record.startswith(beginning(row.run, row.kind))
        for row, hashed in links
    )


def _faults(rows: Iterable[Row], head: Head | None) -> Iterator[str]:
    is_whole = head is not None
    for row in rows:
        name = f"event {row.seq} ({clip(row.kind, 40)})"
        follows = head is not None and row.seq == head.seq + 1
        if head is not None and is_whole and not follows:
            yield f"{name}: it follows event {head.seq}"
        if head is not None and follows and not _fits(row, head):
            yield f"{name}: it does not match its hash"
        try:
            event = decode(row.record)
        except ValueError as error:
            yield f"{name}: its record cannot be read: {clip(str(error), 80)}"
        else:
            if (event.run, event.kind) != (row.run, row.kind):
                yield f"{name}: its record is of another run or kind"
        head = Head(row.seq, row.hash)


def _fits(row: Row, head: Head) -> bool:
    try:
        return link(head, digest(row.record)).hash == row.hash
    except OverflowError:  # below zero nothing is counted
        return False


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _opened(file: Path, mode: str) -> Iterator[sqlite3.Connection]:
    with closing(
        sqlite3.connect(address(file, mode), uri=True, timeout=BUSY_S, isolation_level=None)
    ) as connection:
        connection.text_factory = lambda stored: stored.decode("utf-8", "replace")
        yield connection


def _read(file: Path, mode: str, asked: _Asked, *, whole: bool) -> Volume:
    with _opened(file, mode) as connection:
        try:
            connection.execute("BEGIN")
            if _is_unbegun(connection):
                return Volume(file)
            base = _base(connection)
            rows = tuple(_select(connection, asked))
            last = [*_rows(connection, f"{_ROW} ORDER BY seq DESC LIMIT 1")]
            before = _before(connection, rows) if any(asked) else ()
            damage = _identity(connection) or ("" if base else "what its first event is linked to is lost")
            if whole and not damage:
                damage = _structure(connection)
        except _UNREADABLE as error:
            if not is_damage(error):
                raise
            reason = str(error) if isinstance(error, sqlite3.Error) else "its text is broken"
        else:
            head = Head(last[0].seq, last[0].hash) if last else base or GENESIS
            return Volume(file, base or GENESIS, rows, head, damage, before)
    with _opened(file, mode) as connection:
        return _damaged(connection, file, reason, asked)


def _damaged(connection: sqlite3.Connection, file: Path, reason: str, asked: _Asked) -> Volume:
    """Read from both ends up to what is damaged; what stands between is lost."""
    base, rows, behind = None, list[Row](), list[Row]()
    connection.execute("PRAGMA writable_schema = ON")  # then SQLite reads what there is of a file that was cut off
    for _ in range(2):  # the first time it gives up at a broken table, and then it leaves that one out
        with suppress(*_UNREADABLE):
            base = _base(connection)
    with suppress(*_UNREADABLE):
        rows.extend(_select(connection, asked))
    with suppress(*_UNREADABLE):
        known = set(rows)
        for row in _select(connection, asked, "DESC"):
            if row in known:
                break
            behind.append(row)
    rows += behind[::-1]
    head = Head(rows[-1].seq, rows[-1].hash) if rows else base or GENESIS
    damage = clip(f"it is damaged ({reason}); {len(rows)} of its events can be read")
    return Volume(file, base or GENESIS, tuple(rows), head, damage)


def _from_copy(file: Path, asked: _Asked, *, whole: bool) -> Volume:
    """Read a copy of the file and its write-ahead log where SQLite may do what it needs to."""
    with TemporaryDirectory(prefix="panic-") as folder:
        copy = Path(folder, "ledger")
        shutil.copyfile(file, copy)
        shutil.copyfile(wal(file), wal(copy))
        return replace(_read(copy, "mode=ro", asked, whole=whole), file=file)


def _is_unbegun(connection: sqlite3.Connection) -> bool:
    """Whether whoever was about to begin this ledger has written nothing yet."""
    marks = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    return not any(marks) and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def _identity(connection: sqlite3.Connection) -> str:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        return "it is not marked as a ledger"
    return "" if version == VERSION else f"it is of format {version}, and this panic reads format {VERSION}"


def _structure(connection: sqlite3.Connection) -> str:
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    return "" if found == "ok" else clip(f"its structure is damaged: {found}")


def _base(connection: sqlite3.Connection) -> Head | None:
    found = connection.execute("SELECT seq, lower(hex(hash)) FROM base LIMIT 2").fetchall()
    if len(found) != 1 or not isinstance(found[0][0], int):
        return None
    return Head(*found[0])


def _select(connection: sqlite3.Connection, asked: _Asked, order: str = "ASC") -> Iterator[Row]:
    some = {column: names for column, names in (("run", asked.runs), ("kind", asked.kinds)) if names}
    where = [f"{column} IN (SELECT value FROM json_each(?))" for column in some]  # noqa: S608 - our own constants
    values = [json.dumps(sorted(names)) for names in some.values()]
    condition = f" WHERE {' AND '.join(where)}" if where else ""
    return _rows(connection, f"{_ROW}{condition} ORDER BY seq {order}", values)


def _before(connection: sqlite3.Connection, rows: Sequence[Row]) -> tuple[str, ...]:
    base = connection.execute("SELECT seq, lower(hex(hash)) FROM base LIMIT 1").fetchall()
    hashes: dict[int, str] = dict(base)
    wanted = [max(row.seq, 0) - 1 for row in rows]
    for start in range(0, len(wanted), _ASKED_MOST):
        some = wanted[start : start + _ASKED_MOST]
        marks = ",".join("?" * len(some))
        query = f"SELECT seq, lower(hex(hash)) FROM events NOT INDEXED WHERE seq IN ({marks})"  # noqa: S608 - marks
        hashes |= dict(connection.execute(query, some).fetchall())
    return tuple(hashes.get(seq, "") for seq in wanted)


def _rows(connection: sqlite3.Connection, query: str, values: Sequence[object] = ()) -> Iterator[Row]:
    for found in connection.execute(query, values):
        yield _row(*found)


def _row(seq: object, run: object, kind: object, record: object, hashed: str) -> Row:
    """Take a row as it is: in a damaged file a column can hold anything."""
    if not isinstance(record, bytes):
        record = str(record).encode()
    return Row(seq if isinstance(seq, int) else 0, str(run), str(kind), record, hashed)
