"""The broker's calendar as it was last fetched, kept beside the ledger so that a restart at night knows of it."""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic_core import from_json

from panic.config.own import CALENDAR
from panic.kit.errors import PanicError
from panic.kit.files import read_regular, replace, why
from panic.kit.words import clip
from panic.service.schedule.sessions import Calendar, from_broker

_SCHEMA = "panic-calendar/1"
_LARGEST = 4 << 20


def cache_file(ledger: Path) -> Path:
    """Tell where the calendar is kept that belongs to a ledger."""
    return ledger.with_name(CALENDAR)


def load_cache(path: Path) -> Calendar:
    """Read what `save_cache` wrote; a file that is missing knows nothing, one that is damaged says so."""
    try:
        data, status = read_regular(path, _LARGEST)
        document = from_json(data, allow_inf_nan=False)
    except FileNotFoundError:
        return Calendar()
    except OSError as error:
        return Calendar(problems=(f"{clip(str(path))} cannot be read: {why(error)}",))
    except ValueError:
        document = None
    found = document.get("documents") if isinstance(document, dict) else None
    if not isinstance(document, dict) or document.get("schema") != _SCHEMA or not isinstance(found, list):
        return Calendar(problems=(f"{clip(str(path))} is no calendar that panic wrote; remove it",))
    return from_broker(found, _moment(document.get("fetched_at"), status.st_mtime))


def _moment(value: object, otherwise: float) -> datetime:
    with suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment and moment.tzinfo:
            return moment.astimezone(UTC)
    return datetime.fromtimestamp(otherwise, UTC)


def save_cache(path: Path, documents: Sequence[object], fetched_at: datetime) -> None:
    """Write the days of the broker's answers; nobody ever reads half of it.

    Raises:
        PanicError: It could not be written; what was there before still is.
    """
    document = {
        "schema": _SCHEMA,
        "fetched_at": fetched_at.astimezone(UTC).isoformat(),
        "documents": list(documents),
    }
    try:
        replace(path, json.dumps(document).encode())
    except OSError as error:
        raise PanicError(f"{clip(str(path))} could not be written: {why(error)}") from error
