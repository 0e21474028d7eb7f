"""Schedules in the service: each second it asks what is owed, writes it down, and presses or tells somebody."""

import asyncio
import hashlib
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import structlog

from panic import background
from panic.config import LedgerFiles, Schedule, Settings
from panic.config.own import CLOCK
from panic.config.schedules import SECTION
from panic.errors import PanicError
from panic.files import replace
from panic.ledger.writer import Writer
from panic.notify import Notice
from panic.plan import Scope, scope_of
from panic.run.press import Press
from panic.schedule.next import Due, owed
from panic.schedule.sessions import exchange_zone
from panic.secret import Key
from panic.service import claims
from panic.service.almanac import Almanac
from panic.service.by_hand import by_hand
from panic.service.desk import SCHEDULE, Pressing, Refused

log = structlog.get_logger()

TICK_S = 1.0
"""How often it looks at the clock: no sleep is so long that a jump of the clock is slept through."""

LEDGER_S = 5.0
"""So long the ledger may take to write a key down."""

_STILL_OPEN = "What it was to cancel may still be open"
DRILL_S = 120.0
"""A drill that takes longer than that hangs."""

DRILL = ("drill",)
"""What of the command line a scheduled drill is."""

_KEEP = timedelta(seconds=30)
_A_DAY = timedelta(hours=24)


class Presses(Protocol):
    """The part of the desk that a schedule needs."""

    def press(self, press: Press, *, automated: bool = False) -> Pressing:
        """Press, at once; raises what keeps it from it."""


class Ready(Protocol):
    """The part of the standby that a schedule needs."""

    @property
    def settings(self) -> Settings:
        """Those in force."""

    @property
    def keys(self) -> dict[str, Key]:
        """The usable keys."""

    @property
    def ledger(self) -> Writer | None:
        """The writer of the ledger; None where there is none."""

    def pressable(self, scope: Scope) -> Scope | None:
        """Give the scope nearest to this one that a press by hand would take now; None where there is none."""


class Clockwork:
    """Carries schedules out: each run once, or told.

    Args:
        desk: Where presses become runs.
        standby: The settings and keys in force.
        tell: Tells people; must neither block nor raise.
        audit: Puts on record what came of a drill.
        now: The time of day, UTC.
    """

    def __init__(
        self,
        desk: Presses,
        standby: Ready,
        tell: Callable[[Notice], None],
        audit: Callable[[str, dict[str, Any]], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._desk, self._standby, self._tell, self._audit, self._now = desk, standby, tell, audit, now
        self.almanac = Almanac(standby.settings.ledger.file)
        self._was = self.almanac.calendar
        self._claimed: set[str] = set()
        self._has_learned = False
        self._seen: datetime | None = None
        self._kept: datetime | None = None
        self._doubted = ""
        self._drills: set[asyncio.Task[None]] = set()
        self._refreshing: asyncio.Task[None] | None = None
        self._claiming: dict[str, asyncio.Future[bool]] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Learn what was done before, and go."""
        await self.learn()
        self._task = asyncio.create_task(self._go(), name="panic-clockwork")

    async def close(self) -> None:
        """Begin nothing more."""
        for task in filter(None, (self._task, self._refreshing, *self._drills)):
            task.cancel()
            await asyncio.wait([task])
        if self._seen is not None:  # not this moment: what was due since then is still owed
            await self._keep(self._seen, at_once=True)

    async def learn(self) -> None:
        """Read what is written down, and until when an earlier service looked at the clock."""
        ledger, since = self._standby.settings.ledger, self._now() - _A_DAY
        for problem in self._standby.settings.problems:
            if problem.section == SECTION:
                self._page("settings", "a schedule was left out: it will NOT run", str(problem))
        await self.almanac.load()
        self._was = self.almanac.calendar
        try:
            self._seen = await self._within(lambda: _read(_file(self._standby.settings)))
        except Exception as error:  # noqa: BLE001  (whatever keeps it from being read)
            text = f"When the clock was looked at last cannot be read: {error}. See: panic schedule"
            self._page("clockwork-gap", "schedules may have been missed", text)
        await self._learn_claims(ledger, since)

    async def _learn_claims(self, ledger: LedgerFiles, since: datetime) -> None:
        try:
            self._claimed |= await self._within(lambda: claims.claimed(ledger))
            left = await self._within(lambda: claims.forsaken(ledger, since))
        except Exception as error:  # noqa: BLE001  (it is tried again; each claim says it as well)
            log.warning("claims_not_read", error=str(error))
            return
        self._has_learned = True
        for key in left:
            self._page(
                key,
                f"{key} did NOT run",
                f"The service died as it was to begin. {_STILL_OPEN}. See: panic schedule",
            )

    async def _go(self) -> None:
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
        if settings.schedules and not self._has_learned:
            await self._learn_claims(settings.ledger, now - _A_DAY)
        if settings.schedules:
            if self._refreshing is None or self._refreshing.done():
                self._refreshing = asyncio.create_task(self._refresh(settings, now))
            self._warn_of_doubt(now)
        found = owed(
            settings.schedules,
            self.almanac.calendar,
            seen=self._seen,
            now=now,
            claimed=self._claimed,
            was=self._was,
        )
        failed = False
        for due in found.run:
            failed = not await self._begin(due, settings) or failed
        for due in found.late:
            await self._be_late(due, settings)
        if found.unknown:
            self._page("clockwork-gap", "schedules may have been missed", f"Nobody looked: {found.unknown}.")
        if not failed:  # what could not be written down is tried again until it is late
            self._seen, self._was = found.seen, self.almanac.calendar
            await self._keep(found.seen)

    async def _refresh(self, settings: Settings, now: datetime) -> None:
        """Ask for the calendar beside everything else: no run waits for it."""
        try:
            await self.almanac.refresh(settings, self._standby.keys, now)
        except Exception:  # what is known stays known
            log.exception("calendar_failed")

    # ── one run ─────────────────────────────────────────────────────────────────────────────────────────

    async def _begin(self, due: Due, settings: Settings) -> bool:
        """Write it down and begin; False if it could not be written down."""
        try:
            is_ours = await self._claim(due.key)
        except Exception as error:  # noqa: BLE001  (whatever is wrong with the ledger)
            why = str(error) or "the ledger does not answer"
            self._page(due.key, f"{due.key} cannot begin", f"It could not be written down: {why}")
            return False
        self._claimed.add(due.key)
        if not is_ours:  # another process has it
            return True
        schedule = next(one for one in settings.schedules if one.name == due.schedule)
        if schedule.drill:
            task = asyncio.create_task(self._drill(due, settings))
            self._drills.add(task)
            task.add_done_callback(self._drills.discard)
            return True
        try:
            live = self._desk.press(press_of(schedule, due), automated=True).live
            log.info("schedule_began", key=due.key, run_id=live.run.id)
        except (PanicError, Refused) as error:
            why = str(error) or "the service is ending"
            text = f"Nothing was sent: {why}. {self._left_open(schedule)}"
            self._page(due.key, f"{due.key} did NOT run", text)
        return True

    async def _claim(self, key: str) -> bool:
        """Write a key down; one that took too long may still be written, and is asked after again."""
        at = self._now()
        if key not in self._claiming:
            self._claiming[key] = background.begin(lambda: claims.claim(self._standby.ledger, key, at), "claim")
        async with asyncio.timeout(LEDGER_S):
            await asyncio.wait([self._claiming[key]])
        return self._claiming.pop(key).result()

    async def _be_late(self, due: Due, settings: Settings) -> None:
        """Tell once that a run did not begin in time."""
        with suppress(Exception):
            if due.key in await self._within(lambda: claims.claimed(settings.ledger)):
                self._claimed.add(due.key)  # another process ran it in time
                return
        self._claimed.add(due.late_key)
        first = True
        with suppress(Exception):  # told twice is better than not at all
            first = await self._within(lambda: claims.claim(self._standby.ledger, due.late_key, self._now()))
        if first:
            schedule = next(one for one in settings.schedules if one.name == due.schedule)
            left = "Run: panic drill" if schedule.drill else self._left_open(schedule)
            text = f"It was due at {due.at:%Y-%m-%d %H:%M:%S} UTC, and now it is too late. {left}"
            self._page(due.key, f"{due.key} did NOT run", text)

    def _left_open(self, schedule: Schedule) -> str:
        """Say what to do about what it did not cancel."""
        scope = scope_of(schedule)
        found, reason = self._standby.pressable(scope), f"{schedule.name} did not run"
        todo = by_hand(scope, found, latch=schedule.latch, reason=reason)
        return f"{_STILL_OPEN}. If it must not be, {todo}"

    async def _drill(self, due: Due, settings: Settings) -> None:
        """Run a drill in a process of its own, and put on record what came of it."""
        try:
            await self._drilled(due, settings)
        except Exception as error:  # whatever kept it from running
            log.exception("drill_failed")
            self._page(due.key, f"the drill {due.key} did NOT run", f"{type(error).__name__}. Run: panic drill")

    async def _drilled(self, due: Due, settings: Settings) -> None:
        assert settings.ledger.file is not None  # noqa: S101  (its key was written down there)
        folder = settings.ledger.file.with_name("drills")
        report = folder / f"{due.key.replace('/', '-')}.json"
        await self._within(lambda: folder.mkdir(mode=0o700, exist_ok=True))
        command = (*DRILL, "--format", "json", "--ledger", str(folder / "ledger.db"), "--output", str(report))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "panic", *command, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(DRILL_S):
                code = await process.wait()
        except (TimeoutError, asyncio.CancelledError):
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        told = await self._within(lambda: report.read_bytes() if report.exists() else b"")
        passed, digest = code == 0, hashlib.sha256(told).hexdigest()
        self._audit("drill", {"key": due.key, "passed": passed, "report": report.name, "sha256": digest})
        if not passed:
            self._page(due.key, f"the drill {due.key} did NOT pass", f"Its report: {report}. Run: panic drill")

    # ── what it knows ───────────────────────────────────────────────────────────────────────────────────

    def _warn_of_doubt(self, now: datetime) -> None:
        """At the start of a day, say that the calendars disagree about it."""
        day = now.astimezone(exchange_zone()).date()
        doubt = self.almanac.doubt(day)
        if doubt and doubt != self._doubted:
            self._doubted = doubt
            self._page(f"calendar {day}", f"the calendars disagree about {day}", f"{doubt}. See: panic schedule")

    def _page(self, key: str, title: str, text: str) -> None:
        log.error("schedule_trouble", key=key, title=title, text=text)
        self._tell(Notice("page", "", title, text, f"schedule {key}"))

    async def _keep(self, seen: datetime, *, at_once: bool = False) -> None:
        """Remember until when the clock was looked at."""
        if self._kept is not None and seen - self._kept < _KEEP and not at_once:
            return
        self._kept = seen
        with suppress(Exception):  # it is written again half a minute later
            await self._within(lambda: _write(_file(self._standby.settings), seen))

    async def _within(self, work: Callable[[], Any]) -> Any:
        async with asyncio.timeout(LEDGER_S):
            return await background.begin(work, "clockwork")


def press_of(schedule: Schedule, due: Due) -> Press:
    """Give the press of a scheduled run."""
    return Press(
        scope_of(schedule),
        reason=f"scheduled {schedule.at}: {due.key}",
        by=f"schedule {schedule.name}",
        source=SCHEDULE,
        watch_s=schedule.watch_s,
        deadline_s=schedule.deadline_s,
        latch=schedule.latch,
        key=due.key,
    )


def _file(settings: Settings) -> Path:
    assert settings.ledger.file is not None  # noqa: S101  (else nothing is written down)
    return settings.ledger.file.with_name(CLOCK)


def _read(file: Path) -> datetime | None:
    """Give the moment; None the first time ever. Anything else that keeps it from being read is raised."""
    try:
        text = file.read_text()
    except FileNotFoundError:
        return None
    return datetime.fromisoformat(json.loads(text)["seen"]).astimezone(UTC)


def _write(file: Path, seen: datetime) -> None:
    replace(file, json.dumps({"seen": seen.isoformat()}).encode())
