"""`panic serve`: the service, until a signal ends it."""

import argparse
import asyncio
import signal
from typing import Any

import structlog

from panic.cli import loop, output
from panic.kit import logs, terminal
from panic.service.problems import place_of
from panic.service.server import Server

log = structlog.get_logger()


def do_serve(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; SIGHUP reads settings, roster and keys again."""
    asked: list[int] = []  # even before there is a loop, SIGHUP asks for a reload and does not end the process
    signal.signal(signal.SIGHUP, lambda number, _: asked.append(number))
    logs.configure(options.log_level or "info")  # the journal keeps who pressed and what it came to
    settings = output.read(options)
    return loop.run(_serve(Server(settings, terminal.say), asked))


async def _serve(server: Server, asked: list[int]) -> int:
    """Serve; signals count from the first moment on, and are obeyed once it has started."""
    running, over, reloading = asyncio.get_running_loop(), asyncio.Event(), set[asyncio.Task[None]]()
    running.set_exception_handler(log_unhandled)

    def reload() -> None:
        task = asyncio.create_task(server.reload())
        reloading.add(task)
        task.add_done_callback(reloading.discard)

    loop.obey(over.set, "panic: ending: every first DELETE that is owed is still sent.")
    running.add_signal_handler(signal.SIGHUP, asked.append, signal.SIGHUP)
    await server.start()
    terminal.say(f"panic: serving on {server.url}; it speaks to {server.standby.settings.broker.base_url}")
    running.add_signal_handler(signal.SIGHUP, reload)
    if asked:
        reload()
    await over.wait()
    await server.end()
    return 0


def log_unhandled(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error that nobody handles: type and place, never the message."""
    error = context.get("exception")
    log.error("unhandled", what=context["message"], error=type(error).__name__, at=place_of(error))
