"""Every way to break a ledger that a press must survive, done for real wherever a test can."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cli.ledgers import FALLBACK, LEDGER, begun
from tests.cli.support import PANIC, clean_environment

# What a process does to itself before it is panic; it gives up with 99 where the system does not let it.
_BECOME_PANIC = "\nimport sys\nfrom panic.cli import run\nsys.exit(run(sys.argv[1:]))\n"

SMALL_FILES = """
import resource, sys
sys.dont_write_bytecode = True  # half a compiled module would break whoever imports it next
resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))
"""

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

NOTHING_WRITABLE = """
import ctypes, sys
libc = ctypes.CDLL(None)
NEWNS, REC_PRIVATE, READ_ONLY = 0x20000, 0x44000, 0x1021  # as in a container whose file system is read-only
if libc.unshare(NEWNS) or libc.mount(None, b"/", None, REC_PRIVATE, None):
    sys.exit(99)
if libc.mount(None, b"/", None, READ_ONLY, None):
    sys.exit(99)
"""

IMPATIENT = """
from panic.ledger.writer import Writer
Writer.__init__.__kwdefaults__["patience_s"] = 0.4
"""

HANGING = """
import threading
from panic.ledger import store
def hangs(what, whom):
    does = getattr(store.SqliteStore, what)
    def waits(self, *words, **more):
        if whom in (str(words[0]) if what == "__init__" else self.place):
            threading.Event().wait()
        return does(self, *words, **more)
    setattr(store.SqliteStore, what, waits)
hangs({0!r}, {1!r})
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

FAILS_LATER = f"""
from panic.ledger import store
append, times = store.SqliteStore.append, []
def fails(self, *words, **more):
    times.append(self.place)
    if {LEDGER!r} in self.place and len(times) > {{0}}:
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
        recorded: Whether the run is on record somewhere, to its end.
    """

    name: str
    codes: frozenset[str]
    broken: Callable[[Path], AbstractContextManager[None]]
    program: tuple[str, ...] = PANIC
    alike: tuple[str, ...] = PANIC
    lasts_s: float = 0.0
    recorded: bool = True

    def __str__(self) -> str:
        return self.name


# ── what stands in its place ────────────────────────────────────────────────────────────────────────────────


@contextmanager
def nothing_wrong(folder: Path) -> Iterator[None]:
    """A ledger that works, with something on record already."""
    begun(folder)
    yield


@contextmanager
def a_directory(folder: Path) -> Iterator[None]:
    (folder / LEDGER).mkdir(parents=True)
    yield


@contextmanager
def a_pipe(folder: Path) -> Iterator[None]:
    (folder / LEDGER).parent.mkdir()
    os.mkfifo(folder / LEDGER)
    yield


@contextmanager
def a_file_in_the_way(folder: Path) -> Iterator[None]:
    (folder / LEDGER).parent.write_text("I was here first\n")
    yield


@contextmanager
def both_in_the_way(folder: Path) -> Iterator[None]:
    (folder / FALLBACK).parent.write_text("and I was here\n")
    with a_directory(folder):
        yield


@contextmanager
def garbage(folder: Path) -> Iterator[None]:
    begun(folder).write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 64)
    yield


@contextmanager
def cut_off(folder: Path) -> Iterator[None]:
    file = begun(folder, events=400)
    os.truncate(file, file.stat().st_size // 2)
    yield


@contextmanager
def empty(folder: Path) -> Iterator[None]:
    begun(folder).write_bytes(b"")
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
_FLOCK = """
import fcntl, os, sys
fcntl.flock(os.open(os.path.dirname(sys.argv[1]), os.O_RDONLY), fcntl.LOCK_EX)
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


@contextmanager
def locked_when_new(folder: Path) -> Iterator[None]:
    (folder / LEDGER).parent.mkdir()
    with _holding(_LOCK, folder / LEDGER):
        yield


@contextmanager
def locked_while_read(folder: Path) -> Iterator[None]:
    """Held in the old way, without a write-ahead log: nobody else may even read it."""
    file = begun(folder)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    with _holding(_LOCK, file):
        yield


@contextmanager
def folder_held(folder: Path) -> Iterator[None]:
    with _holding(_FLOCK, begun(folder)):
        yield


@contextmanager
def both_locked(folder: Path) -> Iterator[None]:
    (folder / FALLBACK).parent.mkdir()
    with locked(folder), _holding(_LOCK, folder / FALLBACK):
        yield


_FAILED = frozenset({"ledger_failed"})
_HANGS = frozenset({"ledger_hangs"})
_DAMAGED = frozenset({"ledger_damaged"})
_MEMORY = frozenset({"ledger_memory", "ledger_incomplete"})
_BUSY_S = 1.6
"""A press that takes so long notices while it goes that its ledger is locked."""

HEALTHY = Breakage("nothing wrong", frozenset(), nothing_wrong)


def _hanging(what: str, whom: str) -> tuple[str, ...]:
    return after(IMPATIENT, HANGING.format(what, whom))


_ALIKE = _hanging("append", "nowhere")

BREAKAGES = (
    Breakage("a directory", _FAILED, a_directory),
    Breakage("a pipe", _FAILED, a_pipe),
    Breakage("a file in the way of its folder", _FAILED, a_file_in_the_way),
    Breakage(
        "full from the start",
        _FAILED | _MEMORY,
        an_empty_folder,
        after(SMALL_FILES.format(4096)),
        after(SMALL_FILES.format(1 << 40)),
        recorded=False,
    ),
    Breakage(
        "a full disk", _FAILED, an_empty_folder, after(TINY_DISK.format("48k")), after(TINY_DISK.format("64m"))
    ),
    Breakage("read-only", _FAILED, read_only, after(NO_PRIVILEGES), after(NO_PRIVILEGES)),
    Breakage("locked", _FAILED, locked, lasts_s=_BUSY_S),
    Breakage("locked before it is begun", _FAILED, locked_when_new, lasts_s=_BUSY_S),
    Breakage("locked against readers", _FAILED, locked_while_read, lasts_s=_BUSY_S),
    Breakage("its folder held", _FAILED, folder_held, lasts_s=_BUSY_S),
    Breakage("garbage", _FAILED, garbage),
    Breakage("cut off", _DAMAGED, cut_off),
    Breakage("no bytes", frozenset(), empty),
    Breakage("hangs when opened", _HANGS, nothing_wrong, _hanging("__init__", LEDGER), _ALIKE, 1.0),
    Breakage("hangs when written", _HANGS, nothing_wrong, _hanging("append", LEDGER), _ALIKE, 1.0),
    Breakage("hangs when closed", frozenset(), nothing_wrong, _hanging("close", LEDGER), _ALIKE),
    Breakage("slow", frozenset({"ledger_late"}), nothing_wrong, after(SLOW), _ALIKE),
    Breakage(
        "no thread for it",
        _FAILED | _MEMORY,
        nothing_wrong,
        after(NO_THREADS.format("panic-ledger")),
        after(NO_THREADS.format("nobody")),
        recorded=False,
    ),
    Breakage("both in the way", _FAILED | _MEMORY, both_in_the_way, recorded=False),
    Breakage("both locked", _FAILED | _MEMORY, both_locked, lasts_s=2 * _BUSY_S, recorded=False),
    Breakage("both hang", _HANGS | _MEMORY, nothing_wrong, _hanging("append", ".db"), _ALIKE, 2.0, recorded=False),
)
