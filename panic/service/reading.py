"""Work that may hang, such as reading a ledger on a dead disk, done aside while nobody waits for it for long."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from panic import background

_T = TypeVar("_T")

AT_ONCE = 8
"""So many threads may hang at once; then nobody gets another."""

MOST_S = 10.0
GLANCE_S = 0.5


class Aside:
    """Does work on threads of its own; a thread that hangs keeps its place until it is done."""

    def __init__(self, at_once: int = AT_ONCE, most_s: float = MOST_S) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._most_s = most_s

    async def do(self, work: Callable[[], _T], name: str, most_s: float | None = None) -> _T:
        """Do work and give its result.

        Args:
            work: What to do.
            name: What its thread is called.
            most_s: How long to wait for it, seconds; None for the usual.

        Raises:
            TimeoutError: It is not done; it may be done later.
        """
        async with asyncio.timeout(self._most_s if most_s is None else most_s):
            await self._places.acquire()
            future = background.begin(work, name)
            future.add_done_callback(self._over)
            return await asyncio.shield(future)

    def _over(self, future: "asyncio.Future[_T]") -> None:
        self._places.release()
        if not future.cancelled():
            future.exception()  # somebody who gave up does not ask for it any more


class Glance:
    """Looks that strangers may ask for: all share the one under way, so that a dead disk keeps one thread."""

    def __init__(self) -> None:
        self._looking: asyncio.Future[Any] | None = None

    async def at(self, work: Callable[[], _T]) -> _T | None:
        """Do work and give its result; None if it is not done in time, or fails."""
        if self._looking is None or self._looking.done():
            self._looking = background.begin(work, "glance")
        looking: asyncio.Future[_T] = self._looking
        await asyncio.wait([looking], timeout=GLANCE_S)
        return looking.result() if looking.done() and looking.exception() is None else None
