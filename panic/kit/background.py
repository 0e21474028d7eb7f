"""Work that may hang, such as reading a file on a dead file system, on a thread that nothing has to wait for."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

_T = TypeVar("_T")

Do = Callable[[Callable[[], Any], str, float], Awaitable[Any]]
"""Does work that may hang, under a name and with a time limit in seconds; `Aside.do` is one."""


def begin(work: Callable[[], _T], name: str) -> "asyncio.Future[_T]":
    """Start work on a daemon thread; return a future of the running loop with its result."""
    return asyncio.wrap_future(_start(work, name))


def _start(work: Callable[[], _T], name: str) -> Future[_T]:
    """Start work; no executor, because the interpreter waits for executors when it exits, and not for this."""
    future: Future[_T] = Future()
    future.set_running_or_notify_cancel()  # from now on nobody cancels it

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  (it belongs to whoever waits)
            # No future takes a StopIteration: whoever waits would wait for ever.
            future.set_exception(RuntimeError(repr(error)) if isinstance(error, StopIteration) else error)
        else:
            future.set_result(result)

    try:
        threading.Thread(target=run, name=f"panic-{name}", daemon=True).start()
    except RuntimeError as error:  # no thread can be started
        future.set_exception(error)
    return future


class Start(Protocol):
    """Starts work under a name and gives a future with its result, as `begin` does on a thread."""

    def __call__(self, work: Callable[[], _T], name: str) -> "asyncio.Future[_T]":
        """Start it."""


class Aside:
    """Does work on threads of its own, or as `start` does; what hangs keeps its slot until it is done."""

    def __init__(self, at_once: int = 8, most_s: float = 10.0, start: Start = begin) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._most_s, self._start = most_s, start

    async def do(self, work: Callable[[], _T], name: str, most_s: float | None = None) -> _T:
        """Do work, and give its result within `most_s` seconds, or a TimeoutError; it may still be done later."""
        async with asyncio.timeout(self._most_s if most_s is None else most_s):
            await self._places.acquire()
            future = self._start(work, name)
            future.add_done_callback(self._over)
            return await asyncio.shield(future)

    def _over(self, future: "asyncio.Future[_T]") -> None:
        self._places.release()
        if not future.cancelled():
            future.exception()  # retrieve it: the caller has given up


async def wait(work: Callable[[], _T], seconds: float, name: str) -> _T:
    """Do work on a thread with a time limit; after a TimeoutError its thread is left behind."""
    async with asyncio.timeout(seconds):
        return await begin(work, name)


def within(work: Callable[[], _T], seconds: float, name: str) -> _T:
    """Do work where there is no loop, with a time limit; after it the thread is left behind."""
    return _start(work, name).result(seconds)
