"""`panic serve`: the service, until a signal ends it."""

import argparse
import asyncio
import os
import signal

from panic import config, logs, terminal
from panic.cli import loop
from panic.service.server import Server


def do_serve(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; SIGHUP reads settings, roster and keys anew."""
    logs.configure(options.log_level)
    settings = config.load(options.config)
    return loop.run(_serve(Server(settings, terminal.say)))


async def _serve(server: Server) -> int:
    running, over = asyncio.get_running_loop(), asyncio.Event()
    await server.start()

    def end(number: int) -> None:
        if over.is_set():
            terminal.errors.drain(0.1)
            os._exit(128 + number)
        over.set()
        terminal.say("panic: ending: every first DELETE that is owed is still sent. Once more ends at once.")

    reloading: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = asyncio.create_task(server.reload())
        reloading.add(task)
        task.add_done_callback(reloading.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, end, number)
    running.add_signal_handler(signal.SIGHUP, reload)
    terminal.say(f"panic: serving on {server.url}; it speaks to {server.standby.settings.broker.base_url}")
    await over.wait()
    await server.end()
    return 0
