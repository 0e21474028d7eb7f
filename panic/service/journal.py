"""The events of one run while it is under way: what its ledger will hold, for those who follow it live."""

import asyncio
from collections.abc import Callable
from functools import cached_property

from panic.ledger.events import Event, UnencodableError, encode_body


class Entry:
    """One event; its text is made when somebody first asks for it, and then shared by all who do.

    Attributes:
        id: The event's id in the ledger.
        kind: What sort of thing happened.
        at: When, ISO 8601, UTC.
        event: All of it, as it is before keys are taken out: nobody is shown that.
    """

    def __init__(self, event: Event, scrub: Callable[[str], str]) -> None:
        self.id, self.kind, self.at, self.event = event.id, event.kind, event.at, event
        self._scrub = scrub

    @cached_property
    def text(self) -> str:
        """The event's body as JSON in one line, without keys."""
        try:
            return self._scrub(encode_body(self.event.body))
        except UnencodableError:
            return "null"


class Journal:
    """Grows while its run is under way. Anybody may wait for more of it, and nobody holds it up.

    Attributes:
        entries: All events so far, the oldest first.
        closed: Whether there will be no more.
    """

    def __init__(self, scrub: Callable[[str], str] = str) -> None:
        self.entries: list[Entry] = []
        self.closed = False
        self._scrub = scrub
        self._index: dict[str, int] = {}
        self._more: asyncio.Event = asyncio.Event()

    def add(self, event: Event) -> None:
        """Take an event."""
        self.entries.append(Entry(event, self._scrub))
        self._index[event.id] = len(self.entries)
        self._wake()

    def close(self) -> None:
        """Say that there will be no more."""
        self.closed = True
        self._wake()

    def after(self, last_id: str) -> int:
        """Give where to go on after the event with this id; the beginning if nobody knows it."""
        return self._index.get(last_id, 0)

    async def wait(self, index: int) -> None:
        """Wait until there is an entry with this index, or never will be."""
        while len(self.entries) <= index and not self.closed:
            await self._more.wait()

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()
