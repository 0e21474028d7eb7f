"""The self-test of a service: the check of every account at an interval, which no press ever waits for.

It asks at a pace, so that it never takes more than its share of what the broker allows, and is dropped the moment
that a run begins. What it finds is told to people, to Prometheus, to the API, and to a file beside the ledger.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import structlog
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from panic.config import Settings
from panic.kit.background import Aside, Do
from panic.service.desk import Desk
from panic.service.live import Live
from panic.service.notify import Notice
from panic.service.selftest.alarm import Alarm, gauges
from panic.service.selftest.finding import Finding
from panic.service.selftest.last import Kept, Last, ago, place, read, write
from panic.service.selftest.machine import look
from panic.service.selftest.round import ASIDE_S, Tools, go_round

log = structlog.get_logger()

FIRST_S: Final = 5.0
"""How long after the start the first one begins: connections, and unfinished runs, come first."""

AFTER_RUN_S: Final = 2.0
"""How long after a run no requests are made: the run may still need the network and the rate limit."""

_TELLING_ATTEMPTS = 12
"""The most failed attempts before a broker that does not answer is reported."""

_READ_S = 2.0
_OFF_S = 30.0


class Proving(Collector):
    """The loop, between `start` and `close`, beside a desk whose runs come first; `Metrics.add` takes it."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        desk: Desk,
        tell: Callable[[Notice], None],
        env: Mapping[str, str] = os.environ,
        *,
        first_s: float = FIRST_S,
        do: Do | None = None,
        machine: Callable[[Settings], tuple[Finding, ...]] = look,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings, self._desk, self._people = settings, desk, tell
        self._first_s, self._now = first_s, now
        self._tools = Tools(env, do or Aside(2).do, machine, now)
        self._kept: Kept | None = None
        self._alarm = Alarm()
        self._loop: asyncio.Task[None] | None = None
        self._round: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        desk.observers.append(self.observe)

    async def start(self) -> None:
        """Begin; the last one is remembered from before, where there was one."""
        file = place(self._settings())
        if file is not None:
            with suppress(TimeoutError, OSError, RuntimeError):
                self._kept = await self._tools.do(partial(read, file), "self-test-read", _READ_S)
        self._loop = asyncio.create_task(self._go(), name="panic-self-test")

    async def close(self) -> None:
        """End it, in the middle if need be."""
        self._drop()
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.wait([self._loop])

    def observe(self, what: str, _: Live) -> None:
        """Take what the desk tells: a run begins, and everything of ours is dropped."""
        if what == "started":
            self._idle.clear()
            self._drop()
        elif what == "finished" and not self._is_busy:
            self._idle.set()

    # ── what is known ───────────────────────────────────────────────────────────────────────────────────

    @property
    def last(self) -> Last | None:
        """What the last one that came to its end found; None where none ever did."""
        return self._kept.last if self._kept else None

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

    def collect(self) -> Iterable[Metric]:
        """Tell Prometheus."""
        return () if self.last is None else gauges(self.last, self._now())

    # ── the loop ────────────────────────────────────────────────────────────────────────────────────────

    async def _go(self) -> None:
        await asyncio.sleep(self._first_s)
        loop = asyncio.get_running_loop()
        while True:
            settings, began = self._settings(), loop.time()
            if not settings.self_test.every_s:
                await asyncio.sleep(_OFF_S)
            elif await self._one_round():
                await asyncio.sleep(max(began + _gap_s(settings) - loop.time(), 0.0))

    async def _one_round(self) -> bool:
        """Carry one out while no run is under way; False if it was dropped, and is due again."""
        if self._is_busy:
            self._idle.clear()
            await self._idle.wait()
            await asyncio.sleep(AFTER_RUN_S)
            return False  # another run may have begun meanwhile
        self._round = asyncio.create_task(self._prove(), name="panic-self-test-round")
        try:
            await asyncio.wait([self._round])
            return not self._round.cancelled()
        finally:
            self._drop()  # we are the one who is cancelled
            await asyncio.wait([self._round])

    @property
    def _is_busy(self) -> bool:
        return any(not live.is_over for live in self._desk.live.values())

    def _drop(self) -> None:
        if self._round is not None:
            self._round.cancel()

    async def _prove(self) -> None:
        settings = self._settings()
        self._kept = await go_round(settings, self._kept, self._tools, self._partly)
        self._tell(self._alarm.whole(self._kept.last))
        file = place(settings)
        if file is not None:
            try:
                await self._tools.do(partial(write, file, self._kept), "self-test-write", ASIDE_S)
            except (TimeoutError, OSError, RuntimeError) as error:
                log.warning("self_test_not_kept", error=type(error).__name__)

    def _partly(self, found: tuple[Finding, ...]) -> None:
        self._tell(self._alarm.partly(found))

    def _tell(self, notice: Notice | None) -> None:
        if notice is not None:
            self._people(notice)


def _gap_s(settings: Settings) -> float:
    """Give the time from one beginning to the next, so that what fails is told within the interval."""
    every_s = settings.self_test.every_s
    return max(every_s - _TELLING_ATTEMPTS * settings.run.attempt_s, every_s / 2)
