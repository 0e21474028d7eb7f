"""Where the report goes, whatever becomes of the streams."""

import argparse
import asyncio
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from panic.cli import output
from panic.kit import terminal
from panic.simulator import Fault, Simulator
from tests.cli.inside import beside, typed
from tests.cli.ledgers import SETTINGS
from tests.cli.support import (
    PRESS,
    STARTING_S,
    Firm,
    Process,
    account,
    names,
    panic,
    sent,
    simulate,
    started,
    until,
    valid,
    verdicts,
)

ALL_BUT_2 = {1: "clear", 2: "refused", 3: "clear"}


def firm_of(simulator: Simulator, folder: Path) -> Firm:
    """Two good accounts and a bad one."""
    return Firm(folder, simulator.base_url, ["1,One", "2,Zürich", "3,Three"], "id,name")


def simulate_40() -> Simulator:
    """A broker that refuses one account of three, so that the exit code is not an accident."""
    return simulate(account(1), account(2, Fault("status", on="ANY", status=403)), account(3))


# ── streams that are gone ───────────────────────────────────────────────────────────────────────────────────


async def test_standard_output_is_full(tmp_path: Path, full: BinaryIO):
    """The press happens, its exit code stands, and the report is on standard error, or in the file."""
    async with simulate_40() as simulator:
        firm, file = firm_of(simulator, tmp_path), tmp_path / "report.json"
        bare = await panic(*firm.lines(*PRESS), cwd=tmp_path, stdout=full)
        saved = await panic(*firm.lines(*PRESS, "--output", str(file)), cwd=tmp_path, stdout=full)

    assert (40, 40, ALL_BUT_2) == (bare.code, saved.code, verdicts(valid(file.read_text())))
    assert "standard output is gone; the report follows here" in bare.err
    assert "Use a key that may" in bare.err
    assert "REFUSED" in saved.last_line
    assert "Traceback" not in bare.err + saved.err


@pytest.mark.parametrize("words", [("orders", "--all", "--format", "csv"), ("check",), (*PRESS, "--dry-run")])
async def test_half_a_document_is_no_success(tmp_path: Path, full: BinaryIO, words: tuple[str, ...]):
    """70, and it is said, where a disk was full: a program would take the rest for all there is."""
    async with simulate(account(1)) as simulator:
        firm, file = Firm(tmp_path, simulator.base_url, [1]), tmp_path / "found.json"
        bare = await panic(*firm.lines(*words), cwd=tmp_path, stdout=full)
        saved = await panic(*firm.lines("orders", "--all", "--output", str(file)), cwd=tmp_path, stdout=full)

    assert (70, "panic: standard output is gone before it had all of this") == (bare.code, bare.last_line)
    assert (0, 1) == (saved.code, len(json.loads(file.read_text())["orders"]))


async def test_every_stream_is_gone(tmp_path: Path):
    """Even then every account is fired and the exit code is right."""
    async with simulate_40() as simulator:
        done = await panic(*firm_of(simulator, tmp_path).lines(*PRESS), cwd=tmp_path, redirect="<&- >&- 2>&-")

        assert (40, [1, 2, 3]) == (done.code, sorted(sent(simulator, "DELETE")))


@pytest.mark.parametrize("file", ["missing/report.json", "report.json/"])
def test_an_output_that_cannot_be_written(tmp_path: Path, file: str):
    """The press has happened: the report goes to standard output and the exit code stands."""
    with beside(simulate_40()) as simulator:
        firm = firm_of(simulator, tmp_path)
        (tmp_path / "report.json").mkdir()
        done = typed(*firm.lines(*PRESS, "--output", str(tmp_path / file)))

    assert (40, ALL_BUT_2) == (done.code, verdicts(done.report))
    assert "the report could not be written to" in done.err
    assert [] == [name for name in names(tmp_path) if name.endswith(".part")]


async def test_nobody_reads_standard_error(tmp_path: Path):
    """A pipe that is full blocks its writer; the press goes on, and its exit code stands."""
    async with simulate_40() as simulator:
        ours, theirs = os.pipe()
        os.set_blocking(theirs, False)
        with suppress(BlockingIOError):
            while os.write(theirs, b"." * 1024):
                pass
        os.set_blocking(theirs, True)
        try:
            # the exit must not wait for the lock that the writing thread holds in its blocked write
            done = await panic(
                *firm_of(simulator, tmp_path).lines(*PRESS), cwd=tmp_path, stderr=theirs, patience_s=8
            )
        finally:
            os.close(ours)
            os.close(theirs)

    assert (40, ALL_BUT_2) == (done.code, verdicts(done.report))
    assert done.took <= 3 + STARTING_S


# ── a terminal, a pipe, and what they look like ─────────────────────────────────────────────────────────────


class Screen:
    """The other end of a pseudo-terminal."""

    def __init__(self, columns: int) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self._data = bytearray()
        asyncio.get_running_loop().add_reader(self.master, self._read)

    def _read(self) -> None:
        try:
            self._data += os.read(self.master, 1 << 16)
        except OSError:  # the last process that had it open is gone
            asyncio.get_running_loop().remove_reader(self.master)

    @property
    def text(self) -> str:
        return self._data.decode(errors="replace").replace("\r\n", "\n")

    @property
    def plain(self) -> str:
        """What was shown, without colours and movements."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.text)

    def hang_up(self) -> None:
        """Close the window: whoever has the terminal open gets an error, and nothing more."""
        if self.master >= 0:
            asyncio.get_running_loop().remove_reader(self.master)
            os.close(self.master)
        self.master = -1

    def close(self) -> None:
        self.hang_up()
        os.close(self.slave)


@asynccontextmanager
async def on_screen(
    firm: Firm, *words: str, columns: int = 100, **env: str
) -> AsyncIterator[tuple[Process, Screen]]:
    """A process whose streams are a terminal."""
    screen = Screen(columns)
    try:
        async with started(
            *firm.lines(*words), cwd=firm.folder, env=env, stdout=screen.slave, stderr=screen.slave
        ) as process:
            yield process, screen
    finally:
        screen.close()


async def test_a_terminal_gets_colour_a_live_board_and_a_table(tmp_path: Path):
    """The board shows host, bar and deadline while the run lasts; the table begins with the verdict."""
    accounts = (account(1, Fault("slow_settle", seconds=0.5)), account(2, Fault("status", on="ANY", status=403)))
    async with simulate(*accounts) as simulator:
        firm = Firm(tmp_path, simulator.base_url, ["1,One", "2,Two"], "id,name")
        async with on_screen(firm, *PRESS) as (process, screen):
            await until(lambda: "(deadline 120 s)" in screen.plain)
            board = screen.plain
            done = await process.finish()
            await until(lambda: "coverage:" in screen.plain)

        assert 40 == done.code
        assert f"{simulator.base_url}\n" in board
        assert re.search("[█░]{20}", board)
        assert "sent 2/2" in board
        assert "\x1b[1;31mREFUSED" in screen.text
        assert "REFUSED  the broker refused to cancel in 1 of 2 accounts" in screen.plain
        assert '"schema"' not in screen.plain


async def test_a_paused_terminal_does_not_pause_a_press(tmp_path: Path):
    """Ctrl-S stops the picture and not the press: accounts that need another DELETE still get it."""
    failing = Fault("status", status=503, times=1)
    async with simulate(account(1, failing), account(2)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1, 2])
        async with on_screen(firm, *PRESS) as (process, screen):
            termios.tcflow(screen.slave, termios.TCOOFF)
            await until(lambda: not simulator.truth(1).open and not simulator.truth(2).open)
            shown = screen.plain
            termios.tcflow(screen.slave, termios.TCOON)
            done = await process.finish()
            await until(lambda: "coverage:" in screen.plain)

        assert "" == shown
        assert 0 == done.code


async def test_a_terminal_that_closes_does_not_end_a_press(tmp_path: Path):
    """It goes on to its end and its record, although the line to it is cut while an account is open."""
    failing = Fault("status", status=503, times=1)
    async with simulate(account(1, failing), account(2)) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1, 2], more=SETTINGS)
        async with on_screen(firm, *PRESS) as (process, screen):
            await until(lambda: bool(sent(simulator, "DELETE")))
            screen.hang_up()
            process.signal(signal.SIGHUP)
            done = await process.finish()
        (row,) = json.loads(typed(*firm.lines("runs", "--format", "json")).out)["runs"]

    assert (0, "clear", "clear") == (done.code, row["state"], row["verdict"])
    assert ((), ()) == (simulator.truth(1).open, simulator.truth(2).open)


async def test_a_locale_without_our_letters(tmp_path: Path):
    """Letters that cannot be written are replaced; the report is whole."""
    env = {"LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    async with simulate_40() as simulator:
        firm = firm_of(simulator, tmp_path)
        done = await panic(*firm.lines(*PRESS, "--format", "table"), cwd=tmp_path, env=env)

        assert (40, True) == (done.code, done.out.startswith("REFUSED"))
        assert "coverage:" in done.out
        assert "Traceback" not in done.err


# ── delivery ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_that_hangs_keeps_nobody_from_the_document(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """It is printed first; then the file gets so long, and no longer."""
    shown: list[str] = []
    dead, free = tmp_path / "dead" / "found.json", threading.Event()

    def hang(path: Path, *_: Any, **__: Any) -> Path:
        shown.append(capfd.readouterr().out)
        free.wait()
        return path

    monkeypatch.setattr(Path, "resolve", hang)
    monkeypatch.setattr(output, "SAVING_S", 0.1)
    output.show('{"told": 1}', (), argparse.Namespace(format="json", output=dead))
    terminal.errors.drain()
    free.set()

    assert ['{"told": 1}\n'] == shown
    assert f"panic: the document could not be written to {dead} (it took longer than 0.1 s)" in (
        capfd.readouterr().err
    )


def test_an_upgrade_during_a_run_does_not_cost_its_report():
    """All that shows it was imported before: what lies on the disk by then may be anything."""
    script = """
import argparse, importlib.abc, sys
import panic.cli.press, panic.cli.progress
from panic.cli import output
from panic.ledger.replay import Replay, report_of
from tests.ledger.evidence import RUN, a_run

class Replaced(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        raise ImportError(f"{name} was replaced")

report = report_of(Replay.of(RUN, a_run(reason="Zürich 中")))
sys.meta_path.insert(0, Replaced())
for form in ("table", "json"):
    output.deliver(report, argparse.Namespace(format=form, output=None))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "could not be shown" not in done.stderr
    assert done.stdout.startswith("CLEAR  ")
    assert '\n{\n  "schema"' in done.stdout
