"""This process, told apart from every other: a pid alone is soon reused."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC = Path("/proc")
_LOGIN = _PROC / "self/loginuid"
_NOBODY = (1 << 32) - 1
_PR_SET_DUMPABLE = 4
_BORN = 19
"""Where the time of birth stands in /proc/PID/stat, counted from after the name, which may hold blanks."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process on a machine; empty is what the system does not say."""

    host: str
    pid: int
    boot: str = ""
    born: str = ""  # clock ticks from that boot
    space: str = ""  # in which namespace the pid counts: two containers may share a host's name and a boot

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class _Environment(Mapping[str, str]):
    """The environment of this process, as a default argument: no help text or traceback shows what is in it."""

    def __getitem__(self, name: str) -> str:
        return os.environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)

    def __repr__(self) -> str:
        return "ENVIRONMENT"


ENVIRONMENT: Final = _Environment()


def keep_to_itself() -> None:
    """Dump no core, which would hold the keys, and make no file or folder that others may write.

    A handler of cores is called whatever the limit says, but not for what is not dumpable.
    """
    import resource  # noqa: PLC0415  (a help text needs neither)

    os.umask(os.umask(0o077) | 0o022)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(Exception):  # only Linux has it, and ctypes may want memory that a unit forbids
        import ctypes  # noqa: PLC0415

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def take_descriptors() -> int | None:
    """Take as many file descriptors as this process may have, and give how many that is; None: any number."""
    import resource  # noqa: PLC0415  (see above)

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # not every system lets a process have what it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def login() -> int:
    """Give the id of the user who logged in: the system keeps that through sudo, and it is set once.

    Where the system does not say it, the user id of this process. Where nobody logged in, as in a container,
    whoever runs it can set it.
    """
    found = _NOBODY
    with suppress(OSError, ValueError):
        found = int(_LOGIN.read_text())
    return os.getuid() if found == _NOBODY else found


def here() -> Process:
    """Give this process."""
    pid = os.getpid()
    return Process(socket.gethostname(), pid, _boot(), _born(pid), _space())


def is_alive(process: Process) -> bool | None:
    """Say whether a process still runs; None if that cannot be known from here."""
    if process.host != socket.gethostname() or not process.born:
        return None
    if process.boot == _boot() and process.space != _space():
        return None
    return process.boot == _boot() and process.born == _born(process.pid)


def _boot() -> str:
    return _read(_PROC / "sys/kernel/random/boot_id").strip()


def _space() -> str:
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


def _born(pid: int) -> str:
    fields = _read(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    if len(fields) <= _BORN or fields[0] in {"Z", "X"}:  # a process that ended and was not waited for is dead
        return ""
    return fields[_BORN]


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")  # a process may be called anything, cut off in a letter
    except OSError:
        return ""
