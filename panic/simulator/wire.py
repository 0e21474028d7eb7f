"""Faults of the wire itself, written straight to the transport."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from http.client import responses

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

from panic.simulator.answers import Answer, success
from panic.simulator.faults import Fault

_CHUNK = b" " * (1 << 16)
_TO_SPARE = 1 << 20
_SHORTEST_PAUSE_S = 0.001


class Written(web.StreamResponse):
    """What is to be on the wire is on it; the server only has to keep the connection or close it."""

    def __init__(self, *, keep: bool) -> None:
        super().__init__()
        self._keep = keep

    @property
    def keep_alive(self) -> bool:
        """Whether the connection goes on."""
        return self._keep

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:  # noqa: ARG002  # aiohttp's name
        """Nothing."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing."""


def framed(answer: Answer) -> bytes:
    """A whole HTTP answer as bytes."""
    body = answer.encoded()
    head = (
        f"HTTP/1.1 {answer.status} {responses.get(answer.status, 'Simulated')}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


Play = Callable[[asyncio.Transport, Fault, Answer], Awaitable[bool]]


async def play(fault: Fault, request: web.Request, answer: Answer) -> web.StreamResponse:
    """Put a fault on the wire. `answer` is the truth, which some faults never send."""
    transport = request.transport
    if transport is None:  # the client has left meanwhile
        return Written(keep=False)
    keep = await PLAYS[fault.kind](transport, fault, answer)
    return Written(keep=keep and request.keep_alive)


async def _hang(_transport: asyncio.Transport, _fault: Fault, _answer: Answer) -> bool:
    # Ends by cancellation: when the client leaves or the server stops.
    never: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    return await never


async def _reset(transport: asyncio.Transport, _fault: Fault, _answer: Answer) -> bool:
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
    return False


async def _close(_transport: asyncio.Transport, _fault: Fault, _answer: Answer) -> bool:
    return False


async def _drip(transport: asyncio.Transport, fault: Fault, answer: Answer) -> bool:
    body = answer.encoded()
    transport.write(framed(answer).removesuffix(body))
    for index in range(len(body)):
        await asyncio.sleep(fault.seconds)
        if transport.is_closing():
            return False
        transport.write(body[index : index + 1])
    return True


async def _truncate(transport: asyncio.Transport, _fault: Fault, answer: Answer) -> bool:
    whole = framed(answer)
    transport.write(whole[: len(whole) - len(answer.encoded()) // 2 - 1])
    return False


async def _garbage(transport: asyncio.Transport, _fault: Fault, _answer: Answer) -> bool:
    transport.write(b"\x15\x03\x01\0\x02\x02\x46 no such protocol \xff\xfe\r\n\r\n")
    return False


async def _endless(transport: asyncio.Transport, fault: Fault, _answer: Answer) -> bool:
    transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = f"{len(_CHUNK):x}\r\n".encode() + _CHUNK + b"\r\n"
    while not transport.is_closing():
        if transport.get_write_buffer_size() < _TO_SPARE:
            transport.write(chunk)
        # A pause, however short, lets a virtual clock go on: without it no time-out would ever come.
        await asyncio.sleep(max(fault.seconds, _SHORTEST_PAUSE_S))
    return False


async def _answer_twice(transport: asyncio.Transport, fault: Fault, answer: Answer) -> bool:
    # Whoever takes the second one for the answer to the next request sees an account without orders.
    unasked = framed(success([], "unasked"))
    if fault.kind == "second_answer":
        transport.write(framed(answer) + unasked)
    else:
        transport.write(framed(answer))
        asyncio.get_running_loop().call_later(fault.seconds, _write_late, transport, unasked)
    return True


def _write_late(transport: asyncio.Transport, unasked: bytes) -> None:
    if not transport.is_closing():
        transport.write(unasked)


PLAYS: Mapping[str, Play] = {
    "hang": _hang,
    "executed_late": _hang,
    "drip": _drip,
    "rst": _reset,
    "rst_after": _reset,
    "fin": _close,
    "executed_unanswered": _close,
    "truncated": _truncate,
    "garbage": _garbage,
    "endless": _endless,
    "second_answer": _answer_twice,
    "late_second_answer": _answer_twice,
}
