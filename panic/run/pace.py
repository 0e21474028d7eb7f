"""The pace that the broker was last seen to keep: the next press begins with it."""

import math
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from panic.config import Broker as BrokerSettings
from panic.config import Settings
from panic.engine.lanes import Lanes
from panic.kit.background import wait, within
from panic.run import learned
from panic.run.learned import DISK_S

_VALID_FOR = timedelta(days=7)


def lanes_of(settings: Settings) -> Lanes:
    """Give the lanes of a process: at the pace that the settings name, else as fast as the broker was last."""
    known: dict[str, float] = {}
    if settings.ledger.file is not None:
        with suppress(Exception):  # it is a hint: a press begins at full speed without it
            known = within(lambda: _rates(learned.read(settings)), DISK_S, "pace")
    return Lanes(settings.broker.requests_per_second, known)


def renewed(lanes: Lanes, old: BrokerSettings, new: BrokerSettings) -> Lanes:
    """Give the lanes after settings were loaded again: new ones where these name another broker or pace."""
    if (old.base_url, old.requests_per_second) == (new.base_url, new.requests_per_second):
        return lanes
    return Lanes(new.requests_per_second, lanes.rates() if old.base_url == new.base_url else None)


async def remember(settings: Settings, lanes: Lanes) -> None:
    """Keep what was learned for later processes; a disk that fails costs them a second, and nothing else."""
    if rates := {**lanes.known, **lanes.rates()}:  # a narrow run keeps the others' paces
        pace = {"at": f"{datetime.now(UTC):%FT%TZ}", "per_second": rates}
        with suppress(Exception):
            await wait(lambda: learned.write(settings, pace), DISK_S, "pace")


def _rates(said: dict[str, Any]) -> dict[str, float]:
    if abs(datetime.now(UTC) - datetime.fromisoformat(said["at"])) > _VALID_FOR:
        return {}
    rates = {str(name): float(rate) for name, rate in said["per_second"].items()}
    return {name: rate for name, rate in rates.items() if 0 < rate < math.inf}
