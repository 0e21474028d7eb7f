"""The connections of callers: begun a few at a time, by turns of their addresses; one may give way to another."""

import asyncio
import socket
import ssl
from collections import defaultdict, deque
from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import Final

from aiohttp import web

from panic.service.app import RUNNER
from panic.service.caller import Caller

_TURN_MOST: Final = 8
"""Connections that are begun in a turn of the loop: who is let in already waits no longer for that."""


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


class Lines:
    """Every connection, by address. One that never asks a whole request within `first_s` is cut.

    Attributes:
        context: The TLS that new callers meet; None for none.
    """

    def __init__(self, runner: web.AppRunner, context: ssl.SSLContext | None, first_s: float) -> None:
        self.context = context
        self._runner, self._first_s = runner, first_s
        self._lines: defaultdict[str, dict[Line, None]] = defaultdict(dict)
        self._queues: dict[str, deque[Line]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def take(self, connection: socket.socket, address: str) -> None:
        """Wait until it says something, but not for long."""
        line = Line(connection, neighbourhood(address))
        loop = asyncio.get_running_loop()
        self._lines[line.address][line] = None
        line.silent = loop.call_later(self._first_s, self._end_if_silent, line)
        loop.add_reader(line.connection, self._queue, line)  # the silent cost no more than that

    def make_room(self) -> bool:
        """End a connection that may go, of the address that holds most; False if there is none anywhere."""
        line = next(self._may_go(), None)
        if line is not None:
            self._end(line)
        return line is not None

    def end_unbegun(self) -> None:
        """End those that the runner knows nothing of."""
        for line in [line for lines in self._lines.values() for line in lines if line.caller is None]:
            self._end(line)

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
            await loop.connect_accepted_socket(lambda: caller, line.connection, ssl=self.context)
        except OSError:  # it hung up, or speaks no TLS
            self._forget(line)
            line.connection.close()

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


def neighbourhood(address: str) -> str:
    """Give what counts as one address: of IPv6, everybody has a whole network."""
    if ":" not in address:
        return address
    found = IPv6Address(address.partition("%")[0])
    return str(found.ipv4_mapped or int(found) >> 64)
