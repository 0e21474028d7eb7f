"""What one watcher is still to be sent: bounded, since what is newer takes the place of what is older."""

import asyncio


def event(kind: str, text: bytes) -> bytes:
    """Write a server-sent event; the text is JSON in one line."""
    return b"event: %s\r\ndata: %s\r\n\r\n" % (kind.encode(), text)


class Mailbox:
    """Filled by those who know something, emptied by the one who sends it.

    Attributes:
        filled: Set while there is something in it.
        stays: Whether its watcher asked for one run, and follows no other.
    """

    def __init__(self, *, stays: bool = False) -> None:
        self.stays = stays
        self.filled = asyncio.Event()
        self._room = self._beat = b""
        self._board: list[bytes] = []

    def room(self, message: bytes) -> None:
        """Tell how things stand."""
        self._room = message
        self.filled.set()

    def beat(self, message: bytes) -> None:
        """Tell that the service is there."""
        self._beat = message
        self.filled.set()

    def board(self, message: bytes) -> None:
        """Tell a whole board; letters that changed before are in it."""
        self._board = [message]
        self.filled.set()

    def cells(self, message: bytes) -> None:
        """Tell which letters changed, unless a board is still to come that knows them."""
        self._board.append(message)
        self.filled.set()

    def forget_board(self) -> None:
        """Another run is followed."""
        self._board = []

    def take(self) -> bytes:
        """Empty it."""
        found = b"".join((self._room, *self._board, self._beat))
        self._room = self._beat = b""
        self._board = []
        self.filled.clear()
        return found
