"""The exchange's days in the service: the broker's calendar, fetched some times a day and kept on disk."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import structlog
from pydantic import AwareDatetime, TypeAdapter

from panic.broker.client import Broker
from panic.config import Settings
from panic.config.own_files import CALENDAR
from panic.config.secret import Key
from panic.kit import background
from panic.kit.clock import Clock
from panic.kit.files import read_regular, replace, why
from panic.kit.words import clip
from panic.service.schedule.calendar import MARKET, Calendar, fallback, from_broker, merge

log = structlog.get_logger()

EVERY: Final = timedelta(hours=6)
"""How often the broker is asked."""

AGAIN: Final = timedelta(minutes=10)
"""How long after a failure it is asked again."""

DAYS: Final = 8
"""How many days from today it is asked for."""

_WAIT_S: Final = 5.0
_LARGEST: Final = 4 << 20


class Almanac:
    """What is known of the exchange's days: both calendars in one."""

    def __init__(self, ledger: Path | None) -> None:
        self._ledger = ledger
        self._next: datetime | None = None
        self.calendar = fallback()

    async def load(self) -> None:
        """Read what was fetched last."""
        if ledger := self._ledger:
            with suppress(TimeoutError, RuntimeError):
                found = await background.wait(lambda: load_calendar(ledger), _WAIT_S, "calendar")
                self.calendar = merge(found, fallback())

    async def refresh(self, settings: Settings, keys: dict[str, Key], now: datetime) -> None:
        """Ask the broker, if it is time to; what it does not answer stays as it was, and nothing raises."""
        if (self._next is not None and now < self._next) or not keys:
            return
        self._next = now + AGAIN
        try:
            documents = await _fetch(settings, keys, now.date())
            if documents:
                self.calendar = merge(from_broker(documents, now), fallback())
            if len(documents) >= DAYS:
                self._next = now + EVERY
            else:
                log.warning("calendar_not_fetched", days=len(documents))
            if documents and (ledger := self._ledger):
                await background.wait(lambda: save_calendar(ledger, documents, now), _WAIT_S, "calendar")
        except Exception:
            log.exception("calendar_failed")


async def _fetch(settings: Settings, keys: dict[str, Key], first: date) -> list[object]:
    """Ask day by day; gives what came before the first bad answer."""
    name, broker = min(keys), Broker(settings.broker, keys, Clock())
    found: list[object] = []
    await background.wait(broker.load_certificates, _WAIT_S, "calendar")
    async with broker:
        for n in range(DAYS):
            query = (("date", str(first + timedelta(days=n))), ("market", MARKET))
            answer = await broker.get("/v1/calendars/market-hours", query, name, asyncio.timeout(_WAIT_S))
            data = answer.document.get("data") if answer.document is not None else None
            if answer.evidence.status != 200 or not isinstance(data, list):  # noqa: PLR2004
                break
            found += data
    return found


@dataclass(frozen=True, slots=True)
class _Kept:
    schema: Literal["panic-calendar/1"]
    fetched_at: AwareDatetime
    documents: list[Any]


_KEPT: TypeAdapter[_Kept] = TypeAdapter(_Kept)


def load_calendar(ledger: Path) -> Calendar:
    """Read the broker's calendar as it was last fetched; one that is damaged knows nothing but that."""
    path = ledger.with_name(CALENDAR)
    try:
        kept = _KEPT.validate_json(read_regular(path, _LARGEST)[0])
    except FileNotFoundError:
        return Calendar()
    except OSError as error:
        return Calendar(problems=(f"{clip(str(path))} cannot be read: {why(error)}",))
    except ValueError:
        return Calendar(problems=(f"{clip(str(path))} is no calendar that panic wrote; remove it",))
    return from_broker(kept.documents, kept.fetched_at.astimezone(UTC))


def save_calendar(ledger: Path, documents: list[Any], fetched_at: datetime) -> None:
    """Write the days of the broker's answers; OSError leaves what was there before."""
    kept = _Kept("panic-calendar/1", fetched_at, documents)
    replace(ledger.with_name(CALENDAR), _KEPT.dump_json(kept))
