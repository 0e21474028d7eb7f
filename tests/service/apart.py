"""A service in a thread of its own, for tests that block while they talk to it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def apart(serve: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enter what serves in a loop of its own, and leave it there whatever happens."""
    began: list[T] = []
    failures: list[BaseException] = []
    ready, loop, over = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def stay() -> None:
        async with serve as one:
            began.append(one)
            ready.set()
            await over.wait()

    def work() -> None:
        try:
            loop.run_until_complete(stay())
        except BaseException as error:  # noqa: BLE001  (the caller raises it)
            failures.append(error)
        finally:
            loop.close()
            ready.set()

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait()
    try:
        if failures:
            raise failures[0]
        yield began[0]
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(over.set)
        thread.join()
