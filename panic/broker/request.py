"""One request in flight, and what was seen of its answer, kept when it ends in an exception."""

import asyncio
import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp.connector import Connection

from panic.broker.answers import Cause, Receipt
from panic.broker.connections import Handler

_ERROR_BODY_MOST = 1 << 16
"""Bytes. An error's envelope has a few hundred bytes; more of it is useless."""


@dataclass(slots=True)
class Exchange:
    """One request, on its way or over, and what was received of its answer.

    Attributes:
        sent: Whether the request left or may have left.
        status: None when no valid status line came back.
        headers: As received, names case-insensitive.
        whole: Whether the body was read to its proper end.
        failure: What broke, in a few words; empty if nothing did.
        cause: Why nothing was sent, where that is known.
    """

    began: float
    ended: float = 0.0
    sent: bool = False
    status: int | None = None
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    whole: bool = False
    overlong: bool = False
    failure: str = ""
    receipt: Receipt = field(default_factory=Receipt)
    cause: Cause | None = None
    connection: Handler | None = None

    async def read(self, response: aiohttp.ClientResponse, most: int) -> None:
        """Read an answer, its body up to the limit; a longer body costs the connection."""
        self.sent, self.status, self.headers = True, response.status, response.headers
        most = most if response.status < 300 else _ERROR_BODY_MOST  # noqa: PLR2004
        chunks, size = [], 0
        while chunk := await response.content.readany():
            chunks.append(chunk)
            size += len(chunk)
            if size > most:
                self.overlong = True
                response.close()
                return
        self.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self.whole = True

    def fail(self, error: Exception) -> None:
        """Note what broke, without quoting the exception: some of them carry the request's headers."""
        reason = getattr(error, "os_error", error)
        number = getattr(reason, "errno", None)  # asyncio puts the address into strerror
        detail = os.strerror(number) if number else type(reason).__name__
        rows = ((words, cause) for kind, words, cause in _CAUSES if isinstance(error, kind))
        words, self.cause = next(rows, ("no answer: {detail}", None))
        self.failure = words.format(detail=detail)


UNDERWAY: ContextVar[Exchange] = ContextVar("underway")
"""The request that this task makes."""


class Request(aiohttp.ClientRequest):
    """Notes, just before its head is written, that it may have been sent, and on which connection."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Send the head."""
        exchange = UNDERWAY.get()
        exchange.sent = True
        if isinstance(conn.protocol, Handler):
            exchange.receipt.fresh = conn.protocol.asked == 1
            conn.protocol.receipts.append(exchange.receipt)
            exchange.connection = conn.protocol
        return await super().send(conn)


_CAUSES: tuple[tuple[type[Exception], str, Cause | None], ...] = (  # a subclass stands before its parents
    (aiohttp.ClientConnectorDNSError, "the host could not be resolved", Cause.NAME),
    (aiohttp.ClientConnectorCertificateError, "the certificate is not trusted", Cause.TLS),
    (aiohttp.ClientSSLError, "no TLS handshake", Cause.TLS),
    (aiohttp.ClientConnectorError, "no connection: {detail}", None),
    (aiohttp.ServerDisconnectedError, "the connection was closed without an answer", None),
    (aiohttp.ClientPayloadError, "the answer broke off", None),
    (aiohttp.ClientOSError, "the connection was lost: {detail}", None),
    (aiohttp.ClientResponseError, "what came back was not HTTP", None),
)


async def exchange(
    send: Callable[[], Any], leash: asyncio.Timeout, most: int, now: Callable[[], float]
) -> Exchange:
    """Make one request, on a leash, and read up to `most` bytes of its answer."""
    made = Exchange(now())
    try:
        async with leash:
            await _answered(send, made, most)
    except TimeoutError:
        made.failure = f"no answer within {now() - made.began:.1f} s"
    except Exception as error:  # noqa: BLE001  (whatever the client throws is one unanswered attempt)
        made.fail(error)
    made.ended = now()
    return made


async def _answered(send: Callable[[], Any], made: Exchange, most: int) -> None:
    token = UNDERWAY.set(made)  # not before the leash is on: its timer would remember the answer for seconds
    try:
        async with send() as response:
            await made.read(response, most)
    finally:
        UNDERWAY.reset(token)  # nor does the account's task
