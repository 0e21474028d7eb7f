"""What a process learned of its broker, in one file beside the ledger: the next one begins with it."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from panic.config import Settings
from panic.config.own_files import PACE
from panic.kit.files import read_regular, replace

DISK_S = 0.1
"""How long a disk may take that does not answer."""

UNHURRIED_S = 2.0
"""How long it may take to tell a lost half of the roster: when a run is over, or in a plan."""

_BYTES_MOST = 1 << 16


def read(settings: Settings) -> dict[str, Any]:
    """Give what is known of this broker; raises whatever a file may raise."""
    path = _path(settings)
    if path is None or not path.exists():
        return {}
    known = json.loads(read_regular(path, _BYTES_MOST)[0])
    return dict(known) if known["base_url"] == settings.broker.base_url else {}


def write(settings: Settings, learned: dict[str, Any]) -> None:
    """Keep this beside what is known of this broker; an OSError where it cannot be kept."""
    known: dict[str, Any] = {}
    if (path := _path(settings)) is not None:
        with suppress(Exception):  # a broken file is written anew
            known = read(settings)
        replace(path, json.dumps({**known, "base_url": settings.broker.base_url, **learned}).encode())


def _path(settings: Settings) -> Path | None:
    return None if settings.ledger.file is None else settings.ledger.file.with_name(PACE)
