"""One watcher's pending events: bounded, since newer ones replace older ones."""

import asyncio


def event(kind: str, text: bytes) -> bytes:
    """Write a server-sent event; the text is JSON in one line."""
    return b"event: %s\r\ndata: %s\r\n\r\n" % (kind.encode(), text)


class Mailbox:
    """Filled by those who know something, emptied by the one who sends it.

    Attributes:
        filled: Set while there is something in it.
        run: The run that its watcher asked for, and stays with; empty for whichever is under way.
        knows_accounts: Whether its watcher was sent who the accounts of the run are.
    """

    def __init__(self, run: str = "") -> None:
        self.run = run
        self.filled = asyncio.Event()
        self.knows_accounts = self._has_board = False
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
        """Tell a board, with its accounts unless they are known; letters that changed before are in it."""
        self._board, self._has_board = [message], True
        self.filled.set()

    def cells(self, message: bytes) -> None:
        """Tell what changed since the board that was told last."""
        self._board.append(message)
        self.filled.set()

    def forget_board(self) -> None:
        """Another run is followed."""
        self._board = []
        self.knows_accounts = self._has_board = False

    def take(self) -> bytes:
        """Empty it."""
        found = b"".join((self._room, *self._board, self._beat))
        self.knows_accounts = self.knows_accounts or self._has_board
        self._room = self._beat = b""
        self._board, self._has_board = [], False
        self.filled.clear()
        return found
