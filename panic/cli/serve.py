"""`panic serve`: the service, until a signal ends it."""

import argparse
import asyncio
import os
import signal
from typing import Any, Final

import structlog

from panic import config
from panic.cli import loop
from panic.kit import logs, terminal
from panic.service.problems import place_of
from panic.service.server import Server

log = structlog.get_logger()

_TELL_S: Final = 1.0


def do_serve(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; SIGHUP reads settings, roster and keys again."""
    asked: list[int] = []  # even before there is a loop, SIGHUP asks for a reload and does not end the process
    signal.signal(signal.SIGHUP, lambda number, _: asked.append(number))
    logs.configure(options.log_level)
    settings = config.load(options.config)
    return loop.run(_serve(Server(settings, terminal.say), asked))


async def _serve(server: Server, asked: list[int]) -> int:
    """Serve; signals count from the first moment on, and are obeyed once it has started."""
    running, over, reloading = asyncio.get_running_loop(), asyncio.Event(), set[asyncio.Task[None]]()
    running.set_exception_handler(Unhandled())

    def end(number: int) -> None:
        if over.is_set():
            terminal.errors.drain(0.1)
            os._exit(128 + number)
        over.set()
        terminal.say("panic: ending: every first DELETE that is owed is still sent. Once more ends at once.")

    def reload() -> None:
        task = asyncio.create_task(server.reload())
        reloading.add(task)
        task.add_done_callback(reloading.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, end, number)
    running.add_signal_handler(signal.SIGHUP, asked.append, signal.SIGHUP)
    await server.start()
    terminal.say(f"panic: serving on {server.url}; it speaks to {server.standby.settings.broker.base_url}")
    running.add_signal_handler(signal.SIGHUP, reload)
    if asked:
        reload()
    await over.wait()
    await server.end()
    return 0


class Unhandled:
    """Logs unhandled errors: type and place, never the message, at most once a second."""

    def __init__(self) -> None:
        self._told_at = -_TELL_S
        self._untold = 0

    def __call__(self, running: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log one."""
        now = running.time()
        if now - self._told_at < _TELL_S:
            self._untold += 1
            return
        error = context.get("exception")
        where = {"at": place_of(error), "untold": self._untold}
        log.error("unhandled", what=context["message"], error=type(error).__name__, **where)
        self._told_at, self._untold = now, 0
