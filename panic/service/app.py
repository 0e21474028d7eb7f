"""The application: every route, and the headers of every answer."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from aiohttp import web

from panic.kit.background import Aside
from panic.service import problems
from panic.service.api.checks import Checks
from panic.service.api.latch import Latching
from panic.service.api.lookup import Lookup
from panic.service.api.press import Keys, Presses
from panic.service.api.runs import Runs
from panic.service.api.status import Status
from panic.service.audit import Audit
from panic.service.desk import Desk
from panic.service.guard import Guard, Next
from panic.service.metrics import Metrics
from panic.service.notify import Notifier
from panic.service.openapi import Documentation
from panic.service.operations import RUN_ID, operations_of
from panic.service.room import assets, routes, signing, stream
from panic.service.room.hub import Hub
from panic.service.room.overview import Overview
from panic.service.schedule.calendar import Calendar
from panic.service.selftest.tester import SelfTester
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
"""Arguments for `web.AppRunner`: no small body is inflated to a large one before we see it."""

OPERATIONS: Final = operations_of(
    Presses, Runs, routes.Looks, stream.Stream, Checks, Latching, Status, signing.Signing, Documentation
)
"""Everything that can be asked, in the order of the documents."""

STREAM: Final = web.AppKey("stream", stream.Stream)


def make_app(
    desk: Desk,
    standby: Standby,
    audit: Audit,
    notifier: Notifier,
    metrics: Metrics,
    *,
    env: Mapping[str, str],
    hooks_handler: Next | None = None,
    self_test: SelfTester | None = None,
    drill: bool = False,
    calendar: Callable[[], Calendar],
) -> web.Application:
    """Make the application. Call it inside the running loop that serves it.

    The hooks' handler carries out POST /v1/hooks/{name} and checks itself who calls; `calendar` gives the
    exchange's days as far as they are known now.
    """

    def not_ready() -> str:
        return standby.not_ready or ("" if self_test is None else self_test.not_ready)

    threads = Aside()
    lookup, session = Lookup(desk, standby, threads), signing.Signing(standby, audit)
    hub = Hub(desk, standby, threads, Overview(desk, standby, not_ready, self_test, calendar, drill=drill))
    streaming = stream.Stream(hub, lookup, session)
    looks = routes.Looks(desk, standby, lookup, threads, hub)
    desk.observers += [metrics.observe, hub.observe]
    guard = Guard(standby, standby.settings.service.host, audit, metrics, session)
    app = web.Application(middlewares=[guard.answer])
    app[STREAM] = streaming
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.append(_end_streams)
    app.on_cleanup.append(lambda _: hub.overview.disks.close())
    handlers = (
        Presses(desk, standby, audit, Keys(monotonic)),
        Runs(desk, standby, lookup, threads, audit, env),
        looks,
        streaming,
        Checks(standby, threads, self_test, env),
        Latching(standby, audit, threads, env),
        Status(desk, standby, not_ready, notifier, metrics, threads, self_test, streaming.readers),
        session,
        Documentation(OPERATIONS),
    )
    for handler in handlers:
        for one in operations_of(type(handler)):
            path = one.path.replace("{id}", f"{{id:{RUN_ID}}}")
            _add(app, one.method, path, guard.before(one, getattr(handler, one.id)))
    page = assets.Assets(assets.load(drill=drill))
    for path in ("/", "/room/{name}"):
        _add(app, "GET", path, page.answer)
    if hooks_handler is not None:
        _add(app, "POST", "/v1/hooks/{name}", hooks_handler)
    return app


def _add(app: web.Application, method: str, path: str, handler: Next) -> None:
    """Add a route; who may GET may HEAD, but for the stream, which never ends."""
    methods = [method, "HEAD"] if method == "GET" and not path.endswith("/events") else [method]
    for one in methods:
        app.router.add_route(one, path, handler, expect_handler=_expect)


async def _expect(request: web.Request) -> None:
    """Answer "100 Continue" to callers that wait for it; an odd expectation does not stop a press."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    kept = ("Cache-Control", "Content-Security-Policy") if "Content-Security-Policy" in response.headers else ()
    for name, value in HEADERS.items():
        if name not in kept:
            response.headers[name] = value
    response.headers["X-Request-Id"] = problems.request_id(request)


async def _end_streams(app: web.Application) -> None:
    """Close event streams, so that the end does not wait for them."""
    for task in list(app[STREAM].readers):
        with suppress(RuntimeError):
            task.cancel()
