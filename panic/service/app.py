"""The application: every route, and the headers of every answer."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from aiohttp import web

from panic.kit.background import Start, begin
from panic.service import problems
from panic.service.api.answers import Lookup, Threads
from panic.service.api.latch import Latching
from panic.service.api.orders import Orders
from panic.service.api.press import Presses
from panic.service.api.runs import Runs
from panic.service.api.status import Status
from panic.service.api.tokens import Tokens
from panic.service.audit import Audit
from panic.service.desk import Desk
from panic.service.guard import Guard, Next
from panic.service.metrics import Metrics
from panic.service.notify import Notifier
from panic.service.openapi import Documentation
from panic.service.operations import ACCOUNT_ID, RUN_ID, operations_of
from panic.service.room import assets
from panic.service.room.hub import Hub
from panic.service.room.overview import Overview
from panic.service.room.routes import Looks
from panic.service.room.session_list import SessionList
from panic.service.room.sign_in import SignIn
from panic.service.room.signing import Signing
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

HSTS: Final = "max-age=31536000"
"""Of every answer over TLS: for a year no browser asks without it, and no token travels in the clear."""

_DROPPED: Final = logging.getLogger("panic.dropped")
_DROPPED.disabled = True
"""What a server would log of a request that is none quotes it, token and all; nobody hears of that."""

RUNNER: Final[Mapping[str, Any]] = {
    "auto_decompress": False,
    "access_log": None,
    "logger": _DROPPED,
    "keepalive_timeout": 30.0,
    "lingering_time": 2.0,
    "read_bufsize": 16 << 10,
}
"""Arguments for `web.AppRunner`: no small body is inflated to a large one before we see it."""

OPERATIONS: Final = operations_of(
    Presses, Orders, Runs, Looks, Latching, Status, Signing, SignIn, SessionList, Tokens, Documentation
)
"""Everything that can be asked, in the order of the documents."""

LOOKS: Final = web.AppKey("looks", Looks)


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
    reading: Start = begin,
) -> web.Application:
    """Make the application. Call it inside the running loop that serves it.

    The hooks' handler carries out POST /v1/hooks/{name} and checks itself who calls; `calendar` gives the
    exchange's days as far as they are known now; `reading` starts what reads the ledger, away from the loop.
    """

    def not_ready() -> str:
        return standby.not_ready or ("" if self_test is None else self_test.not_ready)

    threads, planning = Threads(), Threads(1)
    looking, exporting, judging = (Threads(1, start=reading) for _ in range(3))  # none waits for another
    lookup, signing = Lookup(desk, standby, looking), Signing(standby, audit)
    overview = Overview(desk, standby, not_ready, self_test, calendar, drill, reading)
    hub = Hub(desk, standby, threads, looking, overview)
    looks = Looks(desk, standby, lookup, planning, exporting, hub, signing)
    desk.observers += [metrics.observe, hub.observe]
    orders = Orders(desk, standby, planning)
    tokens = Tokens(lambda: standby.settings)
    guard = Guard(standby, standby.settings.service.host, audit, metrics, signing, tokens)
    app = web.Application(middlewares=[guard.answer])
    app[LOOKS] = looks
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.extend([looks.end_streams, orders.end])
    app.on_cleanup.append(lambda _: hub.overview.disks.close())
    handlers = (
        Presses(desk, standby, audit, planning, looking),
        orders,
        Runs(desk, standby, lookup, threads, looking, audit, env),
        looks,
        Latching(standby, audit, threads, looking, judging, env),
        Status(desk, standby, not_ready, notifier, metrics, threads, self_test, looks.readers, env),
        signing,
        SignIn(standby, audit, signing, env),
        SessionList(signing, audit),
        tokens,
        Documentation(OPERATIONS),
    )
    for handler in handlers:
        for one in operations_of(type(handler)):
            path = one.path.replace("{id}", f"{{id:{RUN_ID}}}").replace("{account}", f"{{account:{ACCOUNT_ID}}}")
            _add(app, one.method, path, guard.before(one, getattr(handler, one.id)))
    page = partial(assets.answer, assets.load(drill=drill))
    for path in ("/", "/room/{name}", "/room/{release}/{name}"):
        _add(app, "GET", path, page)
    if hooks_handler is not None:
        _add(app, "POST", "/v1/hooks/{name}", hooks_handler)
    return app


def _add(app: web.Application, method: str, path: str, handler: Next) -> None:
    """Add a route; who may GET may HEAD, but for the stream, which never ends."""
    methods = [method, "HEAD"] if method == "GET" and not path.endswith("/events") else [method]
    for one in methods:
        app.router.add_route(one, path, handler)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    may_be_kept = "ETag" in response.headers
    for name, value in HEADERS.items():
        if not (may_be_kept and name in response.headers):
            response.headers[name] = value
    if request.secure:
        response.headers["Strict-Transport-Security"] = HSTS
    response.headers["X-Request-Id"] = problems.request_id(request)
