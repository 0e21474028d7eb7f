"""A raw client that shows what is really on the wire."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from panic.simulator import Fault, SimAccount, SimOrder, Simulator

ACCOUNT = 19816
ORDERS = f"/v1/accounts/{ACCOUNT}/orders"
PATIENCE_S = 5.0


def simulate(*faults: Fault, orders: int = 1, settle_s: float = 0.0, **options: Any) -> Simulator:
    """One account with so many orders and these faults."""
    account = SimAccount(ACCOUNT, orders=(SimOrder(),) * orders, faults=faults)
    return Simulator([account], settle_s=settle_s, **options)


@dataclass
class Reply:
    """One HTTP answer, as it was on the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Line:
    """One connection to the simulator."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, simulator: Simulator) -> Self:
        host, port = simulator.base_url.removeprefix("http://").split(":")
        return cls(*await asyncio.open_connection(host, int(port), limit=1 << 27))

    def send(self, method: str = "DELETE", path: str = ORDERS, *, key: str = "sim.key") -> None:
        self.writer.write(f"{method} {path} HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer {key}\r\n\r\n".encode())

    async def reply(self) -> Reply:
        async with asyncio.timeout(PATIENCE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Reply(int(first.split()[1]), headers, body)

    async def rest(self) -> bytes:
        """Everything up to the end of the connection; ConnectionResetError when it was reset."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


async def ask(simulator: Simulator, method: str = "DELETE", path: str = ORDERS, **options: str) -> Reply:
    """One request on a connection of its own."""
    line = await Line.to(simulator)
    try:
        line.send(method, path, **options)
        return await line.reply()
    finally:
        await line.close()


async def drain(simulator: Simulator, method: str = "DELETE", path: str = ORDERS) -> bytes:
    """One request, and every byte until the simulator hangs up."""
    line = await Line.to(simulator)
    try:
        line.send(method, path)
        return await line.rest()
    finally:
        await line.close()


def executed_once(simulator: Simulator) -> bool:
    """Whether the one DELETE that arrived was executed, by all that the truth says."""
    truth = simulator.truth(ACCOUNT)
    assert truth.deletes == 1
    assert truth.executed == len(truth.canceled)
    assert len(truth.open) == 1 - truth.executed
    return truth.executed == 1


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  # the simulator has no event for what tests ask
            await asyncio.sleep(0.001)
