"""Work that may hang, such as a file on a dead file system, on a thread that nobody ever has to wait for."""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

_T = TypeVar("_T")

AT_ONCE = 8
"""So many threads may hang at once; then nobody gets another."""

MOST_S = 10.0

Do = Callable[[Callable[[], Any], str, float], Awaitable[Any]]
"""Does work that may hang, under a name and for so many seconds at most; `Aside.do` is one."""


def begin(work: Callable[[], _T], name: str) -> "asyncio.Future[_T]":
    """Start work on a daemon thread; the future of the running loop tells what came of it.

    An executor would do as well but for its end: the interpreter waits for executors, and not for these.
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
        with suppress(RuntimeError):  # the loop is over: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    try:
        _start(work, name, tell)
    except RuntimeError as error:  # no thread is to be had
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
    """Does work on threads of its own; a thread that hangs keeps its place until it is done."""

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
            future.exception()  # somebody who gave up does not ask for it any more


async def wait(work: Callable[[], _T], seconds: float, name: str) -> _T:
    """Do work on a thread, and wait for it so long at most; after a TimeoutError its thread is left behind."""
    async with asyncio.timeout(seconds):
        return await begin(work, name)


def within(work: Callable[[], _T], seconds: float, name: str) -> _T:
    """Do work where there is no loop, and wait for it so long at most; then its thread is left behind."""
    told: queue.SimpleQueue[tuple[_T | None, BaseException | None]] = queue.SimpleQueue()
    _start(work, name, lambda result, error: told.put((result, error)))
    try:
        result, failure = told.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"{name} took longer than {seconds:g} s") from None
    if failure is not None:
        raise failure
    return result  # type: ignore[return-value]
