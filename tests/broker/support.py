"""A listener whose every byte the test decides, and short ways to one request."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from panic.accounts.roster import Account
from panic.broker.answers import Answer
from panic.broker.client import Broker
from panic.broker.outcomes import Body
from panic.config import Broker as Where
from panic.config.secret import Key
from panic.kit.clock import Clock
from panic.orders import Filters
from panic.simulator import Fault, SimAccount, SimOrder, Simulator

ID = 19816
ACCOUNT = Account(ID)
OTHER_ID = 54321
LOOK = (("page_size", "1000"),)
PATIENCE_S = 5.0


@asynccontextmanager
async def door(
    base_url: str, *, key: str = "sim.key", mixed_up: Callable[[], None] = lambda: None, **options: Any
) -> AsyncIterator[Broker]:
    """Open the one door to a broker."""
    where = Where(base_url=base_url, **options)
    async with Broker(where, {"default": Key(key)}, Clock(), mixed_up) as broker:
        yield broker


async def cancel(
    broker: Broker, account: Account = ACCOUNT, filters: Filters | None = None, *, within: float = PATIENCE_S
) -> Answer:
    """Make one DELETE on a leash of so many seconds."""
    return await broker.cancel(account, filters or Filters(), asyncio.timeout(within))


async def read(broker: Broker, account: Account = ACCOUNT, *, within: float = PATIENCE_S) -> Answer:
    """Make one GET of an account's orders on a leash."""
    return await broker.read(account, LOOK, asyncio.timeout(within))


def is_fresh(answer: Answer) -> bool:
    """Whether it came over a connection that had carried nothing before."""
    return answer.receipt is not None and answer.receipt.fresh


async def ask(method: str, broker: Broker, *, within: float = PATIENCE_S) -> Answer:
    """Make one DELETE or GET on a leash."""
    return await (cancel if method == "DELETE" else read)(broker, within=within)


def simulate(*faults: Fault, orders: int = 1, **options: Any) -> Simulator:
    """One account with so many orders and these faults."""
    account = SimAccount(ID, orders=(SimOrder(),) * orders, faults=faults)
    return Simulator([account], settle_s=0.0, **options)


def envelope(*ids: int | None, request_id: str = "req-1", **more: Any) -> dict[str, Any]:
    """A sound answer that names one order for each account id."""
    orders = [{"id": f"order-{n}", "account_id": of, "status": "NEW"} for n, of in enumerate(ids)]
    return {"data": orders, "error": None, "metadata": {"request_id": request_id}, **more}


def refusal(code: int, message: str = "No", request_id: str = "req-1") -> dict[str, Any]:
    """The broker's own envelope of an error."""
    return {"error": {"code": code, "message": message}, "metadata": {"request_id": request_id}}


def http(status: int, body: object = b"", *headers: str) -> bytes:
    """A whole answer as it is on the wire."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = (f"HTTP/1.1 {status} Word", f"Content-Length: {len(content)}", *headers, "", "")
    return "\r\n".join(lines).encode() + content


class Line:
    """One connection that the listener accepted."""

    def __init__(self, listener: "Listener", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._listener = listener
        self.number = listener.connections
        self.reader = reader
        self.writer = writer

    async def request(self) -> str:
        """Wait for the head of the next request; IncompleteReadError when the client has gone."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        self._listener.heads.append(head)
        return head

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, data: bytes) -> str:
        """Give this to the next request; gives its head."""
        head = await self.request()
        self.write(data)
        return head

    async def gone(self) -> None:
        """Wait until the client has closed the connection."""
        with suppress(ConnectionError):
            while await self.reader.read(1 << 16):
                pass

    def reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Play = Callable[[Line], Awaitable[None]]


class Listener:
    """What arrived at a socket of our own."""

    def __init__(self, port: int) -> None:
        self.base_url = f"http://127.0.0.1:{port}"
        self.port = port
        self.connections = 0
        self.heads: list[str] = []


@asynccontextmanager
async def listening(play: Play) -> AsyncIterator[Listener]:
    """Listen on the loopback and play every connection by `play`; it is closed where `play` ends."""
    tasks: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener.connections += 1
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await play(Line(listener, reader, writer))
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(converse(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=1024)
    listener = Listener(server.sockets[0].getsockname()[1])
    try:
        yield listener
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the transports report their end in the next turn of the loop


def always(data: bytes) -> Play:
    """Give every request the same answer."""

    async def play(line: Line) -> None:
        while True:
            await line.answer(data)

    return play


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  (what is waited for has no event)
            await asyncio.sleep(0.001)


def header(head: str, name: str) -> str | None:
    """Give a header of a request as it was on the wire."""
    for line in head.split("\r\n")[1:]:
        field, _, value = line.partition(": ")
        if field.lower() == name.lower():
            return value
    return None


FINE = http(200, envelope(ID))
STALE = http(200, envelope(OTHER_ID))
EMPTY = http(200, {"data": [], "error": None})
BODIES: dict[str, tuple[bytes, Body]] = {
    "orders": (json.dumps(envelope(ID)).encode(), Body.OBJECT),
    "own envelope": (json.dumps(refusal(404)).encode(), Body.OBJECT),
    "empty object": (b"{}", Body.OBJECT),
    "no bytes": (b"", Body.EMPTY),
    "blanks": (b" \r\n", Body.EMPTY),
    "page of a login": (b"<!DOCTYPE html><title>Sign in</title>", Body.INVALID),
    "list": (b"[1, 2]", Body.INVALID),
    "null": (b"null", Body.INVALID),
    "half": (b'{"data": [', Body.INVALID),
    "not UTF-8": (b'{"data": "\xff\xfe"}', Body.INVALID),
    "deep": (b"[" * 100_000, Body.INVALID),
    "another account's": (json.dumps(envelope(OTHER_ID)).encode(), Body.FOREIGN),
}
"""Every kind of body, and what each is."""

METHODS = pytest.mark.parametrize("method", ["DELETE", "GET"])


class Doubt:
    """Counts how often the broker said that answers were mixed up."""

    times = 0

    def __call__(self) -> None:
        self.times += 1


@asynccontextmanager
async def doubtful(play: Play, **options: Any) -> AsyncIterator[tuple[Listener, Broker, Doubt]]:
    """A listener, a door to it and what the door thinks of it."""
    doubt = Doubt()
    async with listening(play) as listener, door(listener.base_url, mixed_up=doubt, **options) as broker:
        yield listener, broker, doubt


def at_first(play: Play) -> Play:
    """Play this on the first connection; every later one is sound."""

    async def played(line: Line) -> None:
        await (play if line.number == 1 else always(FINE))(line)
        await line.gone()

    return played
