"""The application: every route, and the headers of every answer."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import cache, partial
from time import monotonic
from typing import Any, Final

from aiohttp import web

from panic.kit.background import Aside
from panic.service import body, openapi, problems, standing
from panic.service.api import checks, lookup, press, runs
from panic.service.api.answers import document
from panic.service.api.repeats import Keys
from panic.service.audit import Audit
from panic.service.auth import Identity
from panic.service.desk import Desk
from panic.service.guard import Guard, Handler, Next
from panic.service.metrics import Metrics
from panic.service.notify import Notifier
from panic.service.operations import OPERATIONS, RUN_ID, Operation
from panic.service.parts import Parts
from panic.service.room import assets, routes, signing, stream
from panic.service.room.hub import Hub
from panic.service.room.overview import Overview
from panic.service.schedule.sessions import Calendar
from panic.service.selftest.proving import Proving
from panic.service.sessions import Sessions
from panic.service.standby import Standby

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "panic",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer; a route may set its own policy, and then how it may be cached, and nothing else."""

_ITS_OWN: Final = ("Cache-Control", "Content-Security-Policy")

_DROPPED: Final = logging.getLogger("panic.dropped")
_DROPPED.disabled = True
"""What a server would log of a request that is none quotes it, token and all; nobody hears of that."""

RUNNER: Final[Mapping[str, Any]] = {
    "auto_decompress": False,
    "access_log": None,
    "logger": _DROPPED,
    "keepalive_timeout": 75.0,
    "lingering_time": 2.0,
}
"""What whoever serves it hands to `web.AppRunner`: no small body becomes a large one before it is ours."""


HooksHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PARTS: Final = web.AppKey("parts", Parts)
HUB: Final = web.AppKey("hub", Hub)
SESSIONS: Final = web.AppKey("sessions", Sessions)
STREAM: Final = web.AppKey("stream", stream.Stream)


def make_app(
    desk: Desk,
    standby: Standby,
    audit: Audit,
    notifier: Notifier,
    metrics: Metrics,
    *,
    env: Mapping[str, str],
    hooks_handler: HooksHandler | None = None,
    proving: Proving | None = None,
    drill: bool = False,
    calendar: Callable[[], Calendar],
) -> web.Application:
    """Make the application. Call it inside the running loop that serves it.

    Args:
        desk: Where presses become runs; metrics and pages are added to its observers.
        standby: What is kept ready.
        audit: Told of every press, reset and resume, and of some refusals.
        notifier: Who tells people.
        metrics: For Prometheus.
        env: Where keys are looked for.
        hooks_handler: Carries out POST /v1/hooks/{name}, and checks who calls; None for no hooks.
        proving: The self-test; None for none.
        drill: Whether the broker is the embedded simulator, and every run of the desk a drill.
        calendar: The exchange's days, as far as they are known now.
    """
    threads = Aside()
    found = lookup.Lookup(desk, standby, threads)
    parts = Parts(
        desk=desk,
        standby=standby,
        notifier=notifier,
        audit=audit,
        metrics=metrics,
        env=env,
        ready=lambda: standby.not_ready or ("" if proving is None else proving.not_ready),
        threads=threads,
        proving=proving,
    )
    overview = Overview(desk, standby, parts.ready, proving, calendar, drill=drill)
    hub, in_out = Hub(desk, standby, threads, overview), signing.Signing(standby, audit)
    streaming = stream.Stream(hub, found, in_out)
    parts.streams = streaming.readers
    if proving is not None:
        metrics.add(proving)
    desk.observers += [metrics.observe, hub.observe]
    _openapi_text()  # before anybody asks: it takes a while, and presses wait
    guard = Guard(standby, standby.settings.service.host, audit, metrics, in_out)
    app = web.Application(middlewares=[guard.answer_always, guard.only_our_names], client_max_size=body.HOOK_MOST)
    app[PARTS], app[HUB], app[SESSIONS], app[STREAM] = parts, hub, in_out.sessions, streaming
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.append(_end_streams)
    app.on_cleanup.append(_close_room)
    pressing = press.Presses(desk, standby, found, audit, Keys(monotonic))
    about_runs = runs.Runs(desk, standby, found, threads, audit, env)
    looks = routes.Looks(desk, standby, found, threads, hub)
    trying = checks.Checks(standby, threads, proving, env)
    _add_operations(app, guard, {
        "press": pressing.press,
        "runs": about_runs.listing,
        "run": about_runs.one,
        "report": about_runs.report,
        "resume": about_runs.resume,
        "plan": trying.plan,
        "check": trying.check,
        "last_check": trying.last,
        "events": streaming.events,
        "sign_in": in_out.sign_in,
        "session": in_out.who_is_in,
        "seen": in_out.who_is_in,
        "sign_out": in_out.sign_out,
        "room": looks.room,
        "board": looks.board,
        "evidence": looks.evidence,
        "schedule": looks.schedule,
        "latch": partial(standing.get_latch, parts),
        "reset": partial(standing.end_engaged, parts),
        "status": partial(standing.status, parts),
        "metrics": partial(standing.tell_metrics, parts),
        "healthz": partial(standing.healthz, parts),
        "readyz": partial(standing.readyz, parts),
        "openapi": _openapi,
    })  # fmt: skip
    page = assets.Assets(assets.load(drill=drill))
    _add(app, "/", {"GET": page.answer})
    _add(app, "/room/{name}", {"GET": page.answer})
    if hooks_handler is not None:
        _add(app, "/v1/hooks/{name}", {"POST": hooks_handler})
    return app


# ── routes ──────────────────────────────────────────────────────────────────────────────────────────────────


def _add_operations(app: web.Application, guard: Guard, handlers: Mapping[str, Handler]) -> None:
    by_path: dict[str, list[Operation]] = {}
    for one in OPERATIONS:
        by_path.setdefault(one.path.replace("{id}", f"{{id:{RUN_ID}}}"), []).append(one)
    for path, operations in by_path.items():
        _add(app, path, {one.method: guard.before(one, handlers[one.id]) for one in operations})


def _add(app: web.Application, path: str, handlers: Mapping[str, Next]) -> None:
    """Add a route; who may GET may HEAD, and OPTIONS says what there is."""
    resource = app.router.add_resource(path)
    found = dict(handlers)
    if "GET" in handlers and not path.endswith("/events"):
        found["HEAD"] = handlers["GET"]
    allowed = ", ".join(sorted({*found, "OPTIONS"}))

    async def options(_: web.Request) -> web.Response:
        return web.Response(status=204, headers={"Allow": allowed})

    for method, handler in {**found, "OPTIONS": options}.items():
        resource.add_route(method, handler, expect_handler=_expect)


async def _openapi(_: web.Request, __: Identity) -> web.Response:
    return document(_openapi_text())


@cache
def _openapi_text() -> bytes:
    return json.dumps(openapi.document(), indent=2).encode()


async def _expect(request: web.Request) -> None:
    """Say "go on" to whoever waits for it; an odd expectation does not stop a press."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


# ── around every route ──────────────────────────────────────────────────────────────────────────────────────


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    kept = _ITS_OWN if "Content-Security-Policy" in response.headers else ()
    for name, value in HEADERS.items():
        if name not in kept:
            response.headers[name] = value
    response.headers["X-Request-Id"] = problems.request_id(request)


async def _close_room(app: web.Application) -> None:
    await app[HUB].overview.disks.close()


async def _end_streams(app: web.Application) -> None:
    """Let those who follow events go, so that nobody waits for them at the end."""
    for task in list(app[STREAM].readers):
        with suppress(RuntimeError):
            task.cancel()
