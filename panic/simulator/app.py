"""The simulator itself: a house, its endpoints on a socket, and a record of all that arrives."""

import asyncio
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from types import MappingProxyType
from typing import Self

from aiohttp import web

from panic.simulator.api import ENDPOINTS, Call, Endpoint, admit, answer
from panic.simulator.book import Clock, SimAccount, Truth
from panic.simulator.faults import Fault
from panic.simulator.house import House, checked
from panic.simulator.limits import RateLimit
from panic.simulator.wire import PLAYS, play

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_ACCOUNT = re.compile(r"/v1/accounts/(\d+)")


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request that arrived on the wire."""

    at: float  # the loop's time
    method: str
    path: str
    query: dict[str, str]
    account_id: int | None  # the one in the path
    headers: dict[str, str]  # by lower-case name
    authorized: bool  # whether it bore one of the keys


class Simulator:
    """A Clear Street look-alike on a socket; use it as an async context manager.

    Args:
        keys: Bearer key -> ids of the accounts that it may use; None for all.
        settle_s: Seconds from an executed DELETE to the end of its orders.
        latency_s: Seconds that every answer travels; a DELETE is executed on arrival.
        seed: What every id is derived from.
        rate_limit: How fast it may be asked.
        fault_all: Faults of every account, counted for each; and those on `OTHER`.
        special_days: Dates that are `HOLIDAY` or `EARLY_CLOSE`.
        wall_clock: Read once, at the start; from then on the loop's clock counts.

    Attributes:
        requests: What arrived, in order.
        in_flight: How many requests are being answered; `max_in_flight` is how many were, at the most.
    """

    def __init__(
        self,
        accounts: Iterable[SimAccount],
        *,
        keys: Mapping[str, Collection[int] | None] = MappingProxyType({"sim.key": None}),
        settle_s: float = 0.2,
        latency_s: float = 0.0,
        seed: int = 0,
        rate_limit: RateLimit | None = None,
        port: int = 0,
        fault_all: tuple[Fault, ...] = (),
        special_days: Mapping[date, str] = MappingProxyType({}),
        wall_clock: Callable[[], float] = time.time,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._open = partial(House, checked(accounts), keys, settle_s, rate_limit, fault_all, special_days, seed)
        self._opened: House | None = None
        self._latency_s, self._wall_clock = latency_s, wall_clock
        self._port, self._context = port, ssl_context
        self._runner: web.AppRunner | None = None
        self.requests: list[SeenRequest] = []
        self.in_flight = self.max_in_flight = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Bind and begin; the house's time starts here."""
        loop = asyncio.get_running_loop()
        self._opened = self._open(Clock(loop.time, loop.time(), round(self._wall_clock() * 1_000_000)))
        app = web.Application(middlewares=[self._see])
        for path, method, endpoint in ENDPOINTS:
            app.router.add_route(method, path, self._handler(endpoint))
        runner = self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        app.on_shutdown.append(lambda _: _hang_up(runner))
        await runner.setup()
        try:
            # A firm opens hundreds of connections at once; a full backlog would cost it a second each.
            site = web.TCPSite(runner, "127.0.0.1", self._port, ssl_context=self._context, backlog=4096)
            await site.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Drop every connection and end, whatever is under way."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            await asyncio.sleep(0)  # the transports report their end in the next turn of the loop

    @property
    def base_url(self) -> str:
        """Where it listens."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the simulator is not running")
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self._runner.addresses[0][1]}"

    @property
    def _house(self) -> House:
        if self._opened is None:
            raise RuntimeError("the simulator has not been started")
        return self._opened

    def truth(self, account_id: int) -> Truth:
        """The true state of one account now. KeyError for an unknown one."""
        return self._house.desk(account_id).book.truth()

    def restock(self) -> None:
        """Begin anew as at the start, but with other ids; connections stay, and what was seen is forgotten."""
        self._opened = self._house.anew()
        self.requests.clear()

    @web.middleware
    async def _see(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        seen = _seen(request, authorized=_key_of(request) in self._house.keys)
        self.requests.append(seen)
        if seen.method == "DELETE" and seen.account_id in self._house.accounts:
            self._house.desk(seen.account_id).book.deletes += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            return await handler(request)
        finally:
            self.in_flight -= 1

    def _handler(self, endpoint: Endpoint) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            house, account = self._house, request.match_info.get("account_id")
            call = Call(house, house.uuid(), _key_of(request), dict(request.query), account)
            if refusal := admit(call):
                await _travel(self._latency_s)
                return refusal.response()
            script = house.other if account is None else house.desk(call.account_id).script
            hits = script.next("OTHER" if account is None else request.method)
            return await _carry_out(endpoint, replace(call, faults=hits), request, self._latency_s)

        return handle


async def _carry_out(endpoint: Endpoint, call: Call, request: web.Request, latency_s: float) -> web.StreamResponse:
    # Carried out on arrival: a client that gives up while the answer travels changes nothing.
    told = answer(endpoint, call)
    await _travel(latency_s + sum(fault.seconds for fault in call.faults if fault.kind == "latency"))
    fault = call.decisive
    if fault is not None and fault.kind in PLAYS:
        return await play(fault, request, told)
    return told.response()


async def _travel(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


async def _hang_up(runner: web.AppRunner) -> None:
    for connection in runner.server.connections if runner.server else ():
        if connection.transport is not None:
            connection.transport.abort()
    await asyncio.sleep(0)


def _seen(request: web.Request, *, authorized: bool) -> SeenRequest:
    account = _ACCOUNT.match(request.path)
    return SeenRequest(
        at=asyncio.get_running_loop().time(),
        method=request.method,
        path=request.path,
        query=dict(request.query),
        account_id=int(account[1]) if account else None,
        headers={name.lower(): value for name, value in request.headers.items()},
        authorized=authorized,
    )


def _key_of(request: web.Request) -> str:
    """The bearer key; empty where there is none."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
