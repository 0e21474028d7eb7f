"""Connections that give one answer for each request, and name lookups that hold nothing up.

aiohttp keeps an unrequested answer and hands it to the next request on the connection: another
account's answer. Its own resolver works in threads that the process waits for at its end. Both are closed
here; the tests that pin them fail when an aiohttp release changes the private places this rests on.
"""

import asyncio
import functools
import resource
import socket
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey

from panic.broker.answers import Receipt
from panic.kit.background import begin

_SPARE_DESCRIPTORS = 32
"""Descriptors left for the ledger and other files, the terminal, the event loop and a resolver."""

_SOCKETS_A_CONNECTION = 2
"""While connecting, an IPv6 and an IPv4 attempt may be under way for one request."""

LINGER_S = 0.1
"""How long a connection that closes after its answer is listened to."""

LINGER_DOUBTED_S = 2.0
"""Once answers got mixed up, each connection is used once, and listened to for this long after its answer."""

_STALE_AFTER_S = 2.0
"""After this long a lookup gives way to the last good answer, if there is one."""

_GIVEN_UP_AFTER_S = 4.0
"""Without one it is given up before the attempt is (5 s), so that the next attempt starts a new lookup: aiohttp
makes every request wait for the lookup under way."""


def connections_possible() -> int:
    """Give how many requests may be in flight without running out of file descriptors (RLIMIT_NOFILE)."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1 << 20
    try:
        in_use = len(list(Path("/proc/self/fd").iterdir()))
    except OSError:  # no /proc on this system, or no descriptor left to look with
        in_use = 16
    return max(1, (soft - in_use - _SPARE_DESCRIPTORS) // _SOCKETS_A_CONNECTION)


class Handler(ResponseHandler):
    """A connection that reports and closes when it brings an unrequested answer or byte."""

    def __init__(self, loop: asyncio.AbstractEventLoop, mixed_up: Callable[[], None]) -> None:
        super().__init__(loop=loop)
        self._mixed_up = mixed_up
        self._owed = 0
        self.asked = 0
        self.receipts: list[Receipt] = []
        self._disowned = False

    def set_response_params(self, **parameters: Any) -> None:
        """Expect one more answer: aiohttp calls this once for each request."""
        self._owed += 1
        self.asked += 1
        super().set_response_params(**parameters)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Process the head of an answer."""
        if not 100 <= data[0].code < 200:  # noqa: PLR2004  (an interim answer is not the answer)
            self._owed -= 1
        super().feed_data(data, size)
        if self._owed < 0:
            self.disown()

    def data_received(self, data: bytes) -> None:
        """Process bytes from the wire."""
        unasked = bool(data) and self._owed <= 0 and not self._is_reading
        super().data_received(data)
        if unasked or self._holds_half_an_answer():
            self.disown()

    @property
    def _is_reading(self) -> bool:
        return self._payload is not None and not self._payload.is_eof()

    def _holds_half_an_answer(self) -> bool:
        """Tell whether the parser kept bytes after the last answer that was asked for."""
        if self._owed != 0 or self._is_reading or self._parser is None or self._should_close:
            return False
        try:
            return self._parser.feed_eof() is not None
        except Exception:  # noqa: BLE001  (whatever it holds, nobody asked for it)
            return True

    @property
    def is_answered(self) -> bool:
        """Whether all answers came whole, and the connection is still open and could bring more."""
        return self._owed == 0 and not self._is_reading and self.exception() is None and self.is_connected()

    def disown(self) -> None:
        """Close, revoke everything that came this way, and report it."""
        if self._disowned:
            return
        self._disowned = True
        self.force_close()
        if self.transport is not None:
            self.transport.close()
        for receipt in self.receipts:
            receipt.revoked = True
        self._mixed_up()


class Connector(aiohttp.TCPConnector):
    """A connection pool that trusts no used connection any more once answers got mixed up.

    Attributes:
        tell: Called when a connection brought an unrequested answer, or another account's orders.
        lingering_most: How many connections may be listened to after their last answer: each is a descriptor.
    """

    def __init__(self, keepalive_s: float) -> None:
        # The slots bound what is in flight; a second queue would only hide waits.
        super().__init__(limit=0, resolver=Resolver(), keepalive_timeout=keepalive_s)
        self.tell: Callable[[], None] = lambda: None
        self.lingering_most = 0
        self._distrusts = False
        self._lingering: dict[Handler, float] = {}  # the oldest first
        self._factory = functools.partial(Handler, self._loop, self.mixed_up)  # type: ignore[assignment]

    @property
    def idle(self) -> int:
        """How many open connections wait in the pool."""
        return sum(protocol.is_connected() for idle in self._conns.values() for protocol, _ in idle)

    @property
    def certificate_ends(self) -> datetime | None:
        """When the certificate does that the host showed on an idle connection; None where there is none."""
        transports = (protocol.transport for idle in self._conns.values() for protocol, _ in idle)
        shown = (one.get_extra_info("peercert") for one in transports if one is not None)
        ends = next((one["notAfter"] for one in shown if one and "notAfter" in one), None)
        return None if ends is None else datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC)

    def drop_unproven(self) -> None:
        """Close idle connections that were only kept open: if one was dead, the others may be too.

        Each would cost a retry, and the waits between those grow. The rest have answered recently.
        """
        for idle in self._conns.values():
            for protocol, _ in idle:
                if isinstance(protocol, Handler) and not protocol.receipts:
                    protocol.close()

    def mixed_up(self) -> None:
        """Use every connection once from now on, close those that wait in the pool, and tell it."""
        self._distrusts = True
        for idle in self._conns.values():
            for protocol, _ in idle:
                protocol.close()
        self._conns.clear()
        self.tell()

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        closes = self._distrusts or should_close or protocol.should_close
        if not closes or self._closed or not isinstance(protocol, Handler) or not protocol.is_answered:
            super()._release(key, protocol, should_close=should_close)
            return
        # It is closed, but a moment later: the bytes that would revoke its answer may still be on their way.
        self._release_acquired(key, protocol)
        self._lingering[protocol] = self._loop.time()
        if len(self._lingering) > self.lingering_most:
            self._see_off(next(iter(self._lingering)))
        self._loop.call_later(LINGER_DOUBTED_S if self._distrusts else LINGER_S, self._see_off, protocol)

    def _close(self, *, abort_ssl: bool = False) -> list[Awaitable[object]]:
        """Close those that are listened to as well: nobody would see them off after the loop's end."""
        self._acquired.update(self._lingering)
        self._lingering.clear()
        return super()._close(abort_ssl=abort_ssl)

    def _see_off(self, protocol: Handler) -> None:
        since = self._lingering.pop(protocol, None)
        if since is None:  # it had to make room before
            return
        if self._distrusts and self._loop.time() - since < LINGER_S:
            protocol.disown()  # too soon to believe what it brought
        protocol.close()


class Resolver(AbstractResolver):
    """Looks a name up on a daemon thread, which holds up no end, and keeps the last good answer as a fallback."""

    def __init__(self) -> None:
        self._good: dict[tuple[str, int, int], list[ResolveResult]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Give the host's addresses.

        Raises:
            OSError: It has none that we know of.
        """
        key = (host, port, family)
        known = self._good.get(key)
        try:
            async with asyncio.timeout(_STALE_AFTER_S if known else _GIVEN_UP_AFTER_S):
                self._good[key] = await begin(lambda: _look_up(host, port, family), "resolver")
        except OSError:  # TimeoutError is one
            if not known:
                raise
        return self._good[key]

    async def close(self) -> None:
        """Nothing to close: a thread that still hangs dies with the process."""


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    except ValueError as error:  # UnicodeError is one: no such name can even be asked for
        raise OSError(str(error)) from error
    if not found:
        raise OSError("the name has no address")
    return [
        ResolveResult(hostname=host, host=str(address[0]), port=port, family=kind, proto=proto, flags=numeric)
        for kind, _, proto, _, address in found
    ]
