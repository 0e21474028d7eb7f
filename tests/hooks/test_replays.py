"""What was taken before is known after a crash; and where its file is in trouble nothing waits for it."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from panic.hooks import replays
from panic.hooks.decisions import Earlier
from panic.hooks.replays import Replays
from tests.hooks.support import NOW

ROOT = Path(__file__).parents[2]
TAKEN = Earlier("d" * 64, NOW, "run-1")

TAKES = """
import asyncio, sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from panic.hooks.decisions import Earlier
from panic.hooks.replays import Replays

async def main():
    replays = Replays(Path(sys.argv[1]), now=lambda: 1_800_000_000, patience_s=10)
    for number in range(10_000):
        await replays.ready()
        replays.take("desk", f"msg_{number}", Earlier("d" * 64, 1_800_000_000, f"run-{number}"), 300)
        assert "" == await replays.kept()
        print(number, flush=True)

asyncio.run(main())
"""


class Now:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = float(NOW)

    def __call__(self) -> float:
        return self.at


def rows(file: Path) -> list[tuple[str, str]]:
    """The calls that a file keeps."""
    connection = sqlite3.connect(file)
    try:
        return connection.execute("SELECT hook, id FROM hook_calls ORDER BY hook, id").fetchall()
    finally:
        connection.close()


async def test_a_call_taken_before_is_known_at_once_and_after_a_restart(tmp_path: Path):
    """By its hook and its id; another hook's ids are its own. Nobody else reads the file."""
    file = tmp_path / "service.db"
    first = Replays(file, now=Now())

    assert await first.ready()
    assert not file.exists()
    assert first.earlier("desk", "msg_1") is None

    first.take("desk", "msg_1", TAKEN, 300)

    assert TAKEN == first.earlier("desk", "msg_1")
    assert "" == await first.kept()

    second = Replays(file, now=Now())

    assert await second.ready()
    assert TAKEN == second.earlier("desk", "msg_1")
    assert second.earlier("other", "msg_1") is None
    assert second.earlier("desk", "msg_2") is None
    assert 0o600 == file.stat().st_mode & 0o777


def test_a_killed_process_forgets_nothing_that_it_answered(tmp_path: Path):
    """Killed at whatever it does then."""
    file = tmp_path / "service.db"
    command = [sys.executable, "-c", TAKES, str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        answered = [int(process.stdout.readline()) for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        answered += map(int, process.stdout.read().split())
    after = Replays(file, now=Now())

    assert asyncio.run(after.ready())
    assert -signal.SIGKILL == process.returncode
    assert [f"run-{number}" for number in answered] == [
        (after.earlier("desk", f"msg_{number}") or Earlier("", 0)).run for number in answered
    ]


async def test_it_is_forgotten_after_twice_the_tolerance(tmp_path: Path):
    """Until then its timestamp may be in time. It leaves memory and file."""
    file, now = tmp_path / "service.db", Now()
    known = Replays(file, now=now)
    await known.ready()
    known.take("desk", "msg_1", TAKEN, 300)
    await known.kept()
    now.at += 600

    assert TAKEN == known.earlier("desk", "msg_1")

    now.at += 1

    assert known.earlier("desk", "msg_1") is None

    known.take("desk", "msg_2", TAKEN, 300)

    assert "" == await known.kept()
    assert [("desk", "msg_2")] == rows(file)
    assert [("desk", "msg_2")] == [*known._known]


async def test_a_thousand_calls_at_once_are_a_few_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One thread at a time writes what all of them wait for."""
    written: list[int] = []
    write = replays._write

    def count(*given: Any) -> Any:
        written.append(1)
        return write(*given)

    monkeypatch.setattr(replays, "_write", count)
    known = Replays(tmp_path / "service.db", now=Now(), patience_s=10)
    await known.ready()

    async def take(number: int) -> str:
        known.take("desk", f"msg_{number:04}", TAKEN, 300)
        return await known.kept()

    answers = await asyncio.gather(*(take(number) for number in range(1000)))

    assert {""} == set(answers)
    assert 1000 == len(rows(tmp_path / "service.db"))
    assert len(written) <= 3


async def test_a_file_that_was_removed_is_begun_again_whole(tmp_path: Path):
    """Everything that is known is written anew."""
    file = tmp_path / "service.db"
    known = Replays(file, now=Now())
    await known.ready()
    known.take("desk", "msg_1", TAKEN, 300)
    await known.kept()
    file.unlink()
    known.take("desk", "msg_2", TAKEN, 300)

    assert "" == await known.kept()
    assert [("desk", "msg_1"), ("desk", "msg_2")] == rows(file)


def _rubbish(file: Path) -> None:
    file.write_bytes(b"this is no database, and long enough to be none" * 100)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda file: file.mkdir(), "It is no regular file"),
        (os.mkfifo, "It is no regular file"),
        (_rubbish, "file is not a database"),
    ],
    ids=["folder", "pipe", "rubbish"],
)
async def test_a_file_that_cannot_be_used_is_told_and_memory_goes_on(
    tmp_path: Path, spoil: Callable[[Path], None], why: str
):
    """Within this process a repeated call is known all the same."""
    file = tmp_path / "service.db"
    spoil(file)
    known = Replays(file, now=Now())

    assert not await known.ready()
    assert why in known.wrong

    known.take("desk", "msg_1", TAKEN, 300)

    assert why in await known.kept()
    assert TAKEN == known.earlier("desk", "msg_1")


async def test_a_file_that_cannot_be_written_is_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What was taken before the disk broke stays known, and when it is mended all is written."""
    file = tmp_path / "service.db"
    first = Replays(file, now=Now())
    await first.ready()
    first.take("desk", "msg_1", TAKEN, 300)
    await first.kept()
    connect = replays._connect

    def read_only(file: Path) -> sqlite3.Connection:
        connection = connect(file)
        connection.execute("PRAGMA query_only = on")
        return connection

    with monkeypatch.context() as broken:
        broken.setattr(replays, "_connect", read_only)
        second = Replays(file, now=Now())

        assert await second.ready()
        assert TAKEN == second.earlier("desk", "msg_1")

        second.take("desk", "msg_2", TAKEN, 300)

        assert "attempt to write a readonly database" in await second.kept()

    assert "" == await second.kept()
    assert [("desk", "msg_1"), ("desk", "msg_2")] == rows(file)


async def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """SQLite itself says so."""
    connect = replays._connect

    def full(file: Path) -> sqlite3.Connection:
        connection = connect(file)
        connection.execute("PRAGMA max_page_count = 1")
        return connection

    monkeypatch.setattr(replays, "_connect", full)
    known = Replays(tmp_path / "service.db", now=Now())
    await known.ready()
    known.take("desk", "msg_1", TAKEN, 300)

    assert "database or disk is full" in await known.kept()


async def test_a_file_that_another_process_holds_is_waited_for_only_so_long(tmp_path: Path):
    """And is written when it lets go."""
    file = tmp_path / "service.db"
    known = Replays(file, now=Now(), patience_s=0.05)
    await known.ready()
    known.take("desk", "msg_1", TAKEN, 300)
    while await known.kept():
        pass
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    known.take("desk", "msg_2", TAKEN, 300)

    assert "does not answer within 0.05 s" in await known.kept()

    holder.execute("ROLLBACK")
    holder.close()
    while await known.kept():
        pass

    assert [("desk", "msg_1"), ("desk", "msg_2")] == rows(file)
    assert "" == known.wrong


async def test_a_file_system_that_hangs_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One thread hangs, further calls are not kept waiting, and when it answers all is well."""
    go, begun, load = threading.Event(), [], replays.load

    def hang(file: Path) -> Any:
        begun.append(1)
        go.wait(30)
        return load(file)

    monkeypatch.setattr(replays, "load", hang)
    known = Replays(tmp_path / "service.db", now=Now(), patience_s=0.05)

    assert not await known.ready()

    started = asyncio.get_running_loop().time()
    found = [await known.ready() for _ in range(20)]
    took_s = asyncio.get_running_loop().time() - started

    assert [False] * 20 == found
    assert took_s < 1
    assert [1] == begun
    assert "does not answer within 0.05 s" in known.wrong

    go.set()
    while not await known.ready():
        await asyncio.wait([known._working or known._begin()])

    assert "" == known.wrong
