"""All tests share this: the same cases every time, no task left behind, no signal still ignored, no log set up."""

import asyncio
import os
import signal
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator

import hypothesis
import pytest
import structlog

from tests.kit.virtual import VirtualLoop, connections_close

hypothesis.settings.register_profile(
    "alike",  # on every machine, and however busy it is: a time is no reason to fail
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile("search", hypothesis.settings.get_profile("alike"), derandomize=False)
hypothesis.settings.load_profile("alike")


_WORKERS_MOST = 16
"""Each starts a browser and a process that imports everything."""


def pytest_xdist_auto_num_workers() -> int:
    """Give one worker more than there are processors: a test often waits for a clock or a process."""
    return min((os.cpu_count() or 1) + 1, _WORKERS_MOST)


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Give the loop of an async test: on virtual time where it, or its module, is marked `virtual_time`."""
    return {"loop": VirtualLoop if item.get_closest_marker("virtual_time") else asyncio.new_event_loop}


@pytest.fixture(autouse=True)
async def no_task_is_left_behind() -> AsyncIterator[None]:
    """Fail a test that ends while something it started still runs."""
    yield
    await connections_close()
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    assert not left


@pytest.fixture(scope="session")
def the_library_is_loaded():
    """Load what delivers notices by itself: one of its hundred plug-ins imports what Python is about to drop."""
    import apprise  # noqa: PLC0415  (few tests need it, and it takes a while)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        apprise.Apprise.instantiate("json://localhost")


@pytest.fixture(autouse=True)
def no_log_stays_set_up() -> Iterator[None]:
    """Take back what a command run in this process does to logs; the next test's output would hold them."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def no_signal_stays_ignored() -> Iterator[None]:
    """Undo what a command run in this process does to signals at its end; a child would inherit it."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    if threading.current_thread() is threading.main_thread():
        for number, handler in before.items():
            signal.signal(number, handler)
