"""The thread that writes what waits into the store, and notes for each run what became of it.

What the store cannot take goes to standard error, one line of JSON for each event: whatever keeps the output of
this process has it then.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from panic.kit.errors import PanicError
from panic.kit.files import why
from panic.kit.words import clip
from panic.ledger.chain import Head
from panic.ledger.events import Event, UnencodableError, encode
from panic.ledger.port import DAMAGED, ConflictError, GoneError, Record, Store

_GAP_S = 0.05
"""Between batches: a rush of events makes few transactions."""

_BATCH_MOST = 2_000
"""Events in one transaction, so that a long backlog is seen to move."""


class Trouble(NamedTuple):
    """Something about the ledger that a reader of the report must know."""

    code: str
    text: str


class Trail:
    """What became of the events of one process's part of a run, or of no run.

    Attributes:
        scrub: Takes secrets out of the text of an event.
        era: Which file holds them, counted; None while none does.
        is_broken: Whether one was lost: then the rest goes to standard error.
        troubles: What a reader must know, each once.
    """

    def __init__(self, run: str = "", scrub: Callable[[str], str] = str) -> None:
        self.run, self.scrub = run, scrub
        self.era: int | None = None
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
            what, could = ("nothing", "could") if self.era is None else ("the rest", "could not")
            self.note(*trouble)
            self.note("ledger_memory", f"{what} of this run {could} be recorded: keep this report")


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
        self.items: deque[Item] = deque()
        self._is_closed = False
        self._batch_at = 0.0

    def put(self, item: Item) -> None:
        """Add something; only what somebody waits for cuts the gap between batches short."""
        with self.changed:
            self.items.append(item)
            if item.reply is not None or len(self.items) == 1:
                self.changed.notify_all()

    def close(self) -> None:
        """Let whoever takes come to an end once nothing is left."""
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
            if batch and (is_conditional or len(batch) == _BATCH_MOST):
                break
            batch.append(item)
            if item.reply is not None and item.event is not None:
                break
        return batch

    def drop(self, count: int) -> list[Item]:
        """Let go of the first so many, and give them."""
        return [self.items.popleft() for _ in range(count)]


class Shift(threading.Thread):
    """Writes until the backlog is closed and empty, or until it is relieved: then it changes nothing any more.

    Attributes:
        trouble: Why nothing gets into the store at present; None where all is well.
        era: Counts the files: one that was removed, or set aside, ended one.
        moved_at: When it last got on, monotonic time.
        is_relieved: Whether another has its place.
    """

    def __init__(
        self,
        backlog: Backlog,
        open_store: Callable[[], Store],
        place: str,
        say: Callable[[str], None],
        trouble: Trouble | None,
        era: int,
    ) -> None:
        super().__init__(name="panic-ledger", daemon=True)
        self.trouble, self.era, self.moved_at, self.is_relieved = trouble, era, time.monotonic(), False
        self._backlog, self._open_store, self._place, self._say = backlog, open_store, place, say
        self._store: Store | None = None
        self._gone = Trouble("", "")
        self._is_news = False

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
        """Make items durable; what is removed, or found damaged, is begun anew, but only once."""
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
                self._begin_anew(error.code, reason)
                self._write(items, is_second=True)
                return
            self.trouble = Trouble("ledger_failed", f"{self._place}: {reason}")
            self.lose(items, self.trouble)
        else:
            self._confirm(items, head)

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._open_store()
            if self._store.set_aside is not None:
                self._begin_anew(DAMAGED, f"it was damaged, is kept as {self._store.set_aside}, and begins anew")
                self._is_news = True
        return self._store

    def _begin_anew(self, code: str, reason: str) -> None:
        self._gone = Trouble(code, f"{self._place}: {reason}")
        self.era += 1

    def _writable(self, items: Sequence[Item]) -> list[Item]:
        """Leave out those whose run is broken off: the rest of it alone would be a riddle."""
        wanted = [item for item in items if not item.is_given_up]
        for item in wanted:
            if item.trail.is_broken or item.trail.era not in {None, self.era}:
                self.lose([item], self._gone)
        return [item for item in wanted if not item.trail.is_broken]

    def _confirm(self, items: Sequence[Item], head: Head | None) -> None:
        with self._backlog.changed:
            if self.is_relieved:
                return
            self.trouble = None
            self.moved_at = time.monotonic()
            runs = [item.trail for item in items if item.trail.run]
            for trail in runs:
                trail.era = self.era
                if self._is_news:
                    trail.note(*self._gone)
            self._is_news = self._is_news and not runs
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
