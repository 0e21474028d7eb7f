"""Events on their way to the store, and what became of those of each run."""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

from panic.ledger.chain import Head
from panic.ledger.events import Event

_GAP_S = 0.05
"""Between batches: a rush of events makes few transactions."""

_BATCH_MOST = 2_000
"""Events in one transaction, so that a long backlog is seen to move."""


class Trouble(NamedTuple):
    """Something about the ledger that a reader of the report must know."""

    code: str
    text: str


@dataclass(slots=True, eq=False)
class Trail:
    """What became of the events of one leg: one process's part of a run.

    Attributes:
        run: The run; "" for what is about none.
        leg: The first half of the ids of its events.
        scrub: Takes secrets out of the text of an event.
        era: Which file holds them, counted; None while none does.
        is_broken: Whether one was lost: then the rest goes to standard error.
        troubles: What a reader must know, each once.
    """

    run: str
    leg: str
    scrub: Callable[[str], str] = str
    era: int | None = None
    is_broken: bool = False
    troubles: list[Trouble] = field(default_factory=list)

    def note(self, trouble: Trouble) -> None:
        """Add a trouble once."""
        if trouble not in self.troubles:
            self.troubles.append(trouble)


@dataclass(slots=True, eq=False)
class Item:
    """An event that is to be written, or none where somebody only waits for all that came before.

    Attributes:
        reply: Told when it is durable, or why it never will be.
        tries_anew: Whether a store that failed before is opened again for it.
        fails_closed: Whether it is dropped where it cannot be recorded in time, and told to nobody.
        after: As of `Store.append`.
        unless: As of `Store.append`.
        since: Monotonic time.
    """

    trail: Trail
    event: Event | None = None
    reply: Future[Head] | None = None
    tries_anew: bool = False
    fails_closed: bool = False
    after: int | None = None
    unless: str = ""
    since: float = field(default_factory=time.monotonic)

    @property
    def is_given_up(self) -> bool:
        """Whether nobody wants it written any more."""
        return self.fails_closed and self.reply is not None and self.reply.cancelled()

    def resolve(self, outcome: Head | Exception) -> None:
        """Tell whoever waits for it."""
        if self.reply is None or self.reply.done() or not self.reply.set_running_or_notify_cancel():
            return
        if isinstance(outcome, Exception):
            self.reply.set_exception(outcome)
        else:
            self.reply.set_result(outcome)


class Backlog:
    """What is not durable yet, in order; one thread takes from it. `changed` is the lock of all that is shared."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._items: deque[Item] = deque()
        self._awaited = 0
        self._batch_at = 0.0
        self._is_idle = self._is_closed = False

    @property
    def waits_since(self) -> float | None:
        """Since when the first in it waits, monotonic time; None where it is empty."""
        return self._items[0].since if self._items else None

    def put(self, item: Item) -> None:
        """Add something; only what somebody waits for cuts the gap between batches short."""
        with self.changed:
            self._items.append(item)
            self._awaited += item.reply is not None
            if self._is_idle or item.reply is not None:
                self.changed.notify_all()

    def close(self) -> None:
        """Let whoever takes come to an end once nothing is left."""
        with self.changed:
            self._is_closed = True
            self.changed.notify_all()

    def take(self, is_over: Callable[[], bool]) -> list[Item]:
        """Wait for the next batch and give it; it stays here until `drop`. Nothing means that all is over."""
        with self.changed:
            while not is_over():
                now = time.monotonic()
                if not self._items and self._is_closed:
                    break
                if not self._items:
                    self._is_idle = True
                    self.changed.wait()
                    self._is_idle = False
                elif not self._awaited and not self._is_closed and now < self._batch_at + _GAP_S:
                    self.changed.wait(self._batch_at + _GAP_S - now)
                else:
                    self._batch_at = now
                    return self._batch()
        return []

    def _batch(self) -> list[Item]:
        """Give the first few: what may be refused goes alone, and an event whose head is asked for goes last."""
        batch: list[Item] = []
        for item in self._items:
            is_conditional = item.after is not None or item.unless
            if batch and (is_conditional or len(batch) == _BATCH_MOST):
                break
            batch.append(item)
            if item.reply is not None and item.event is not None:
                break
        return batch

    def drop(self, count: int) -> None:
        """Let go of the first so many."""
        for _ in range(count):
            self._awaited -= self._items.popleft().reply is not None

    def emptied(self) -> list[Item]:
        """Give all of it, and let go of it."""
        items = list(self._items)
        self.drop(len(items))
        return items

    def calm(self) -> None:
        """Let nothing that waits here open a store again."""
        for item in self._items:
            item.tries_anew = False
