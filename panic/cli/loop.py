"""The event loop: what runs in it, and what Ctrl-C and SIGTERM do meanwhile."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from panic.kit import terminal
from panic.kit.process import take_descriptors

if TYPE_CHECKING:
    from panic.ledger.writer import Writer
    from panic.report.document import Report
    from panic.run.press import Prepared

_T = TypeVar("_T")

ENDING = (signal.SIGINT, signal.SIGTERM)

# Commands without a run to watch do not need the progress module.
# ruff: noqa: PLC0415


class Sending:
    """Whether a run has begun to send in this process: until then whoever interrupts it has stopped all of it."""

    has_begun = False


def stand_by() -> None:
    """Get ready to press: a terminal that closes stops nothing, Ctrl-C stops at once what has not begun to send.

    With Python's own handler the event loop would note a Ctrl-C, and act on it once a large roster is planned.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, _interrupt)
    take_descriptors()


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Do the work in an event loop of its own; nothing interrupts the handling of its result."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        result = runner.run(work)
        _ignore_signals()  # the runner has put its own handler back; the work is done
        for _ in range(3):
            runner.run(asyncio.sleep(0))  # connections that were cut off end in later turns of the loop
        return result


def _loop_factory() -> Any:
    with suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop
    return None


async def with_progress(prepared: "Prepared", *, drill: bool, ledger: "Writer | None" = None) -> "Report":
    """Carry out a run, show its progress, and stop it on a signal."""
    from panic.cli.progress import Progress
    from panic.run.run import Run

    progress = Progress()
    run = Run(prepared, progress.observe, ledger=ledger, drill=drill)
    progress.follow(run)

    def stop() -> None:
        if progress.overview is not None and progress.overview.is_untouched:
            terminal.say("panic: NOTHING WAS SENT.")
        run.stop()

    Sending.has_begun = True
    obey(stop, "panic: stopping: nothing more is sent; the report follows.")
    async with progress:
        report = await run.go()
    for number in ENDING:
        asyncio.get_running_loop().remove_signal_handler(number)
    _ignore_signals()
    return report


def obey(
    do: Callable[[], object],
    words: str,
    numbers: Sequence[int] = ENDING,
    last: Callable[[], object] = lambda: None,
) -> None:
    """Let the first of these signals do something, which is said, and the next end the process at once."""
    loop, asked = asyncio.get_running_loop(), list[int]()

    def take(number: int) -> None:
        if asked:
            last()
            terminal.errors.drain(0.1)
            os._exit(128 + number)  # as that signal does, without waiting for anybody
        asked.append(number)
        do()
        terminal.say(f"{words} Once more ends at once.")

    for number in numbers:
        loop.add_signal_handler(number, take, number)


def _ignore_signals() -> None:
    """Let nothing interrupt the report, such as quitting the pager that reads it."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
