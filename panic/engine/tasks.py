"""One task for each account, so that no fault of one reaches another."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from panic.engine.slots import NOBODY

log = structlog.get_logger()


class Tasks:
    """The tasks of a run by account; an exception of ours is added to `failures`.

    Args:
        failures: What went wrong.
        is_over: Whether the run is, so that a cancelled task is no failure.

    Attributes:
        idle: Set while none of them runs.
    """

    def __init__(self, failures: list[str], is_over: Callable[[], bool]) -> None:
        self.idle = asyncio.Event()
        self._failures, self._is_over = failures, is_over
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def start(self, key: int, work: Coroutine[Any, Any, None], name: str) -> None:
        """Begin some work."""
        self.idle.clear()
        task = asyncio.create_task(work)
        self._tasks[key] = task
        task.add_done_callback(lambda task: self._ended(key, name, task))

    def is_running(self, key: int) -> bool:
        """Tell whether somebody works on an account."""
        task = self._tasks.get(key)
        return task is not None and not task.done()

    def cancel(self, key: int) -> None:
        """End one of them, if it still runs."""
        if (task := self._tasks.get(key)) is not None:
            task.cancel()

    async def abandon(self) -> None:
        """End all of them."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _ended(self, key: int, name: str, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None and not (task.cancelled() and (self._is_over() or key == NOBODY)):
            # A fault of ours. The account keeps what it has, which is never a clear that was not proven.
            if structlog.is_configured():
                log.error("task_failed", task=name, exc_info=error)
            self._failures.append(f"{name}: {type(error).__name__}")
        if not self._tasks:
            self.idle.set()
