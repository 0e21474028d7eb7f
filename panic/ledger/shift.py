"""One thread's stretch of work with the store: it writes what waits, and notes for each run what became of it.

What the store cannot take goes to standard error, one line of JSON for each event: whatever keeps the output of
this process has it then.
"""

import errno
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from panic.kit.errors import PanicError
from panic.kit.files import why
from panic.kit.words import clip
from panic.ledger.backlog import Backlog, Item, Trail, Trouble
from panic.ledger.chain import Head
from panic.ledger.events import Event, UnencodableError, encode
from panic.ledger.port import ConflictError, Record, Store

REMOVED = "ledger_removed"
"""The code of the trouble that what was recorded so far is gone."""


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
        *,
        trouble: Trouble | None = None,
        era: int = 0,
    ) -> None:
        super().__init__(name="panic-ledger", daemon=True)
        self.trouble, self.era, self.moved_at, self.is_relieved = trouble, era, time.monotonic(), False
        self._backlog, self._open_store, self._place, self._say = backlog, open_store, place, say
        self._store: Store | None = None
        self._news: list[Trouble] = []
        self._gone = Trouble(REMOVED, "")

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
                _break(item.trail, trouble)
        for item in items:
            if item.event and not item.fails_closed:
                self._say(self._record(item.trail, item.event)[2].decode("ascii"))
            item.resolve(PanicError(trouble.text))

    def _write(self, items: Sequence[Item]) -> None:
        """Make items durable; what is removed, or found damaged, is begun anew, but only once."""
        for may_begin_anew in (True, False):
            try:
                store = self._opened()
                items = self._writable(items)
                records = [self._record(item.trail, item.event) for item in items if item.event]
                head = store.append(records, after=items[0].after, unless=items[0].unless) if items else None
            except ConflictError as error:
                items[0].resolve(error)
                return
            except Exception as error:  # noqa: BLE001  (whatever it is, the run goes on)
                if not (may_begin_anew and self._is_gone(error)):
                    self._fail(items, Trouble("ledger_failed", f"{self._place}: {_reason(error)}"))
                    return
            else:
                self._confirm(items, head)
                return

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._open_store()
            if self._store.set_aside is not None:
                self._begin_anew(self._damaged(self._store.set_aside))
                self._news.append(self._gone)
        return self._store

    def _writable(self, items: Sequence[Item]) -> list[Item]:
        """Leave out those whose run is broken off: the rest of it alone would be a riddle."""
        wanted = [item for item in items if not item.is_given_up]
        for item in wanted:
            if not item.trail.is_broken and item.trail.era not in {None, self.era}:
                self.lose([item], self._gone)
            elif item.trail.is_broken:
                self.lose([item], item.trail.troubles[0])
        return [item for item in wanted if not item.trail.is_broken]

    def _record(self, trail: Trail, event: Event) -> Record:
        try:
            record = encode(event, trail.scrub)
            event.run.encode()  # SQLite takes no half of a surrogate pair; JSON does
        except Exception as error:  # noqa: BLE001  (one event must not take the others with it)
            reason = str(error) if isinstance(error, UnencodableError) else type(error).__name__
            run, kind, at = (
                str(word).encode("utf-8", "replace").decode() for word in (event.run, event.kind, event.at)
            )
            text = clip(f"event {event.id} ({kind}) could not be written down: {reason}")
            trail.note(Trouble("ledger_event_lost", text))
            return run, kind, encode(Event(run, kind, event.id, at, {"unencodable": reason}))
        return event.run, str(event.kind), record

    def _confirm(self, items: Sequence[Item], head: Head | None) -> None:
        with self._backlog.changed:
            if self.is_relieved:
                return
            self.trouble = None
            self.moved_at = time.monotonic()
            runs = [item.trail for item in items if item.trail.run]
            for trail in runs:
                trail.era = self.era
                for news in self._news:
                    trail.note(news)
            self._news = [] if runs else self._news
        for item in items:
            if head is not None:
                item.resolve(head)

    def _fail(self, items: Sequence[Item], trouble: Trouble) -> None:
        self._let_go()
        with self._backlog.changed:
            self.trouble = trouble
        self.lose(items, trouble)

    def _is_gone(self, error: Exception) -> bool:
        """Whether a new file can be begun in the place of the one that failed; then this does so."""
        aside = self._store.set_aside if self._store is not None else None
        if isinstance(error, OSError) and error.errno == errno.ESTALE:
            self._begin_anew(Trouble(REMOVED, f"{self._place}: {_reason(error)}"))
        elif aside is not None and self._gone.text != self._damaged(aside).text:
            self._begin_anew(self._damaged(aside))
        else:
            return False
        self._let_go()
        return True

    def _begin_anew(self, why_: Trouble) -> None:
        self._gone = why_
        self.era += 1

    def _damaged(self, aside: Path) -> Trouble:
        return Trouble("ledger_damaged", f"{self._place}: it was damaged, is kept as {aside}, and begins anew")

    def _let_go(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            with suppress(Exception):
                store.close()


def _break(trail: Trail, trouble: Trouble) -> None:
    if not trail.run or trail.is_broken:
        return
    trail.note(trouble)
    what, could = ("nothing", "could") if trail.era is None else ("the rest", "could not")
    trail.note(Trouble("ledger_memory", f"{what} of this run {could} be recorded: keep this report"))
    trail.is_broken = True


def _reason(error: Exception) -> str:
    return clip(why(error) if isinstance(error, OSError) else str(error) or type(error).__name__)
