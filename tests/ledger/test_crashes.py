"""Crashes and decay: what was confirmed is there, and what is not is never passed over in silence."""

import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from panic.ledger.reader import faults, read
from panic.ledger.store import SqliteStore
from panic.ledger.writer import sqlite_writer
from tests.ledger.support import PATIENCE_S, append, begun, ids, leg_of, names, python, record

PAGE = 4096


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def words(process: "subprocess.Popen[str]") -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        yield line.strip()


@pytest.mark.parametrize("batches", [0, 3])
def test_a_writer_that_is_killed_leaves_all_that_had_settled(file: Path, batches: int):
    """At any moment of its life, its very beginning too."""
    with python(SETTLE, file) as process:
        said = words(process)
        assert ["0", *(f"{7 * n}" for n in range(1, batches + 1))] == [next(said) for _ in range(batches + 1)]
        process.send_signal(signal.SIGKILL)
        settled = max(map(int, said), default=7 * batches)
        process.wait()
    assert -signal.SIGKILL == process.returncode
    found = ids(file) if file.exists() else []

    assert names(*range(1, len(found) + 1)) == found
    assert len(found) >= settled
    writer = sqlite_writer(file)
    leg = leg_of(writer, name="next")
    append(leg, 1)
    assert writer.close(PATIENCE_S)
    assert [] == leg.troubles
    assert [*found, "next-1"] == ids(file)


SETTLE = """
import asyncio, pathlib, sys
from panic.ledger.writer import sqlite_writer
leg = sqlite_writer(pathlib.Path(sys.argv[1])).leg("r1", name="leg")
print(0, flush=True)
n = 0
while True:
    for _ in range(7):
        n += 1
        leg.append("outcome", "at", {"account": n})
    if asyncio.run(leg.settle(30)):
        print(n, flush=True)
"""


def test_a_log_cut_off_anywhere_in_its_last_three_commits_loses_these_at_most(file: Path, tmp_path: Path):
    """A power cut tears the last write: everything before it is there, and the ledger goes on."""
    log = Path(f"{file}-wal")
    ends = []
    with closing(SqliteStore(file)) as store:
        for n in range(1, 8):
            store.append([record(n)])
            ends.append(log.stat().st_size)
        image, logged = file.read_bytes(), log.read_bytes()
    torn = tmp_path / "torn.db"
    edges = {at + by for at in range(ends[3], ends[6] + 1, PAGE + 24) for by in range(-2, 3)}
    cuts = sorted(at for at in edges | set(range(ends[3], ends[6], 1511)) if ends[3] <= at <= ends[6])
    wrong = []
    for at in cuts:
        torn.write_bytes(image)
        Path(f"{torn}-wal").write_bytes(logged[:at])
        Path(f"{torn}-shm").unlink(missing_ok=True)
        left = sum(end <= at for end in ends)
        before = read(torn, whole=True)
        with closing(SqliteStore(torn)) as store:
            head = store.append([record(left + 1)])
        if (left, "", ()) != (len(before.rows), before.damage, faults(before)) or left + 1 != head.seq:
            wrong.append(at)
    assert names(*range(1, 9)) == ids(torn)

    assert [] == wrong
    assert len(cuts) > 20


def test_what_stands_before_and_behind_a_damaged_page_is_read(file: Path):
    """The newest run is the one that somebody asks for."""
    begun(file, 200, body={"text": "x" * 300}).close()
    data, good = bytearray(file.read_bytes()), read(file, whole=True)
    page = data.index(good.rows[100].record) // PAGE * PAGE
    data[page : page + PAGE] = bytes([255]) * PAGE
    left = {row for row in good.rows if row.record in data}
    file.write_bytes(data)
    volume = read(file)

    assert set(volume.rows) <= left
    assert len(left) - 2 <= len(volume.rows) < 200
    assert good.head == volume.head
    assert f"{len(volume.rows)} of its events can be read" in volume.damage


def test_no_flipped_bit_is_passed_over(file: Path, tmp_path: Path):
    """Either it is said that something is wrong, or every event is what it was."""
    begun(file, 30, body={"text": "x" * 40}).close()
    data, good = file.read_bytes(), read(file, whole=True)
    lot = random.Random(20260301)
    flipped = tmp_path / "flips" / "ledger.db"
    flipped.parent.mkdir()
    filled = [at for at, byte in enumerate(data) if byte]
    said = unchanged = 0
    missed = []
    for at in (*range(100), *lot.sample(filled, 120), *lot.sample(range(len(data)), 20)):
        bit = 1 << lot.randrange(8)
        flipped.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
        faults(read(flipped, run="r1")), faults(read(flipped, kinds=("outcome",)))
        volume = read(flipped, whole=True)
        if volume.damage or faults(volume):
            said += 1
        elif (volume.rows, volume.head) == (good.rows, good.head):
            unchanged += 1
        else:
            missed.append((at, bit))
        for log in flipped.parent.glob("*-*"):
            log.unlink()

    assert [] == missed
    assert said > 60
    assert unchanged > 5
