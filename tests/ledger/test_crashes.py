"""Crashes and decay: what was confirmed is there, and what is not is never passed over in silence."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from panic.ledger import salvage
from panic.ledger.reader import Volume, faults, faults_of_rows, files, read
from panic.ledger.store import SqliteStore
from panic.ledger.writer import sqlite_writer
from tests.ledger.support import PATIENCE_S, append, begun, ids, names, python, record

PAGE = 4096


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def words(process: "subprocess.Popen[str]") -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        yield line.strip()


# ── several processes ───────────────────────────────────────────────────────────────────────────────────────


def test_two_processes_write_one_ledger_at_once(file: Path, tmp_path: Path):
    """Thousands of events in bursts: every one is there, in the order of its process, in one unbroken chain."""
    legs = ("one", "two")
    processes = [python(WRITE, file, tmp_path / f"{leg}.db", leg) for leg in legs]
    for process in processes:
        assert process.stdout is not None
        assert "ready\n" == process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[0] for process in processes]
    found = ids(file)

    assert ["True []\n"] * 2 == said
    for leg in legs:
        assert [f"{leg}-{n}" for n in range(1, 3001)] == [one for one in found if one.startswith(leg)]
    assert 6000 == len(found)
    assert found != sorted(found, key=lambda one: one[:3])


WRITE = """
import pathlib, sys, time
from panic.ledger.writer import sqlite_writer
file, fallback, leg = sys.argv[1:]
writer = sqlite_writer(pathlib.Path(file), pathlib.Path(fallback), leg=leg)
print("ready", flush=True)
sys.stdin.readline()
for burst in range(30):
    for n in range(100):
        writer.append(leg, "outcome", "at", {"burst": burst, "n": n})
    time.sleep(0.01)
print(writer.close(30), writer.troubles)
"""


@pytest.mark.parametrize("confirmed_before", [0, 1, 2, 5, 20, 60])
def test_a_process_that_is_killed_leaves_all_that_it_confirmed(file: Path, confirmed_before: int):
    """Whatever it was doing: the chain is whole, no batch is there in part, and the ledger goes on."""
    with python(APPEND, file) as process:
        confirmed = 0
        for word in words(process):
            confirmed = int(word)
            if confirmed >= 3 * confirmed_before:
                process.send_signal(signal.SIGKILL)
        process.wait()
    assert -signal.SIGKILL == process.returncode
    there = len(ids(file))

    assert there >= confirmed
    assert 0 == there % 3
    assert names(*range(1, there + 1)) == ids(file)
    with closing(SqliteStore(file)) as store:
        assert there + 1 == store.append([record(there + 1)]).seq
        assert store.set_aside is None
    assert names(*range(1, there + 2)) == ids(file)


APPEND = """
import pathlib, sys
from tests.ledger.support import SqliteStore, record
store = SqliteStore(pathlib.Path(sys.argv[1]))
print(0, flush=True)
for n in range(1, 100_000, 3):
    print(store.append([record(n + more) for more in range(3)]).seq, flush=True)
"""


@pytest.mark.parametrize("after_s", [0.0, 0.002, 0.005, 0.01, 0.03, 0.1])
def test_a_writer_that_is_killed_leaves_all_that_had_settled(file: Path, tmp_path: Path, after_s: float):
    """At any moment of its life, its very beginning too."""
    with python(SETTLE, file, tmp_path / "fallback.db") as process:
        said = words(process)
        assert "0" == next(said)
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        settled = max(map(int, said), default=0)
        process.wait()
    assert -signal.SIGKILL == process.returncode
    found = ids(file) if file.exists() else []

    assert names(*range(1, len(found) + 1)) == found
    assert len(found) >= settled
    writer = sqlite_writer(file, tmp_path / "fallback.db", leg="next")
    append(writer, 1)
    assert writer.close(PATIENCE_S)
    assert [] == writer.troubles
    assert [*found, "next-1"] == ids(file)


SETTLE = """
import pathlib, sys
from panic.ledger.writer import sqlite_writer
writer = sqlite_writer(*map(pathlib.Path, sys.argv[1:]), leg="leg")
print(0, flush=True)
n = 0
while True:
    for _ in range(7):
        n += 1
        writer.append("r1", "outcome", "at", {"account": n})
    if writer.wait(30):
        print(n, flush=True)
"""


# ── files that were cut off ─────────────────────────────────────────────────────────────────────────────────


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
    edges = {at + by for at in range(ends[3], ends[6] + 1, PAGE + 24) for by in range(-12, 25)}
    cuts = sorted(at for at in edges | set(range(ends[3], ends[6], 211)) if ends[3] <= at <= ends[6])
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
    assert len(cuts) > 300


def intact(data: bytes, volume: Volume, cut: int) -> list[int]:
    """The events of which the whole page is left."""
    return [row.seq for row in volume.rows if data.index(row.record) // PAGE < cut // PAGE]


def test_a_file_cut_off_anywhere_in_its_last_pages_gives_all_events_on_the_others(file: Path, tmp_path: Path):
    """SQLite itself refuses such a file whole."""
    begun(file, 60, body={"text": "x" * 300}).close()
    data, good = file.read_bytes(), read(file, whole=True)
    end = len(data)
    torn = tmp_path / "torn.db"
    torn.write_bytes(data)
    lost = 0
    for cut in range(end - 1, end - 8 * PAGE, -199):
        os.truncate(torn, cut)
        volume = read(torn, whole=True)
        seen, left = {row.seq for row in volume.rows}, intact(data, good, cut)
        lost = len(good.rows) - len(left)

        assert set(left) <= seen
        named = " ".join(faults(volume))
        assert all(f"event {row.seq} " in named for row in set(volume.rows) - set(good.rows))
        assert volume.damage or named
        assert () == faults(Volume(torn, volume.base, volume.rows[: len(left)]))
    assert lost > 10


def test_events_behind_the_damage_are_read_as_well(file: Path):
    """A page in the middle is gone, and another; only what stood on them is lost."""
    begun(file, 400, body={"text": "x" * 300}).close()
    data, good = bytearray(file.read_bytes()), read(file, whole=True)
    bad = {data.index(good.rows[n].record) // PAGE for n in (100, 101, 250)}
    for page in bad:
        data[page * PAGE : (page + 1) * PAGE] = os.urandom(PAGE)
    left = [row for row in good.rows if row.record in data]
    file.write_bytes(data)
    volume = read(file)
    one = read(file, run="r1", kinds=("outcome",)), read(file, run="r2"), read(file, kinds=("flag",))

    assert tuple(left) == volume.rows
    assert 300 < len(left) < 400
    assert good.head == volume.head
    assert f"{len(left)} of its events can be read" in volume.damage
    assert (volume.rows, (), ()) == tuple(some.rows for some in one)


def test_a_run_is_read_though_another_runs_event_cannot_be(file: Path):
    """And its own events are still checked against those before them, as far as these can be read."""
    with closing(SqliteStore(file)) as store:
        store.append(
            [record(n, run="r1" if n % 2 else "r2", body="x" * 10 if n % 2 else "y" * 20_000) for n in range(9)]
        )
    data, good = bytearray(file.read_bytes()), read(file, run="r1")
    at = data.index(b"y" * 4000, data.index(b'"id":"leg-4"') + 4200) // PAGE * PAGE
    data[at : at + 4] = b"\xff" * 4
    file.write_bytes(data)
    volume = read(file, run="r1")

    assert good.rows == volume.rows
    assert 4 == len(volume.rows) == len(volume.before)
    assert sorted(good.before) != sorted(volume.before)
    assert [one for one in good.before if one in volume.before] == [one for one in volume.before if one]
    assert () == faults_of_rows(volume.rows, volume.before)
    assert "8 of its events can be read" in volume.damage


def test_a_search_behind_the_damage_has_an_end(file: Path, monkeypatch: pytest.MonkeyPatch):
    """What was found until then is given."""
    begun(file, 60, body={"text": "x" * 300}).close()
    os.truncate(file, file.stat().st_size - 3 * PAGE)
    full = read(file)
    monkeypatch.setattr(salvage, "_PROBES_MOST", 1)
    short = read(file)

    assert set(short.rows) < set(full.rows)
    assert len(short.rows) > 30


def test_a_writer_goes_on_whatever_became_of_the_file(file: Path, tmp_path: Path):
    """It sets the torn one aside, says so, and the events of both are found."""
    begun(file, 60, body={"text": "x" * 300}).close()
    os.truncate(file, file.stat().st_size - 3 * PAGE - 5)
    before = read(file).rows
    writer = sqlite_writer(file, tmp_path / "fallback.db", leg="new")
    append(writer, 1, 2)
    closed = writer.close(PATIENCE_S)
    main, aside = files(file, tmp_path / "fallback.db")

    assert closed
    assert ["ledger_damaged"] == [one.code for one in writer.troubles]
    assert ["new-1", "new-2"] == ids(main)
    assert before == read(aside).rows
    assert len(before) > 30


# ── bits that flip ──────────────────────────────────────────────────────────────────────────────────────────


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
    for at in (*range(100), *lot.sample(filled, 2000), *lot.sample(range(len(data)), 300)):
        bit = 1 << lot.randrange(8)
        flipped.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
        volume = read(flipped, whole=True)
        if volume.damage or faults(volume):
            said += 1
        elif (volume.base, volume.rows, volume.head) == (good.base, good.rows, good.head):
            unchanged += 1
        else:
            missed.append((at, bit))
        for log in flipped.parent.glob("*-*"):
            log.unlink()

    assert [] == missed
    assert said > 1000
    assert unchanged > 100


def test_no_damage_makes_reading_or_writing_end_in_anything_unforeseen(file: Path, tmp_path: Path):
    """Pages swapped, zeroed, overwritten or cut off: reading never raises, and a writer records all the same."""
    with closing(SqliteStore(file)) as store:
        for n in range(1, 121):
            store.append([record(n, run=f"r{n % 3}", body="x" * (50 if n % 7 else 6000))])
    data = file.read_bytes()
    pages = len(data) // PAGE
    lot = random.Random(4)
    for n in range(32):
        folder = tmp_path / str(n)
        folder.mkdir()
        broken, fallback = folder / "ledger.db", folder / "fallback.db"
        image = bytearray(data)
        at, to = (PAGE * lot.randrange(pages) for _ in range(2))
        if n % 4 == 0:
            image[to : to + PAGE] = image[at : at + PAGE]
        elif n % 4 == 1:
            image[at : at + lot.choice([16, 512, PAGE])] = bytes(16)
        elif n % 4 == 2:
            for _ in range(20):
                image[lot.randrange(len(image))] = lot.randrange(256)
        else:
            del image[lot.randrange(len(image)) :]
        broken.write_bytes(image)
        for volume in (read(broken, whole=True), read(broken, run="r1"), read(broken, kinds=("outcome",))):
            faults(volume)
        writer = sqlite_writer(broken, fallback, leg="new")
        append(writer, 1, keep=True)
        append(writer, 2)

        assert writer.close(PATIENCE_S)
        assert writer.place in {str(broken), str(fallback)}
        found = [row.record for row in read(Path(writer.place), run="r1").rows]
        wanted = record(1, leg="new", kind="planned")[2], record(2, leg="new")[2]
        assert set(wanted) <= set(found)
        shutil.rmtree(folder)
