"""One watcher's pending events: bounded, since newer ones replace older ones."""

import asyncio


def event(kind: str, text: bytes) -> bytes:
    """Write a server-sent event; the text is JSON in one line."""
    return b"event: %s\r\ndata: %s\r\n\r\n" % (kind.encode(), text)


class Mailbox:
    """Filled by those who know something, emptied by the one who sends it.

    Attributes:
        filled: Set while there is something in it.
        run: The run that its watcher asked for; empty for none.
    """

    def __init__(self, run: str = "") -> None:
        self.run = run
        self.filled = asyncio.Event()
        self._room = self._board = b""

    def room(self, message: bytes) -> None:
        """Tell how things stand."""
        self._room = message
        self.filled.set()

    def board(self, message: bytes) -> None:
        """Tell of the run."""
        self._board = message
        self.filled.set()

    def take(self) -> bytes:
        """Empty it."""
        found, self._room, self._board = self._room + self._board, b"", b""
        self.filled.clear()
        return found
