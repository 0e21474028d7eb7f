"""The reader: it says what is there, what is wrong with it, and never more than it knows."""

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from panic.kit.errors import PanicError, UsageError
from panic.ledger import reader
from panic.ledger.reader import Volume, backup, faults, read
from panic.ledger.store import SqliteStore
from tests.ledger.support import begun, ids, names, notes, record, tamper, theirs


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def numbers(volume: Volume) -> list[int]:
    return [row.seq for row in volume.rows]


def test_a_reader_finds_one_run_or_some_kinds(file: Path):
    """And tells the head of the whole file all the same."""
    with closing(SqliteStore(file)) as store:
        kinds = ("pressed", "outcome", "finished")
        head = store.append([record(n, run=f"r{n % 2}", kind=kinds[n % 3]) for n in range(1, 13)])
    found = {
        "run": read(file, run="r1"),
        "kinds": read(file, kinds=("pressed", "finished")),
        "both": read(file, run="r0", kinds={"outcome"}),
        "none": read(file, run="r7"),
        "whole": read(file, run="r1", kinds=("pressed",), whole=True),
    }

    assert {
        "run": [1, 3, 5, 7, 9, 11],
        "kinds": [2, 3, 5, 6, 8, 9, 11, 12],
        "both": [4, 10],
        "none": [],
        "whole": list(range(1, 13)),
    } == {name: numbers(volume) for name, volume in found.items()}
    assert {(head, "")} == {(volume.head, volume.damage) for volume in found.values()}


@pytest.mark.parametrize(
    ("make", "damage"),
    [
        (Path.exists, "no such file or directory"),
        (os.mkfifo, "it is a pipe or a device"),
        (Path.mkdir, "it is a directory"),
        (notes, "it is damaged (file is not a database); 0 of its events can be read"),
        (theirs, "it cannot be read: no such table: events"),
        (Path.touch, ""),
    ],
)
def test_what_is_no_ledger_is_said(file: Path, make: Callable[[Path], object], damage: str):
    """At once, and without an exception."""
    make(file)
    began = time.monotonic()
    volume = read(file, whole=True)

    assert Volume(file, damage=damage) == volume
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("change", "damage"),
    [
        ("PRAGMA application_id = 1", "it is not marked as a ledger"),
        ("PRAGMA user_version = 9", "it is of format 9, and this panic reads format 1"),
    ],
)
def test_a_ledger_that_is_not_quite_one_is_read_and_named(file: Path, change: str, damage: str):
    """A person decides what to make of it."""
    begun(file, 3).close()
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(change)
    volume = read(file)

    assert damage == volume.damage
    assert [1, 2, 3] == numbers(volume)


def test_a_log_without_its_file_is_said(file: Path):
    """SQLite may throw it away when so little is left of the file; here it stays."""
    log = file.with_name("ledger.db-wal")
    file.touch()
    log.write_bytes(b"a log")

    assert "it cannot be read: it is empty, but its write-ahead log is not" == read(file, whole=True).damage
    assert b"a log" == log.read_bytes()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can enter; pytest's own they cannot."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("with_log", [False, True])
def test_a_ledger_is_read_where_nothing_can_be_written(open_folder: Path, with_log: bool):
    """But not if its last events stand in the log alone; root becomes nobody for it."""
    store = begun(open_folder / "from" / "ledger.db", 3)
    to = open_folder / "to" / "ledger.db"
    to.parent.mkdir()
    if not with_log:
        store.close()
    for name in ("ledger.db", "ledger.db-wal")[: 1 + with_log]:
        shutil.copy(open_folder / "from" / name, to.with_name(name))
        to.with_name(name).chmod(0o444)
    to.parent.chmod(0o555)
    before = sorted(to.parent.iterdir())
    try:
        with nobody():
            volume = read(to, whole=True)
            with pytest.raises(sqlite3.OperationalError, match=r"unable to open|readonly"):
                SqliteStore(to)
    finally:
        to.parent.chmod(0o755)
        store.close()

    assert ([] if with_log else [1, 2, 3]) == numbers(volume)
    assert with_log is volume.damage.startswith("it cannot be read: ")
    assert before == sorted(to.parent.iterdir())


@contextmanager
def nobody() -> Iterator[None]:
    """Be somebody whom rights bind; whoever is not root is already."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


HASH, WHOSE = "it does not match its hash", "its record is of another run or kind"
MISSING = "the event before it is missing"


def changed(file: Path, *statements: str) -> tuple[str, ...]:
    """The faults of a ledger of five events after somebody who knows SQL has been at it."""
    begun(file, 5).close()
    tamper(file, *(one.replace("ANOTHER", record(9)[2].hex()) for one in statements))
    volume = read(file, whole=True)

    assert "" == volume.damage
    return faults(volume)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE events SET seq = seq", []),
        ("UPDATE events SET record = x'ANOTHER' WHERE seq = 3", [f"3 (outcome): {HASH}"]),
        ("UPDATE events SET hash = zeroblob(32) WHERE seq = 5", [f"5 (outcome): {HASH}"]),
        ("DELETE FROM events WHERE seq = 3", [f"4 (outcome): {MISSING}"]),
        ("UPDATE events SET run = 'r2' WHERE seq = 2", [f"2 (outcome): {WHOSE}"]),
        ("UPDATE events SET kind = 'flag' WHERE seq = 2", [f"2 (flag): {WHOSE}"]),
        ("UPDATE events SET record = x'7b7d' WHERE seq = 3", [f"3 (outcome): {HASH}", f"3 (outcome): {WHOSE}"]),
        ("UPDATE events SET hash = x'00' WHERE seq = 3", [f"3 (outcome): {HASH}", f"4 (outcome): {HASH}"]),
        (
            "INSERT INTO events VALUES (-9, 'r1', 7, x'00', 'text')",
            [f"-9 (7): {MISSING}", f"-9 (7): {WHOSE}"],
        ),
    ],
)
def test_every_change_is_named_where_it_is(file: Path, statement: str, found: list[str]):
    """And only there: what follows is linked to what stands there now."""
    assert [f"event {one}" for one in found] == list(changed(file, statement))


def test_some_of_a_ledgers_events_can_be_checked_by_themselves(file: Path):
    """Those of one run: by their hashes, and by whose they are; what is missing before one is told or left out."""
    with closing(SqliteStore(file)) as store:
        store.append([record(n, run=f"r{n // 4}") for n in range(12)])
    one = read(file, run="r1")
    edited = replace(one, rows=(one.rows[0]._replace(record=record(99, run="r1")[2]), *one.rows[1:]))
    moved = replace(one, rows=(one.rows[0]._replace(run="r2"), *one.rows[1:]))
    lonely = replace(one, before=("", *one.before[1:]))

    assert [5, 6, 7, 8] == numbers(one)
    assert () == faults(one)
    assert ("event 5 (outcome): it does not match its hash",) == faults(edited)
    assert ("event 5 (outcome): its record is of another run or kind",) == faults(moved)
    assert ("event 5 (outcome): the event before it is missing",) == faults(lonely)
    assert () == faults(lonely, alone=True) == faults(replace(lonely, damage="it is damaged"))


def with_cells(file: Path, tree: str, count: int) -> None:
    """Make a page forget all its entries but so many."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [tree]).fetchone()
    data = bytearray(file.read_bytes())
    at = (root - 1) * 4096 + 3
    assert 5 == int.from_bytes(data[at : at + 2], "big")
    data[at + 1] = count
    file.write_bytes(data)


@pytest.mark.parametrize(("tree", "count", "shown"), [("events", 4, 4), ("events_of_run", 0, 5)])
def test_an_event_that_a_damaged_page_hides_is_missed(file: Path, tree: str, count: int, shown: int):
    """The chain ends earlier and is whole, but the index knows of the last; a damaged index hides none."""
    begun(file, 5).close()
    with_cells(file, tree, count)
    volume = read(file, whole=True)

    assert [*range(1, shown + 1)] == numbers(volume)
    assert () == faults(volume)
    assert volume.damage.startswith("its structure is damaged")
    assert tree == "events" or [*range(1, 6)] == numbers(read(file, run="r1", kinds=("outcome",)))


def test_a_backup_is_the_ledger(file: Path, tmp_path: Path):
    """Its owner's alone, in one file that can be written on, and of nothing that was there before."""
    target = tmp_path / "copy.db"
    with_rows = begun(file, 5)
    copy = backup(file, target)
    with_rows.close()
    with pytest.raises(UsageError, match="name a new file"):
        backup(file, target)
    begun(target).append([record(6)])

    assert read(file, whole=True).rows == copy.rows
    assert () == copy.wrong()
    assert 0o600 == target.stat().st_mode & 0o777
    assert names(1, 2, 3, 4, 5, 6) == ids(target)


@pytest.mark.parametrize("make", [Path.exists, Path.mkdir, notes])
def test_there_is_nothing_to_copy(file: Path, tmp_path: Path, make: Callable[[Path], object]):
    """And nothing is left behind."""
    make(file)
    with pytest.raises((UsageError, PanicError), match=r"there is no ledger to copy|could not be copied"):
        backup(file, tmp_path / "copy.db")

    assert not (tmp_path / "copy.db").exists()


def test_a_ledger_that_stays_locked_is_waited_for_but_not_for_ever(file: Path, monkeypatch: pytest.MonkeyPatch):
    """By a look and by a copy: it is said, and may be tried again."""
    monkeypatch.setattr(reader, "PATIENCE_S", 0.1)
    monkeypatch.setattr(reader, "BUSY_S", 0.05)
    begun(file, 1).close()
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        damage = read(file).damage
        with pytest.raises(PanicError, match=r"could not be copied: .*locked"):
            backup(file, file.with_name("copy.db"))

    assert "it cannot be read: database is locked" == damage
    assert [file] == list(file.parent.iterdir())
