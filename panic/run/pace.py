"""The pace that the broker was last seen to keep, in a file beside the ledger: the next press begins with it.

Other things that the next process should know of this broker stand in the same file.
"""

import json
import math
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from panic.config import Broker as BrokerSettings
from panic.config import Settings
from panic.config.own_files import PACE
from panic.engine.slots import Lanes
from panic.kit.background import wait, within
from panic.kit.files import read_regular, replace

_VALID_FOR = timedelta(days=7)
_BYTES_MOST = 1 << 16

DISK_S = 0.1
"""How long a disk may take that does not answer."""


def lanes_of(settings: Settings) -> Lanes:
    """Give the lanes of a process: at the pace that the settings name, else as fast as the broker was last."""
    known: dict[str, float] = {}
    if _path(settings) is not None:
        with suppress(Exception):  # it is a hint: a press begins at full speed without it
            known = within(lambda: _rates(read(settings)), DISK_S, "pace")
    return Lanes(settings.broker.requests_per_second, known)


def renewed(lanes: Lanes, old: BrokerSettings, new: BrokerSettings) -> Lanes:
    """Give the lanes after settings were loaded again: new ones where these name another broker or pace."""
    if (old.base_url, old.requests_per_second) == (new.base_url, new.requests_per_second):
        return lanes
    return Lanes(new.requests_per_second, lanes.rates() if old.base_url == new.base_url else None)


async def remember(settings: Settings, lanes: Lanes) -> None:
    """Keep what was learned for later processes; a disk that fails costs them a second, and nothing else."""
    if rates := {**lanes.known, **lanes.rates()}:  # a narrow run keeps the others' paces
        learned = {"at": f"{datetime.now(UTC):%FT%TZ}", "per_second": rates}
        with suppress(Exception):
            await wait(lambda: write(settings, learned), DISK_S, "pace")


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


def _rates(learned: dict[str, Any]) -> dict[str, float]:
    if abs(datetime.now(UTC) - datetime.fromisoformat(learned["at"])) > _VALID_FOR:
        return {}
    rates = {str(name): float(rate) for name, rate in learned["per_second"].items()}
    return {name: rate for name, rate in rates.items() if 0 < rate < math.inf}


def _path(settings: Settings) -> Path | None:
    return None if settings.ledger.file is None else settings.ledger.file.with_name(PACE)
