"""Work in other processes."""

import errno
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from multiprocessing import util
from pathlib import Path

import pytest

from panic.kit import pool as pool_module
from panic.kit.pool import LostError, Pool
from tests import ROOT
from tests.cli.support import until as eventually
from tests.ledger.support import until


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool(1)
    yield pool
    pool.close()


def _die_once(mark: Path) -> int:
    """Die the first time."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def _be_busy(mark: Path) -> None:
    """Be busy for longer than anybody waits here."""
    mark.write_text(str(os.getpid()))
    time.sleep(40)


def _is_gone(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


async def test_work_is_done_in_another_process_that_gives_way_to_this_one(pool: Pool):
    """What comes of it arrives here, and what goes wrong as well."""
    there = await pool.start(os.getpid, "pid")
    nice = await pool.start(partial(os.getpriority, os.PRIO_PROCESS, 0), "nice")
    with pytest.raises(FileNotFoundError):
        await pool.start(partial(os.stat, "/nowhere"), "stat")

    assert os.getpid() != there
    assert nice > os.getpriority(os.PRIO_PROCESS, 0)
    assert there == await pool.start(os.getpid, "pid")


async def test_a_process_that_died_is_replaced_and_its_work_is_done_once_more(pool: Pool, tmp_path: Path):
    """Where that dies again and again it is said; and the next work is done."""
    before = await pool.start(os.getpid, "pid")
    after = await pool.start(partial(_die_once, tmp_path / "mark"), "die")
    with pytest.raises(LostError):
        await pool.start(partial(os._exit, 3), "die")

    assert after != before
    assert isinstance(await pool.start(os.getpid, "pid"), int)


async def test_the_semaphores_of_a_pool_that_broke_wait_for_no_collector(pool: Pool):
    """Its turn comes at any moment, also amid calls that a test lets fail, and then Python drops them all."""
    registered = vars(util)["_finalizer_registry"]
    gc.collect()
    before = set(registered)
    gc.disable()
    try:
        with pytest.raises(LostError):
            await pool.start(partial(os._exit, 3), "die")
        pool.close()
        await eventually(lambda: not set(registered) - before)
    finally:
        gc.enable()


async def test_where_no_process_is_to_be_had_work_is_done_on_a_thread(pool: Pool, monkeypatch: pytest.MonkeyPatch):
    """What an earlier service left must be found all the same."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(pool_module, "ProcessPoolExecutor", refuse)

        assert os.getpid() == await pool.start(os.getpid, "pid")
    assert os.getpid() != await pool.start(os.getpid, "pid")


async def test_a_pool_that_is_closed_waits_for_nothing(pool: Pool, tmp_path: Path):
    """Whatever its process does."""
    mark = tmp_path / "mark"
    busy = pool.start(partial(_be_busy, mark), "busy")
    await eventually(lambda: bool(mark.exists() and mark.read_text()))
    pool.close()
    busy.cancel()
    until(lambda: _is_gone(int(mark.read_text())))


def test_a_process_ends_with_the_one_that_began_it(tmp_path: Path):
    """However that ends."""
    code = (
        "import asyncio, os, signal\n"
        "from panic.kit.pool import Pool\n"
        "async def main():\n"
        "    print(await Pool(1).start(os.getpid, 'pid'), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    out = tmp_path / "out"
    with out.open("w") as stream:  # a pipe would be held by the process that outlives it
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=stream, stderr=subprocess.DEVNULL, cwd=ROOT, check=False
        )
    pid = int(out.read_text())
    try:
        until(lambda: _is_gone(pid))
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    assert -signal.SIGKILL == done.returncode
