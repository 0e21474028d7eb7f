"""What is wrong with this machine, as far as a press depends on it. Looking changes nothing, and may hang."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from panic.config import Settings
from panic.kit.files import why
from panic.kit.words import clip
from panic.latch import read as read_latch
from panic.ledger import reader
from panic.service.selftest.findings import Finding, found

FREE_LEAST: Final = 100 * 10**6
"""Bytes: less than this, or than a hundredth of the disk, is as good as full."""

_FREE_SHARE = 100
_NOTHING = "selftest"
"""A kind of event that there is none of: the ledger is opened and looked through, and nothing is read of it."""


def look(settings: Settings) -> tuple[Finding, ...]:
    """Look at this machine. Never raises; do it on a thread."""
    return tuple(_look(settings.ledger.file, settings.latch.file))


def _look(ledger: Path | None, latch: Path | None) -> Iterator[Finding]:
    for what, file in (("the ledger", ledger), ("the latch", latch)):
        if file is not None:
            yield from _disk(what, file.absolute().parent)
    if ledger is not None and (trouble := _ledger(ledger)):
        yield found("ledger", trouble=clip(trouble))
    if latch is not None and (trouble := read_latch(latch).problem):
        yield found("latch" if os.path.lexists(latch) else "latch_missing", trouble=trouble)


def _disk(what: str, folder: Path) -> Iterator[Finding]:
    trouble = ""
    try:
        if is_full(os.statvfs(folder)):
            trouble = "is full or nearly"
        if not os.access(folder, os.W_OK | os.X_OK):
            trouble = "cannot be used: this user may not write there"
    except (OSError, ValueError) as error:
        trouble = f"cannot be used: {why(error) if isinstance(error, OSError) else 'that is no folder'}"
    if trouble:
        yield found("disk", what=what, where=clip(str(folder)), trouble=trouble)


def is_full(seen: os.statvfs_result) -> bool:
    """Whether a file system has hardly any room left, or none for another file."""
    free, size = seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize
    return free < FREE_LEAST or free * _FREE_SHARE < size or (seen.f_files > 0 and seen.f_favail == 0)


def _ledger(file: Path) -> str:
    """Say why runs could not be put on record there. A file that is not there yet is begun by the first press."""
    folder = file.absolute().parent
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"its folder {folder} {'cannot be written' if folder.is_dir() else 'is missing'}"
    if os.path.lexists(file):
        damage = reader.read(file, kinds=(_NOTHING,)).damage
        if damage:
            return damage
        if not os.access(file, os.W_OK):
            return why(OSError(errno.EACCES, os.strerror(errno.EACCES)))
    return ""
