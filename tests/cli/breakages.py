"""Every way to break a ledger that a press must survive, done for real wherever a test can."""

import os
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
setattr(store.SqliteStore, {0!r}, waits)
"""

SLOW = """
import time
from panic.ledger import store
append = store.SqliteStore.append
def slowly(self, *words, **more):
    time.sleep(0.2)
    return append(self, *words, **more)
store.SqliteStore.append = slowly
"""

FAILS_LATER = """
from panic.ledger import store
append, times = store.SqliteStore.append, []
def fails(self, *words, **more):
    times.append(1)
    if len(times) > {0}:
        raise OSError(28, "No space left on device")
    return append(self, *words, **more)
store.SqliteStore.append = fails
"""

NO_THREADS = """
import threading
start = threading.Thread.start
def refuse(self):
    if self.name == "{0}":
        raise RuntimeError("can't start new thread")
    start(self)
threading.Thread.start = refuse
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

    @property
    def recorded(self) -> bool:
        """Whether the run is on record, to its end."""
        return "ledger_memory" not in self.codes

    def __str__(self) -> str:
        return self.name


# ── what stands in its place ────────────────────────────────────────────────────────────────────────────────


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


# ── who holds it ────────────────────────────────────────────────────────────────────────────────────────────

_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def _holding(script: str, file: Path) -> Iterator[None]:
    """Let another process hold it, and stand still while it does."""
    command = [sys.executable, "-c", script, str(file)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=clean_environment()) as holder:
        try:
            assert holder.stdout is not None
            assert b"held\n" == holder.stdout.readline()
            holder.send_signal(19)
            yield
        finally:
            holder.kill()


def held(file: Path) -> AbstractContextManager[None]:
    """Let another process lock a ledger, as one does that copies it, and stand still."""
    return _holding(_LOCK, file)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    with _holding(_LOCK, begun(folder)):
        yield


FAILED = frozenset({"ledger_failed", "ledger_memory", "ledger_incomplete"})
HANGS = frozenset({"ledger_hangs", "ledger_memory", "ledger_incomplete"})
_BUSY_S = 1.6
"""A press that takes so long notices while it goes that its ledger is locked."""

HEALTHY = Breakage("nothing wrong", frozenset(), nothing_wrong)


def _hanging(what: str) -> tuple[str, ...]:
    return after(IMPATIENT, HANGING.format(what))


_ALIKE = after(IMPATIENT)

BREAKAGES = (
    Breakage(
        "a full disk", FAILED, an_empty_folder, after(TINY_DISK.format("48k")), after(TINY_DISK.format("64m"))
    ),
    Breakage("read-only", FAILED, read_only, after(NO_PRIVILEGES), after(NO_PRIVILEGES)),
    Breakage("locked", FAILED, locked, lasts_s=_BUSY_S),
    Breakage("cut off", FAILED, cut_off),
    Breakage("hangs when opened", HANGS, nothing_wrong, _hanging("__init__"), _ALIKE, 1.0),
    Breakage("hangs when written", HANGS, nothing_wrong, _hanging("append"), _ALIKE, 1.0),
    Breakage("hangs when closed", frozenset(), nothing_wrong, _hanging("close"), _ALIKE),
    Breakage("slow", frozenset({"ledger_late"}), nothing_wrong, after(SLOW), _ALIKE),
    Breakage(
        "no thread for it",
        FAILED,
        nothing_wrong,
        after(NO_THREADS.format("panic-ledger")),
        after(NO_THREADS.format("nobody")),
    ),
)
