"""Files: read without hanging, and written so that nobody ever reads half a file."""

import errno
import os
import shlex
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from panic.kit.errors import PanicError, Problem, UsageError
from panic.kit.words import clip


def read_regular(path: Path, limit: int) -> tuple[bytes, os.stat_result]:
    """Read at most `limit` bytes, and the file's status.

    An OSError also where it is no regular file: a pipe or a device could keep a press waiting for ever.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except ValueError as error:  # a NUL in the name
        raise OSError(errno.EINVAL, "Not a file name") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
            raise OSError(errno.EINVAL, f"It is {kind}")
        with open(descriptor, "rb", closefd=False) as stream:
            data = stream.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"It is longer than {limit:,} bytes")
    return data, status


def open_to_others(key: Path) -> Iterator[Problem]:
    """Say that others than its owner can read a key, where they can; of one that is not there nothing is said."""
    mode = 0
    with suppress(OSError):
        mode = key.stat().st_mode
    if mode & 0o077:
        yield Problem("others than its owner can read the key", f"Run: chmod 600 {shlex.quote(str(key))}", key)


def why(error: Exception) -> str:
    """An error's reason in the middle of a sentence."""
    text = getattr(error, "strerror", None) or repr(error)
    return text[:1].lower() + text[1:]


def replace(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file for its owner alone, at once and durably, also over another, which stays after an OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(part, flags, 0o600), "wb") as stream:
            stream.writelines([data] if isinstance(data, bytes) else data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError, ValueError):
            part.unlink()
        raise


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file that must not be there yet and that only its owner reads; it is durable at the end, or gone."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except (OSError, ValueError) as error:
        reason = why(error) if isinstance(error, OSError) else "that is no file name"
        raise UsageError(f"{clip(str(path))} cannot be begun: {reason}; name a new file") from None
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(descriptor)
        sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            path.unlink()
        if isinstance(error, OSError):
            raise PanicError(f"{clip(str(path))} could not be written: {why(error)}") from error
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
