"""What every test shares: no task is left behind, and no signal stays ignored."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator

import pytest


@pytest.fixture(autouse=True)
async def no_task_is_left_behind() -> AsyncIterator[None]:
    """Fail a test that ends while something it started still runs."""
    yield
    await asyncio.sleep(0)
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    assert not left


@pytest.fixture(autouse=True)
def no_signal_stays_ignored() -> Iterator[None]:
    """Undo what a command run in this process does to signals at its end; a child would inherit it."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    if threading.current_thread() is threading.main_thread():
        for number, handler in before.items():
            signal.signal(number, handler)
