"""Work that would keep this process from better things, in others: it never competes for the interpreter."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import active_children, parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Final, TypeVar

from panic.kit.background import begin
from panic.kit.errors import PanicError

_T = TypeVar("_T")

_TRIES: Final = 3

_NICE: Final = 10
_FIRST_TO_GO: Final = "1000"
"""What the kernel ends first where memory runs out."""


class LostError(PanicError):
    """The process that did the work died, again and again."""


class _Process(SpawnProcess):
    """One of ours, told apart from other children of this process."""


class _Context(SpawnContext):
    Process = _Process


class Pool:
    """Up to `workers` processes, each begun when it is needed; one that died is replaced.

    Where the system lets us have none, work is done on a thread.

    Work and what comes of it are pickled: give a partial of a function that can be imported. It must only read,
    for it is begun again where a process died.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._executor: ProcessPoolExecutor | None = None

    def start(self, work: Callable[[], _T], name: str) -> "asyncio.Future[_T]":
        """Begin work; give a future of the running loop with what comes of it, or with a LostError."""
        return asyncio.create_task(self._done(work, name), name=f"panic-{name}")

    def close(self) -> None:
        """End all processes, whatever they do: an interpreter that ends would wait for them."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
            for one in active_children():
                if isinstance(one, _Process):
                    one.kill()

    async def _done(self, work: Callable[[], _T], name: str) -> _T:
        for _ in range(_TRIES):
            executor = self._executor
            try:
                executor = self._executor = executor or ProcessPoolExecutor(self._workers, _Context(), _begin)
                future = executor.submit(work)
            except BrokenProcessPool:  # one died since
                self._forget(executor)
                continue
            except (
                OSError,
                RuntimeError,
                NotImplementedError,
            ):  # there is none to be had: slow is better than not
                self._forget(executor)
                return await begin(work, name)
            try:
                return await asyncio.wrap_future(future)
            except BrokenProcessPool:
                self._forget(executor)
            finally:
                del future  # it holds its exception, and that this frame: semaphores would wait for the collector
        raise LostError("the process that was to read it died, again and again")

    def _forget(self, executor: ProcessPoolExecutor | None) -> None:
        """Begin with others; but those that somebody else has begun meanwhile are kept."""
        if self._executor is executor:
            self._executor = None


def _begin() -> None:
    """Begin a process: it gives way to its parent, and ends with it, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):
        os.nice(_NICE)
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
