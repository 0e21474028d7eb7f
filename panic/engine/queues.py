"""Those of one run who wait, by lane: who goes first of all of them, and who is called out of the queue."""

from collections.abc import Callable, Collection, Iterator, Mapping

from panic.engine.lane import Kind, Lane
from panic.engine.lanes import Lanes, Taker
from panic.engine.queue import Queue, Urgency, Waiter


class Queues:
    """The queues of a run; each joins its lane when somebody first asks for a turn of it."""

    def __init__(self, lanes: Lanes, taker: Taker) -> None:
        self._lanes, self._taker = lanes, taker
        self._queues: dict[str, Queue] = {}

    def __getitem__(self, lane_name: str) -> Queue:
        queue = self._queues.get(lane_name)
        if queue is None:
            queue = self._queues[lane_name] = Queue(self._lanes.join(lane_name, self._taker))
        return queue

    @property
    def lanes(self) -> dict[str, Lane]:
        """Their lanes, by credential."""
        return {name: one.lane for name, one in self._queues.items()}

    def hurry(self, accounts: Mapping[int, Urgency]) -> None:
        """Let accounts go before others that wait."""
        for queue in self._queues.values():
            queue.hurry(accounts)

    def recall(self, accounts: Collection[int]) -> None:
        """Remove accounts that wait for anything but a first DELETE."""

        def owes(waiter: Waiter) -> bool:
            return waiter.account in accounts and waiter.kind is not Kind.FIRST_CANCEL

        self._send_away(owes)

    def close(self) -> None:
        """Leave the lanes, and tell everybody who waits."""
        for name in self._queues:
            self._lanes.leave(name, self._taker)
        self._send_away(lambda _: True)

    def first(self, now: float) -> tuple[str, Waiter] | None:
        """Give the waiter that goes before all others, and its lane."""
        best: tuple[str, Waiter] | None = None
        for name, queue in self._queues.items():
            head = queue.head()
            if head is None or (best is not None and best[1] < head):
                continue
            if self._lanes.admits_at(queue.lane, head.kind) > now:
                continue
            if queue.lane.is_free or self._lanes.is_first(name, self._taker, head):
                best = name, head
            else:
                self._lanes.wake_others(name, self._taker)  # and after their turn they wake us
        return best

    def heads(self) -> Iterator[tuple[Lane, Kind]]:
        """Give each lane in which somebody waits, and for what whoever goes first in it does."""
        for queue in self._queues.values():
            if (head := queue.head()) is not None:
                yield queue.lane, head.kind

    def _send_away(self, which: Callable[[Waiter], bool]) -> None:
        for queue in self._queues.values():
            for waiter in queue.heap:
                if which(waiter) and not waiter.turn.done():
                    waiter.turn.set_result(False)
