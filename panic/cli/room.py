"""`panic drill --room`: the control room around the embedded simulator, until a signal ends it."""

import argparse
import asyncio
import hashlib
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import webbrowser
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from panic import config, latch
from panic.cli import loop
from panic.cli.serve import log_unhandled
from panic.config import LedgerFiles, Settings
from panic.kit import terminal
from panic.kit.errors import UsageError
from panic.ledger import history
from panic.run import drill
from panic.service.desk import Desk
from panic.service.live import Live
from panic.service.server import Server
from panic.simulator import Simulator

PORT: Final = 8788  # next to the real service's port, never on it
TOKEN = "drill-drill-drill"  # noqa: S105  (everybody may practise; a shorter one does not count)
RESTOCK_S = 5.0
WATCH_S: Final = 5.0  # practice should be quick

_HOST: Final = "127.0.0.1"


def refuse_what_cannot_be(options: argparse.Namespace) -> None:
    """Refuse what makes no sense, while there is nothing to clean up yet, and settle on a port."""
    if options.format or options.output:
        word = "--format" if options.format else "--output"
        raise UsageError(f"--room {word}: the room prints no report. Leave {word} out, or leave --room out")
    options.port = PORT if options.port is None else options.port
    try:
        socket.create_server((_HOST, options.port)).close()
    except OSError as error:
        raise UsageError(f"--port {options.port}: {error.strerror or error}; name another, or 0 for any") from None
    if options.ledger is not None:
        _is_for_drills(options.ledger)


def _is_for_drills(ledger: Path) -> None:
    """Refuse a ledger of real runs: a service resumes what it finds there, and this one is a drill."""
    summaries, _ = history.runs(LedgerFiles(file=ledger))
    if any(not one.pressed.drill for one in summaries):
        raise UsageError(f"--ledger {ledger}: it has runs on record that are no drills. Name a file of its own")


class Restocking:
    """Restores the firm's open orders and faults a while after the desk's last run ended; never during one."""

    def __init__(self, desk: Desk, simulator: Simulator) -> None:
        self._desk, self._simulator = desk, simulator
        self._due: asyncio.TimerHandle | None = None
        desk.observers.append(self._observe)

    def close(self) -> None:
        """Stop doing so."""
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _observe(self, what: str, _live: Live) -> None:
        if what in {"started", "finished"}:
            self.close()
        if what == "finished" and all(live.is_over for live in self._desk.live.values()):
            self._due = asyncio.get_running_loop().call_later(RESTOCK_S, self._restock)

    def _restock(self) -> None:
        self._due = None
        self._simulator.restock()
        terminal.say("DRILL  the simulated firm has open orders again: you can press again.")


def serve(made_up: drill.Firm, simulator: Simulator, options: argparse.Namespace) -> int:
    """Serve the control room around a made-up firm; nothing is left of the folder it lives in."""
    folder = Path(tempfile.mkdtemp(prefix="panic-drill-"))
    try:
        return loop.run(_serve(made_up, simulator, options, folder))
    finally:
        _remove(folder)


async def _serve(made_up: drill.Firm, simulator: Simulator, options: argparse.Namespace, folder: Path) -> int:
    over = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(log_unhandled)
    loop.obey(over.set, "DRILL  ending.", (*loop.ENDING, signal.SIGHUP), last=partial(_remove, folder))
    async with simulator:
        server = Server(_settings(made_up, simulator, options, folder), terminal.say, {}, drill=True)
        await server.start()
        restocking = Restocking(server.desk, simulator)
        try:
            _welcome(f"{server.url}/", options)
            await over.wait()
        finally:
            restocking.close()
            await server.end()
    return 0


def _welcome(url: str, options: argparse.Namespace) -> None:
    terminal.say(f"DRILL  the control room of {options.accounts:,} simulated accounts: {url}")
    terminal.say(f"DRILL  Sign in with the token: {TOKEN}. No order at any broker is touched. Ctrl-C ends it.")
    has_display = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if has_display and terminal.is_terminal(sys.stderr) and not options.no_open:
        with suppress(RuntimeError):  # no thread can be started
            threading.Thread(target=webbrowser.open, args=[url], name="panic-browser", daemon=True).start()


def _settings(made_up: drill.Firm, simulator: Simulator, options: argparse.Namespace, folder: Path) -> Settings:
    """Write the files of a service into the folder, and load them as a service does."""
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    sections = (
        f"[run]\ndeadline_s = {drill.DEADLINE_S}\nwatch_s = {WATCH_S}\n\n[service]\nport = {options.port}\n\n"
        f'[tokens.drill]\ndigest = "sha256:{digest}"\nroles = ["presser", "resetter"]\nperson = true\n'
    )
    settings = config.load(drill.write(made_up, simulator.base_url, folder, sections), {})
    assert settings.latch.file is not None  # noqa: S101  (it is beside the settings)
    latch.create(settings.latch.file)
    files = LedgerFiles(file=options.ledger or settings.ledger.file)
    return settings.model_copy(update={"ledger": files})


def _remove(folder: Path) -> None:
    """Remove the folder; retry for a moment, since a thread may be writing a file in it."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.01)
