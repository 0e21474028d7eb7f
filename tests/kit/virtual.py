"""A loop whose clock jumps to the next timer when nothing is ready: real sockets, no waiting, replayable."""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_GRACE_S = 0.002
"""Loopback bytes may be on their way while nothing is ready yet; so long the real clock is given to them."""


class _Jumping(selectors.DefaultSelector):
    """Selects without waiting: when nothing is ready, the time until the next timer has passed at once."""

    def __init__(self, grace_s: float) -> None:
        super().__init__()
        self.now = 0.0
        self._grace_s = grace_s

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        ready = super().select(self._grace_s)
        if not ready and timeout is not None:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A selector loop on virtual time."""

    def __init__(self, grace_s: float = _GRACE_S) -> None:
        self._jumping = _Jumping(grace_s)
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


async def connections_close() -> None:
    """Give connections that were closed or cut off the turns of the loop in which they end."""
    for _ in range(3):
        await asyncio.sleep(0)


def virtually(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on virtual time; a run that would hang for ever fails instead."""
    began = time.monotonic()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        result = runner.run(work)
        runner.run(connections_close())
    assert time.monotonic() - began < 60
    return result


def without_sockets(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Run an async test that opens no socket on virtual time: nothing is ever on its way."""

    @wraps(test)
    def run(*arguments: P.args, **named: P.kwargs) -> T:
        with asyncio.Runner(loop_factory=lambda: VirtualLoop(0.0)) as runner:
            return runner.run(test(*arguments, **named))

    return run


def on_virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Run an async test to its end on virtual time."""

    @wraps(test)
    def run(*arguments: P.args, **named: P.kwargs) -> T:
        return virtually(test(*arguments, **named))

    return run
