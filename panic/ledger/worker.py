"""The thread that writes pending events to the store, and to standard error what the store cannot take."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from panic.kit.errors import PanicError
from panic.kit.files import why
from panic.kit.words import clip
from panic.ledger.backlog import Backlog, ConflictError, GoneError, Item, Record, Store, Trail, Trouble
from panic.ledger.events import GENESIS, Event, Head, UnencodableError, encode


class Worker(threading.Thread):
    """Writes until the backlog is closed and empty, or until another relieves it: then it changes nothing more.

    `trouble` is why nothing gets into the store at present, `moved_at` when it last made progress, monotonic time.
    """

    def __init__(
        self,
        backlog: Backlog,
        open_store: Callable[[], Store],
        place: str,
        say: Callable[[str], None],
        trouble: Trouble | None,
    ) -> None:
        super().__init__(name="panic-ledger", daemon=True)
        self.trouble, self.moved_at, self.is_relieved = trouble, time.monotonic(), False
        self._backlog, self._open_store, self._place, self._say = backlog, open_store, place, say
        self._store: Store | None = None

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
        """Make items durable; if the file was removed or written anew, begin again, but only once."""
        try:
            self._store = self._store or self._open_store()
            items = self._writable(items)
            records = [_record(item.trail, item.event) for item in items if item.event]
            head = None
            if items:
                how = items[0]
                known = self._backlog.head
                head = self._store.append(records, after=how.after, unless=how.unless, known=known)
        except ConflictError as error:
            items[0].resolve(error)
        except Exception as error:  # noqa: BLE001  (whatever it is, the run goes on)
            self._let_go()
            reason = clip(why(error) if isinstance(error, OSError) else str(error) or type(error).__name__)
            if isinstance(error, GoneError) and not is_second:
                self._backlog.gone.append(Trouble(error.code, f"{self._place}: {reason}"))
                self._backlog.head = GENESIS
                self._write(items, is_second=True)
                return
            self.trouble = Trouble("ledger_failed", f"{self._place}: {reason}")
            self.lose(items, self.trouble)
        else:
            self._confirm(items, head)

    def _writable(self, items: Sequence[Item]) -> list[Item]:
        """Leave out items of a run that has lost an event: the rest alone would be a riddle."""
        given_up = [item for item in items if item.fails_closed and item.reply and item.reply.cancelled()]
        wanted, gone = [item for item in items if item not in given_up], self._backlog.gone
        for item in wanted:
            volume = item.trail.volume
            if item.trail.is_broken:
                self.lose([item], item.trail.troubles[0])
            elif volume is not None and volume < len(gone):
                self.lose([item], gone[volume])
        return [item for item in wanted if not item.trail.is_broken]

    def _confirm(self, items: Sequence[Item], head: Head | None) -> None:
        with self._backlog.changed:
            if self.is_relieved:
                return
            self.trouble, self._backlog.head = None, head or self._backlog.head
            self.moved_at = time.monotonic()
            for item in items:
                if item.trail.run:
                    item.trail.volume = len(self._backlog.gone)
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
        lost = f"event {event.id} ({event.kind}) could not be written down: {reason}"
        trail.note("ledger_event_lost", clip(lost))
        return event.run, str(event.kind), encode(event._replace(body={"unencodable": reason}))
