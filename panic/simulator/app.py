"""The simulator itself: a house, its endpoints on a socket, and a witness of all that arrives."""

import asyncio
import ssl
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import Self

from aiohttp import web

from panic.simulator.api import ENDPOINTS, Call, Endpoint, admit, answer
from panic.simulator.book import Clock, SimAccount, SimOrder, Truth
from panic.simulator.faults import Fault
from panic.simulator.house import House, Setup
from panic.simulator.limits import RateLimit
from panic.simulator.server import Server
from panic.simulator.wire import PLAYS, play
from panic.simulator.witness import Handler, Witness, key_of


class Simulator:
    """A Clear Street look-alike on a socket; use it as an async context manager. `requests` is what arrived.

    Args:
        keys: Bearer key -> ids of the accounts that it may use; None for all.
        settle_s: Seconds from an executed DELETE to the end of its orders.
        latency_s: Seconds that every answer travels; a DELETE is executed on arrival.
        seed: What every id is derived from.
        rate_limit: How fast it may be asked.
        fault_all: Faults of every account, counted for each; and those on `OTHER`.
        special_days: Dates that are `HOLIDAY` or `EARLY_CLOSE`.
        wall_clock: Read once, at the start; from then on the loop's clock counts.
    """

    def __init__(
        self,
        accounts: Iterable[SimAccount],
        *,
        keys: Mapping[str, Collection[int] | None] = MappingProxyType({"sim.key": None}),
        settle_s: float = 0.2,
        latency_s: float = 0.0,
        seed: int = 0,
        page_size: int = 1000,
        rate_limit: RateLimit | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        fault_all: tuple[Fault, ...] = (),
        special_days: Mapping[date, str] = MappingProxyType({}),
        wall_clock: Callable[[], float] = time.time,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._setup = Setup(tuple(accounts), keys, settle_s, page_size, rate_limit, fault_all, special_days)
        self._latency_s, self._seed, self._wall_clock = latency_s, seed, wall_clock
        self._opened: House | None = None
        self._witness = Witness(keys.__contains__)
        self.requests = self._witness.requests
        self._server = Server(host, port, ssl_context)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Bind and begin; the house's time starts here."""
        loop = asyncio.get_running_loop()
        clock = Clock(loop.time, loop.time(), round(self._wall_clock() * 1_000_000))
        self._opened = House(self._setup, clock, self._seed)
        app = web.Application(middlewares=[self._see], client_max_size=1 << 24)
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
    def in_flight(self) -> int:
        """How many requests are being answered."""
        return self._witness.in_flight

    @property
    def max_in_flight(self) -> int:
        """How many were, at the most."""
        return self._witness.max_in_flight

    @property
    def _house(self) -> House:
        if self._opened is None:
            raise RuntimeError("the simulator has not been started")
        return self._opened

    def truth(self, account_id: int) -> Truth:
        """The true state of one account now. KeyError for an unknown one."""
        return self._house.desk(account_id).book.truth()

    def add_order(self, account_id: int, order: SimOrder) -> str:
        """Enter an order now, past the API; returns its id."""
        return self._house.desk(account_id).book.add(order).id

    def restock(self) -> None:
        """Begin anew as at the start, but with other ids; connections stay, and what was seen is forgotten."""
        self._opened = self._house.anew()
        self.requests.clear()

    @web.middleware
    async def _see(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        seen = self._witness.see(request)
        if seen.method == "DELETE" and seen.account_id in self._house.accounts:
            self._house.desk(seen.account_id).book.deletes += 1
        return await self._witness.watch(request, handler)

    def _handler(self, endpoint: Endpoint) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            body, house, path = await request.read(), self._house, dict(request.match_info)
            call = Call(house, house.uuid(), key_of(request), dict(request.query), path, body)
            if refusal := admit(call):
                await _travel(self._latency_s)
                return refusal.response()
            return await _carry_out(endpoint, replace(call, faults=_hits(call, request)), request, self._latency_s)

        return handle


async def _carry_out(endpoint: Endpoint, call: Call, request: web.Request, latency_s: float) -> web.StreamResponse:
    # Carried out on arrival: a client that gives up while the answer travels changes nothing.
    told = answer(endpoint, call)
    await _travel(latency_s + sum(fault.seconds for fault in call.faults if fault.kind == "latency"))
    fault = call.decisive
    if fault is not None and fault.kind in PLAYS:
        return await play(fault, request, told)
    return told.response()


def _hits(call: Call, request: web.Request) -> tuple[Fault, ...]:
    if "/orders" in request.path:
        return call.house.desk(call.account_id).script.next(request.method)
    return call.house.other.next("OTHER")


async def _travel(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)
