"""Connections to the broker, open before anybody presses: a press pays for no handshake.

They are kept open by asking for the time, with every key in turn: a revoked one is known before it is needed.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from panic.broker.client import Authorities, Broker, authorities
from panic.config import Broker as Where
from panic.config.secret import Key
from panic.kit.background import begin
from panic.kit.clock import Clock

EVERY_S = 8.0
"""How often each connection is used; brokers and proxies close idle ones after about a minute."""

_KEEPALIVE_S = 30.0
_PING_S = 5.0
_CERTIFICATES_S = 5.0
"""How long to wait for the file of authorities before the next attempt."""

_AFTER_PRESS_S = 2.0
"""How long after a press no requests are made: the network and the rate limit belong to the press."""

_SHARES = 4
"""The connections are used in turns, a fourth at a time: the others are there for a press."""

_CLOSE_S = 1.0
_REFUSED = (401, 403)


@dataclass(slots=True)
class Health:
    """What the broker said when it was asked for the time.

    Attributes:
        refused: The status that refused a credential's key, by its name.
        contact_at: Loop time of its last answer; None if there was none.
        ahead_s: How far this machine's clock is ahead of the broker's, seconds; None if nobody knows.
        trouble: Why there are no connections, in words; empty if there are, or none are wanted.
    """

    refused: dict[str, int] = field(default_factory=dict)
    contact_at: float | None = None
    ahead_s: float | None = None
    trouble: str = ""


class _Round:
    """One Broker, and the task that keeps its connections open until somebody takes it."""

    broker: Broker
    task: asyncio.Task[None]

    def __init__(self) -> None:
        self.given = asyncio.Event()
        self.is_ready = False

    async def pause(self, seconds: float) -> None:
        """Wait, but no longer than until it is given away."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.given.wait()


class Warm:
    """Keeps one Broker ready to be taken, with so many connections and the `keys` that count at the moment.

    Start it inside a running loop.
    """

    def __init__(
        self,
        where: Where,
        connections: int,
        keys: Callable[[], Mapping[str, Key]],
        *,
        every_s: float = EVERY_S,
        after_press_s: float = _AFTER_PRESS_S,
    ) -> None:
        self.health = Health()
        self._where, self._connections, self._keys = where, connections, keys
        self._every_s, self._after_press_s = every_s, after_press_s
        self._turns = count()
        self._round: _Round | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._certified: asyncio.Future[Authorities] | None = None

    @property
    def idle(self) -> int:
        """How many connections are open and not in use."""
        return self._round.broker.connections.idle if self._round else 0

    def start(self, pause_s: float = 0.0) -> None:
        """Begin to open the connections of a new Broker, if any are wanted; ask nothing for so many seconds."""
        if not self._connections:
            return
        self._round = one = _Round()
        one.broker = Broker(self._where, self._keys(), Clock(), lambda: self._spoil(one), keepalive_s=_KEEPALIVE_S)
        one.task = asyncio.create_task(self._keep(one, pause_s), name="panic-warm")
        self._tasks.add(one.task)
        one.task.add_done_callback(lambda _: self._ended(one))

    def take(self) -> Broker | None:
        """Give the Broker away, with its connections, and begin with the next; None if none is ready."""
        one = self._round
        if one is None or not one.is_ready:
            return None
        one.broker.adopt(Clock(), lambda: None, self._keys())
        one.is_ready = False
        one.given.set()
        self.start(self._after_press_s)
        return one.broker

    async def close(self) -> None:
        """Close every connection that is still ours."""
        self._round = None
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=_CLOSE_S)

    def _spoil(self, one: _Round) -> None:
        """Throw a Broker away: a connection brought what nobody had asked for."""
        self.health.trouble = "a connection brought what nobody had asked for; all were closed"
        one.is_ready = False
        one.task.cancel()

    def _ended(self, one: _Round) -> None:
        self._tasks.discard(one.task)
        error = None if one.task.cancelled() else one.task.exception()
        if error is not None:
            self.health.trouble = f"no connection can be kept: {type(error).__name__}"
        if one is self._round:
            self.start(self._every_s)

    async def _keep(self, one: _Round, pause_s: float) -> None:
        """Open the connections and keep them open until somebody takes them."""
        if self._certified is None or (self._certified.done() and self._certified.exception()):
            # It may hang: once is enough.
            self._certified = begin(lambda: authorities(self._where), "certificates")
        async with asyncio.timeout(_CERTIFICATES_S):
            one.broker.authorities = await asyncio.shield(self._certified)
        await one.broker.__aenter__()
        one.is_ready = True
        try:
            await one.pause(pause_s)
            while not one.given.is_set():
                await one.pause(self._every_s * await self._ask(one) / self._connections)
        finally:
            if not one.given.is_set():
                await one.broker.__aexit__()

    async def _ask(self, one: _Round) -> int:
        """Use some connections, or all where one is missing; give how many."""
        wanted, keys, clock = self._connections, self._keys(), Clock()
        if not keys:
            return wanted
        one.broker.adopt(clock, lambda: self._spoil(one), keys)
        many = -(-wanted // _SHARES) if one.broker.connections.idle >= wanted else wanted
        names = [[*keys][next(self._turns) % len(keys)] for _ in range(many)]  # no key's rate pays for all
        await asyncio.gather(*(self._ping(one, name) for name in names))
        if clock.ahead_s is not None:
            self.health.ahead_s = clock.ahead_s
        return many

    async def _ping(self, one: _Round, credential: str) -> None:
        if one.given.is_set():
            return
        answer = await one.broker.warm(credential, asyncio.timeout(_PING_S))
        if answer.evidence.status is None:
            self.health.trouble = answer.error
            return
        self.health.contact_at, self.health.trouble = answer.ended, ""
        if answer.evidence.status in _REFUSED:
            self.health.refused[credential] = answer.evidence.status
        else:
            self.health.refused.pop(credential, None)
