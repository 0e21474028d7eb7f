"""The simulator itself: a house, its endpoints on a socket, and a witness of all that arrives."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date
from types import MappingProxyType, TracebackType
from typing import Self

from aiohttp import web

from panic.simulator.api import ENDPOINTS, Call, Endpoint, admit, answer
from panic.simulator.book import Clock, SimAccount, Truth
from panic.simulator.faults import Fault
from panic.simulator.house import House, Setup
from panic.simulator.server import Server
from panic.simulator.wire import PLAYS, play
from panic.simulator.witness import SeenRequest, key_of, seen

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Simulator:
    """A Clear Street look-alike on a socket. Use it as an async context manager.

    Attributes:
        requests: What arrived, in order.
        in_flight: How many requests are being answered.
        max_in_flight: How many were, at the most.

    Args:
        accounts: What the house holds.
        keys: Bearer key -> ids of the accounts that it may use; None for all.
        settle_s: Seconds from an executed DELETE to the end of its orders.
        latency_s: Seconds that every answer travels; a DELETE is executed on arrival.
        seed: What every id is derived from.
        fault_all: Faults of every account, counted for each; and those on `OTHER`.
        special_days: Dates that are `HOLIDAY` or `EARLY_CLOSE`.
        wall_clock: Read once, at the start; from then on the loop's clock counts.
        ssl_context: Serve https.
    """

    def __init__(
        self,
        accounts: Iterable[SimAccount],
        *,
        keys: Mapping[str, Collection[int] | None] = MappingProxyType({"sim.key": None}),
        settle_s: float = 0.2,
        latency_s: float = 0.0,
        seed: int = 0,
        port: int = 0,
        fault_all: tuple[Fault, ...] = (),
        special_days: Mapping[date, str] = MappingProxyType({}),
        wall_clock: Callable[[], float] = time.time,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._setup = Setup(tuple(accounts), keys, settle_s, fault_all, special_days)
        self._latency_s, self._seed, self._wall_clock = latency_s, seed, wall_clock
        self._opened: House | None = None
        self._server = Server(port, ssl_context)
        self.requests: list[SeenRequest] = []
        self.in_flight = self.max_in_flight = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Bind and begin; the house's time starts here."""
        loop = asyncio.get_running_loop()
        clock = Clock(loop.time, loop.time(), round(self._wall_clock() * 1_000_000))
        self._opened = House(self._setup, clock, self._seed)
        app = web.Application(middlewares=[self._see])
        for method, path, endpoint in ENDPOINTS:
            app.router.add_route(method, path, self._handler(endpoint))
        await self._server.start(app)

    async def stop(self) -> None:
        """Drop every connection and end, whatever is under way."""
        await self._server.stop()

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return self._server.url

    @property
    def _house(self) -> House:
        if self._opened is None:
            raise RuntimeError("the simulator has not been started")
        return self._opened

    def truth(self, account_id: int) -> Truth:
        """The true state of one account now. KeyError for an unknown one."""
        return self._house.desk(account_id).book.truth()

    def restock(self) -> None:
        """Begin anew with the accounts, orders and faults of the start, and other ids; connections stay.

        What was seen is forgotten, and what is being answered is answered from before.
        """
        self._opened = self._house.anew()
        self.requests.clear()

    @web.middleware
    async def _see(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append(arrived := seen(request, self._setup.keys))
        if arrived.method == "DELETE" and arrived.account_id in self._house.accounts:
            self._house.desk(arrived.account_id).book.deletes += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            return await handler(request)
        finally:
            self.in_flight -= 1

    def _handler(self, endpoint: Endpoint) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            house = self._house
            call = Call(house, house.uuid(), key_of(request), dict(request.query), dict(request.match_info))
            if refusal := admit(call):
                await _travel(self._latency_s)
                return refusal.response()
            call = replace(call, faults=_hits(call, request))
            # Carried out on arrival: a client that gives up while the answer travels changes nothing.
            told = answer(endpoint, call)
            await _travel(self._latency_s + sum(f.seconds for f in call.faults if f.kind == "latency"))
            fault = call.decisive
            if fault is not None and fault.kind in PLAYS:
                return await play(fault, request, told)
            return told.response()

        return handle


def _hits(call: Call, request: web.Request) -> tuple[Fault, ...]:
    if "account_id" in call.path:
        return call.house.desk(call.account_id).script.next(request.method)
    return call.house.other.next("OTHER")


async def _travel(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)
