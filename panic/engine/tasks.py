"""The tasks of a run's accounts."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import structlog

from panic.engine.deadline import STOP_GRACE_S, Deadline
from panic.engine.slots import NOBODY

log = structlog.get_logger()


class Tasks:
    """One task for each account, so that no fault of one reaches another; faults are added to `failures`."""

    def __init__(self, failures: list[str], deadline: Deadline) -> None:
        self.idle = asyncio.Event()
        self.failures, self._deadline = failures, deadline
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def start(self, key: int, work: Coroutine[Any, Any, None], name: str) -> None:
        """Begin some work."""
        self.idle.clear()
        task = self._tasks[key] = asyncio.create_task(work)
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

    async def until_idle(self) -> None:
        """Wait until nobody works; every wait of a case ends at the deadline by itself, the rest is a backstop."""
        while not self.idle.is_set():
            backstop = self._deadline.pace.deadline + 2 * STOP_GRACE_S
            with suppress(TimeoutError):
                async with asyncio.timeout_at(backstop):
                    await self.idle.wait()
            if not self.idle.is_set() and backstop >= self._deadline.pace.deadline + 2 * STOP_GRACE_S:
                self.failures.append("some accounts did not end at the deadline")  # else a later press moved it
                return

    def _ended(self, key: int, name: str, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None and not (task.cancelled() and (self._deadline.is_over or key == NOBODY)):
            # A bug of ours. The account keeps its state, which is never an unproven clear.
            if structlog.is_configured():
                log.error("task_failed", task=name, exc_info=error)
            self.failures.append(f"{name}: {type(error).__name__}")
        if not self._tasks:
            self.idle.set()
