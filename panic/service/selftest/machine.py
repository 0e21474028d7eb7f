"""This machine's own state, as far as a press depends on it. Looking changes nothing; it may hang with a disk."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from panic.config import Settings
from panic.kit.files import why
from panic.latch import State
from panic.latch import read as read_latch
from panic.ledger import reader

_NOTHING = "selftest"
"""A kind of event that there is none of: the ledger is opened and looked through, and nothing is read of it."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system on which something is.

    Attributes:
        what: What is there, in a word or two.
        folder: Where.
        free: Bytes that this user may still write.
        size: Bytes in all.
        trouble: Why nobody knows; empty if somebody does.
    """

    what: str
    folder: Path
    free: int = 0
    size: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What was seen of this machine.

    Attributes:
        disks: One for each file that a press writes; none where the settings name none.
        ledger: What is wrong with the ledger, in words; empty if nothing is.
        latch: What the latch says; None where the settings name none.
        latch_is_missing: Whether there is no such file.
    """

    disks: tuple[Disk, ...] = ()
    ledger: str = ""
    latch: State | None = None
    latch_is_missing: bool = False


def look(settings: Settings) -> Machine:
    """Look at this machine. Never raises; do it on a thread."""
    ledger, state_file = settings.ledger.file, settings.latch.file
    return Machine(
        disks=tuple(_disks(settings)),
        ledger="" if ledger is None else _ledger(ledger),
        latch=None if state_file is None else read_latch(state_file),
        latch_is_missing=state_file is not None and not os.path.lexists(state_file),
    )


def _disks(settings: Settings) -> Iterator[Disk]:
    files = {"the ledger": settings.ledger.file, "the latch": settings.latch.file}
    for what, file in files.items():
        if file is not None:
            yield _disk(what, file.absolute().parent)


def _disk(what: str, folder: Path) -> Disk:
    try:
        found = os.statvfs(folder)
    except (OSError, ValueError) as error:
        return Disk(what, folder, trouble=why(error) if isinstance(error, OSError) else "that is no folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        return Disk(what, folder, trouble="this user may not write there")
    free = found.f_bavail * found.f_frsize
    no_more_files = found.f_files > 0 and found.f_favail == 0
    return Disk(what, folder, 0 if no_more_files else free, found.f_blocks * found.f_frsize)


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
    damaged = reader.set_aside(file)
    return f"a damaged one was set aside: {damaged[-1]}" if damaged else ""
