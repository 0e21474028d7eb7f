"""What is still to be written to the ledger, in order, and what became of it for each run."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from panic.kit.errors import PanicError
from panic.ledger.events import GENESIS, Event, Head

_GAP_S = 0.05
"""Seconds between batches, so that a rush of events makes few transactions."""

Record = tuple[str, str, bytes]
"""The run and the kind of an event, and the event as it is written down."""


class Store(Protocol):
    """All that the writer needs."""

    def append(
        self, records: Sequence[Record], *, after: int | None = None, unless: str = "", known: Head = GENESIS
    ) -> Head:
        """Make records durable, all or none, in this order, and give the head after the last.

        A ConflictError tells that `after` is not the last event of their run (0: it has none), or that an event of
        their kind has the words of `unless`; a GoneError that opening it again begins a new one; a RewrittenError
        that what led to the head `known` is not in it any more.
        """

    def close(self) -> None:
        """Close it."""


class ConflictError(PanicError):
    """Somebody else has written about this run since it was read."""


class GoneError(OSError):
    """What was recorded so far has gone from its place."""

    code = "ledger_removed"


class RewrittenError(GoneError):
    """What was recorded so far was written anew by somebody else."""

    code = "ledger_rewritten"


class Trouble(NamedTuple):
    """Something about the ledger that a reader of the report must know."""

    code: str
    text: str


class Trail:
    """What became of the events of one process's part of a run, or of no run; `scrub` takes secrets out of them.

    Attributes:
        volume: How many files had gone from the ledger's place before the one that has its events; None: none has.
        is_broken: Whether one was lost: then the rest goes to standard error.
        troubles: What a reader must know, each once.
    """

    def __init__(self, run: str = "", scrub: Callable[[str], str] = str) -> None:
        self.run, self.scrub = run, scrub
        self.volume: int | None = None
        self.is_broken = False
        self.troubles: list[Trouble] = []

    def note(self, code: str, text: str) -> None:
        """Add a trouble once."""
        if (code, text) not in self.troubles:
            self.troubles.append(Trouble(code, text))

    def break_off(self, trouble: Trouble) -> None:
        """Note that from here on nothing of the run is in the store."""
        if self.run and not self.is_broken:
            self.is_broken = True
            what, could = ("nothing", "could") if self.volume is None else ("the rest", "could not")
            self.note(*trouble)
            self.note("ledger_memory", f"{what} of this run {could} be recorded: keep this report")


@dataclass(slots=True, eq=False)
class Item:
    """An event to write, or none if somebody only waits for all earlier ones.

    Attributes:
        tries_anew: Whether a store that failed before is opened again for it.
        fails_closed: Whether it is silently dropped if it cannot be recorded in time.
    """

    trail: Trail
    event: Event | None = None
    reply: Future[Head] | None = None
    tries_anew: bool = False
    fails_closed: bool = False
    after: int | None = None
    unless: str = ""
    since: float = field(default_factory=time.monotonic)

    def resolve(self, outcome: Head | Exception) -> None:
        """Tell those who wait for it."""
        if self.reply is None or self.reply.done() or not self.reply.set_running_or_notify_cancel():
            return
        if isinstance(outcome, Exception):
            self.reply.set_exception(outcome)
        else:
            self.reply.set_result(outcome)


class Backlog:
    """What is not durable yet, in order; one thread takes from it. `changed` is the lock of all that is shared.

    Attributes:
        gone: Why what was recorded is not in its place any more, each time.
        head: The last one that this process wrote or found.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.items: deque[Item] = deque()
        self.gone: list[Trouble] = []
        self.head = GENESIS
        self._is_closed = False
        self._batch_at = 0.0

    def put(self, item: Item) -> None:
        """Add an item; only one that somebody waits for cuts the gap between batches short."""
        with self.changed:
            self.items.append(item)
            if item.reply is not None or len(self.items) == 1:
                self.changed.notify_all()

    def close(self) -> None:
        """Let the thread that takes items end once nothing is left."""
        with self.changed:
            self._is_closed = True
            self.changed.notify_all()

    def take(self, is_over: Callable[[], bool]) -> list[Item]:
        """Wait for the next batch and give it; it stays here until `drop`. Nothing means that all is over."""
        with self.changed:
            while not is_over() and (self.items or not self._is_closed):
                wait_s = None
                if self.items:
                    now = time.monotonic()
                    wait_s = self._batch_at + _GAP_S - now
                    if wait_s <= 0 or self._is_closed or any(item.reply for item in self.items):
                        self._batch_at = now
                        return self._batch()
                self.changed.wait(wait_s)
        return []

    def _batch(self) -> list[Item]:
        """Give the first few: what may be refused goes alone, and an event whose head is asked for goes last."""
        batch: list[Item] = []
        for item in self.items:
            if batch and (item.after is not None or item.unless):
                break
            batch.append(item)
            if item.reply is not None and item.event is not None:
                break
        return batch

    def drop(self, count: int) -> list[Item]:
        """Remove and return the first `count` items."""
        return [self.items.popleft() for _ in range(count)]
