"""The audit: who did what through the service, in the log and in the ledger; in a flood, only a few refusals."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

import structlog
from aiohttp import web

from panic.config import Settings
from panic.kit.clock import time_of_day
from panic.ledger import history
from panic.ledger.events import Event, decode
from panic.ledger.reader import Row
from panic.ledger.record import Kind
from panic.service.auth import Identity
from panic.service.problems import CALLER, request_id

log = structlog.get_logger()

REPEATS_MOST: Final = 3
"""So many of a kind are put on record in a second; more are counted, so that a flood does not fill the ledger."""

_LATER_S: Final = 0.25
"""Entries reach the ledger a moment later: a run's own record must not wait for them."""

Write = Callable[[str, dict[str, Any]], None]
"""Puts one entry into the ledger: its time, ISO 8601, and its body; must not block."""


class Audit:
    """Puts on record who did what, without keys. It never blocks, and what fails in it stops nothing."""

    def __init__(self, write: Write, scrub: Callable[[str], str], now: Callable[[], float] = monotonic) -> None:
        self._write, self._scrub, self._now = write, scrub, now
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque()
        self._lately: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=REPEATS_MOST))
        self._unrecorded: Counter[str] = Counter()

    def record(self, kind: str, body: Mapping[str, Any]) -> None:
        """Put something on record."""
        try:
            told = _scrubbed(body, self._scrub)
            if structlog.is_configured():
                log.info(kind, **told)
            at = time_of_day(datetime.now(UTC).timestamp()).isoformat(timespec="microseconds")
            self._waiting.append((at, {**told, "what": kind}))
            if len(self._waiting) == 1:
                asyncio.get_running_loop().call_later(_LATER_S, self.flush)
        except Exception:
            if structlog.is_configured():
                log.exception("audit_failed", kind=kind)

    def record_request(self, request: web.Request, identity: Identity, kind: str, **body: object) -> None:
        """Put on record what somebody asked for and got."""
        where = {"from": request.get(CALLER, ""), "request_id": request_id(request)}
        self.record(kind, {**identity.on_record, **body, **where})

    def record_some(self, kind: str, body: Mapping[str, Any]) -> None:
        """Put something on record that anybody can repeat; in a flood it is only counted."""
        now, lately = self._now(), self._lately[kind]
        if len(lately) == REPEATS_MOST and lately[0] > now - 1.0:
            self._unrecorded[kind] += 1
            return
        lately.append(now)
        self.record(kind, {**body, "unrecorded_before": self._unrecorded.pop(kind, 0)})

    def flush(self) -> None:
        """Write what the ledger does not have yet."""
        while self._waiting:
            self._write(*self._waiting.popleft())


def _scrubbed(said: Any, scrub: Callable[[str], str]) -> Any:
    """Take keys out of every text in a document, before anything else sees it."""
    match said:
        case str():
            return scrub(said)
        case Mapping():
            return {name: _scrubbed(value, scrub) for name, value in said.items()}
        case list() | tuple():
            return [_scrubbed(value, scrub) for value in said]
    return said


def entries(settings: Settings) -> Iterator[Event]:
    """Give what is on record of who did what; what is not as it was written is left out. Blocks."""
    for row in rows(settings, Kind.AUDIT):
        with suppress(ValueError):
            event = decode(row.record)
            if isinstance(event.body, dict) and "what" in event.body:
                yield event


def rows(settings: Settings, *kinds: Kind) -> tuple[Row, ...]:
    """Give some kinds of the ledger's rows.

    Raises:
        OSError: It cannot be read.
    """
    found = history.read(settings.ledger, kinds=kinds)
    if found.damage and not found.rows:
        raise OSError(found.damage)
    return found.rows
