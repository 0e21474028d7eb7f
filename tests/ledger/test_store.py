"""The store: a file that only grows, whose every refusal is an error and never a wait."""

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from panic.ledger import store as store_module
from panic.ledger.backlog import ConflictError, RewrittenError
from panic.ledger.events import GENESIS, link
from panic.ledger.reader import read
from panic.ledger.store import SqliteStore
from tests.ledger.support import begun, ids, names, notes, python, record, rewrite, theirs


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "ledger.db"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for another process gives up soon."""
    monkeypatch.setattr(store_module, "BUSY_S", 0.05)


def raw(file: Path) -> "closing[sqlite3.Connection]":
    return closing(sqlite3.connect(file, isolation_level=None))


def test_a_new_ledger_is_its_owners_alone(file: Path):
    """The file, its log, and the folder if there was none."""
    with closing(begun(file, 1)):
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in file.parent.iterdir()}

    assert {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600} == modes
    assert 0o700 == stat.S_IMODE(file.parent.stat().st_mode)


def test_appending_gives_the_head_of_the_chain(file: Path):
    """It is linked from event to event, and goes on where an earlier store ended."""
    records = [record(n) for n in range(1, 8)]
    heads = [GENESIS]
    for one in records:
        heads.append(link(heads[-1], one[2]))
    with closing(SqliteStore(file)) as store:
        found = [store.append([]), store.append(records[:3]), store.append([])]
    with closing(SqliteStore(file)) as store:
        found += [store.append(records[3:4]), store.append(records[4:])]

    assert [heads[n] for n in (0, 3, 3, 4, 7)] == found
    assert heads[7] == read(file).head
    assert names(*range(1, 8)) == ids(file)


def test_a_batch_of_any_size_is_written_whole(file: Path):
    """In few statements: after each one the thread must get the interpreter back from a busy loop, 5 ms a time."""
    sizes = [1, 3, 1023, 1025, 2500]
    numbers = iter(range(1, 10_000))
    statements: list[str] = []
    with closing(SqliteStore(file)) as store:
        store._connection.set_trace_callback(statements.append)
        for size in sizes:
            statements.clear()
            head = store.append([record(n) for n in islice(numbers, size)])

    assert len(statements) < 16
    assert sum(sizes) == head.seq
    assert names(*range(1, head.seq + 1)) == ids(file)


@pytest.mark.parametrize("change", ["DELETE FROM events", "UPDATE events SET record = x'00' WHERE seq = 1"])
def test_what_is_written_stays(file: Path, change: str):
    """Even a tool that opens the file may not change an event, by mistake at least."""
    begun(file, 2).close()
    with raw(file) as connection, pytest.raises(sqlite3.IntegrityError, match="a ledger only grows"):
        connection.execute(change)

    assert names(1, 2) == ids(file)


def test_a_file_that_was_written_anew_in_its_place_is_not_what_was_left_there(file: Path):
    """Another process may add to it, and change or remove nothing."""
    with closing(begun(file, 3)) as store, closing(SqliteStore(file)) as other:
        known = store.append([])
        other.append([record(4)])
        known = store.append([record(5)], known=known)
        rewrite(file, lambda one: one._replace(at="2026-03-01T16:00:00.000000+00:00") if "2" in one.id else one)
        for records in ([], [record(6)]):
            with pytest.raises(RewrittenError):
                store.append(records, known=known)
        known = store.append([record(6)])
        rewrite(file, lambda one: None if "6" in one.id else one)
        with pytest.raises(RewrittenError):
            store.append([record(7)], known=known)

    assert names(1, 2, 3, 4, 5) == ids(file)


def test_after_keeps_two_who_resume_one_run_apart(file: Path):
    """Only the first of them finds the run as it was read; events of other runs do not matter."""
    with closing(SqliteStore(file)) as store, closing(SqliteStore(file)) as other:
        store.append([record(1)], after=0)
        other.append([record(2, run="r2")], after=0)
        store.append([record(3), record(4)], after=1)
        for after in (0, 1):
            with pytest.raises(ConflictError, match=f"run r1 has gone on to event 4 since event {after}"):
                other.append([record(5)], after=after)
        other.append([record(6)], after=4)

    assert names(1, 2, 3, 4, 6) == ids(file)


def test_two_stores_of_one_process_share_a_file(file: Path):
    """And closing one takes nothing from the other: neither its locks nor its log."""
    with closing(SqliteStore(file)) as store:
        other = SqliteStore(file)
        other.append([record(1)])
        store.append([record(2)])
        other.close()
        SqliteStore(file).close()
        store.append([record(3)])
        with python(READ, file) as reader:
            assert "3\n" == reader.communicate()[0]

    assert names(1, 2, 3) == ids(file)


READ = """
import sys, pathlib
from panic.ledger.reader import read
print(len(read(pathlib.Path(sys.argv[1]), whole=True).rows))
"""


def contents(folder: Path) -> dict[Path, bytes]:
    return {one: one.read_bytes() if one.is_file() else b"" for one in folder.iterdir()}


def swap(file: Path, old: bytes, new: bytes) -> None:
    file.write_bytes(file.read_bytes().replace(old, new))


def no_hash(file: Path) -> None:
    with raw(file) as connection:
        connection.execute("INSERT INTO events VALUES (1000, 'r1', 'outcome', x'00', x'00')")


def only_its_log(file: Path) -> None:
    file.with_name("ledger.db-wal").write_bytes(file.read_bytes())
    os.truncate(file, 511)


def a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)  # which nothing may wait for


DAMAGES: dict[str, Callable[[Path], None]] = {
    "cut off": lambda file: os.truncate(file, file.stat().st_size - 5000),
    "no text": lambda file: swap(file, b"events_of_run ON", b"events_of_run \xff\xfe"),
    "no header": lambda file: swap(file, file.read_bytes()[:16], bytes(16)),
    "no column": lambda file: swap(file, b"hash BLOB", b"hasj BLOB"),
    "no hash": no_hash,
    "only its log": only_its_log,
    "theirs": theirs,
    "notes": notes,
    "a pipe": a_pipe,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_whole_ledger_is_refused_and_left_as_it_is(file: Path, damage: str):
    """A slip in the settings may name the roster or a key, and what is damaged is evidence."""
    begun(file, 50).close()
    DAMAGES[damage](file)
    before = contents(file.parent)
    with pytest.raises((OSError, sqlite3.Error)):
        SqliteStore(file)

    assert before == contents(file.parent)


@pytest.mark.usefixtures("soon")
def test_a_ledger_that_another_process_keeps_locked_is_an_error_and_stays(file: Path):
    """At the opening as at an append."""
    begun(file, 1).close()
    with raw(file) as connection, closing(SqliteStore(file)) as store:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            store.append([record(2)])
        connection.execute("ROLLBACK")
        store.append([record(3)])
    with raw(file) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            SqliteStore(file)

    assert names(1, 3) == ids(file)


def test_a_full_disk_is_an_error_and_the_ledger_stays(file: Path):
    """What fits is written; what does not is refused whole."""
    with closing(begun(file, 3)) as store:
        (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
        store._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            store.append([record(n) for n in range(4, 100)])
        store.append([record(4)])

    assert names(1, 2, 3, 4) == ids(file)


def test_a_file_of_nothing_becomes_a_ledger(file: Path):
    """Somebody may have made it with the rights it is to have."""
    file.parent.mkdir()
    file.touch(0o640)
    begun(file, 1).close()

    assert names(1) == ids(file)
    assert 0o640 == stat.S_IMODE(file.stat().st_mode)


def test_many_begin_one_ledger_at_once(file: Path):
    """All write to the same."""
    together = [python(BEGIN, file, leg) for leg in range(3)]
    for one in together:
        assert one.stdout is not None
        assert "ready\n" == one.stdout.readline()
    ends = [(one.communicate("go\n")[0], one.returncode) for one in together]

    assert [("", 0)] * 3 == ends
    assert {f"{leg}-1" for leg in range(3)} == set(ids(file))


BEGIN = """
import sys, pathlib
from tests.ledger.support import SqliteStore, record
print("ready", flush=True)
sys.stdin.readline()
SqliteStore(pathlib.Path(sys.argv[1])).append([record(1, leg=sys.argv[2])])
"""
