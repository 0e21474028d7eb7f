"""What the service keeps beside the ledger, so that a restart at night knows of it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic_core import from_json

from panic.config.own_files import CALENDAR, CLOCK
from panic.kit.files import read_regular, replace, why
from panic.kit.words import clip
from panic.service.schedule.sessions import Calendar, from_broker

_SCHEMA = "panic-calendar/1"
_LARGEST = 4 << 20


def load_calendar(ledger: Path) -> Calendar:
    """Read the broker's calendar as it was last fetched; one that is damaged knows nothing but that."""
    path = ledger.with_name(CALENDAR)
    try:
        document = from_json(read_regular(path, _LARGEST)[0], allow_inf_nan=False)
        if document["schema"] == _SCHEMA:
            fetched_at = datetime.fromisoformat(document["fetched_at"]).astimezone(UTC)
            return from_broker(list(document["documents"]), fetched_at)
    except FileNotFoundError:
        return Calendar()
    except OSError as error:
        return Calendar(problems=(f"{clip(str(path))} cannot be read: {why(error)}",))
    except (ValueError, TypeError, KeyError, OverflowError):
        pass
    return Calendar(problems=(f"{clip(str(path))} is no calendar that panic wrote; remove it",))


def save_calendar(ledger: Path, documents: Sequence[object], fetched_at: datetime) -> None:
    """Write the days of the broker's answers; OSError leaves what was there before."""
    document = {"schema": _SCHEMA, "fetched_at": fetched_at.isoformat(), "documents": list(documents)}
    replace(ledger.with_name(CALENDAR), json.dumps(document).encode())


def load_seen(ledger: Path) -> datetime | None:
    """Read until when an earlier service looked at the clock; None the first time ever.

    Raises whatever keeps it from being read.
    """
    try:
        text = ledger.with_name(CLOCK).read_text()
    except FileNotFoundError:
        return None
    return datetime.fromisoformat(json.loads(text)["seen"]).astimezone(UTC)


def save_seen(ledger: Path, seen: datetime) -> None:
    """Write it; raises OSError."""
    replace(ledger.with_name(CLOCK), json.dumps({"seen": seen.isoformat()}).encode())
