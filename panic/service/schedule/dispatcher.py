"""One scheduled run: claimed and started, or dropped and reported."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog

from panic.accounts.plan import scope_of
from panic.config import Schedule, Settings
from panic.kit import background
from panic.kit.errors import PanicError
from panic.report.document import Source
from panic.run.press import Press
from panic.service.desk import Desk
from panic.service.press_command import press_command
from panic.service.problems import ProblemError
from panic.service.schedule.claims import Claims
from panic.service.schedule.due import Due
from panic.service.standby import Standby

log = structlog.get_logger()

STILL_OPEN: Final = "What it was to cancel may still be open"

DRILL_S: Final = 120.0
"""A drill that takes longer hangs."""

_DISK_S: Final = 5.0

Page = Callable[[str, str, str], None]
"""Pages somebody: what it is about, a title and a text."""


@dataclass
class Dispatcher:
    """Begins runs that are owed; `page` pages people, `audit` puts on record what came of a drill."""

    desk: Desk
    standby: Standby
    claims: Claims
    page: Page
    audit: Callable[[str, dict[str, Any]], None]
    now: Callable[[], datetime]
    drills: set[asyncio.Task[None]] = field(default_factory=set)

    async def close(self) -> None:
        """End the drills that are under way."""
        for task in tuple(self.drills):
            task.cancel()
            await asyncio.wait([task])

    async def begin(self, due: Due, settings: Settings) -> bool:
        """Claim a run and begin it; False if it could not be claimed."""
        try:
            is_ours = await self.claims.claim(self.standby.ledger, due.key, self.now())
        except Exception as error:  # noqa: BLE001  (whatever is wrong with the ledger)
            why = str(error) or "the ledger does not answer"
            self.page(due.key, f"{due.key} cannot begin", f"It could not be written down: {why}")
            return False
        if is_ours and due.schedule.drill:
            task = asyncio.create_task(self._drill(due, settings))
            self.drills.add(task)
            task.add_done_callback(self.drills.discard)
        elif is_ours:
            self._press(due)
        return True

    def _press(self, due: Due) -> None:
        schedule = due.schedule
        press = Press(
            scope_of(schedule),
            reason=f"scheduled {schedule.at}: {due.key}",
            by=f"schedule {schedule.name}",
            source=Source.SCHEDULE,
            watch_s=schedule.watch_s,
            deadline_s=schedule.deadline_s,
            latch=schedule.latch,
            key=due.key,
        )
        try:
            live = self.desk.press(press, automated=True).live
            log.info("schedule_began", key=due.key, run_id=live.run.id)
        except (PanicError, ProblemError) as error:
            text = f"Nothing was sent: {str(error) or 'the service is ending'}. {self._by_hand(schedule)}"
            self.page(due.key, f"{due.key} did NOT run", text)

    async def give_up(self, due: Due, settings: Settings) -> None:
        """Tell once that a run did not begin in time."""
        with suppress(Exception):  # told twice is better than not at all
            await self.claims.read(settings.ledger, self.now())
            if due.key in self.claims.keys:  # another process ran it in time
                return
        self.claims.keys.add(due.late_key)
        is_first = True
        with suppress(Exception):
            is_first = await self.claims.claim(self.standby.ledger, due.late_key, self.now())
        if is_first:
            remedy = "Run: panic drill" if due.schedule.drill else self._by_hand(due.schedule)
            text = f"It was due at {due.at:%Y-%m-%d %H:%M:%S} UTC, and now it is too late. {remedy}"
            self.page(due.key, f"{due.key} did NOT run", text)

    def _by_hand(self, schedule: Schedule) -> str:
        """Say what to do about what it did not cancel."""
        command = press_command(schedule, self.standby.pressable, f"{schedule.name} did not run")
        return f"{STILL_OPEN}. If it must not be, {command}"

    async def _drill(self, due: Due, settings: Settings) -> None:
        """Run a drill, and put on record what came of it."""
        assert settings.ledger.file is not None  # noqa: S101  (its key was claimed there)
        try:
            passed, report = await rehearse(due.key, settings.ledger.file)
        except Exception as error:  # whatever kept it from running
            log.exception("drill_failed")
            self.page(due.key, f"the drill {due.key} did NOT run", f"{type(error).__name__}. Run: panic drill")
            return
        self.audit("drill", {"key": due.key, "passed": passed, "report": report.name})
        if not passed:
            self.page(due.key, f"the drill {due.key} did NOT pass", f"Its report: {report}. Run: panic drill")


async def rehearse(key: str, ledger: Path, *words: str) -> tuple[bool, Path]:
    """Run a drill in a process of its own, so that no run of the service waits for it.

    Gives whether it passed and its report, kept in the folder `drills` beside the ledger; a TimeoutError for one
    that hung and was killed, an OSError where there is no process or no folder.
    """
    folder = ledger.with_name("drills")
    report = folder / f"{key.replace('/', '-')}.json"
    await background.wait(lambda: folder.mkdir(mode=0o700, exist_ok=True), _DISK_S, "drill")
    kept = ("--format", "json", "--ledger", str(folder / "ledger.db"), "--output", str(report))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "panic", "drill", *words, *kept, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(DRILL_S):
            code = await process.wait()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return code == 0, report
