"""The routes that try things out and cancel nothing: a plan, a check, and the last self-test."""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from panic.config import Settings
from panic.engine.forecast import planned
from panic.kit.background import Aside
from panic.kit.errors import ConfigurationError
from panic.report.document import PlanReport, plan_json
from panic.run import check as checking
from panic.run.press import Press, prepare
from panic.service import body
from panic.service.api import models
from panic.service.api.answers import document
from panic.service.auth import Identity
from panic.service.operations import Operation
from panic.service.problems import ProblemError
from panic.service.readiness import read_setup
from panic.service.selftest.result import SelfTestResult
from panic.service.selftest.tester import SelfTester
from panic.service.standby import Standby

_CHECK_MORE_S: Final = 15.0
_PLAN_S: Final = 5.0


class Checks:
    """Tries things out, without a cancel."""

    def __init__(
        self, standby: Standby, threads: Aside, self_test: SelfTester | None, env: Mapping[str, str]
    ) -> None:
        self._standby, self._threads, self._self_test, self._env = standby, threads, self_test, env
        self._under_way = asyncio.Lock()

    @Operation("POST", "/v1/plan", "viewer", {200: PlanReport}, (422, 503, 504), body=models.PlanAsked)
    async def plan(self, request: web.Request, _: Identity) -> web.Response:
        """What a press of this scope would do; nothing is sent."""
        asked = models.read(models.PlanAsked, await body.read_json(request))
        press, settings = Press(asked.to_scope(), "a plan"), self._standby.settings
        found = await self._threads.do(lambda: prepare(settings, press, self._env), "plan", _PLAN_S)
        forecast = planned(found.plan.accounts, self._standby.lanes)
        return document(plan_json(found.plan, settings.broker.base_url, forecast))

    @Operation("POST", "/v1/check", "viewer", {200: checking.CheckReport}, (409, 503, 504))
    async def check(self, _: web.Request, __: Identity) -> web.Response:
        """Would a press work everywhere? Read-only, one at a time."""
        if self._under_way.locked():
            remedy = "Wait for its end."
            raise ProblemError("conflict", "a check is under way", remedy=remedy, headers={"Retry-After": "5"})
        settings = self._standby.settings
        most_s = settings.run.deadline_s + _CHECK_MORE_S
        async with self._under_way:
            # a loop of its own: this one is for presses
            work = lambda: asyncio.run(_checked(settings, self._env))  # noqa: E731
            return document(checking.to_json(await self._threads.do(work, "check", most_s)))

    @Operation("GET", "/v1/check/last", "viewer", {200: SelfTestResult}, (404,))
    async def last_check(self, _: web.Request, __: Identity) -> web.Response:
        """What the last self-test found; the broker is not asked."""
        last = self._self_test.last if self._self_test is not None else None
        if last is None:
            what, remedy = "no self-test has finished yet", "Wait for one, or use POST /v1/check."
            raise ProblemError("not_found", what, remedy=remedy)
        return document(last)


async def _checked(settings: Settings, env: Mapping[str, str]) -> checking.CheckReport:
    setup = read_setup(settings, env)
    if setup.problems:
        raise ConfigurationError(setup.problems)
    return await checking.check(settings, setup)
