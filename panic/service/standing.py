"""The routes about what is engaged, and about the service itself."""

from dataclasses import replace

from aiohttp import web

from panic import latch
from panic._version import VERSION
from panic.accounts.plan import Scope
from panic.run import reset
from panic.run.engagement import look
from panic.run.press import Press
from panic.service import metrics
from panic.service.api import facts, models
from panic.service.api.answers import document, on_thread
from panic.service.api.models import ResetAsked
from panic.service.auth import Identity, may_press
from panic.service.body import read_json
from panic.service.parts import Parts
from panic.service.problems import ProblemError, require

_RESET_S = 30.0


# ── latch and reset ─────────────────────────────────────────────────────────────────────────────────────────


async def get_latch(parts: Parts, _: web.Request, __: Identity) -> web.Response:
    """Say what is engaged."""
    settings = parts.settings
    found = await on_thread(parts.threads, lambda: look(settings), "latch", usage="not_found")
    return document(found.view(str(settings.latch.file)))


async def end_engaged(parts: Parts, request: web.Request, identity: Identity) -> web.Response:
    """End the engaged state."""
    asked = models.read(ResetAsked, await read_json(request))
    settings, by = parts.settings, identity.acting_for(asked.by)
    scope = Scope.of(asked.scope.all, asked.scope.groups, asked.scope.accounts)
    if identity.groups is not None:
        everything = Scope(all=True)
        roster = parts.standby.prepare(Press(everything, "who may reset")).roster
        named = scope if scope.groups or scope.accounts or scope.all else everything
        require(may_press(replace(identity, roles=identity.roles | {"presser"}), named, roster))

    def prepare() -> reset.Reset:
        return reset.prepare(settings, scope, by=by, reason=asked.reason, force=asked.force, env=parts.env)

    prepared = await on_thread(parts.threads, prepare, "reset", usage="conflict")
    state: latch.State | None = None
    if not asked.dry_run:
        parts.audit.record_request(
            request, identity, "reset", by=prepared.by, reason=prepared.reason, ends=str(prepared)
        )
        try:
            state = await on_thread(
                parts.threads,
                lambda: reset.carry_out(settings, prepared),
                "reset",
                usage="conflict",
                most_s=_RESET_S,
            )
        except ProblemError as error:
            if error.code == "too_slow":
                error.remedy = "Look at GET /v1/latch before you try again: it may still be carried out."
            raise
    return document(prepared.view(state))


# ── the service ─────────────────────────────────────────────────────────────────────────────────────────────


async def status(parts: Parts, _: web.Request, __: Identity) -> web.Response:
    """Say how the service is."""
    why = parts.ready()
    found = facts.StatusView(
        schema="panic-status/1",
        version=VERSION,
        base_url=parts.settings.broker.base_url,
        ready=not why,
        why=why,
        standby=dict(parts.standby.status()),
        live=facts.live_views(list(parts.desk.live.values())),
        streams=len(parts.streams),
        self_test=None if parts.proving is None else parts.proving.status(),
    )
    return document(found)


async def healthz(_: Parts, __: web.Request, ___: Identity) -> web.Response:
    """Say that the service answers."""
    return document(facts.Alive(alive=True))


async def readyz(parts: Parts, _: web.Request, __: Identity) -> web.Response:
    """Say whether a press would work."""
    why = parts.ready()
    found = facts.Ready(ready=not why, why=why, files=parts.standby.files)
    return document(found, 503 if why else 200)


async def tell_metrics(parts: Parts, _: web.Request, __: Identity) -> web.Response:
    """Tell Prometheus; what cannot be learnt in time is left out."""
    standby, file = parts.standby.status(), parts.settings.latch.file
    engaged = None
    try:
        if file is not None:
            engaged = await parts.threads.do(lambda: latch.read(file).engaged, "latch", 1.0)
    except (OSError, ValueError):  # a TimeoutError is one
        pass
    now = metrics.Standing(
        latch_engaged=engaged,
        roster_age_s=standby.get("roster_age_s"),
        last_contact_age_s=standby.get("last_contact_age_s"),
        warm_connections=standby.get("warm_connections"),
        failures=parts.notifier.failures,
    )
    return web.Response(body=parts.metrics.render(now), headers={"Content-Type": metrics.CONTENT_TYPE})
