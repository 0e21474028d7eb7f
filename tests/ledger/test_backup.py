"""A copy of a ledger is the ledger at one moment, or there is none."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from panic.kit.errors import PanicError, UsageError
from panic.ledger import reader
from panic.ledger.reader import backup, read
from tests.ledger.support import begun, ids, names, notes, record


def test_a_backup_is_the_ledger(tmp_path: Path):
    """Its owner's alone, in one file that can be written on, and of nothing that was there before."""
    file, target = tmp_path / "ledger.db", tmp_path / "copy.db"
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


def test_a_ledger_in_use_is_copied_as_it_stood_at_one_moment(tmp_path: Path):
    """While somebody writes: whole transactions, and an unbroken chain."""
    store, over = begun(tmp_path / "ledger.db", 1), threading.Event()

    def write() -> None:
        n = 1
        while not over.is_set():
            store.append([record(n := n + 1), record(n := n + 1)])

    thread = threading.Thread(target=write)
    thread.start()
    copies = [backup(tmp_path / "ledger.db", tmp_path / f"{n}.db") for n in range(3)]
    over.set()
    thread.join()
    store.close()

    assert [()] * 3 == [copy.wrong() for copy in copies]
    assert [1] * 3 == [len(copy.rows) % 2 for copy in copies]


@pytest.mark.parametrize("make", [Path.exists, Path.mkdir, notes])
def test_there_is_nothing_to_copy(tmp_path: Path, make: Callable[[Path], object]):
    """And nothing is left behind."""
    file = tmp_path / "ledger.db"
    make(file)
    with pytest.raises((UsageError, PanicError), match=r"there is no ledger to copy|could not be copied"):
        backup(file, tmp_path / "copy.db")

    assert not (tmp_path / "copy.db").exists()


def test_a_ledger_that_stays_locked_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It is said, and may be tried again."""
    monkeypatch.setattr(reader, "PATIENCE_S", 0.1)
    store = begun(tmp_path / "ledger.db", 1)
    store._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    store.append([record(2)])
    store._connection.execute("PRAGMA journal_mode = DELETE")
    store._connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(PanicError, match=r"could not be copied: .*locked"):
        backup(tmp_path / "ledger.db", tmp_path / "copy.db")
    store.close()

    assert [tmp_path / "ledger.db"] == list(tmp_path.iterdir())
