"""Every way to break a ledger that a press must survive, done for real wherever a test can."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cli.ledgers import LEDGER, begun
from tests.cli.support import PANIC, clean_environment

# What a process does to itself before it is panic; it gives up with 99 where the system does not let it.
_BECOME_PANIC = "\nimport sys\nfrom panic.cli import run\nsys.exit(run(sys.argv[1:]))\n"

NO_PRIVILEGES = """
import ctypes, sys
libc = ctypes.CDLL(None)  # without capabilities the mode of a file counts for root as well
if libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()):
    sys.exit(99)
"""

TINY_DISK = """
import ctypes, sys
libc = ctypes.CDLL(None)
NEWNS, REC_PRIVATE = 0x20000, 0x44000  # a name space of its own: the disk is gone when the process is
if libc.unshare(NEWNS) or libc.mount(None, b"/", None, REC_PRIVATE, None):
    sys.exit(99)
if libc.mount(b"tmpfs", b"records", b"tmpfs", 0, b"size={0}"):
    sys.exit(99)
"""

IMPATIENT = """
from panic.ledger.writer import Writer
Writer.__init__.__kwdefaults__["patience_s"] = 0.4
"""

HANGING = """
import threading
from panic.ledger import store
def waits(self, *words, **more):
    threading.Event().wait()
store.SqliteStore.append = waits
"""


def after(*preparations: str) -> tuple[str, ...]:
    """A program that is panic after these preparations."""
    return ("-c", "".join([*preparations, _BECOME_PANIC]))


@dataclass(frozen=True)
class Breakage:
    """One way to break a ledger, and what a press says of it.

    Attributes:
        codes: The codes of all flags of the report.
        broken: Breaks it in a folder, for as long as the context lasts.
        program: What Python is told to run instead of panic itself.
        alike: The same, but for the breakage: what to compare its times with.
        lasts_s: How long the press must take at least so that the breakage is noticed while it goes, seconds.
    """

    name: str
    codes: frozenset[str]
    broken: Callable[[Path], AbstractContextManager[None]]
    program: tuple[str, ...] = PANIC
    alike: tuple[str, ...] = PANIC
    lasts_s: float = 0.0

    def __str__(self) -> str:
        return self.name


@contextmanager
def nothing_wrong(folder: Path) -> Iterator[None]:
    """A ledger that works, with something on record already."""
    begun(folder)
    yield


@contextmanager
def cut_off(folder: Path) -> Iterator[None]:
    file = begun(folder, events=400)
    os.truncate(file, file.stat().st_size // 2)
    yield


@contextmanager
def an_empty_folder(folder: Path) -> Iterator[None]:
    (folder / LEDGER).parent.mkdir()
    yield


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    file = begun(folder)
    file.chmod(0o400)
    file.parent.chmod(0o500)
    yield
    file.parent.chmod(0o700)


_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let another process lock it, as one does that copies it, and stand still while it does."""
    command, pipe = [sys.executable, "-c", _LOCK, str(begun(folder))], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=clean_environment()) as holder:
        try:
            assert holder.stdout is not None
            assert b"held\n" == holder.stdout.readline()
            holder.send_signal(signal.SIGSTOP)
            yield
        finally:
            holder.kill()


FAILED = frozenset({"ledger_failed", "ledger_memory", "ledger_incomplete"})
HANGS = frozenset({"ledger_hangs", "ledger_memory", "ledger_incomplete"})
_FULL, _ROOMY = (after(TINY_DISK.format(size)) for size in ("48k", "64m"))

HEALTHY = Breakage("nothing wrong", frozenset(), nothing_wrong)
BREAKAGES = (
    Breakage("a full disk", FAILED, an_empty_folder, _FULL, _ROOMY),
    Breakage("read-only", FAILED, read_only, after(NO_PRIVILEGES), after(NO_PRIVILEGES)),
    Breakage("locked", FAILED, locked, lasts_s=1.6),
    Breakage("cut off", FAILED, cut_off),
    Breakage("hangs", HANGS, nothing_wrong, after(IMPATIENT, HANGING), after(IMPATIENT), 1.0),
)
