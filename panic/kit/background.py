"""Work that may hang, such as reading a file on a dead file system, on a thread that nothing has to wait for."""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

_T = TypeVar("_T")

AT_ONCE = 8
"""How many threads may hang at once; beyond that no new one is started."""

MOST_S = 10.0

Do = Callable[[Callable[[], Any], str, float], Awaitable[Any]]
"""Does work that may hang, under a name and with a time limit in seconds; `Aside.do` is one."""


def begin(work: Callable[[], _T], name: str) -> "asyncio.Future[_T]":
    """Start work on a daemon thread; return a future of the running loop with its result.

    No executor, because the interpreter waits for executors when it exits, and not for these threads.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]
        else:  # a future takes no StopIteration, and would never be done
            future.set_exception(RuntimeError(repr(error)) if isinstance(error, StopIteration) else error)

    def tell(result: _T | None, error: BaseException | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: nothing waits any more
            loop.call_soon_threadsafe(settle, result, error)

    try:
        _start(work, name, tell)
    except RuntimeError as error:  # no thread can be started
        future.set_exception(error)
    return future


def _start(work: Callable[[], _T], name: str, tell: Callable[[_T | None, BaseException | None], object]) -> None:
    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  (it belongs to whoever waits)
            tell(None, error)
        else:
            tell(result, None)

    threading.Thread(target=run, name=f"panic-{name}", daemon=True).start()


class Aside:
    """Does work on threads of its own; a thread that hangs keeps its slot until it is done."""

    def __init__(self, at_once: int = AT_ONCE, most_s: float = MOST_S) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._most_s = most_s

    async def do(self, work: Callable[[], _T], name: str, most_s: float | None = None) -> _T:
        """Do work, and give its result within `most_s` seconds, or a TimeoutError; it may still be done later."""
        async with asyncio.timeout(self._most_s if most_s is None else most_s):
            await self._places.acquire()
            future = begin(work, name)
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
    told: queue.SimpleQueue[tuple[_T | None, BaseException | None]] = queue.SimpleQueue()
    _start(work, name, lambda result, error: told.put((result, error)))
    try:
        result, failure = told.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"{name} took longer than {seconds:g} s") from None
    if failure is not None:
        raise failure
    return result  # type: ignore[return-value]
