"""Limits connections: a fixed number, no idle ones for long, and descriptors left for the broker.

Callers that hold connections must not keep a press out: if there is no room for a new one, the address that holds
most gives way with its oldest, so that a new one has time to ask. One whose press is being carried out stays.
A crowd must not keep the loop either: connections are accepted at once, but begun a few at a time, by turns of
their addresses.
"""

import asyncio
import errno
import socket
import ssl
from collections import defaultdict, deque
from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import Final

import structlog
from aiohttp import web

from panic.service.app import RUNNER
from panic.service.caller import Caller

log = structlog.get_logger()

FIRST_S: Final = 10.0
"""How long a new connection may take for its first whole request, handshake included."""

BACKLOG: Final = 4096
"""Connections that the kernel keeps for us: a caller whom it drops tries again after a second, at the earliest."""

BURST: Final = 64
"""Connections that are accepted at once; then what is under way goes on."""

_TURN_MOST: Final = 8
"""Connections that are begun in a turn of the loop: who is let in already waits no longer for that."""

_BUFFER: Final = 16 << 10
"""Bytes that the kernel keeps of each connection, for us to read; it takes twice as much."""

_COMPLAIN_S = 1.0
_PAUSE_S = 0.05
_FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Line:
    """A connection, and who calls, once it said something and had its turn."""

    def __init__(self, connection: socket.socket, address: str) -> None:
        self.connection, self.address = connection, address
        self.caller: Caller | None = None
        self.task: asyncio.Task[None] | None = None
        self.silent: asyncio.TimerHandle | None = None

    @property
    def has_asked(self) -> bool:
        """Whether a whole request ever came."""
        return self.caller is not None and self.caller.has_asked

    def end(self) -> None:
        """Cut it."""
        if self.task is None or self.caller is None:
            asyncio.get_running_loop().remove_reader(self.connection)
            self.connection.close()
        elif self.caller.transport is None:
            self.task.cancel()
        else:
            self.caller.transport.abort()


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
        self._lines: defaultdict[str, dict[Line, None]] = defaultdict(dict)
        self._queues: dict[str, deque[Line]] = {}
        self._listening: list[socket.socket] = []
        self._complained_at = -_COMPLAIN_S
        self._unsaid = 0

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def renew(self, context: ssl.SSLContext) -> None:
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
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            loop.add_reader(one, self._accept, one)
        self._listening = listeners

    async def stop(self) -> None:
        """Accept no more connections; the runner ends those that are open."""
        await super().stop()
        listening, self._listening = self._listening, []
        for one in listening:
            asyncio.get_running_loop().remove_reader(one)
            one.close()
        for line in [line for lines in self._lines.values() for line in lines if line.caller is None]:
            self._end(line)

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
            self._take(Line(connection, neighbourhood(address[0])))

    def _pause(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener)

        def go_on() -> None:
            if listener in self._listening:
                loop.add_reader(listener, self._accept, listener)

        loop.call_later(_PAUSE_S, go_on)

    def _take(self, line: Line) -> None:
        loop = asyncio.get_running_loop()
        self._lines[line.address][line] = None
        line.silent = loop.call_later(self._first_s, self._end_if_silent, line)
        loop.add_reader(line.connection, self._queue, line)  # the silent cost no more than that

    def _end_if_silent(self, line: Line) -> None:
        if not line.has_asked:
            self._end(line)

    def _queue(self, line: Line) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(line.connection)
        if not self._queues:
            loop.call_soon(self._turn)
        self._queues.setdefault(line.address, deque()).append(line)

    def _turn(self) -> None:
        """Begin a few connections, those of each address by turns; who had a turn stands at the end."""
        for _ in range(_TURN_MOST):
            address = next(iter(self._queues), None)
            if address is None:
                return
            queue = self._queues.pop(address)
            self._begin(queue.popleft())
            if queue:
                self._queues[address] = queue
        if self._queues:
            asyncio.get_running_loop().call_soon(self._turn)

    def _begin(self, line: Line) -> None:
        server = self._runner.server
        if line not in self._lines.get(line.address, ()) or server is None:  # it gave way, or the runner is ending
            return
        loop = asyncio.get_running_loop()
        line.caller = Caller(server, loop=loop, gone=lambda: self._forget(line), **RUNNER)
        line.task = loop.create_task(self._let_in(line, line.caller))
        line.task.add_done_callback(lambda done: line.connection.close() if done.cancelled() else None)

    async def _let_in(self, line: Line, caller: Caller) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: caller, line.connection, ssl=self._context)
        except OSError:  # it hung up, or speaks no TLS
            self._forget(line)
            line.connection.close()

    def _make_room(self) -> bool:
        """End a connection that may go, of the address that holds most; False if there is none anywhere."""
        line = next(self._may_go(), None)
        if line is not None:
            self._complain("connection_ended_for_another", connections=len(self))
            self._end(line)
        return line is not None

    def _may_go(self) -> Iterator[Line]:
        """Give who may go: of the address that holds most, its oldest that only waits, then that looks."""
        for address in sorted(self._lines, key=lambda one: -len(self._lines[one])):
            lines = self._lines[address]
            yield from (one for one in lines if one.caller is None or one.caller.waits)
            yield from (one for one in lines if one.caller is None or one.caller.may_go)

    def _end(self, line: Line) -> None:
        self._forget(line)
        line.end()

    def _forget(self, line: Line) -> None:
        if line.silent is not None:
            line.silent.cancel()
        if lines := self._lines.get(line.address):
            lines.pop(line, None)
            if not lines:
                del self._lines[line.address]

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
