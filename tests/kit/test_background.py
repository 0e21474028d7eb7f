"""Work that may hang: what comes of it arrives, and nobody ever has to wait for it."""

import asyncio
import subprocess
import sys
import threading

import pytest

from panic.kit import background
from panic.kit.background import Aside
from tests import ROOT

HANGS = """
import asyncio, sys, threading
from panic.kit import background

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


async def test_what_came_of_it_arrives():
    """From a thread of its own, which is named after the work."""
    thread = await background.begin(threading.current_thread, "latch")

    assert ("panic-latch", True) == (thread.name, thread.daemon)
    assert threading.main_thread() is not thread


@pytest.mark.parametrize("error", [OSError(5, "It is dead"), asyncio.CancelledError("odd")])
async def test_what_went_wrong_arrives(error: BaseException):
    """It belongs to whoever waits."""

    def work() -> None:
        raise error

    with pytest.raises(type(error)) as found:
        await background.begin(work, "odd")

    assert error.args == found.value.args


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


async def test_work_aside_is_bounded():
    """What hangs keeps its place, and whoever comes then waits for one, but not for long."""
    go, aside = threading.Event(), Aside(at_once=1, most_s=0.01)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await aside.do(go.wait, "hang")
    hanging = [one for one in threading.enumerate() if one.name == "panic-hang"]
    go.set()

    assert 1 == len(hanging)
    assert await aside.do(lambda: "done", "next", 20.0) == "done"


def test_work_without_a_loop_is_waited_for_so_long():
    """What comes of it arrives as well."""
    go = threading.Event()
    with pytest.raises(TimeoutError):
        background.within(go.wait, 0.01, "hang")
    go.set()
    with pytest.raises(ZeroDivisionError):
        background.within(lambda: 1 // 0, 20, "odd")

    assert 7 == background.within(lambda: 7, 20, "well")


async def test_where_no_thread_is_to_be_had_that_arrives(monkeypatch: pytest.MonkeyPatch):
    """As it would when something else went wrong."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        await background.begin(lambda: None, "none")


def test_work_that_hangs_keeps_neither_the_loop_nor_the_interpreter():
    """A process ends as if it were not there, also where more of it hangs than an executor has threads."""
    again = "[background.begin(threading.Event().wait, 'more') for _ in range(40)]"
    command = [sys.executable, "-W", "error", "-c", HANGS.replace("AGAIN", again)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)

    assert (0, "gave up\nover\n", "") == (done.returncode, done.stdout, done.stderr)
