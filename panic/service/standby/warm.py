"""Connections to the broker, open before anybody presses: a press pays for no handshake.

They are kept open by asking for the time, with every credential in turn, so that a key that the broker refuses
is known before it is needed.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from panic.broker.client import Broker
from panic.config import Broker as Where
from panic.config.secret import Key
from panic.kit.background import begin
from panic.kit.clock import Clock

EVERY_S = 8.0
"""Each connection is used so often; brokers and what stands before them close idle ones after a minute or so."""

_KEEPALIVE_S = 30.0
_PING_S = 5.0
_CERTIFICATES_S = 5.0
"""So long the file of authorities is waited for; then the next attempt is made."""

_AFTER_PRESS_S = 2.0
"""So long after a press nothing is asked: the wire and the rate limit are the press's."""

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


class Warm:
    """Keeps one Broker ready to be taken. Create it inside a running loop.

    Args:
        where: The broker's address.
        connections: How many to keep open; 0 for no Broker at all.
        every_s: Seconds between two uses of a connection.
        after_press_s: Seconds without a request once a Broker was taken.
    """

    def __init__(
        self,
        where: Where,
        connections: int,
        *,
        every_s: float = EVERY_S,
        after_press_s: float = _AFTER_PRESS_S,
    ) -> None:
        self.health = Health()
        self.keys: dict[str, Key] = {}
        self.connections = connections
        self.every_s = every_s
        self._where = where
        self._after_press_s = after_press_s
        self._turns: deque[str] = deque()
        self.unasked: deque[str] = deque()
        self._keeper: _Keeper | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._certified: asyncio.Future[Broker] | None = None
        self._is_closed = False

    @property
    def idle(self) -> int:
        """How many connections are open and not in use."""
        return self._keeper.broker.idle if self._keeper else 0

    def use(self, keys: Mapping[str, Key]) -> None:
        """Use these keys; new ones are shown to the broker next."""
        old = self.keys
        fresh = [name for name, key in keys.items() if name not in old or old[name].reveal() != key.reveal()]
        if not fresh and old.keys() == keys.keys():
            return
        self.keys = dict(keys)
        self._turns = deque(keys)
        self.unasked = deque(name for name in keys if name in fresh or name in self.unasked)
        refused = self.health.refused
        self.health.refused = {name: refused[name] for name in refused if name in keys and name not in fresh}
        if self._keeper is not None:
            self._keeper.adopt()

    def start(self) -> None:
        """Begin to open connections."""
        self._begin(0.0)

    def take(self) -> Broker | None:
        """Give the Broker away, with its connections, and begin with the next; None if none is ready."""
        keeper = self._keeper
        if keeper is None or not keeper.is_ready:
            return None
        keeper.broker.adopt(Clock(), lambda: None, self.keys)
        keeper.give()
        self._begin(self._after_press_s)
        return keeper.broker

    def next_credential(self) -> str:
        """Give the credential whose turn it is; "" where there is none."""
        if self.unasked:
            return self.unasked.popleft()
        if not self._turns:
            return ""
        self._turns.rotate(-1)
        return self._turns[-1]

    async def close(self) -> None:
        """Close every connection that is still ours."""
        self._is_closed = True
        self._keeper = None
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_S)

    def _begin(self, pause_s: float) -> None:
        self._keeper = keeper = _Keeper(self)
        keeper.task = task = asyncio.create_task(keeper.keep(pause_s), name="panic-warm")
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._ended(keeper, task))

    def _ended(self, keeper: "_Keeper", task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.health.trouble = f"no connection can be kept: {type(error).__name__}"
        if keeper is self._keeper and not self._is_closed:
            self._begin(self.every_s)

    def new_broker(self, keeper: "_Keeper") -> Broker:
        """Give a Broker that is not open yet."""
        return Broker(self._where, self.keys, Clock(), keeper.spoil, keepalive_s=_KEEPALIVE_S)

    async def certify(self, broker: Broker) -> None:
        """Have the authorities read, once and where it holds nobody up: it takes some milliseconds, or hangs.

        Raises:
            TimeoutError: It hangs; one thread does, however often this is asked.
        """
        if self._certified is None or (self._certified.done() and self._certified.exception()):
            self._certified = begin(lambda: _certified(broker), "certificates")
        async with asyncio.timeout(_CERTIFICATES_S):
            broker.share_certificates(await asyncio.shield(self._certified))


def _certified(broker: Broker) -> Broker:
    broker.load_certificates()
    return broker


class _Keeper:
    """One Broker, and the task that keeps its connections open until somebody takes it."""

    def __init__(self, warm: Warm) -> None:
        self._warm = warm
        self._given = asyncio.Event()
        self.is_ready = False
        self.broker = warm.new_broker(self)
        self.task: asyncio.Task[None] | None = None

    def adopt(self) -> Clock:
        """Have the Broker use the present keys; gives the clock that it compares with the broker's from now on."""
        self.broker.adopt(clock := Clock(), self.spoil, self._warm.keys)
        return clock

    def give(self) -> None:
        """Ask nothing more; what is on its way comes to its end."""
        self.is_ready = False
        self._given.set()

    def spoil(self) -> None:
        """Throw the Broker away: a connection brought what nobody had asked for."""
        self._warm.health.trouble = "a connection brought what nobody had asked for; all were closed"
        self.is_ready = False
        if self.task is not None:
            self.task.cancel()

    async def keep(self, pause_s: float) -> None:
        """Open the connections and keep them open."""
        await self._warm.certify(self.broker)
        await self.broker.__aenter__()
        self.is_ready = True
        try:
            await self._pause(pause_s)
            while not self._given.is_set():
                await self._pause(self._warm.every_s * await self._ask() / max(self._warm.connections, 1))
        finally:
            if not self._given.is_set():
                await self.broker.__aexit__()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._given.wait()

    async def _ask(self) -> int:
        """Use some connections, or all where one is missing; give how many."""
        warm = self._warm
        if not warm.keys:
            return warm.connections
        clock = self.adopt()
        count = -(-warm.connections // _SHARES) if self.broker.idle >= warm.connections else warm.connections
        await asyncio.gather(*(self._ping() for _ in range(count)))
        while warm.unasked and not self._given.is_set():
            await asyncio.gather(*(self._ping() for _ in range(min(len(warm.unasked), warm.connections))))
        if clock.ahead_s is not None:
            warm.health.ahead_s = clock.ahead_s
        return count

    async def _ping(self) -> None:
        warm, health = self._warm, self._warm.health
        name = warm.next_credential()
        key = warm.keys.get(name)
        if key is None or self._given.is_set():
            return
        answer = await self.broker.warm(name, asyncio.timeout(_PING_S))
        status = answer.evidence.status
        if self._given.is_set():
            return
        if status is None:
            health.trouble = answer.error
            return
        health.contact_at, health.trouble = answer.ended, ""
        if warm.keys.get(name) is key:
            if status in _REFUSED:
                health.refused[name] = status
            else:
                health.refused.pop(name, None)
