"""The routes about what is engaged, and about the service itself."""

from collections.abc import Callable, Mapping, Sized
from functools import partial

from aiohttp import web

from panic import latch
from panic._version import VERSION
from panic.accounts.plan import Scope
from panic.kit.background import Aside
from panic.run import reset
from panic.run.engagement import LatchView, look
from panic.run.reset import ResetView
from panic.service import metrics
from panic.service.api import models, views
from panic.service.api.answers import document, on_thread
from panic.service.api.models import ResetAsked
from panic.service.audit import Audit
from panic.service.auth import Identity, require_scope
from panic.service.body import read_json
from panic.service.desk import Desk
from panic.service.live import Live
from panic.service.metrics import Metrics
from panic.service.notify import Notifier
from panic.service.operations import Operation
from panic.service.problems import ProblemError
from panic.service.selftest.proving import Proving
from panic.service.standby import Standby

_RESET_S = 30.0


class Latching:
    """What is engaged, and its end."""

    def __init__(self, standby: Standby, audit: Audit, threads: Aside, env: Mapping[str, str]) -> None:
        self._standby, self._audit, self._env = standby, audit, env
        self._on_thread = partial(on_thread, threads)

    @Operation("GET", "/v1/latch", "viewer", {200: LatchView}, (404, 504))
    async def latch(self, _: web.Request, __: Identity) -> web.Response:
        """What is engaged."""
        settings = self._standby.settings
        found = await self._on_thread(lambda: look(settings), "latch")
        return document(found.view(str(settings.latch.file)))

    @Operation("POST", "/v1/reset", "resetter", {200: ResetView}, (409, 503, 504), person=True, body=ResetAsked)
    async def reset(self, request: web.Request, identity: Identity) -> web.Response:
        """End the engaged state: a person's deliberate act."""
        asked = models.read(ResetAsked, await read_json(request))
        settings, by = self._standby.settings, identity.acting_for(asked.by)
        scope = Scope.of(asked.scope.all, asked.scope.groups, asked.scope.accounts)
        named = scope if scope.groups or scope.accounts or scope.all else Scope(all=True)
        require_scope(identity, named, self._standby.roster)
        prepared = await self._on_thread(
            lambda: reset.prepare(settings, scope, by=by, reason=asked.reason, force=asked.force, env=self._env),
            "reset",
            usage="conflict",
        )
        if asked.dry_run:
            return document(prepared.view(None))
        told = {"by": prepared.by, "reason": prepared.reason, "ends": str(prepared)}
        self._audit.record_request(request, identity, "reset", **told)
        try:
            carry_out = lambda: reset.carry_out(settings, prepared)  # noqa: E731  (on a thread)
            state = await self._on_thread(carry_out, "reset", usage="conflict", most_s=_RESET_S)
        except TimeoutError:
            remedy = "Look at GET /v1/latch before you try again: it may still be carried out."
            raise ProblemError("too_slow", remedy=remedy) from None
        return document(prepared.view(state))


class Status:
    """How the service is, for people, probes and Prometheus."""

    def __init__(
        self,
        desk: Desk,
        standby: Standby,
        not_ready: Callable[[], str],
        notifier: Notifier,
        measured: Metrics,
        threads: Aside,
        proving: Proving | None,
        streams: Sized,
    ) -> None:
        self._desk, self._standby, self._not_ready = desk, standby, not_ready
        self._notifier, self._metrics = notifier, measured
        self._threads, self._proving, self._streams = threads, proving, streams

    @Operation("GET", "/v1/status", "viewer", {200: views.StatusView})
    async def status(self, _: web.Request, __: Identity) -> web.Response:
        """The state of the service."""
        why = self._not_ready()
        found = views.StatusView(
            schema="panic-status/1",
            version=VERSION,
            base_url=self._standby.settings.broker.base_url,
            ready=not why,
            why=why,
            standby=self._standby.status(),
            live=tuple(_view(live) for live in self._desk.live.values() if not live.is_over),
            streams=len(self._streams),
            self_test=None if self._proving is None else self._proving.status(),
        )
        return document(found)

    @Operation("GET", "/healthz", "", {200: views.Alive})
    async def healthz(self, _: web.Request, __: Identity) -> web.Response:
        """Is it alive?"""
        return document(views.Alive(alive=True))

    @Operation("GET", "/readyz", "", {200: views.Ready, 503: views.Ready})
    async def readyz(self, _: web.Request, __: Identity) -> web.Response:
        """Ready to press?"""
        why = self._not_ready()
        return document(views.Ready(not why, why, self._standby.files), 503 if why else 200)

    @Operation("GET", "/metrics", "viewer", {200: "text/plain"})
    async def metrics(self, _: web.Request, __: Identity) -> web.Response:
        """Metrics for Prometheus."""
        standby, file = self._standby.status(), self._standby.settings.latch.file
        engaged = None
        try:
            if file is not None:
                engaged = await self._threads.do(lambda: latch.read(file).engaged, "latch", 1.0)
        except (OSError, ValueError):  # a TimeoutError is one: what is not learnt in time is left out
            pass
        gauges = {
            "panic_latch_engaged": engaged,
            "panic_roster_age_seconds": standby["roster_age_s"],
            "panic_last_contact_age_seconds": standby["last_contact_age_s"],
            "panic_warm_connections": standby["warm_connections"],
        }
        body = self._metrics.render(gauges, self._notifier.failures)
        return web.Response(body=body, headers={"Content-Type": metrics.CONTENT_TYPE})


def _view(live: Live) -> views.LiveView:
    run = live.run
    return views.LiveView(run.id, live.source, round(run.elapsed_s, 3), run.deadline_s, views.links(run.id))
