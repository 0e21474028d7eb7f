"""Who waits for a turn of a lane, the most urgent first."""

import asyncio
import heapq
from collections.abc import Mapping
from enum import IntEnum
from itertools import count
from typing import NamedTuple

from panic.engine.lane import Kind, Lane

Rank = tuple[Kind, int]
"""A request's place in the queue: its kind, then its account's roster priority; lower goes first."""

_numbers = count()


class Urgency(IntEnum):
    """Who goes first where several wait for the same broker, within a kind of request."""

    PERSON = 0
    PROGRAM = 1
    CLOCK = 2
    LOOK = 3


class Waiter(NamedTuple):
    """Somebody who waits for a turn; equals go in order, and no futures are compared.

    Attributes:
        urgency: Of its run; several runs may share a lane.
    """

    kind: Kind
    urgency: Urgency
    priority: int
    number: int
    account: int
    turn: "asyncio.Future[bool]"


class Queue:
    """Those of one run who wait for turns of a lane."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.heap: list[Waiter] = []

    @property
    def is_free(self) -> bool:
        """Whether nobody waits and everybody may go."""
        return not self.heap and self.lane.is_free

    def join(self, rank: Rank, urgency: Urgency, account: int) -> asyncio.Future[bool]:
        """Wait in it; give what tells whether the turn has come, or comes no more."""
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        kind, priority = rank
        heapq.heappush(self.heap, Waiter(kind, urgency, priority, next(_numbers), account, turn))
        return turn

    def hurry(self, accounts: Mapping[int, Urgency]) -> None:
        """Let accounts go before others that wait."""
        self.heap = [one._replace(urgency=accounts.get(one.account, one.urgency)) for one in self.heap]
        heapq.heapify(self.heap)

    def head(self) -> Waiter | None:
        """Give who goes first."""
        while self.heap and self.heap[0].turn.done():  # it has had its turn, or has gone
            heapq.heappop(self.heap)
        if self.heap and self.heap[0].account in self.lane.doubted:
            better = (one for one in self.heap if one.account not in self.lane.doubted and not one.turn.done())
            return min(better, default=self.heap[0])
        return self.heap[0] if self.heap else None
