"""The exchange's days in the service: the broker's calendar, fetched some times a day and kept on disk."""

import asyncio
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from panic.broker.client import Broker
from panic.config import Settings
from panic.config.secret import Key
from panic.kit import background
from panic.kit.clock import Clock
from panic.service.schedule.files import load_calendar, save_calendar
from panic.service.schedule.sessions import MARKET, Calendar, disagreement, fallback, from_broker, merge

log = structlog.get_logger()

EVERY: Final = timedelta(hours=6)
"""How often the broker is asked."""

AGAIN: Final = timedelta(minutes=10)
"""How long after a failure it is asked again."""

DAYS: Final = 8
"""How many days from today it is asked for."""

_ATTEMPT_S: Final = 5.0
_DISK_S: Final = 5.0


class Almanac:
    """What is known of the exchange's days.

    Attributes:
        calendar: Both calendars in one.
    """

    def __init__(self, ledger: Path | None) -> None:
        self._ledger = ledger
        self._broker = Calendar()
        self._next: datetime | None = None
        self.calendar = fallback()

    async def load(self) -> None:
        """Read what was fetched last."""
        if ledger := self._ledger:
            with suppress(TimeoutError, RuntimeError):
                self._know(await background.wait(lambda: load_calendar(ledger), _DISK_S, "calendar"))

    async def refresh(self, settings: Settings, keys: dict[str, Key], now: datetime) -> None:
        """Ask the broker, if it is time to; what it does not answer stays as it was."""
        if (self._next is not None and now < self._next) or not keys:
            return
        self._next = now + AGAIN
        documents = await _fetch(settings, keys, now.date())
        if len(documents) >= DAYS:
            self._next = now + EVERY
        else:
            log.warning("calendar_not_fetched", days=len(documents))
        if documents:
            self._know(from_broker(documents, now))
            if ledger := self._ledger:
                await background.wait(lambda: save_calendar(ledger, documents, now), _DISK_S, "calendar")

    def doubt(self, day: date) -> str:
        """Say how broker and shipped calendar differ about a day; "" if they do not."""
        return disagreement(self._broker, fallback(), day)

    def _know(self, found: Calendar) -> None:
        self._broker = found
        self.calendar = merge(found, fallback())


async def _fetch(settings: Settings, keys: dict[str, Key], first: date) -> list[object]:
    """Ask day by day; gives what came before the first bad answer."""
    name, broker = min(keys), Broker(settings.broker, keys, Clock())
    found: list[object] = []
    await background.wait(broker.load_certificates, _DISK_S, "calendar")
    async with broker:
        for n in range(DAYS):
            query = (("date", str(first + timedelta(days=n))), ("market", MARKET))
            answer = await broker.get("/v1/calendars/market-hours", query, name, asyncio.timeout(_ATTEMPT_S))
            data = answer.document.get("data") if answer.document is not None else None
            if answer.evidence.status != 200 or not isinstance(data, list):  # noqa: PLR2004
                break
            found += data
    return found
