"""Connections to the broker, open before anybody presses: a press pays for no handshake.

They are kept open by asking for the time, with every credential in turn, so that a key that the broker refuses
is known before it is needed.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from panic.broker.answers import Answer
from panic.broker.client import Broker
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

    @property
    def problems(self) -> list[str]:
        """What is wrong."""
        found = [f"credential {name}: the broker answers {one} to its key" for name, one in self.refused.items()]
        return sorted(found) + ([f"connections to the broker: {self.trouble}"] if self.trouble else [])

    def note(self, answer: Answer, credential: str) -> None:
        """Remember what came back to a key; to one that was replaced meanwhile under no name."""
        status = answer.evidence.status
        if status is None:
            self.trouble = answer.error
            return
        self.contact_at, self.trouble = answer.ended, ""
        if credential and status in _REFUSED:
            self.refused[credential] = status
        else:
            self.refused.pop(credential, None)


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
    """Keeps one Broker ready to be taken, with so many connections. Create it inside a running loop."""

    def __init__(
        self, where: Where, connections: int, *, every_s: float = EVERY_S, after_press_s: float = _AFTER_PRESS_S
    ) -> None:
        self.health = Health()
        self._keys: dict[str, Key] = {}
        self._where, self._connections = where, connections
        self._every_s, self._after_press_s = every_s, after_press_s
        self._turns: deque[str] = deque()
        self._unasked: deque[str] = deque()
        self._round: _Round | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._certified: asyncio.Future[Broker] | None = None

    @property
    def idle(self) -> int:
        """How many connections are open and not in use."""
        return self._round.broker.idle if self._round else 0

    def use(self, keys: Mapping[str, Key]) -> None:
        """Use these keys; new ones are shown to the broker next."""
        old = self._keys
        fresh = [name for name, key in keys.items() if name not in old or old[name].reveal() != key.reveal()]
        if not fresh and old.keys() == keys.keys():
            return
        self._keys, self._turns = dict(keys), deque(keys)
        self._unasked = deque(name for name in keys if name in fresh or name in self._unasked)
        refused = self.health.refused
        self.health.refused = {name: refused[name] for name in refused if name in keys and name not in fresh}
        if self._round is not None:
            self._adopt(self._round)

    def start(self, pause_s: float = 0.0) -> None:
        """Begin to open the connections of a new Broker, and ask nothing for so many seconds."""
        self._round = one = _Round()
        one.broker = Broker(self._where, self._keys, Clock(), lambda: self._spoil(one), keepalive_s=_KEEPALIVE_S)
        one.task = asyncio.create_task(self._keep(one, pause_s), name="panic-warm")
        self._tasks.add(one.task)
        one.task.add_done_callback(lambda _: self._ended(one))

    def take(self) -> Broker | None:
        """Give the Broker away, with its connections, and begin with the next; None if none is ready."""
        one = self._round
        if one is None or not one.is_ready:
            return None
        one.broker.adopt(Clock(), lambda: None, self._keys)
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

    def _adopt(self, one: _Round) -> Clock:
        """Have a Broker use the present keys; gives the clock that it compares with the broker's from now on."""
        one.broker.adopt(clock := Clock(), lambda: self._spoil(one), self._keys)
        return clock

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
            self._certified = begin(lambda: _certified(one.broker), "certificates")  # it may hang: once is enough
        async with asyncio.timeout(_CERTIFICATES_S):
            one.broker.share_certificates(await asyncio.shield(self._certified))
        await one.broker.__aenter__()
        one.is_ready = True
        try:
            await one.pause(pause_s)
            while not one.given.is_set():
                await one.pause(self._every_s * await self._ask(one) / max(self._connections, 1))
        finally:
            if not one.given.is_set():
                await one.broker.__aexit__()

    async def _ask(self, one: _Round) -> int:
        """Use some connections, or all where one is missing; give how many."""
        wanted = self._connections
        if not self._keys:
            return wanted
        clock = self._adopt(one)
        count = -(-wanted // _SHARES) if one.broker.idle >= wanted else wanted
        await asyncio.gather(*(self._ping(one) for _ in range(count)))
        while self._unasked and not one.given.is_set():
            await asyncio.gather(*(self._ping(one) for _ in range(min(len(self._unasked), wanted))))
        if clock.ahead_s is not None:
            self.health.ahead_s = clock.ahead_s
        return count

    async def _ping(self, one: _Round) -> None:
        if one.given.is_set() or not self._keys:
            return
        self._turns.rotate(-1)
        name = self._unasked.popleft() if self._unasked else self._turns[-1]
        key = self._keys[name]
        answer = await one.broker.warm(name, asyncio.timeout(_PING_S))
        if not one.given.is_set():
            self.health.note(answer, name if self._keys.get(name) is key else "")


def _certified(broker: Broker) -> Broker:
    broker.load_certificates()
    return broker
