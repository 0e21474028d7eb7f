"""A desk on virtual time, over real sockets, and a broker that counts."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from panic.accounts.plan import Scope, plan
from panic.broker.client import Broker
from panic.engine.lanes import Lanes
from panic.ledger.writer import Writer
from panic.run.press import Prepared, Press
from panic.service.desk import Desk
from panic.simulator import Fault, Simulator
from tests.engine.test_engine import accounts, prepared
from tests.kit.tape import Tape

ALL, NARROW = Scope(all=True), Scope(accounts=(1,))
QUIET: tuple[Fault, ...] = ()


class Supplies:
    """What a desk needs, for the accounts of a simulator."""

    def __init__(self, simulator: Simulator, ids: Sequence[int]) -> None:
        self.simulator = simulator
        self.ready = prepared(simulator.base_url, ids)
        self.tapes: list[Tape] = []
        self.lanes = Lanes()

    def prepare(self, press: Press) -> Prepared:
        return replace(self.ready, press=press, plan=plan(self.ready.roster, press.scope, self.ready.keys))

    def take_broker(self) -> Broker | None:
        return None

    @property
    def ledger(self) -> Writer | None:
        self.tapes.append(Tape())
        return self.tapes[-1].writer


def deletes(simulator: Simulator) -> Counter[int]:
    """How often each account was sent a DELETE."""
    deleted = [one.account_id for one in simulator.requests if one.method == "DELETE"]
    return Counter(id_ for id_ in deleted if id_ is not None)


class Place(Supplies):
    """A desk, what it needs, and the broker behind it."""

    def __init__(self, simulator: Simulator, ids: Sequence[int]) -> None:
        super().__init__(simulator, ids)
        self.desk = Desk(self)

    def press(self, scope: Scope = ALL, *, automated: bool = False, **how: Any) -> Any:
        return self.desk.press(a_press(scope, **how), automated=automated)

    @property
    def deletes(self) -> Counter[int]:
        return deletes(self.simulator)


def a_press(scope: Scope = ALL, **how: Any) -> Press:
    return Press(scope, how.pop("reason", "a test"), **{"source": "api", "watch_s": 0.0, **how})


@asynccontextmanager
async def a_desk(*faults: Sequence[Fault], **options: Any) -> AsyncIterator[Place]:
    """A desk whose broker holds an account with each of these faults."""
    simulated = accounts(*faults)
    async with Simulator(simulated, **{"settle_s": 0.2, "latency_s": 0.01, **options}) as simulator:
        place = Place(simulator, [one.id for one in simulated])
        try:
            yield place
        finally:
            await place.desk.close()


async def until(so: Callable[[], bool]) -> None:
    while not so():  # noqa: ASYNC110  (on virtual time a wait costs nothing)
        await asyncio.sleep(0.001)


def now() -> float:
    return asyncio.get_running_loop().time()
