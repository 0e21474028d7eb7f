"""Limits connections: a fixed number, no idle ones for long, and descriptors left for the broker.

Callers that hold connections must not keep a press out: if there is no room for a new one, the address that holds
most gives way with its oldest, so that a new one has time to ask. One whose press is being carried out stays.
"""

import asyncio
import errno
import secrets
import socket
import ssl
from asyncio import sslproto
from collections import defaultdict
from collections.abc import Callable, Iterator
from ipaddress import IPv6Address
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.web_request import BaseRequest

from panic.service import problems
from panic.service.app import HEADERS, RUNNER
from panic.service.auth import ROLE
from panic.service.problems import ProblemError

log = structlog.get_logger()

FIRST_S: Final = 10.0
"""How long a new connection may take for its first whole request, handshake included."""

BACKLOG: Final = 4096
"""Connections that the kernel keeps for us: a caller whom it drops tries again after a second, at the earliest."""

HEAD_MOST: Final = 32 << 10
"""Bytes before a request is whole."""

BURST: Final = 64
"""Connections that are accepted at once; then what is under way goes on."""

_TLS_PIECE: Final = 32 << 10
_COMPLAIN_S = 1.0
_PAUSE_S = 0.05
_FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Caller(web.RequestHandler):
    """One connection; anything it sends that is not HTTP is neither logged nor echoed, as it may hold a token."""

    def __init__(self, *args: Any, gone: Callable[["Caller"], None], first_s: float, **how: Any) -> None:
        super().__init__(*args, **how)
        self._gone, self._first_s = gone, first_s
        self._silent: asyncio.TimerHandle | None = None
        self._unread = 0

    @property
    def waits(self) -> bool:
        """Whether it waits for its caller to ask, or to finish asking."""
        return self._request_count == 0 or (self._waiter is not None and not self._waiter.done())

    @property
    def may_go(self) -> bool:
        """Whether it only waits or looks, or nobody knows who it is: then it gives way to a new one."""
        request = self._current_request
        if request is None:
            return self.waits or self.writing_paused
        role: str = request.get(ROLE, "viewer")
        return role == "viewer"

    def data_received(self, data: bytes) -> None:
        """Take what comes, but no head of a request without end."""
        before = self._request_count
        super().data_received(data)
        self._unread = self._unread + len(data) if self.waits and before == self._request_count else 0
        if self._unread > HEAD_MOST:
            self.force_close()

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
        self._callers: defaultdict[str, dict[Caller, asyncio.Task[None]]] = defaultdict(dict)
        self._listening: list[socket.socket] = []
        self._complained_at = -_COMPLAIN_S
        self._unsaid = 0

    def __len__(self) -> int:
        return sum(map(len, self._callers.values()))

    def renew(self, context: ssl.SSLContext | None) -> None:
        """Meet new callers with another certificate."""
        self._context = context

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
            loop.add_reader(one, self._accept, one)
        self._listening = listeners

    async def stop(self) -> None:
        """Accept no more connections; the runner ends those that are open."""
        await super().stop()
        listening, self._listening = self._listening, []
        for one in listening:
            asyncio.get_running_loop().remove_reader(one)
            one.close()

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(BURST):
            try:
                connection, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._complain("accept_failed", error=errno.errorcode.get(error.errno or 0, "unknown"))
                if error.errno in _FULL:
                    self._make_room()
                self._pause(listener)
                return
            connection.setblocking(False)
            if len(self) >= self._most and not self._make_room():
                connection.close()
                self._complain("connection_refused", connections=len(self))
                continue
            self._take(connection, neighbourhood(address[0]))

    def _pause(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener)

        def go_on() -> None:
            if listener in self._listening:
                loop.add_reader(listener, self._accept, listener)

        loop.call_later(_PAUSE_S, go_on)

    def _take(self, connection: socket.socket, address: str) -> None:
        loop, server = asyncio.get_running_loop(), self._runner.server
        assert server is not None  # noqa: S101  (the runner was set up)
        forget = lambda caller: self._forget(caller, address)  # noqa: E731
        caller = Caller(server, loop=loop, gone=forget, first_s=self._first_s, **RUNNER)
        self._callers[address][caller] = task = asyncio.create_task(self._let_in(caller, connection, forget))
        task.add_done_callback(lambda done: connection.close() if done.cancelled() else None)

    async def _let_in(self, caller: Caller, connection: socket.socket, forget: Callable[[Caller], None]) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._first_s):
                await loop.connect_accepted_socket(lambda: caller, connection, ssl=self._context)
        except (OSError, TimeoutError):  # it hung up, or speaks no TLS
            forget(caller)
            connection.close()

    def _make_room(self) -> bool:
        """End a connection that may go, of the address that holds most; False if there is none anywhere."""
        found = next(self._may_go(), None)
        if found is None:
            return False
        address, caller = found
        self._complain("connection_ended_for_another", connections=len(self))
        task = self._callers[address][caller]
        self._forget(caller, address)
        if caller.transport is None:
            task.cancel()
        else:
            caller.transport.abort()
        return True

    def _may_go(self) -> Iterator[tuple[str, Caller]]:
        """Give who may go, first the address that holds most, first its oldest that only waits."""
        for address in sorted(self._callers, key=lambda one: -len(self._callers[one])):
            callers = self._callers[address]
            yield from ((address, one) for one in callers if one.waits)
            yield from ((address, one) for one in callers if one.may_go)

    def _forget(self, caller: Caller, address: str) -> None:
        if callers := self._callers.get(address):
            callers.pop(caller, None)
            if not callers:
                del self._callers[address]

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


def neighbourhood(address: str) -> str:
    """Give what counts as one address: of IPv6, everybody has a whole network."""
    if ":" not in address:
        return address
    found = IPv6Address(address.partition("%")[0])
    return str(found.ipv4_mapped or int(found) >> 64)


sslproto.SSLProtocol.max_size = _TLS_PIECE
"""What asyncio reads each TLS connection into: its 256 KiB are 256 MiB for a thousand strangers."""
