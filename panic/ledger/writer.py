"""Hand events over to a thread that writes them down: no press ever waits for its ledger.

A store that fails or hangs is left for the next one; when none is left, the run goes on without.
"""

import asyncio
import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from panic.files import why
from panic.ledger.chain import Head
from panic.ledger.events import Event, UnencodableError, encode
from panic.words import clip

if TYPE_CHECKING:
    from panic.ledger.store import Record, Store

PATIENCE_S = 2.0
"""A store that confirms nothing for so long is taken for hung."""

_GAP_S = 0.05
"""Between batches: a rush of events makes few transactions."""

_BATCH_MOST = 2_000
"""Events in one transaction, so that a long queue is seen to move."""

_DOUBT_S = 0.1
"""A hang must still be there after so long: the whole process may have stood still."""

_TICK_S = 0.05
"""How often a wait looks whether the store hangs."""

_JOIN_S = 0.5
"""So long a close waits for the store to be closed when all is durable: the next opening can finish that."""

MEMORY = "memory"

REMOVED = "ledger_removed"
"""The code of the trouble that what was recorded so far is gone."""


class Trouble(NamedTuple):
    """Something about the ledger that a reader of the report must know."""

    code: str
    text: str


@dataclass(slots=True, eq=False)
class _Item:
    """An event on its way; `since` is monotonic time."""

    number: int
    run: str
    kind: str
    at: str
    body: Any
    keep: bool
    since: float
    record: "Record | None" = None


@dataclass(slots=True, eq=False)
class _Line:
    """One thread's stretch of work with one store. Once the writer has another line, this one changes nothing."""

    index: int
    idle: bool = False


class Writer:
    """Writes events to the first of several stores that works. Never raises, and never keeps its caller waiting.

    Attributes:
        leg: The first half of every event's id.
        scrub: Takes secrets out of the text of an event.
        place: Where events go now.
        head: The last durable event in that place; None while there is none.
        troubles: What a reader must know, each once.
    """

    def __init__(
        self,
        places: Sequence[Callable[[], "Store"]],
        *,
        names: Sequence[str],
        leg: str = "",
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.leg = leg or os.urandom(4).hex()
        self.scrub: Callable[[str], str] = str
        self.head: Head | None = None
        self.troubles: list[Trouble] = []
        self._places = places
        self._names = (*names, MEMORY)
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._index = 0
        self._was_durable = False
        self._line: _Line | None = None
        self._thread: threading.Thread | None = None
        self._number = 0
        self._todo: deque[_Item] = deque()
        self._kept: list[_Item] = []
        self._waiters: dict[Callable[[], None], None] = {}
        self._urgent = 0
        self._closing = False
        self._batch_at = 0.0
        self._moved_at = 0.0
        self._doubted_at: float | None = None

    @property
    def place(self) -> str:
        """Where events go now: the name of a store, or "memory"."""
        return self._names[self._index]

    def start(self) -> None:
        """Begin to open the first store, so that it is ready when the first event comes."""
        with self._changed:
            self._begin()

    def append(self, run: str, kind: str, at: str, body: Any, *, keep: bool = False) -> str:
        """Hand an event over and give its id; do not change its body afterwards.

        Args:
            run: The run's id; "" for none.
            kind: What sort of thing happened.
            at: When, ISO 8601.
            body: What JSON can say.
            keep: Whether a store that we fall back to needs it too, as it needs the run's plan.
        """
        now = time.monotonic()
        with self._changed:
            self._number += 1
            name = f"{self.leg}-{self._number}"
            if self._is_in_memory:
                return name
            self._todo.append(_Item(self._number, run, kind, at, body, keep, now))
            self._begin()
            if self._line is not None and self._line.idle:
                self._changed.notify_all()
            self._mind(now, self._patience_s)
            return name

    async def settle(self, within_s: float) -> bool:
        """Wait until everything appended so far is durable; False when it is not within so many seconds."""
        until = time.monotonic() + within_s
        loop = asyncio.get_running_loop()
        news = asyncio.Event()

        def wake() -> None:
            try:
                loop.call_soon_threadsafe(news.set)
            except RuntimeError:  # the loop is closed: nobody waits any more
                self._waiters.pop(wake)

        number = self._hurry(wake)
        try:
            while (durable := self._is_durable(number, self._patience_s)) is None:
                left = until - time.monotonic()
                if left <= 0:
                    return False
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, _TICK_S)):
                        await news.wait()
                news.clear()
            return durable
        finally:
            with self._changed:
                self._waiters.pop(wake, None)

    def wait(self, within_s: float) -> bool:
        """Do what `settle` does where there is no loop."""
        return self._wait(within_s, self._patience_s)

    def close(self, within_s: float = 2.0) -> bool:
        """End the thread after the last event is durable; False when it is not within so many seconds."""
        until = time.monotonic() + within_s
        with self._changed:
            self._closing = True
        durable = self._wait(within_s, min(self._patience_s, within_s / 2))  # the next store needs time as well
        if durable and self._thread is not None:
            self._thread.join(max(min(until - time.monotonic(), _JOIN_S), 0.0))
        return durable

    # ── the caller's side; all of it under the lock ─────────────────────────────────────────────────────

    @property
    def _is_in_memory(self) -> bool:
        return self._index == len(self._places)

    def _wait(self, within_s: float, patience_s: float) -> bool:
        until = time.monotonic() + within_s
        number = self._hurry(None)
        with self._changed:
            while (durable := self._is_durable(number, patience_s)) is None:
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, _TICK_S))
            return durable

    def _hurry(self, wake: Callable[[], None] | None) -> int:
        with self._changed:
            self._urgent = self._number
            if wake is not None:
                self._waiters[wake] = None
            self._changed.notify_all()
            return self._number

    def _is_durable(self, number: int, patience_s: float) -> bool | None:
        with self._changed:
            self._mind(time.monotonic(), patience_s)
            if self._is_in_memory:
                return False
            return True if not self._todo or self._todo[0].number > number else None

    def _mind(self, now: float, patience_s: float) -> None:
        """Leave a store that hangs."""
        if not self._todo or self._line is None or now - max(self._todo[0].since, self._moved_at) <= patience_s:
            self._doubted_at = None
        elif self._doubted_at is None:
            self._doubted_at = now
        elif now - self._doubted_at >= _DOUBT_S:
            self._leave(self._line, "ledger_hangs", "it does not answer")

    def _begin(self) -> None:
        """Start a thread on the present store, unless there is one."""
        if self._line is not None or self._is_in_memory:
            return
        self._line, self._moved_at = _Line(self._index), time.monotonic()
        self._thread = threading.Thread(target=self._work, args=(self._line,), name="panic-ledger", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None
            self._leave(self._line, "ledger_failed", "no thread can be started for it", to=len(self._places))

    def _leave(self, line: _Line, code: str, reason: str, *, to: int | None = None) -> None:
        """Go on to the next place, or to another, if the line is still the present one."""
        if line is not self._line:
            return
        name = self.place
        self._line, self._doubted_at, self.head = None, None, None
        self._index = self._index + 1 if to is None else to
        if self._is_in_memory:
            self._note(code, f"{name}: {reason}")
            what = "the rest" if self._was_durable else "nothing"
            could = "could not" if self._was_durable else "could"
            self._note("ledger_memory", f"{what} of this run {could} be recorded: keep this report")
            self._todo.clear()
        else:
            self._note(code, f"{name}: {reason}; the run is recorded in {self.place} instead")
            self._todo.extendleft(reversed(self._kept))
            self._begin()
        self._kept.clear()
        self._wake()

    def _note(self, code: str, text: str) -> None:
        trouble = Trouble(code, text)
        if trouble not in self.troubles:
            self.troubles.append(trouble)

    def _wake(self) -> None:
        self._changed.notify_all()
        for wake in tuple(self._waiters):
            wake()

    # ── the thread's side ───────────────────────────────────────────────────────────────────────────────

    def _work(self, line: _Line) -> None:
        """Write to the line's store until there is nothing more to do."""
        store: Store | None = None
        try:
            store = self._places[line.index]()
            self._note_damage(store)
            while batch := self._take(line):
                head = store.append([self._record(item) for item in batch])
                self._confirm(line, len(batch), head)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next store may do better
            with self._changed:
                is_gone = isinstance(error, OSError) and error.errno == errno.ESTALE
                self._leave(line, REMOVED if is_gone else "ledger_failed", _reason(error))
        if store is not None:
            self._note_damage(store)
            with suppress(Exception):
                store.close()

    def _note_damage(self, store: "Store") -> None:
        aside: Path | None = getattr(store, "set_aside", None)
        if aside is not None:
            with self._changed:
                self._note("ledger_damaged", f"{store.place}: it was damaged, is kept as {aside}, and begins anew")

    def _take(self, line: _Line) -> list[_Item]:
        """Wait for something to write; nothing means that the line is over."""
        with self._changed:
            while line is self._line:
                now = time.monotonic()
                if not self._todo and self._closing:
                    self._line = None
                elif not self._todo:
                    line.idle = True
                    self._changed.wait()
                    line.idle = False
                elif self._todo[0].number > self._urgent and not self._closing and now < self._batch_at + _GAP_S:
                    self._changed.wait(self._batch_at + _GAP_S - now)
                else:
                    self._batch_at = now
                    return list(islice(self._todo, _BATCH_MOST))
        return []

    def _confirm(self, line: _Line, count: int, head: Head) -> None:
        with self._changed:
            if line is not self._line:
                return
            written = [self._todo.popleft() for _ in range(count)]
            self._kept += [item for item in written if item.keep]
            self.head, self._was_durable = head, True
            self._moved_at, self._doubted_at = time.monotonic(), None
            self._wake()

    def _record(self, item: _Item) -> "Record":
        if item.record is None:
            name = f"{self.leg}-{item.number}"
            try:
                record = encode(Event(item.run, item.kind, name, item.at, item.body), self.scrub)
                item.run.encode()  # SQLite takes no half of a surrogate pair; JSON does
                item.record = item.run, str(item.kind), record
            except Exception as error:  # noqa: BLE001 - one event must not take the others with it
                item.record = self._lost(item, name, error)
        return item.record

    def _lost(self, item: _Item, name: str, error: Exception) -> "Record":
        reason = str(error) if isinstance(error, UnencodableError) else type(error).__name__
        run, kind, at = (str(word).encode("utf-8", "replace").decode() for word in (item.run, item.kind, item.at))
        with self._changed:
            self._note("ledger_event_lost", clip(f"event {name} ({kind}) could not be written down: {reason}"))
        return run, kind, encode(Event(run, kind, name, at, {"unencodable": reason}))


def _reason(error: Exception) -> str:
    return clip(why(error) if isinstance(error, OSError) else str(error) or type(error).__name__)


def sqlite_writer(file: Path, fallback: Path, leg: str = "") -> Writer:
    """Write to the ledger `file`, or to `fallback` if that does not work."""

    def place(file: Path) -> "Store":
        from panic.ledger.store import SqliteStore  # noqa: PLC0415

        return SqliteStore(file)

    return Writer([lambda: place(file), lambda: place(fallback)], names=[str(file), str(fallback)], leg=leg)
