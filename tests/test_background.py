"""Work that may hang: what comes of it arrives, and nobody ever has to wait for it."""

import asyncio
import gc
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from panic import background

ROOT = Path(__file__).parent.parent

HANGS = """
import asyncio, sys, threading
from panic import background

async def main():
    begun = threading.Event()
    def work():
        begun.set()
        threading.Event().wait()
    future = background.begin(work, "hang")
    await asyncio.to_thread(begun.wait)
    try:
        async with asyncio.timeout(0.01):
            await future
    except TimeoutError:
        print("gave up", flush=True)
    AGAIN

asyncio.run(main())
print("over", flush=True)
"""


class OddError(Exception):
    """Something went wrong."""


async def test_what_came_of_it_arrives():
    """From a thread of its own, which is named after the work."""
    thread = await background.begin(threading.current_thread, "latch")

    assert ("panic-latch", True) == (thread.name, thread.daemon)
    assert threading.main_thread() is not thread


@pytest.mark.parametrize("error", [OddError("no"), OSError(5, "It is dead"), asyncio.CancelledError("odd")])
async def test_what_went_wrong_arrives(error: BaseException):
    """It belongs to whoever waits."""

    def work() -> None:
        raise error

    with pytest.raises(type(error)) as found:
        await background.begin(work, "odd")

    assert error.args == found.value.args


async def test_a_stop_iteration_arrives_as_something_else():
    """A future takes none: it would wait for ever."""
    with pytest.raises(RuntimeError, match="StopIteration"):
        async with asyncio.timeout(20):
            await background.begin(lambda: next(iter(())), "next")


async def test_who_does_not_wait_any_more_is_left_alone():
    """What comes too late is dropped in silence."""
    go, told = threading.Event(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    future = background.begin(go.wait, "late")
    future.cancel()
    go.set()
    await asyncio.wait([background.begin(lambda: None, "after")])
    for thread in threading.enumerate():
        if thread.name == "panic-late":
            thread.join(10)
    await asyncio.sleep(0)

    assert [] == told
    assert future.cancelled()


def test_a_loop_that_is_over_is_no_trouble():
    """The work ends later, and says nothing."""
    go = threading.Event()
    odd: list[object] = []
    before, threading.excepthook = threading.excepthook, odd.append

    async def work() -> threading.Thread:
        background.begin(go.wait, "survivor")
        (thread,) = [one for one in threading.enumerate() if one.name == "panic-survivor"]
        return thread

    try:
        thread = asyncio.run(work())
        go.set()
        thread.join(10)
    finally:
        threading.excepthook = before
    gc.collect()

    assert not thread.is_alive()
    assert [] == odd


async def test_where_no_thread_is_to_be_had_that_arrives(monkeypatch: pytest.MonkeyPatch):
    """As it would when something else went wrong."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        await background.begin(lambda: None, "none")


@pytest.mark.parametrize("times", [1, 40])
def test_work_that_hangs_keeps_neither_the_loop_nor_the_interpreter(times: int):
    """A process ends as if it were not there, also where more of it hangs than an executor has threads."""
    again = f"[background.begin(threading.Event().wait, 'more') for _ in range({times - 1})]"
    command = [sys.executable, "-W", "error", "-c", HANGS.replace("AGAIN", again)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)

    assert (0, "gave up\nover\n", "") == (done.returncode, done.stdout, done.stderr)
