"""The thread that writes pending events to the store, and notes the result for each run.

What the store cannot take goes to standard error, one line of JSON for each event, so that it is kept with the
output of this process.
"""

import errno
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol
from weakref import WeakSet

from panic.kit.errors import PanicError
from panic.kit.files import why
from panic.kit.words import clip
from panic.ledger.chain import Head
from panic.ledger.events import Event, UnencodableError, encode

_GAP_S = 0.05
"""Seconds between batches, so that a rush of events makes few transactions."""


Record = tuple[str, str, bytes]
"""The run and the kind of an event, and the event as it is written down."""


class Store(Protocol):
    """All that the writer needs; `set_aside` is where a damaged one that stood in its place was moved."""

    set_aside: Path | None

    def append(self, records: Sequence[Record], *, after: int | None = None, unless: str = "") -> Head:
        """Make records durable, all or none, in this order, and give the head after the last.

        Args:
            records: Of one run, if `after` is given, and of one kind, if `unless` is.
            after: Append only if this is the run's last event; 0, or one that was set aside, stands for none.
            unless: Append only if no event of the same kind has these words in its record.

        Raises:
            ConflictError: It is not, or there is one.
            GoneError: All that it held is gone; opening it again begins a new one.
        """

    def close(self) -> None:
        """Close it."""


class ConflictError(PanicError):
    """Somebody else has written about this run since it was read."""


REMOVED = "ledger_removed"
DAMAGED = "ledger_damaged"


class GoneError(OSError):
    """What was recorded so far has gone from its place; the code says why."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(errno.ESTALE, words)
        self.code = code


class Trouble(NamedTuple):
    """Something about the ledger that a reader of the report must know."""

    code: str
    text: str


class Trail:
    """What became of the events of one process's part of a run, or of no run.

    Attributes:
        scrub: Takes secrets out of the text of an event.
        is_begun: Whether some of them are in the store.
        is_broken: Whether one was lost: then the rest goes to standard error.
        troubles: What a reader must know, each once.
    """

    def __init__(self, run: str = "", scrub: Callable[[str], str] = str) -> None:
        self.run, self.scrub = run, scrub
        self.is_begun = self.is_broken = False
        self.troubles: list[Trouble] = []

    def note(self, code: str, text: str) -> None:
        """Add a trouble once."""
        if (code, text) not in self.troubles:
            self.troubles.append(Trouble(code, text))

    def break_off(self, trouble: Trouble) -> None:
        """Note that from here on nothing of the run is in the store."""
        if self.run and not self.is_broken:
            self.is_broken = True
            what, could = ("the rest", "could not") if self.is_begun else ("nothing", "could")
            self.note(*trouble)
            self.note("ledger_memory", f"{what} of this run {could} be recorded: keep this report")


@dataclass(slots=True, eq=False)
class Item:
    """An event to write, or none if somebody only waits for all earlier ones.

    Attributes:
        reply: Told when it is durable, or why it never will be.
        tries_anew: Whether a store that failed before is opened again for it.
        fails_closed: Whether it is silently dropped if it cannot be recorded in time.
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
        """Tell those who wait for it."""
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
        self.items: deque[Item] = deque()
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
            is_conditional = item.after is not None or item.unless
            if batch and is_conditional:
                break
            batch.append(item)
            if item.reply is not None and item.event is not None:
                break
        return batch

    def drop(self, count: int) -> list[Item]:
        """Remove and return the first `count` items."""
        return [self.items.popleft() for _ in range(count)]


class Shift(threading.Thread):
    """Writes until the backlog is closed and empty, or until it is relieved: then it changes nothing any more.

    Attributes:
        trouble: Why nothing gets into the store at present; None where all is well.
        begun: The trails with something in the store: when that is gone, so are they.
        moved_at: When it last made progress, monotonic time.
        is_relieved: Whether another thread has replaced it.
    """

    def __init__(
        self,
        backlog: Backlog,
        open_store: Callable[[], Store],
        place: str,
        say: Callable[[str], None],
        trouble: Trouble | None,
        begun: "WeakSet[Trail]",
    ) -> None:
        super().__init__(name="panic-ledger", daemon=True)
        self.trouble, self.begun, self.moved_at, self.is_relieved = trouble, begun, time.monotonic(), False
        self._backlog, self._open_store, self._place, self._say = backlog, open_store, place, say
        self._store: Store | None = None
        self._news: Trouble | None = None

    def run(self) -> None:
        """Work."""
        while items := self._backlog.take(lambda: self.is_relieved):
            if self.trouble is None or any(item.tries_anew for item in items):
                self._write(items)
            else:
                self.lose(items, self.trouble)
            with self._backlog.changed:
                if not self.is_relieved:
                    self._backlog.drop(len(items))
                    self.moved_at = time.monotonic()
        self._let_go()

    def lose(self, items: Sequence[Item], trouble: Trouble) -> None:
        """Write to standard error what does not get into the store."""
        with self._backlog.changed:
            if self.is_relieved:
                return
            for item in items:
                item.trail.break_off(trouble)
        for item in items:
            if item.event and not item.fails_closed:
                self._say(_record(item.trail, item.event)[2].decode("ascii"))
            item.resolve(PanicError(trouble.text))

    def _write(self, items: Sequence[Item], *, is_second: bool = False) -> None:
        """Make items durable; if the file was removed or damaged, begin a new one, but only once."""
        try:
            store = self._opened()
            items = self._writable(items)
            records = [_record(item.trail, item.event) for item in items if item.event]
            head = store.append(records, after=items[0].after, unless=items[0].unless) if items else None
        except ConflictError as error:
            items[0].resolve(error)
        except Exception as error:  # noqa: BLE001  (whatever it is, the run goes on)
            self._let_go()
            reason = clip(why(error) if isinstance(error, OSError) else str(error) or type(error).__name__)
            if isinstance(error, GoneError) and not is_second:
                self._begin_anew(Trouble(error.code, f"{self._place}: {reason}"))
                self._write(items, is_second=True)
                return
            self.trouble = Trouble("ledger_failed", f"{self._place}: {reason}")
            self.lose(items, self.trouble)
        else:
            self._confirm(items, head)

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._open_store()
            if (aside := self._store.set_aside) is not None:
                text = f"{self._place}: it was damaged, is kept as {aside}, and begins anew"
                self._news = Trouble(DAMAGED, text)
                self._begin_anew(self._news)
        return self._store

    def _begin_anew(self, trouble: Trouble) -> None:
        with self._backlog.changed:
            for trail in () if self.is_relieved else tuple(self.begun):
                trail.break_off(trouble)

    def _writable(self, items: Sequence[Item]) -> list[Item]:
        """Leave out items of a run that has lost an event: the rest alone would be a riddle."""
        wanted = [item for item in items if not item.is_given_up]
        for item in wanted:
            if item.trail.is_broken:
                self.lose([item], item.trail.troubles[0])
        return [item for item in wanted if not item.trail.is_broken]

    def _confirm(self, items: Sequence[Item], head: Head | None) -> None:
        with self._backlog.changed:
            if self.is_relieved:
                return
            self.trouble = None
            self.moved_at = time.monotonic()
            runs = [item.trail for item in items if item.trail.run]
            for trail in runs:
                trail.is_begun = True
                if self._news:
                    trail.note(*self._news)
            self.begun.update(runs)
            self._news = None if runs else self._news
        for item in items:
            if head is not None:
                item.resolve(head)

    def _let_go(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            with suppress(Exception):
                store.close()


def _record(trail: Trail, event: Event) -> Record:
    try:
        return event.run, str(event.kind), encode(event, trail.scrub)
    except Exception as error:  # noqa: BLE001  (one event must not take the others with it)
        reason = str(error) if isinstance(error, UnencodableError) else type(error).__name__
        trail.note(
            "ledger_event_lost", clip(f"event {event.id} ({event.kind}) could not be written down: {reason}")
        )
        return event.run, str(event.kind), encode(event._replace(body={"unencodable": reason}))
