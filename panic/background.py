"""Work that may hang, such as a file on a dead file system, on a thread that nobody ever has to wait for."""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

_T = TypeVar("_T")


def begin(work: Callable[[], _T], name: str) -> "asyncio.Future[_T]":
    """Start work on a daemon thread; the future of the running loop tells what came of it.

    An executor would do as well but for its end: the interpreter waits for executors, and not for these.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def tell(result: _T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def run() -> None:
        result: _T | None = None
        failure: BaseException | None = None
        try:
            result = work()
        except StopIteration as error:  # a future takes none, and would never be done
            failure = RuntimeError(f"StopIteration: {error}")
        except BaseException as error:  # noqa: BLE001  (it belongs to whoever awaits the future)
            failure = error
        with suppress(RuntimeError):  # the loop is over: nobody waits any more
            loop.call_soon_threadsafe(tell, result, failure)

    try:
        threading.Thread(target=run, name=f"panic-{name}", daemon=True).start()
    except RuntimeError as error:  # no thread is to be had
        future.set_exception(error)
    return future


async def wait(work: Callable[[], _T], seconds: float, name: str) -> _T:
    """Do work on a thread, and wait for it so long at most.

    Raises:
        TimeoutError: It is not done; its thread is left behind.
    """
    async with asyncio.timeout(seconds):
        return await begin(work, name)


def within(work: Callable[[], _T], seconds: float, name: str) -> _T:
    """Do work where there is no loop, and wait for it so long at most.

    Raises:
        TimeoutError: It is not done; its thread is left behind.
    """
    told: queue.SimpleQueue[tuple[_T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            told.put((work(), None))
        except BaseException as error:  # noqa: BLE001  (it belongs to whoever waits)
            told.put((None, error))

    threading.Thread(target=run, name=f"panic-{name}", daemon=True).start()
    try:
        result, failure = told.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"{name} took longer than {seconds:g} s") from None
    if failure is not None:
        raise failure
    return result  # type: ignore[return-value]
