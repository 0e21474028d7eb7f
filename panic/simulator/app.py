"""The simulator itself: an aiohttp server around the house, and a witness of all that arrives."""

import asyncio
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import count
from types import MappingProxyType, TracebackType
from typing import Self

from aiohttp import web

from panic.simulator.api import ENDPOINTS, Call, Endpoint, admit, answer
from panic.simulator.book import Clock, SimAccount, SimOrder, Truth
from panic.simulator.faults import Fault
from panic.simulator.house import House
from panic.simulator.wire import PLAYS, play

_ACCOUNT = re.compile(r"/v1/accounts/(\d+)")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request that arrived on the wire.

    Attributes:
        at: The loop's time.
        account_id: The account in the path; None where there is none.
        headers: By lower-case name.
        authorized: Whether it bore one of the keys.
    """

    at: float
    method: str
    path: str
    query: dict[str, str]
    account_id: int | None
    headers: dict[str, str]
    authorized: bool


class Simulator:
    """A Clear Street look-alike on a socket. Use it as an async context manager.

    Args:
        accounts: What the house holds.
        keys: Bearer key -> ids of the accounts that it may use; None for all.
        settle_s: Seconds from an executed DELETE to the end of its orders.
        latency_s: Seconds that every answer travels; a DELETE is executed on arrival.
        seed: What every id is derived from.
        page_size: The largest page that is given out.
        rate_limit: Requests that each key has in each second of the house's time; more are answered 429.
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
        page_size: int = 1000,
        rate_limit: int | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        fault_all: tuple[Fault, ...] = (),
        special_days: Mapping[date, str] = MappingProxyType({}),
        wall_clock: Callable[[], float] = time.time,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[SeenRequest] = []
        self.in_flight = 0
        self.max_in_flight = 0
        accounts = tuple(accounts)
        self._seeds = count(seed)
        self._build: Callable[[], House] = lambda: House(
            accounts,
            keys,
            settle_s=settle_s,
            page_size=page_size,
            rate_limit=rate_limit,
            seed=next(self._seeds),
            fault_all=fault_all,
        )
        self._house = self._build()
        self._latency_s = latency_s
        self._address = (host, port)
        self._special_days = special_days
        self._wall_clock = wall_clock
        self._ssl_context = ssl_context
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def base_url(self) -> str:
        """Where it listens."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the simulator is not running")
        host, port = self._runner.addresses[0][:2]
        scheme = "http" if self._ssl_context is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    async def start(self) -> None:
        """Bind and begin; the house's time starts here."""
        loop = asyncio.get_running_loop()
        self._house.open(Clock(loop.time, loop.time(), round(self._wall_clock() * 1_000_000)))
        runner = web.AppRunner(
            self._application(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await runner.setup()
        self._runner = runner
        host, port = self._address
        try:
            # A firm opens hundreds of connections at once; a full backlog would cost it a second each.
            await web.TCPSite(runner, host, port, ssl_context=self._ssl_context, backlog=4096).start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Drop every connection and end, whatever is under way."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            await asyncio.sleep(0)  # the transports report their end in the next turn of the loop

    def truth(self, account_id: int) -> Truth:
        """What is really so now in one account. KeyError for an unknown one."""
        return self._house.desk(account_id).book.truth()

    def add_order(self, account_id: int, order: SimOrder) -> str:
        """Enter an order now, past the API; returns its id."""
        return self._house.desk(account_id).book.add(order).id

    def restock(self) -> None:
        """Begin anew with the accounts, orders and faults of the start, and other ids; connections stay.

        What was seen is forgotten, and what is being answered is answered from before.
        """
        old = self._house.clock
        elapsed_s = old.now()
        fresh = self._build()
        fresh.open(Clock(old.time, old.started + elapsed_s, old.microseconds(elapsed_s)))
        self._house = fresh
        self.requests.clear()

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._witness], client_max_size=1 << 24)
        for method, path, endpoint in ENDPOINTS:
            app.router.add_route(method, path, self._handler(endpoint))
        app.on_shutdown.append(self._hang_up)
        return app

    async def _hang_up(self, _: web.Application) -> None:
        server = self._runner.server if self._runner else None
        for connection in server.connections if server else ():
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)

    @web.middleware
    async def _witness(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        seen = self._seen(request)
        self.requests.append(seen)
        if seen.method == "DELETE" and seen.account_id in self._house.accounts:
            self._house.desk(seen.account_id).book.deletes += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            return await handler(request)
        finally:
            self.in_flight -= 1

    def _seen(self, request: web.Request) -> SeenRequest:
        account = _ACCOUNT.match(request.path)
        return SeenRequest(
            at=asyncio.get_running_loop().time(),
            method=request.method,
            path=request.path,
            query=dict(request.query),
            account_id=int(account[1]) if account else None,
            headers={name.lower(): value for name, value in request.headers.items()},
            authorized=self._house.knows(_key(request)),
        )

    def _handler(self, endpoint: Endpoint) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            call = self._call(request, await request.read())
            if refusal := admit(call, authorized=self._house.knows(call.key)):
                await _travel(self._latency_s)
                return refusal.response()
            call = replace(call, faults=self._hits(call, request))
            # Carried out on arrival: a client that gives up while the answer travels changes nothing.
            told = answer(endpoint, call)
            await _travel(self._latency_s + sum(f.seconds for f in call.faults if f.kind == "latency"))
            fault = call.decisive
            if fault is not None and fault.kind in PLAYS:
                return await play(fault, request, told)
            return told.response()

        return handle

    def _hits(self, call: Call, request: web.Request) -> tuple[Fault, ...]:
        if "/orders" in request.path:
            return self._house.desk(call.account_id).script.next(request.method)
        return self._house.other.next("OTHER")

    def _call(self, request: web.Request, body: bytes) -> Call:
        return Call(
            house=self._house,
            request_id=self._house.uuid(),
            key=_key(request),
            query=dict(request.query),
            path=dict(request.match_info),
            body=body,
            special_days=self._special_days,
        )


async def _travel(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


def _key(request: web.Request) -> str:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
