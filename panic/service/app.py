"""The application: who may ask, in which size and under which name, and the headers of every answer."""

import json
import logging
import os
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from time import monotonic
from typing import Any, Final

from aiohttp import web

from panic.background import Aside
from panic.config import Settings
from panic.schedule.sessions import Calendar, fallback
from panic.service.api import problems, routes
from panic.service.api.answers import HOOK_BODY_MOST, document, require
from panic.service.api.document import OPERATIONS, RUN_ID, Operation
from panic.service.api.document import document as openapi
from panic.service.api.models import NoQuery, read_query
from panic.service.api.problems import REQUEST_ID, ProblemError
from panic.service.auth import Identity, host_is_allowed, may
from panic.service.desk import Desk
from panic.service.metrics import Metrics
from panic.service.parts import PARTS, Audit, Notifier, Parts, Record, Standby, end_streams
from panic.service.proving import Proving
from panic.service.repeats import Keys
from panic.service.room import assets, signing
from panic.service.room.hub import Hub
from panic.service.room.sessions import Sessions

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

_PROBES: Final = ("/healthz", "/readyz")
"""Probes ask by address, and learn nothing that is worth a rebound name."""

_WORDS: Final = ("application/json", problems.MEDIA_TYPE)
_ECHO_MOST: Final = 64 << 10
"""Bytes: what repeats a caller is a problem or a few lines, and those are bounded; a report is longer."""

_RECORDED: Final = (401, 403, 421, 429)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_Next = Callable[[web.Request], Awaitable[web.StreamResponse]]
HooksHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(
    settings: Settings,
    desk: Desk,
    standby: Standby,
    notifier: Notifier,
    *,
    audit: Audit,
    metrics: Metrics | None = None,
    hooks_handler: HooksHandler | None = None,
    ready: Callable[[], str] | None = None,
    bound: tuple[str, ...] = (),
    env: Mapping[str, str] = os.environ,
    proving: Proving | None = None,
    drill: bool = False,
    calendar: Callable[[], Calendar] = fallback,
) -> web.Application:
    """Make the application. Call it inside the running loop that serves it.

    Args:
        settings: As the service was started with; tokens and names count as `standby.settings` has them.
        desk: Where presses become runs; the metrics are added to its observers.
        standby: What is kept ready.
        notifier: Who tells people.
        audit: Told of every press, reset and resume, and of some refusals.
        metrics: For whoever counts into them as well; None for new ones.
        hooks_handler: Carries out POST /v1/hooks/{name}, and checks who calls; None for no hooks.
        ready: Why a press would not work, in one word; None to judge by the standby.
        bound: Addresses that it listens at, beside the settings' host.
        env: Where keys are looked for.
        proving: The self-test; None for none.
        drill: Whether the broker is the embedded simulator, and every run of the desk a drill.
        calendar: The exchange's days, as far as they are known now.
    """
    parts = Parts(
        desk=desk,
        standby=standby,
        notifier=notifier,
        record=Record(audit),
        metrics=metrics or Metrics(),
        env=env,
        bound=(settings.service.host, *bound),
        ready=ready or (lambda: _ready(standby, proving)),
        aside=Aside(),
        keys=Keys(monotonic),
        sessions=Sessions(lambda: standby.settings),
        proving=proving,
        drill=drill,
    )
    parts.hub = Hub(parts, calendar)
    if proving is not None:
        parts.metrics.add(proving)
    desk.observers += [parts.metrics.observe, parts.hub.observe]
    app = web.Application(middlewares=[_answers_always, _only_our_names], client_max_size=HOOK_BODY_MOST)
    app[PARTS] = parts
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.append(_end_streams)
    app.on_cleanup.append(_close_room)
    for path in dict.fromkeys(one.path for one in OPERATIONS):
        _add_routes(app, path.replace("{id}", f"{{id:{RUN_ID}}}"), [one for one in OPERATIONS if one.path == path])
    room = assets.Assets(assets.load(drill=drill))
    for path, shown in (("/", room.page), ("/room/{name}", room.file)):
        resource = app.router.add_resource(path)
        for method, handler in (("GET", shown), ("HEAD", shown), ("OPTIONS", _options("GET, HEAD, OPTIONS"))):
            resource.add_route(method, handler, expect_handler=_expect)
    if hooks_handler is not None:
        resource = app.router.add_resource("/v1/hooks/{name}")
        resource.add_route("POST", hooks_handler, expect_handler=_expect)
        resource.add_route("OPTIONS", _options("OPTIONS, POST"), expect_handler=_expect)
    return app


def _ready(standby: Standby, proving: Proving | None) -> str:
    return standby.not_ready or ("" if proving is None else proving.not_ready)


# ── routes ──────────────────────────────────────────────────────────────────────────────────────────────────


def _add_routes(app: web.Application, path: str, operations: list[Operation]) -> None:
    resource = app.router.add_resource(path)
    methods = {"OPTIONS"}
    for one in operations:
        guarded = _guarded(one, _document() if one.id == "openapi" else routes.HANDLERS[one.id])
        methods.add(one.method)
        resource.add_route(one.method, guarded, expect_handler=_expect)
        if one.method == "GET" and one.id != "events":
            methods.add("HEAD")
            resource.add_route("HEAD", guarded, expect_handler=_expect)
    resource.add_route("OPTIONS", _options(", ".join(sorted(methods))), expect_handler=_expect)


def _guarded(one: Operation, handler: routes.Handler) -> _Next:
    async def handle(request: web.Request) -> web.StreamResponse:
        parts = request.app[PARTS]
        identity = _identify(parts, request, one) if one.role else routes.NOBODY
        if one.query is NoQuery:
            read_query(NoQuery, routes.query_of(request))
        return await handler(parts, request, identity)

    return handle


def _identify(parts: Parts, request: web.Request, one: Operation) -> Identity:
    """Say who asks and may; a token that comes with the request counts alone, and a bad one is not made good."""
    given = request.headers.getall("Authorization", [])
    who = None if given else signing.signed(parts, request)
    identity = who.identity if who else parts.identify(given[0]) if len(given) == 1 else None
    if identity is None:
        raise ProblemError("unauthenticated", headers=signing.CHALLENGE)
    request[_WHO] = identity.name
    if who is not None:
        signing.require_ours(parts, request, who)
    require(may(identity, one.role))  # type: ignore[arg-type]
    if one.person and not identity.person:
        what = f"the token {identity.name} is a program's, and this is a person's deliberate act"
        raise ProblemError("forbidden", what, remedy="Use the token of a person.")
    if who is not None:
        signing.require_awake(parts, request, who, one.role)
    return identity


_WHO: Final = web.RequestKey("who", str)


def _options(allowed: str) -> _Next:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=204, headers={"Allow": allowed})

    return handle


@cache
def _document() -> routes.Handler:
    body = json.dumps(openapi(), indent=2).encode()  # before anybody asks: it takes a while, and presses wait

    async def handle(_: Parts, __: web.Request, ___: Identity) -> web.Response:
        return document(body)

    return handle


async def _expect(request: web.Request) -> None:
    """Say "go on" to whoever waits for it; an odd expectation does not stop a press."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


# ── around every route ──────────────────────────────────────────────────────────────────────────────────────


@web.middleware
async def _answers_always(request: web.Request, handler: _Next) -> web.StreamResponse:
    """Make a problem of whatever is raised."""
    parts, theirs = request.app[PARTS], request.headers.get("X-Request-Id", "")
    is_id = _REQUEST_ID.fullmatch(theirs) and parts.scrub(theirs) == theirs
    request[REQUEST_ID] = theirs if is_id else secrets.token_hex(8)
    try:
        return _without_keys(parts, await handler(request))
    except Exception as error:
        if isinstance(error, web.HTTPException) and error.status < 400:  # noqa: PLR2004
            raise
        return _without_keys(parts, _refused(request, error))


def _without_keys(parts: Parts, response: web.StreamResponse) -> web.StreamResponse:
    """Take keys out of an answer that may repeat what its caller said; a report had its own taken out before."""
    body = response.body if isinstance(response, web.Response) and response.content_type in _WORDS else None
    if isinstance(response, web.Response) and isinstance(body, bytes) and len(body) <= _ECHO_MOST:
        text = body.decode("utf-8", "surrogateescape")
        clean = parts.scrub(text)
        if clean != text:
            response.body = clean.encode("utf-8", "surrogateescape")
    return response


def _refused(request: web.Request, error: Exception) -> web.Response:
    parts, problem = request.app[PARTS], problems.of(error)
    kind = problems.KINDS[problem.code]
    if problem.code == "internal":
        problems.report_failure(error, request)
    if kind.status in _RECORDED and not _only_opens_the_page(request, problem):
        parts.record.refusal(
            {
                "code": problem.code,
                "token": request.get(_WHO, ""),
                "method": request.method[:16],
                "path": parts.scrub(request.path)[:100],
                "from": request.remote,
                "request_id": request[REQUEST_ID],
            }
        )
    if request.method == "POST" and request.path == "/v1/runs":
        parts.metrics.press_refused(problem.code)
    return problem.response(request[REQUEST_ID])


def _only_opens_the_page(request: web.Request, problem: ProblemError) -> bool:
    """Whether this is our page asking who is in, before anybody is: nobody tried anything."""
    asks = (request.method, request.path, problem.code) == ("GET", "/v1/session", "unauthenticated")
    return asks and "Authorization" not in request.headers


@web.middleware
async def _only_our_names(request: web.Request, handler: _Next) -> web.StreamResponse:
    """Refuse whoever was led here by another name."""
    parts = request.app[PARTS]
    given = request.headers.getall("Host", [])
    ours = len(given) == 1 and host_is_allowed(given[0], parts.settings.service, parts.bound)
    if not ours and request.path not in _PROBES:
        raise ProblemError("wrong_host")
    return await handler(request)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    kept = _ITS_OWN if "Content-Security-Policy" in response.headers else ()
    for name, value in HEADERS.items():
        if name not in kept:
            response.headers[name] = value
    response.headers["X-Request-Id"] = problems.request_id(request)


async def _close_room(app: web.Application) -> None:
    await app[PARTS].hub.overview.close()


async def _end_streams(app: web.Application) -> None:
    end_streams(app[PARTS])
