"""The pace that the broker was last seen to keep, in a file beside the ledger: the next press begins with it."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from panic.config import Broker as BrokerSettings
from panic.config import Settings
from panic.engine.slots import Lanes
from panic.kit.files import read_regular, replace

FILE = "pace.json"

_VALID_FOR = timedelta(days=7)
_BYTES_MOST = 1 << 16


def lanes_of(settings: Settings) -> Lanes:
    """Give the lanes of a process: at the pace that the settings name, else as fast as the broker was last."""
    return Lanes(settings.broker.requests_per_second, _known(settings))


def renewed(lanes: Lanes, old: BrokerSettings, new: BrokerSettings) -> Lanes:
    """Give the lanes after settings were loaded again: new ones where these name another broker or pace."""
    if (old.base_url, old.requests_per_second) == (new.base_url, new.requests_per_second):
        return lanes
    return Lanes(new.requests_per_second, lanes.rates() if old.base_url == new.base_url else None)


def remember(settings: Settings, lanes: Lanes) -> None:
    """Keep what was learned for later processes; a disk that fails costs them a second, and nothing else."""
    path, rates = _path(settings), lanes.rates()
    if path is not None and rates:
        learned = {"base_url": settings.broker.base_url, "at": f"{datetime.now(UTC):%FT%TZ}", "per_second": rates}
        with suppress(OSError):
            replace(path, json.dumps(learned).encode())


def _known(settings: Settings) -> dict[str, float]:
    path = _path(settings)
    if path is None:
        return {}
    try:
        learned = json.loads(read_regular(path, _BYTES_MOST)[0])
        age = datetime.now(UTC) - datetime.fromisoformat(learned["at"])
        if learned["base_url"] != settings.broker.base_url or abs(age) > _VALID_FOR:
            return {}
        return {str(name): float(rate) for name, rate in learned["per_second"].items() if float(rate) > 0}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}  # it is a hint: a press begins at full speed without it


def _path(settings: Settings) -> Path | None:
    return None if settings.ledger.file is None else settings.ledger.file.with_name(FILE)
