"""Limits connections: a fixed number, no idle ones for long, and descriptors left for the broker.

Callers that hold connections open without a request must not keep a press out: if there is no room for a new
connection, the oldest idle one is closed, but never one whose request is being carried out.
"""

import asyncio
import errno
import secrets
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.web_request import BaseRequest

from panic.service import problems
from panic.service.app import HEADERS, RUNNER
from panic.service.problems import ProblemError

log = structlog.get_logger()

FIRST_S: Final = 10.0
"""How long a new connection may take for its first whole request, handshake included."""

BACKLOG: Final = 128

_COMPLAIN_S = 1.0
_PAUSE_S = 0.05
_FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Caller(web.RequestHandler):
    """One connection; anything it sends that is not HTTP is neither logged nor echoed, as it may hold a token."""

    def __init__(self, *args: Any, gone: Callable[["Caller"], None], first_s: float, **how: Any) -> None:
        super().__init__(*args, **how)
        self._gone, self._first_s = gone, first_s
        self._silent: asyncio.TimerHandle | None = None

    @property
    def may_go(self) -> bool:
        """Whether it waits for its caller: to ask, to finish asking or to take the answer."""
        if self._request_count == 0 or (self._waiter is not None and not self._waiter.done()):
            return True
        request = self._current_request
        return self.writing_paused or (request is not None and not request.content.is_eof())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, and end it soon if nothing comes."""
        super().connection_made(transport)
        self._silent = self._loop.call_later(self._first_s, self._end_if_silent)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        if self._silent is not None:
            self._silent.cancel()
        self._gone(self)
        super().connection_lost(exc)

    def _end_if_silent(self) -> None:
        if self._request_count == 0:
            self.force_close()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  (it quotes what came)
    ) -> web.StreamResponse:
        """Answer an invalid request, or an unexpected failure."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way")
        if status < 500:  # noqa: PLR2004
            name = type(exc).__name__
            problem = ProblemError("malformed", f"this is no HTTP request that can be read ({name})")
        else:
            error = exc if isinstance(exc, Exception) else TimeoutError()
            problem = problems.of(error)
            problems.report_failure(error, request)
        id_ = secrets.token_hex(8)
        response = problem.response(id_)
        response.headers.update({**HEADERS, "X-Request-Id": id_})
        response.force_close()
        return response


class Listener(web.BaseSite):
    """Listens, and lets callers in. Start it as any other site of a runner; the runner stops it."""

    def __init__(
        self,
        runner: web.AppRunner,
        host: str,
        port: int,
        *,
        context: ssl.SSLContext | None,
        most: int,
        first_s: float = FIRST_S,
    ) -> None:
        super().__init__(runner, ssl_context=context, backlog=BACKLOG)
        self.port = port
        self._host, self._context, self._most, self._first_s = host, context, most, first_s
        self._callers: dict[Caller, asyncio.Task[None]] = {}
        self._listening: dict[asyncio.Task[None], socket.socket] = {}
        self._complained_at = -_COMPLAIN_S
        self._unsaid = 0

    @property
    def name(self) -> str:
        """Where it listens, once it has started."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'http' if self._context is None else 'https'}://{host}:{self.port}"

    async def start(self) -> None:
        """Listen; raises OSError where that cannot be."""
        await super().start()
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        listeners: list[socket.socket] = []
        try:
            for family, address in dict.fromkeys((one[0], one[4]) for one in found):
                place = (address[0], self.port, *address[2:])
                listeners.append(socket.create_server(place, family=family, backlog=BACKLOG))
                self.port = listeners[-1].getsockname()[1]
        except OSError:
            for one in listeners:
                one.close()
            raise
        for one in listeners:
            one.setblocking(False)
            self._listening[asyncio.create_task(self._listen(one), name="panic-listener")] = one

    async def stop(self) -> None:
        """Accept no more connections; the runner ends those that are open."""
        await super().stop()
        listening, self._listening = self._listening, {}
        for task in listening:
            task.cancel()
        if listening:
            await asyncio.wait(listening)
        for one in listening.values():
            one.close()

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────

    async def _listen(self, listener: socket.socket) -> None:
        loop, server = asyncio.get_running_loop(), self._runner.server
        assert server is not None  # noqa: S101  (the runner was set up)
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:
                self._complain("accept_failed", error=errno.errorcode.get(error.errno or 0, "unknown"))
                if error.errno in _FULL:
                    self._make_room()
                await asyncio.sleep(_PAUSE_S)
                continue
            if len(self._callers) >= self._most and not self._make_room():
                connection.close()
                self._complain("connection_refused", connections=len(self._callers))
                continue
            caller = Caller(server, loop=loop, gone=self._forget, first_s=self._first_s, **RUNNER)
            self._callers[caller] = task = asyncio.create_task(self._let_in(caller, connection))
            task.add_done_callback(lambda done, one=connection: one.close() if done.cancelled() else None)  # type: ignore[misc]
            await asyncio.sleep(0)  # a flood of callers does not hold up the loop

    async def _let_in(self, caller: Caller, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._first_s):
                await loop.connect_accepted_socket(lambda: caller, connection, ssl=self._context)
        except (OSError, TimeoutError):  # it hung up, or speaks no TLS
            self._forget(caller)
            connection.close()

    def _make_room(self) -> bool:
        """End the oldest connection that waits for its caller; False if all of them are being served."""
        caller = next((one for one in self._callers if one.may_go), None)
        if caller is None:
            return False
        task = self._callers.pop(caller)
        if caller.transport is None:
            task.cancel()
        else:
            caller.transport.abort()
        self._complain("connection_ended_for_another", connections=len(self._callers) + 1)
        return True

    def _forget(self, caller: Caller) -> None:
        self._callers.pop(caller, None)

    def _complain(self, event: str, **facts: object) -> None:
        """Log, but not in a flood."""
        now = asyncio.get_running_loop().time()
        if now - self._complained_at < _COMPLAIN_S:
            self._unsaid += 1
            return
        self._complained_at = now
        if structlog.is_configured():
            log.warning(event, **facts, unsaid=self._unsaid)
        self._unsaid = 0
