"""The routes about the service itself, for people, probes and Prometheus: how it is, and would a press work?"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sized
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from panic import latch
from panic._version import VERSION
from panic.config import Settings
from panic.kit.background import Aside
from panic.kit.errors import ConfigurationError
from panic.run import check as checking
from panic.service import metrics
from panic.service.api import views
from panic.service.api.answers import document
from panic.service.auth import Identity, covers, reach_of
from panic.service.desk import Desk
from panic.service.live import Live
from panic.service.metrics import Metrics
from panic.service.notify import Notifier
from panic.service.operations import Operation
from panic.service.problems import ProblemError
from panic.service.readiness import read_setup
from panic.service.selftest.result import SelfTestResult
from panic.service.selftest.tester import SelfTester
from panic.service.standby import Standby

_CHECK_MORE_S: Final = 15.0


@dataclass
class Status:
    """How the service is."""

    _desk: Desk
    _standby: Standby
    _not_ready: Callable[[], str]
    _notifier: Notifier
    _metrics: Metrics
    _threads: Aside
    _self_test: SelfTester | None
    _streams: Sized
    _env: Mapping[str, str]
    _checking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @Operation("POST", "/v1/check", "viewer", {200: checking.CheckReport}, (409, 503, 504))
    async def check(self, _: web.Request, identity: Identity) -> web.Response:
        """Would a press work everywhere? Read-only, one at a time; shows the accounts of one's groups."""
        if self._checking.locked():
            remedy = "Wait for its end."
            raise ProblemError("conflict", "a check is under way", remedy=remedy, headers={"Retry-After": "5"})
        settings = self._standby.settings
        most_s = settings.run.deadline_s + _CHECK_MORE_S
        async with self._checking:
            # a loop of its own: this one is for presses
            work = lambda: asyncio.run(_checked(settings, self._env))  # noqa: E731
            found = await self._threads.do(work, "check", most_s)
        reach = reach_of(identity, self._standby.roster)
        return document(checking.to_json(found if reach is None else checking.only(found, reach.ids)))

    @Operation("GET", "/v1/check/last", "viewer", {200: SelfTestResult}, (404,))
    async def last_check(self, _: web.Request, __: Identity) -> web.Response:
        """What the last self-test found; the broker is not asked."""
        if self._self_test is None or (last := self._self_test.last) is None:
            what, remedy = "no self-test has finished yet", "Wait for one, or use POST /v1/check."
            raise ProblemError("not_found", what, remedy=remedy)
        return document(last)

    @Operation("GET", "/v1/status", "viewer", {200: views.StatusView})
    async def status(self, _: web.Request, identity: Identity) -> web.Response:
        """The state of the service."""
        why, reach = self._not_ready(), reach_of(identity, self._standby.roster)
        here = [live for live in self._desk.live.values() if not live.is_over and covers(reach, live.scope)]
        found = views.StatusView(
            schema="panic-status/1",
            version=VERSION,
            base_url=self._standby.settings.broker.base_url,
            ready=not why,
            why=why,
            standby=self._standby.status(),
            live=tuple(map(_view, here)),
            streams=len(self._streams),
            self_test=None if self._self_test is None else self._self_test.status(),
        )
        return document(found)

    @Operation("GET", "/healthz", "", {200: dict[str, bool]})
    async def healthz(self, _: web.Request, __: Identity) -> web.Response:
        """Is it alive?"""
        return document({"alive": True})

    @Operation("GET", "/readyz", "", {200: views.Ready, 503: views.Ready})
    async def readyz(self, _: web.Request, __: Identity) -> web.Response:
        """Ready to press?"""
        why = self._not_ready()
        return document(views.Ready(not why, why, self._standby.judgement.files), 503 if why else 200)

    @Operation("GET", "/metrics", "viewer", {200: "text/plain"})
    async def metrics(self, _: web.Request, __: Identity) -> web.Response:
        """Metrics for Prometheus."""
        standby, file = self._standby.status(), self._standby.settings.latch.file
        gauges: dict[str, metrics.Value] = {
            "panic_roster_age_seconds": standby["roster_age_s"],
            "panic_last_contact_age_seconds": standby["last_contact_age_s"],
            "panic_warm_connections": standby["warm_connections"],
            "panic_requests_per_second": self._standby.lanes.rates(),
            **_of_self_test(self._self_test),
        }
        if file is not None:
            with suppress(OSError, ValueError):  # a TimeoutError is one: what is not learnt in time is left out
                engaged = await self._threads.do(lambda: latch.read(file).engaged, "latch", 1.0)
                gauges["panic_latch_engaged"] = float(engaged)
        body = self._metrics.render(gauges, self._notifier.failures)
        return web.Response(body=body, headers={"Content-Type": metrics.CONTENT_TYPE})


def _of_self_test(self_test: SelfTester | None) -> Mapping[str, metrics.Value]:
    if self_test is None or (last := self_test.last) is None:
        return {}
    return {
        "panic_self_test_age_seconds": self_test.status()["age_s"],
        "panic_self_test_ok": float(last.ok),
        "panic_self_test_accounts": {state: last.states.get(state, 0) for state in checking.State},
        "panic_self_test_findings": Counter(one.code for one in last.findings),
    }


async def _checked(settings: Settings, env: Mapping[str, str]) -> checking.CheckReport:
    setup = read_setup(settings, env)
    if setup.problems:
        raise ConfigurationError(setup.problems)
    return await checking.check(settings, setup)


def _view(live: Live) -> views.LiveView:
    run = live.run
    elapsed_s, ends_s = run.reporter.elapsed_s, run.reporter.ends_s
    return views.LiveView(run.id, live.source, elapsed_s, ends_s, views.links(run.id), run.engine.forecast)
