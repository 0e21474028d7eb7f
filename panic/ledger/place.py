"""A ledger's file in its folder: created, checked and moved without disturbing processes that have it open.

SQLite's locks on a file are lost as soon as its process closes that file anywhere. So nothing here opens a ledger
that may be in use: whether it can be opened without harm is asked by its name.
"""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

BUSY_S = 1.0
"""How long to wait for another process that is writing."""

POLL_S = 0.0005
"""Between two tries: the other process usually takes a millisecond or two."""

SMALLEST = 512
"""Bytes: the smallest page of SQLite, and so the smallest file."""

MARK = b"PANC"
"""What marks a file as a ledger: SQLite's application_id."""

_MARK_AT = 68
_MARK_IN_LOG_AT = 32 + 24 + _MARK_AT
"""Where it stands: in the file's header, and before that gets there in the first page of its log."""


def address(file: Path, mode: str) -> str:
    """Give the URI that opens a file in a mode."""
    return f"file://{quote(os.fsencode(file.absolute()))}?{mode}"


def check_regular(file: Path) -> os.stat_result:
    """Make sure that opening a file will not block, without opening it.

    To open it and close it again would drop the locks that this process holds on it elsewhere.

    Raises:
        OSError: it is missing, a pipe, a device or a directory.
    """
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise OSError(errno.EINVAL, f"It is {kind}")
    return status


def has_orphaned_log(file: Path) -> bool:
    """Whether the file is as good as empty but its write-ahead log is not: SQLite would throw the log away.

    The log is looked at first: in a ledger that is just begun it grows after the file.
    """
    try:
        return wal(file).stat().st_size > 0 and file.stat().st_size < SMALLEST
    except OSError:
        return False


def wal(file: Path) -> Path:
    """Give the name of a file's write-ahead log."""
    return file.with_name(f"{file.name}-wal")


def _is_marked(file: Path) -> bool:
    """Whether a file that SQLite refuses is still a ledger, and not something else in its place."""
    for one, at in ((file, _MARK_AT), (wal(file), _MARK_IN_LOG_AT)):
        with suppress(OSError), one.open("rb") as stream:
            stream.seek(at)
            if stream.read(len(MARK)) == MARK:
                return True
    return False


@contextmanager
def held(folder: Path, *, alone: bool) -> Iterator[bool]:
    """Lock a folder's ledgers in place: shared while one is opened, exclusive while one is moved.

    SQLite opens a ledger and its log one after the other, by name: both must be of the same one. False stands
    for a file system without such locks.

    Raises:
        OSError: there is no such folder, or another process keeps it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield _is_locked(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int, how: int) -> bool:
    until = time.monotonic() + BUSY_S
    while True:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
        except OSError:
            return False
        else:
            return True
        time.sleep(POLL_S)


def created(file: Path, fill: Callable[[Path], None]) -> int:
    """Begin a file that only its owner reads, if there is none; give the inode.

    It gets its name when it is filled, on the disk and closed: nobody ever finds half of one.
    """
    if not os.path.lexists(file):
        fresh = file.with_name(f".{os.urandom(8).hex()}.new")
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        try:
            fill(fresh)
            with fresh.open("rb") as stream:
                os.fsync(stream.fileno())
            with suppress(FileExistsError):
                os.link(fresh, file)
        finally:
            fresh.unlink()
    return check_regular(file).st_ino


def is_at(file: Path, inode: int) -> bool:
    """Whether the open file still has its name; SQLite keeps writing to a removed file."""
    with suppress(OSError):
        return file.stat().st_ino == inode
    return False


def moved(file: Path, aside: Path, inode: int) -> bool:
    """Rename a damaged file and its log together, so that SQLite still finds them; False if another process did.

    Raises:
        OSError: it is no ledger, cannot be renamed, or others cannot be kept from opening it meanwhile.
    """
    with held(file.parent, alone=True) as is_held:
        if not file.exists() or file.stat().st_ino != inode:
            return False
        if not _is_marked(file):
            raise OSError(errno.EINVAL, "It is no ledger, and is left as it is")
        if not is_held:
            raise OSError(errno.ENOTSUP, "It is damaged, and cannot be moved safely here")
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                file.with_name(file.name + suffix).rename(f"{aside}{suffix}")
    return True
