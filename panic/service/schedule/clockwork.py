"""Schedules in the service: each second it checks what is due, and starts or reports it."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from panic.config.entries import SCHEDULES
from panic.config.own_files import CLOCK
from panic.kit import background
from panic.kit.files import replace
from panic.service.desk import Desk
from panic.service.notify import Notice
from panic.service.schedule.almanac import Almanac
from panic.service.schedule.calendar import Session, exchange_zone
from panic.service.schedule.claims import Claims
from panic.service.schedule.dispatcher import STILL_OPEN, Dispatcher
from panic.service.schedule.due import owed
from panic.service.standby import Standby

log = structlog.get_logger()

TICK_S: Final = 1.0
"""How often it looks at the clock: short enough not to sleep through a jump of the clock."""

_A_DAY: Final = timedelta(hours=24)
_WRITE_EVERY: Final = timedelta(seconds=30)
_DISK_S: Final = 5.0


class Clockwork:
    """Carries schedules out: each run once, or somebody is told; `audit` puts on record what came of a drill."""

    def __init__(
        self,
        desk: Desk,
        standby: Standby,
        tell: Callable[[Notice], None],
        audit: Callable[[str, dict[str, Any]], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._standby, self._now, self._tell = standby, now, tell
        self._claims, self._ledger = Claims(), standby.settings.ledger.file
        self._seen: datetime | None = None
        self._written: datetime | None = None
        self._dispatcher = Dispatcher(desk, standby, self._claims, self._page, audit, now)
        self.almanac = Almanac(self._ledger)
        self._was = self.almanac.calendar
        self._doubted = ""
        self._refreshing: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Learn what was done before, and begin to look at the clock."""
        await self.learn()
        self._task = asyncio.create_task(self._look(), name="panic-clockwork")

    async def close(self) -> None:
        """Begin nothing more."""
        for task in filter(None, (self._task, self._refreshing)):
            task.cancel()
            await asyncio.wait([task])
        await self._dispatcher.close()
        await self._write_seen()  # as of the last look: what was due since then is still owed

    async def learn(self) -> None:
        """Read what is claimed, and until when an earlier service looked at the clock."""
        for problem in self._standby.settings.problems:
            if problem.section == SCHEDULES:
                self._page("settings", "a schedule was left out: it will NOT run", str(problem))
        await self.almanac.load()
        self._was = self.almanac.calendar
        try:
            if ledger := self._ledger:
                self._seen = await background.wait(lambda: _load_seen(ledger), _DISK_S, "clock")
        except Exception as error:  # noqa: BLE001  (whatever keeps it from being read)
            text = f"When the clock was looked at last cannot be read: {error}. See: panic schedule"
            self._page("clockwork-gap", "schedules may have been missed", text)
        await self._read_claims()

    async def _read_claims(self) -> None:
        try:
            abandoned = await self._claims.read(self._standby.settings.ledger, self._now() - _A_DAY)
        except Exception as error:  # noqa: BLE001  (it is tried again; each claim says it as well)
            log.warning("claims_not_read", error=str(error))
            return
        for key in abandoned:
            text = f"The service died as it was to begin. {STILL_OPEN}. See: panic schedule"
            self._page(key, f"{key} did NOT run", text)

    async def _look(self) -> None:
        while True:
            try:
                await self.turn()
            except Exception:
                log.exception("clockwork_failed")
                self._page("clockwork", "schedules do not run", "The service's clock is broken: see its log.")
            await asyncio.sleep(TICK_S)

    async def turn(self) -> None:
        """Look at the clock once, and do what is owed."""
        settings, now = self._standby.settings, self._now()
        if settings.schedules:
            if not self._claims.are_read:
                await self._read_claims()
            if self._refreshing is None or self._refreshing.done():
                self._refreshing = asyncio.create_task(self.almanac.refresh(settings, self._standby.keys, now))
            self._warn_of_doubt(now)
        calendar, claimed = self.almanac.calendar, self._claims.keys
        found = owed(settings.schedules, calendar, seen=self._seen, now=now, claimed=claimed, was=self._was)
        begun = [await self._dispatcher.begin(due, settings) for due in found.run]
        for due in found.late:
            await self._dispatcher.give_up(due, settings)
        if all(begun):  # what could not be claimed is tried again until it is late
            self._was, self._seen = calendar, now
            if self._written is None or now - self._written >= _WRITE_EVERY:
                await self._write_seen()

    async def _write_seen(self) -> None:
        """Write until when the clock was looked at; what cannot be written now is half a minute later."""
        if (ledger := self._ledger) and (seen := self._seen):
            self._written = seen
            with suppress(Exception):
                await background.wait(lambda: _save_seen(ledger, seen), _DISK_S, "clock")

    def _warn_of_doubt(self, now: datetime) -> None:
        """At the start of a day, say that the calendars disagree about it."""
        day = now.astimezone(exchange_zone()).date()
        known = self.almanac.calendar.days.get(day)
        doubt = known.doubt if isinstance(known, Session) else ""
        if doubt and doubt != self._doubted:
            self._doubted = doubt
            self._page(f"calendar {day}", f"the calendars disagree about {day}", f"{doubt}. See: panic schedule")

    def _page(self, key: str, title: str, text: str) -> None:
        log.error("schedule_trouble", key=key, title=title, text=text)
        self._tell(Notice("page", "", title, text, f"schedule {key}"))


def _load_seen(ledger: Path) -> datetime | None:
    """Read until when an earlier service looked at the clock; None the first time ever."""
    try:
        text = ledger.with_name(CLOCK).read_text()
    except FileNotFoundError:
        return None
    return datetime.fromisoformat(json.loads(text)["seen"]).astimezone(UTC)


def _save_seen(ledger: Path, seen: datetime) -> None:
    replace(ledger.with_name(CLOCK), json.dumps({"seen": seen.isoformat()}).encode())
