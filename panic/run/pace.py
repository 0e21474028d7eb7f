"""The pace that the broker was last seen to keep, in a file beside the ledger: the next press begins with it."""

import json
import math
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from panic.config import Broker as BrokerSettings
from panic.config import Settings
from panic.engine.slots import Lanes
from panic.kit.background import wait, within
from panic.kit.files import read_regular, replace

FILE = "pace.json"

_VALID_FOR = timedelta(days=7)
_BYTES_MOST = 1 << 16

_DISK_S = 0.1
"""How long a disk may take that does not answer."""


def lanes_of(settings: Settings) -> Lanes:
    """Give the lanes of a process: at the pace that the settings name, else as fast as the broker was last."""
    known: dict[str, float] = {}
    if (path := _path(settings)) is not None:
        with suppress(Exception):  # it is a hint: a press begins at full speed without it
            known = within(lambda: _known(path, settings.broker.base_url), _DISK_S, "pace")
    return Lanes(settings.broker.requests_per_second, known)


def renewed(lanes: Lanes, old: BrokerSettings, new: BrokerSettings) -> Lanes:
    """Give the lanes after settings were loaded again: new ones where these name another broker or pace."""
    if (old.base_url, old.requests_per_second) == (new.base_url, new.requests_per_second):
        return lanes
    return Lanes(new.requests_per_second, lanes.rates() if old.base_url == new.base_url else None)


async def remember(settings: Settings, lanes: Lanes) -> None:
    """Keep what was learned for later processes; a disk that fails costs them a second, and nothing else."""
    path, rates = _path(settings), {**lanes.known, **lanes.rates()}  # a narrow run keeps the others' paces
    if path is not None and rates:
        learned = {"base_url": settings.broker.base_url, "at": f"{datetime.now(UTC):%FT%TZ}", "per_second": rates}
        with suppress(Exception):
            await wait(lambda: replace(path, json.dumps(learned).encode()), _DISK_S, "pace")


def _known(path: Path, base_url: str) -> dict[str, float]:
    learned = json.loads(read_regular(path, _BYTES_MOST)[0])
    age = datetime.now(UTC) - datetime.fromisoformat(learned["at"])
    if learned["base_url"] != base_url or abs(age) > _VALID_FOR:
        return {}
    rates = {str(name): float(rate) for name, rate in learned["per_second"].items()}
    return {name: rate for name, rate in rates.items() if 0 < rate < math.inf}


def _path(settings: Settings) -> Path | None:
    return None if settings.ledger.file is None else settings.ledger.file.with_name(FILE)
