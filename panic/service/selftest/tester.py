"""The self-test of a service: the check of every account at an interval, which no press ever waits for.

It asks at a pace, so that it never takes more than its share of what the broker allows, and is dropped the moment
that a run begins. What it finds is told to people, to Prometheus, to the API, and to a file beside the ledger.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import structlog

from panic.config import Settings
from panic.engine.lanes import Lanes
from panic.kit.background import Aside, Do
from panic.kit.words import ago
from panic.run.check import Pace, Setup, check
from panic.service.desk import Desk
from panic.service.live import Live
from panic.service.notify import Notice
from panic.service.selftest.findings import Finding, exit_code, findings, found
from panic.service.selftest.machine import look
from panic.service.selftest.result import SelfTestResult, place, read, write

log = structlog.get_logger()

FIRST_S: Final = 5.0
"""How long after the start the first one begins: connections, and unfinished runs, come first."""

AFTER_RUN_S: Final = 2.0
"""How long after a run no requests are made: the run may still need the network and the rate limit."""

KEY: Final = "selftest"
"""Of the page: there is one at a time."""

ASIDE_S: Final = 10.0
"""How long disks may take; longer is a finding."""

_READ_S = 2.0
_OFF_S = 30.0
_LOOK_S = 1.0
_TOLD_MOST = 6


class SelfTester:
    """The loop, between `start` and `close`, beside a desk whose runs come first.

    It tests the `setup` that a press would go by now.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        setup: Callable[[], Setup],
        desk: Desk,
        tell: Callable[[Notice], None],
        *,
        first_s: float = FIRST_S,
        do: Do | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings, self._setup, self._desk, self._tell = settings, setup, desk, tell
        self._first_s, self._now, self._do = first_s, now, do or Aside(2).do
        self.last: SelfTestResult | None = None
        self._alarming: tuple[Finding, ...] = ()
        self._loop: asyncio.Task[None] | None = None
        self._round: asyncio.Task[None] | None = None
        self._ended_at = -AFTER_RUN_S
        desk.observers.append(self.observe)

    async def start(self) -> None:
        """Begin; the last one is remembered from before, where there was one."""
        if file := place(self._settings()):
            with suppress(TimeoutError, OSError, RuntimeError):
                self.last = await self._do(partial(read, file), "self-test-read", _READ_S)
        self._loop = asyncio.create_task(self._go(), name="panic-self-test")

    async def close(self) -> None:
        """End it, in the middle if need be."""
        for task in filter(None, (self._loop, self._round)):
            task.cancel()
            await asyncio.wait([task])

    def observe(self, what: str, _: Live) -> None:
        """Take what the desk tells: a run begins, and everything of ours is dropped."""
        if what == "started" and self._round is not None:
            self._round.cancel()
        elif what == "finished":
            self._ended_at = asyncio.get_running_loop().time()

    @property
    def not_ready(self) -> str:
        """Why no press would work at all, in a word; empty if one would, or if nobody knows."""
        last, settings = self.last, self._settings()
        if last is None or not last.none_could_be_pressed:
            return ""
        is_of_now = settings.self_test.every_s > 0 and last.base_url == settings.broker.base_url
        return "self-test" if is_of_now and not last.is_stale(self._now()) else ""

    def status(self) -> dict[str, Any]:
        """Say in a few words how things stand."""
        last, now = self.last, self._now()
        at = last and last.proven_at
        return {
            "every_s": self._settings().self_test.every_s,
            "under_way": self._round is not None and not self._round.done(),
            "ok": last and last.ok,
            "age_s": last and round(last.age_s(now), 3),
            "proven": at and ago((now - at).total_seconds()),
            "findings": [one.code for one in last.findings] if last else [],
        }

    async def _go(self) -> None:
        await asyncio.sleep(self._first_s)
        loop = asyncio.get_running_loop()
        while True:
            settings, began = self._settings(), loop.time()
            if not settings.self_test.every_s:
                await asyncio.sleep(_OFF_S)
            elif self._desk.is_busy or began - self._ended_at < AFTER_RUN_S:
                await asyncio.sleep(_LOOK_S)
            else:
                self._round = asyncio.create_task(self._prove(settings), name="panic-self-test-round")
                await asyncio.wait([self._round])
                if not self._round.cancelled():  # what was dropped for a run is due again
                    await asyncio.sleep(max(began + settings.self_test.every_s - loop.time(), 0.0))

    async def _prove(self, settings: Settings) -> None:
        how = (self._do, self._now, self._alarm_early, self._desk.lanes)
        before, result = self.last, await go_round(settings, self._setup(), *how)
        self.last = result if result.ok or before is None else replace(result, proven_at=before.proven_at)
        alarming = _alarming(self.last.findings)
        if alarming != self._alarming:
            self._alarm(alarming)
        if file := place(settings):
            try:
                await self._do(partial(write, file, self.last), "self-test-write", ASIDE_S)
            except (TimeoutError, OSError, RuntimeError) as error:
                log.warning("self_test_not_kept", error=type(error).__name__)

    def _alarm_early(self, so_far: tuple[Finding, ...]) -> None:
        """Page for what a round found so far: only for a new kind, since the rest is not known yet."""
        alarming = _alarming(so_far)
        if {one.code for one in alarming} - {one.code for one in self._alarming}:
            self._alarm(alarming)

    def _alarm(self, alarming: tuple[Finding, ...]) -> None:
        self._alarming = alarming
        self._tell(page_of(alarming))


def page_of(alarming: tuple[Finding, ...]) -> Notice:
    """Give the page for what stands in the way of a press; where nothing does, the end of the page before."""
    if not alarming:
        title = "A press would work everywhere again"
        return Notice("page", "", title, "The self-test found nothing wrong.", KEY, closes=True)
    lines = [f"{one.worst.upper()}  {one}" for one in alarming[:_TOLD_MOST]]
    if len(alarming) > _TOLD_MOST:
        lines.append(f"and {len(alarming) - _TOLD_MOST} more")
    title = "A press would not work everywhere, or not provably"
    return Notice("page", "", title, "\n".join([*lines, "Type: panic check"]), KEY)


def _alarming(everything: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(one for one in everything if one.is_alarming)


async def go_round(
    settings: Settings,
    setup: Setup,
    do: Do,
    now: Callable[[], datetime],
    tell: Callable[[tuple[Finding, ...]], None],
    lanes: Lanes,
) -> SelfTestResult:
    """Look at this machine and, at a pace, at every account; `tell` hears of failures before the end.

    It takes turns of the service's `lanes`, behind everybody else.
    """
    loop, pace = asyncio.get_running_loop(), Pace(settings.self_test.rate, settings.self_test.share)
    began, report = loop.time(), None
    try:
        machine = await _look(settings, do)
        is_paged = any("page" in channel.tells for channel in settings.channels.values())
        judge = partial(findings, now=now(), problems=setup.problems, machine=machine, is_paged=is_paged)
        report = await check(settings, setup, pace=pace, tell=lambda so_far: tell(judge(so_far)), lanes=lanes)
        everything = judge(report)
    except Exception as error:  # self-testing must never end, and that it fails is a finding
        log.exception("self_test_failed")
        everything = (found("self_test_failed", error=type(error).__name__),)
    return SelfTestResult(
        schema="panic-self-test/1",
        finished_at=now(),
        took_s=round(loop.time() - began, 3),
        interval_s=max(settings.self_test.every_s, pace.needs_s(len(setup.accounts))),
        base_url=settings.broker.base_url,
        exit_code=exit_code(everything, setup.problems),
        proven_at=None if _alarming(everything) else now(),
        accounts=len(report.accounts) if report else 0,
        states=dict(report.states) if report else {},
        findings=everything,
    )


async def _look(settings: Settings, do: Do) -> Iterable[Finding]:
    """Look at the machine; that it hangs is a finding, and the accounts are asked about all the same."""
    try:
        looked: Iterable[Finding] = await do(partial(look, settings), "self-test-machine", ASIDE_S)
    except (TimeoutError, RuntimeError):
        return (found("hangs", what="the disk of ledger or latch", seconds=ASIDE_S),)
    return looked
