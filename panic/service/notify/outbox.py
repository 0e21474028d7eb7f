"""What one channel still has to be told: bounded, pages last to go, each retried until delivered. Pure."""

from dataclasses import dataclass

from panic.service.notify.notice import Notice

SIZE = 100
"""Notices that wait for one channel at most. A channel that is so far behind has other troubles."""

WAITS_S = (2.0, 8.0, 20.0, 60.0, 300.0)
"""The waits between one try of a notice and the next; the last of them again and again."""

PAGE_KEPT_S, OTHER_KEPT_S = 86_400.0, 3600.0
"""What was not delivered for so long is given up: it is told too late."""

START_S = 1.0
"""The start of a run is told so much later: a delivery takes processor time that the first DELETEs need."""


@dataclass(slots=True)
class Entry:
    """A notice that waits: when it is tried next, when it is given up, and how often it was tried."""

    notice: Notice
    due: float
    until: float
    tries: int = 0


class Outbox:
    """The notices that wait. Times are seconds by one steady clock.

    When it is full, the oldest notice that is no page makes room, else the oldest page. A page, or its end, takes
    the place of an earlier page of the same key: whoever is told late is told how things are now.
    """

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def untried(self) -> int:
        """How many were not tried even once."""
        return sum(not entry.tries for entry in self._entries)

    def put(self, notice: Notice, now: float) -> int:
        """Add a notice; give how many were dropped for it."""
        if notice.kind == "page" or notice.closes:
            self._entries = [e for e in self._entries if not (e.notice.opens and e.notice.key == notice.key)]
        due = now + (START_S if notice.kind == "start" else 0.0)
        self._entries.append(Entry(notice, due, now + (PAGE_KEPT_S if notice.kind == "page" else OTHER_KEPT_S)))
        if len(self._entries) <= SIZE:
            return 0
        del self._entries[next((i for i, e in enumerate(self._entries) if e.notice.kind != "page"), 0)]
        return 1

    def take(self, now: float) -> Entry | None:
        """Give the oldest that is due, out of the box; None if none is."""
        for i, entry in enumerate(self._entries):
            if entry.due <= now:
                return self._entries.pop(i)
        return None

    def put_back(self, entry: Entry, now: float) -> int:
        """Put back what was not delivered, unless something newer took its place; give how many were given up."""
        newer = (e.notice for e in self._entries if e.notice.key == entry.notice.key)
        if entry.notice.opens and any(notice.kind == "page" or notice.closes for notice in newer):
            return 0
        entry.due = now + WAITS_S[min(entry.tries, len(WAITS_S) - 1)]
        entry.tries += 1
        if entry.due > entry.until:
            return 1
        self._entries.append(entry)
        return 0

    def next_at(self) -> float | None:
        """Give when the next one is due; None when none waits."""
        return min((entry.due for entry in self._entries), default=None)
