"""The engine with its defaults against brokers that limit how fast they are asked; no sockets."""

import asyncio
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from panic.accounts.roster import Account
from panic.broker.answers import Answer
from panic.broker.outcomes import Body, Evidence, Standing, classify
from panic.broker.pages import Page
from panic.engine.case import Case
from panic.engine.deadline import Leash
from panic.engine.engine import Engine
from panic.engine.lanes import Lanes
from panic.engine.pacing import Pace
from panic.engine.slots import Slots
from panic.kit.clock import Clock

CONCURRENCY, WATCH_S, DEADLINE_S, LONGEST_S = 64, 15.0, 120.0, 1800.0
NEVER_S = 1e6

Admits = Callable[[float], bool]
"""A limit: whether a request is served that comes so many seconds after the press."""


@dataclass(slots=True)
class Limited:
    """A press behind limits, and what the broker saw of it; times are seconds since the press.

    Attributes:
        instead: The status that accounts answer instead, whatever is asked; None for those that never answer.
        accepted: When each account's cancel was accepted.
        log: Method, account, time of arrival, and whether it was served, of each request.
    """

    limits: Sequence[Admits]
    accounts: int
    latency_s: float = 0.02
    retry_after: float | None = 1.0
    keys: int = 1
    by_themselves: Collection[int] = ()
    instead: Mapping[int, int | None] = field(default_factory=dict)
    deadline_s: float = DEADLINE_S
    longest_s: float = LONGEST_S
    lanes: Lanes = field(default_factory=Lanes)
    accepted: dict[int, float] = field(default_factory=dict)
    log: list[tuple[str, int, float, bool]] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    took_s: float = 0.0
    engine: Engine | None = None

    async def press(self) -> "Limited":
        """Press, to the end of the run."""
        clock, rng = Clock(), random.Random(1)
        began = clock.now()

        async def ask(method: str, account: Account, leash: Leash) -> Answer:
            sent, status = clock.now(), None
            with suppress(TimeoutError):
                async with leash:
                    await asyncio.sleep(self.latency_s / 2 * rng.uniform(0.98, 1.02))
                    at = clock.now() - began
                    limit = self.limits[int(account.credential) % len(self.limits)]
                    served = account.id not in self.by_themselves and limit(at)
                    self.log.append((method, account.id, at, served))
                    told = self.instead.get(account.id, 200) if served else 429
                    await asyncio.sleep(self.latency_s / 2 * rng.uniform(0.98, 1.02) if told else NEVER_S)
                    status = told
            if status == 200 and method == "DELETE":
                self.accepted.setdefault(account.id, clock.now() - began)
            evidence = Evidence(sent=True, status=status, body=Body.OBJECT if status else None)
            return Answer(
                sent,
                clock.now(),
                evidence,
                classify(evidence),
                page=Page((), total=0) if status == 200 and method == "GET" else None,
                retry_after=self.retry_after if status == 429 else None,
            )

        pace = Pace(began + self.deadline_s, latest=began + self.longest_s, watch_s=WATCH_S)
        self.engine = Engine(
            cancel=lambda account, _, leash: ask("DELETE", account, leash),
            read=lambda account, _, leash: ask("GET", account, leash),
            pace=pace,
            slots=Slots(CONCURRENCY, clock.now, self.lanes),
            clock=clock,
            observe=lambda _what, _case: None,
            rng=rng,
        )
        self.cases = [Case(Account(n, credential=str(n % self.keys))) for n in range(1, self.accounts + 1)]
        await self.engine.run(self.cases)
        self.took_s = clock.now() - began
        return self

    @property
    def refused(self) -> int:
        """How many requests were refused."""
        return sum(not served for *_, served in self.log)

    @property
    def clear(self) -> int:
        """How many accounts were proven clear."""
        return sum(case.standing is Standing.CLEAR for case in self.cases)
