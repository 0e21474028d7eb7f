"""The self-test of a service: the check of every account at an interval, which no press ever waits for.

It asks at a pace, so that it never takes more than its share of what the broker allows, and is dropped the moment
that a run begins. What it finds is told to people, to Prometheus, to the API, and to a file beside the ledger.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol

import structlog
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from panic.background import Aside
from panic.broker.outcomes import Verdict
from panic.check import CheckReport, Pace, Setup, State, check
from panic.config import Settings
from panic.notify import Notice
from panic.readiness import read_setup
from panic.selftest import (
    Circumstances,
    Finding,
    Kept,
    Last,
    Machine,
    ago,
    exit_code,
    findings,
    look,
    place,
    read,
    write,
)
from panic.service.desk import Desk, Live

log = structlog.get_logger()

KEY: Final = "selftest"
"""Of the page: there is one at a time."""

FIRST_S: Final = 5.0
"""So long after the start the first one begins: connections, and runs that were left, come first."""

AFTER_RUN_S: Final = 2.0
"""So long after a run nothing is asked: the wire and the rate limit may still be another's."""

ASIDE_S: Final = 10.0
"""So long files and disks may take; what takes longer is a finding."""

_TELLING_ATTEMPTS = 12
"""So many attempts at most go by, each to its end, before a broker that does not answer is told of."""

_READ_S = 2.0
_OFF_S = 30.0
_TOLD_MOST = 6

Do = Callable[[Callable[[], Any], str, float], Awaitable[Any]]
"""Does work that may hang, under a name and for so many seconds at most."""


class Source(Protocol):
    """Where settings come from."""

    @property
    def settings(self) -> Settings:
        """Those in force."""


class People(Protocol):
    """Who is told."""

    def tell(self, notice: Notice) -> None:
        """Tell them; never waits."""


class Proving(Collector):
    """The loop. Use it inside one running loop, between `start` and `close`; hand it to `Metrics.add`.

    Args:
        source: The standby, or what else knows the settings in force.
        desk: Whose runs come first; `observe` is added to its observers.
        people: The notifier.
        env: Where keys are looked for.
        first_s: When the first one begins, seconds after the start.
        do: Does what may hang; None for threads.
        machine: Looks at this machine.
        now: The time of day.
    """

    def __init__(
        self,
        source: Source,
        desk: Desk,
        people: People,
        env: Mapping[str, str] = os.environ,
        *,
        first_s: float = FIRST_S,
        do: Do | None = None,
        machine: Callable[[Settings], Machine] = look,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._source, self._desk, self._people, self._env = source, desk, people, env
        self._first_s, self._do, self._machine, self._now = first_s, do or Aside(2).do, machine, now
        self._kept: Kept | None = None
        self._loop: asyncio.Task[None] | None = None
        self._round: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._alarm: tuple[str, ...] = ()
        desk.observers.append(self.observe)

    @property
    def last(self) -> Last | None:
        """What the last one that came to its end found; None where none ever did."""
        return self._kept.last if self._kept else None

    @property
    def not_ready(self) -> str:
        """Why no press would work at all, in a word; empty if one would, or if nobody knows."""
        last, settings = self.last, self._source.settings
        if last is None or not last.none_could_be_pressed:
            return ""
        is_of_now = settings.self_test.every_s > 0 and last.base_url == settings.broker.base_url
        return "self-test" if is_of_now and not last.is_stale(self._now()) else ""

    async def start(self) -> None:
        """Begin; the last one is remembered from before, where there was one."""
        file = place(self._source.settings)
        if file is not None:
            with suppress(TimeoutError, OSError, RuntimeError):
                self._kept = await self._do(partial(read, file), "self-test-read", _READ_S)
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

    # ── the loop ────────────────────────────────────────────────────────────────────────────────────────

    async def _go(self) -> None:
        await asyncio.sleep(self._first_s)
        loop = asyncio.get_running_loop()
        while True:
            settings, began = self._source.settings, loop.time()
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
            if not self._round.cancelled() and (error := self._round.exception()):
                log.error("self_test_failed", exc_info=error)
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

    # ── one round ───────────────────────────────────────────────────────────────────────────────────────

    async def _prove(self) -> None:
        began, settings = asyncio.get_running_loop().time(), self._source.settings
        try:
            found = await self._found(settings)
        except Exception as error:  # self-testing must never end, and that it fails is a finding
            log.exception("self_test_failed")
            found = None, Circumstances(self._now()), (_broken(error),)
        took_s = asyncio.get_running_loop().time() - began
        self._conclude(settings, took_s, *found)
        await self._keep(settings)

    async def _found(self, settings: Settings) -> tuple[CheckReport | None, Circumstances, tuple[Finding, ...]]:
        setup, machine, hung = await self._looked(settings)
        pace = Pace(settings.self_test.rate, settings.self_test.share)
        around = Circumstances(
            now=self._now(),
            machine=machine,
            problems=setup.problems,
            covered=None if setup.roster is None else frozenset(one.id for one in setup.accounts),
            covered_before=None if self._kept is None else _set(self._kept.covered),
            excluded=_excluded(setup),
            pages_told=any("page" in channel.tells for channel in settings.channels.values()),
            round_s=pace.needs_s(len(setup.accounts)),
            every_s=settings.self_test.every_s,
        )

        def tell(so_far: CheckReport) -> None:
            self._warn((*findings(so_far, around), *hung))

        report = await check(settings, setup, pace=pace, tell=tell)
        return report, around, (*hung, *findings(report, around))

    async def _looked(self, settings: Settings) -> tuple[Setup, Machine, tuple[Finding, ...]]:
        """Read the files and look at the machine; what hangs is named, and the rest goes on."""
        hung: list[Finding] = []

        async def do(work: Callable[[], Any], name: str, what: str, otherwise: Any) -> Any:
            try:
                return await self._do(work, name, ASIDE_S)
            except (TimeoutError, RuntimeError):
                hung.append(_hangs(what))
                return otherwise

        setup = await do(partial(read_setup, settings, self._env), "self-test-load", "roster and keys", Setup())
        machine = partial(self._machine, settings)
        return (
            setup,
            await do(machine, "self-test-machine", "the disk of ledger or latch", Machine()),
            tuple(hung),
        )

    def _conclude(
        self,
        settings: Settings,
        took_s: float,
        report: CheckReport | None,
        around: Circumstances,
        found: tuple[Finding, ...],
    ) -> None:
        now, before = self._now(), self._kept
        is_well = not any(one.is_alarming for one in found)
        last = Last(
            schema="panic-self-test/1",
            finished_at=now,
            took_s=round(took_s, 3),
            interval_s=max(settings.self_test.every_s, around.round_s),
            base_url=settings.broker.base_url,
            exit_code=exit_code(found, around.problems),
            proven_at=now if is_well else before.last.proven_at if before else None,
            accounts=len(report.accounts) if report else 0,
            states=dict(report.states) if report else {},
            findings=found,
        )
        covered = tuple(sorted(around.covered)) if is_well and around.covered is not None else None
        self._kept = Kept(last, covered if covered is not None else before.covered if before else None)
        if is_well:
            self._all_is_well()
        else:
            self._warn(found, is_whole=True)

    async def _keep(self, settings: Settings) -> None:
        file = place(settings)
        if file is None or self._kept is None:
            return
        try:
            await self._do(partial(write, file, self._kept), "self-test-write", ASIDE_S)
        except (TimeoutError, OSError, RuntimeError) as error:
            log.warning("self_test_not_kept", error=type(error).__name__)

    # ── who is told ─────────────────────────────────────────────────────────────────────────────────────

    def _warn(self, found: Iterable[Finding], *, is_whole: bool = False) -> None:
        """Page for what is wrong; in the middle of a round only for what is new: the rest is not known yet."""
        alarming = [one for one in found if one.is_alarming]
        codes = tuple(sorted({one.code for one in alarming}))
        if not alarming or (not is_whole and set(codes) <= set(self._alarm)):
            return
        self._alarm = codes
        more = f"\nand {len(alarming) - _TOLD_MOST} more" if len(alarming) > _TOLD_MOST else ""
        text = "\n".join(f"{one.worst.upper()}  {one}" for one in alarming[:_TOLD_MOST]) + more
        title = "A press would not work everywhere, or not provably"
        self._people.tell(Notice("page", "", title, f"{text}\nType: panic check", KEY))

    def _all_is_well(self) -> None:
        if self._alarm and self.last is not None:
            title = f"A press would work everywhere again: {self.last.good:,} of {self.last.accounts:,}"
            self._people.tell(Notice("page", "", title, "The self-test found nothing wrong.", KEY, closes=True))
        self._alarm = ()

    def status(self) -> dict[str, Any]:
        """Say in a few words how things stand."""
        last, now = self.last, self._now()
        return {
            "every_s": self._source.settings.self_test.every_s,
            "under_way": self._round is not None and not self._round.done(),
            "ok": None if last is None else last.ok,
            "age_s": None if last is None else round(last.age_s(now), 3),
            "proven": None
            if last is None or last.proven_at is None
            else ago((now - last.proven_at).total_seconds()),
            "findings": [] if last is None else [one.code for one in last.findings],
        }

    def collect(self) -> Iterable[Metric]:
        """Tell Prometheus."""
        last = self.last
        if last is None:
            return
        age_s = last.age_s(self._now())
        yield GaugeMetricFamily("panic_self_test_age_seconds", "Since the last one ended.", value=age_s)
        yield GaugeMetricFamily(
            "panic_self_test_ok", "Whether a press would work everywhere.", value=float(last.ok)
        )
        accounts = GaugeMetricFamily("panic_self_test_accounts", "Accounts by what was found.", labels=["state"])
        for state in State:
            accounts.add_metric([str(state)], last.states.get(state, 0))
        yield accounts
        found = GaugeMetricFamily(
            "panic_self_test_findings", "What stands in the way of a press.", labels=["code"]
        )
        for code, count in sorted(Counter(one.code for one in last.findings).items()):
            found.add_metric([code], count)
        yield found


def _gap_s(settings: Settings) -> float:
    """Give the time from one beginning to the next, so that what fails is told within the interval."""
    every_s = settings.self_test.every_s
    return max(every_s - _TELLING_ATTEMPTS * settings.run.attempt_s, every_s / 2)


def _excluded(setup: Setup) -> frozenset[int]:
    accounts = setup.roster.accounts if setup.roster else ()
    return frozenset(one.id for one in accounts if one.excluded)


def _set(ids: tuple[int, ...] | None) -> frozenset[int] | None:
    return None if ids is None else frozenset(ids)


def _hangs(what: str) -> Finding:
    text = f"{what} could not be looked at within {ASIDE_S:.0f} s"
    return Finding("hangs", text, "Put them on a file system that answers.", Verdict.UNVERIFIED)


def _broken(error: Exception) -> Finding:
    text = f"the self-test itself failed ({type(error).__name__}): nothing is known"
    return Finding("self_test_failed", text, "Type panic check, and read the service's log.", Verdict.UNVERIFIED)
