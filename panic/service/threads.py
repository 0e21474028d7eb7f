"""Work that may hang, such as reading a ledger on a dead disk, on threads that nobody waits for for long."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from panic import background

_T = TypeVar("_T")

AT_ONCE = 8
"""So many threads may hang at once; then nobody gets another."""

MOST_S = 10.0


class Threads:
    """Runs work on threads; one that hangs keeps its place until it is done."""

    def __init__(self, at_once: int = AT_ONCE, most_s: float = MOST_S) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._most_s = most_s

    async def run(self, work: Callable[[], _T], name: str, most_s: float | None = None) -> _T:
        """Run work and give its result.

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
            future.exception()  # whoever gave up does not ask for it any more
