"""What is open, for everybody who looks: one sweep at a time, kept for a moment, and dropped for a press."""

import asyncio
from time import monotonic
from typing import Final

from aiohttp import web

from panic.accounts.plan import Scope
from panic.kit.background import Aside
from panic.report.open_orders import OpenOrders, to_json
from panic.run.open_orders import a_look, open_orders
from panic.service.api.answers import document
from panic.service.api.models import OrdersQuery, read_query
from panic.service.auth import Identity, again, require_scope
from panic.service.desk import Desk
from panic.service.live import Live
from panic.service.operations import Operation
from panic.service.problems import ProblemError
from panic.service.standby import Standby

WITHIN_S: Final = 50.0
"""How long a sweep may take: what was not read by then is not known. Many a proxy waits for a minute."""

FRESH_S: Final = 2.0
"""How long its answer is kept, or as long as it took where that is longer: many viewers cost little."""

WAITING_MOST: Final = 16
_PLAN_S: Final = 5.0


class Orders:
    """Answers what is open."""

    def __init__(self, desk: Desk, standby: Standby, threads: Aside) -> None:
        self._desk, self._standby, self._threads = desk, standby, threads
        self._turn, self._waiting = asyncio.Lock(), 0
        self._sweep: asyncio.Task[OpenOrders] | None = None
        self._kept: dict[Scope, tuple[float, OpenOrders]] = {}
        desk.observers.append(self.observe)

    @Operation("GET", "/v1/orders", "viewer", {200: OpenOrders}, (409, 422, 502, 503, 504), query=OrdersQuery)
    async def orders(self, request: web.Request, identity: Identity) -> web.Response:
        """Every open order of a scope, as it is now. Read-only, and not while a run is under way."""
        asked = read_query(OrdersQuery, request)
        scope = asked.to_scope()
        require_scope(identity, scope, self._standby.roster)
        if self._waiting >= WAITING_MOST:
            raise ProblemError(
                "busy", f"{WAITING_MOST} others wait to see open orders", headers={"Retry-After": "5"}
            )
        self._waiting += 1
        try:
            async with self._turn:
                found = await self._look(scope)
        finally:
            self._waiting -= 1
        require_scope(again(request), scope, self._standby.roster)  # it took a while
        return document(to_json(found.first(asked.limit)))

    def observe(self, what: str, _: Live) -> None:
        """Take what the desk tells: a run begins, and the sweep is dropped."""
        if what == "started":
            self._kept.clear()
            if self._sweep is not None:
                self._sweep.cancel()

    async def end(self, _: web.Application) -> None:
        """Drop the sweep: the service ends."""
        if self._sweep is not None:
            self._sweep.cancel()

    async def _look(self, scope: Scope) -> OpenOrders:
        self._kept = {one: kept for one, kept in self._kept.items() if kept[0] > monotonic()}
        if scope in self._kept:
            return self._kept[scope][1]
        if self._desk.is_busy:
            raise _makes_way("is under way")
        self._sweep = asyncio.create_task(self._read(scope), name="panic-orders")
        await asyncio.wait([self._sweep])
        if self._sweep.cancelled():
            raise _makes_way("began")
        found = self._sweep.result()
        if found.is_blind:
            raise ProblemError("unreachable", f"no account could be read: {found.not_known[-1].why}")
        self._kept[scope] = monotonic() + max(FRESH_S, found.took_s), found
        return found

    async def _read(self, scope: Scope) -> OpenOrders:
        prepared = await self._threads.do(lambda: self._standby.prepare(a_look(scope)), "orders", _PLAN_S)
        return await open_orders(prepared, lanes=self._desk.lanes, within_s=WITHIN_S)


def _makes_way(what: str) -> ProblemError:
    remedy = "Look at the run, or ask again once it is over."
    return ProblemError("conflict", f"a run {what}, which goes first", remedy=remedy, headers={"Retry-After": "5"})
