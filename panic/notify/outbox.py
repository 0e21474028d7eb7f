"""A channel's bounded queue: told from any thread without waiting, emptied by one."""

import threading

from panic.notify.notice import Notice

SIZE = 100
"""Notices that wait for one channel at most. A channel that is so far behind has other troubles."""


class Outbox:
    """First in, first out; when full, the oldest notice that is no page makes room, else the oldest page.

    A page takes the place of one with the same key that still waits: a channel that comes back to life is not
    told the same thing twelve times.
    """

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._notices: list[Notice] = []
        self._busy = False
        self._closed = False
        self._changed = threading.Condition()
        self.dropped = 0

    def put(self, notice: Notice) -> None:
        """Add a notice; never waits for anybody who delivers."""
        with self._changed:
            if notice.kind == "page":
                self._notices = [n for n in self._notices if n.kind != "page" or n.key != notice.key]
            self._notices.append(notice)
            if len(self._notices) > self._size:
                del self._notices[next((i for i, n in enumerate(self._notices) if n.kind != "page"), 0)]
                self.dropped += 1
            self._changed.notify_all()

    def take(self) -> Notice | None:
        """Wait for the next notice, which counts as under way until the next call; None when closed."""
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._notices or self._closed)
            if self._closed:
                return None
            self._busy = True
            return self._notices.pop(0)

    def drain(self, seconds: float) -> bool:
        """Wait so long at most until nothing waits and nothing is under way; tell whether that came about."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._notices and not self._busy, max(seconds, 0.0))

    def close(self) -> int:
        """Give nothing out any more; give the number of notices that are left."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return len(self._notices) + self._busy

    def pause(self, seconds: float) -> bool:
        """Wait so long, or until closed; tell whether to go on."""
        with self._changed:
            return not self._changed.wait_for(lambda: self._closed, seconds)
