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
from typing import Final

import structlog
from aiohttp import web

from panic.service.lines import Lines

log = structlog.get_logger()

FIRST_S: Final = 10.0
"""How long a new connection may take for its first whole request, handshake included."""

BACKLOG: Final = 4096
"""Connections that the kernel keeps for us: a caller whom it drops tries again after a second, at the earliest."""

BURST: Final = 64
"""Connections that are accepted at once; then what is under way goes on."""

_BUFFER: Final = 16 << 10
"""Bytes that the kernel keeps of each connection, for us to read; it takes twice as much."""

_COMPLAIN_S = 1.0
_PAUSE_S = 0.05
_FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


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
        self.lines = Lines(runner, context, first_s)
        self._host, self._most = host, most
        self._listening: list[socket.socket] = []
        self._complained_at = -_COMPLAIN_S
        self._unsaid = 0

    def renew(self, context: ssl.SSLContext) -> None:
        """Meet new callers with another certificate."""
        self.lines.context = context

    @property
    def name(self) -> str:
        """Where it listens, once it has started."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'http' if self.lines.context is None else 'https'}://{host}:{self.port}"

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
        self.lines.end_unbegun()

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
            if len(self.lines) >= self._most and not self._make_room():
                connection.close()
                self._complain("connection_refused", connections=len(self.lines))
                continue
            self.lines.take(connection, address[0])

    def _make_room(self) -> bool:
        if is_made := self.lines.make_room():
            self._complain("connection_ended_for_another", connections=len(self.lines))
        return is_made

    def _pause(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener)

        def go_on() -> None:
            if listener in self._listening:
                loop.add_reader(listener, self._accept, listener)

        loop.call_later(_PAUSE_S, go_on)

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
