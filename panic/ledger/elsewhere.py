"""Second files of one ledger in temporary folders: others press as other users, or with another TMPDIR."""

import os
import re
from collections.abc import Collection, Iterator
from glob import escape
from pathlib import Path
from typing import NamedTuple

from panic.files import why
from panic.ledger.place import check_own

FOLDERS = ("/tmp", "/var/tmp")  # noqa: S108  (they are looked into, and nothing is put there)
"""Where panic's folders may stand, beside the one that TMPDIR names."""

_FOLDER = re.compile("panic-[0-9]+")


class Elsewhere(NamedTuple):
    """What was found.

    Attributes:
        files: Those that only this user, or root, can have written.
        strange: Those that somebody else may have written, in words: nothing in them is believed.
        hidden: Folders of others that could hold one and cannot be looked into, in words.
    """

    files: tuple[Path, ...] = ()
    strange: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


def search(name: str, known: Collection[Path]) -> Elsewhere:
    """Look for second files of this name that are none of those known; opens nothing."""
    ours: dict[str, Path] = {}
    strange: dict[str, None] = {}
    hidden: dict[str, None] = {}
    seen = {os.path.realpath(file) for file in known}
    for folder in _folders():
        try:
            found = _files(folder, name)
        except OSError as error:
            words = f"{folder}: it may hold another part of this ledger, and cannot be looked into: {why(error)}"
            hidden[words] = None
            continue
        for file in found:
            if os.path.realpath(file) in seen:
                continue
            try:
                check_own(file)
            except OSError as error:
                strange[f"{file}: it may be another part of this ledger, and is not read: {why(error)}"] = None
            else:
                ours.setdefault(os.path.realpath(file), file)
    return Elsewhere(tuple(ours.values()), tuple(strange), tuple(hidden))


def _folders() -> Iterator[Path]:
    for root in dict.fromkeys((os.environ.get("TMPDIR") or FOLDERS[0], *FOLDERS)):
        yield from sorted(one for one in Path(root).glob("panic-*") if _FOLDER.fullmatch(one.name))


def _files(folder: Path, name: str) -> list[Path]:
    file = folder / name
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        found = []
    else:
        found = [file]
    aside = sorted(folder.glob(f"{escape(name)}.damaged-*"))
    return [*found, *(one for one in aside if not one.name.endswith(("-wal", "-shm")))]
