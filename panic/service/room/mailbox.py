"""What waits to be sent to one reader of the stream. Each event is written, and packed, once for all of them."""

import asyncio
import zlib
from functools import cached_property
from typing import Final

from panic.service.auth import Reach

GZIP_HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""How a stream in gzip begins; after it come packed messages, and no end."""

_LEVEL: Final = 4


class Message:
    """A piece of a stream: its `text`, and the same `packed`.

    Each piece is deflated by itself, and ends at a byte: whoever came when, what they got is one stream.
    """

    def __init__(self, text: bytes) -> None:
        self.text = text

    @cached_property
    def packed(self) -> bytes:
        """The text, deflated."""
        squeeze = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        return squeeze.compress(self.text) + squeeze.flush(zlib.Z_FULL_FLUSH)


def event(kind: str, text: bytes) -> Message:
    """Write a server-sent event; the text is JSON in one line."""
    return Message(b"event: %s\r\ndata: %s\r\n\r\n" % (kind.encode(), text))


class Mailbox:
    """Filled by those who know something, emptied by the one who sends it.

    Attributes:
        filled: Set while there is something in it.
        run: The run that its watcher asked for; empty for none.
        reach: The groups to whose runs its watcher is limited; None for all.
    """

    def __init__(self, run: str = "", reach: Reach | None = None) -> None:
        self.run, self.reach = run, reach
        self.filled = asyncio.Event()
        self._room = self._board = Message(b"")

    def room(self, message: Message) -> None:
        """Tell how things stand."""
        self._room = message
        self.filled.set()

    def board(self, message: Message) -> None:
        """Tell of the run."""
        self._board = message
        self.filled.set()

    def take(self) -> tuple[Message, ...]:
        """Empty it."""
        found = tuple(one for one in (self._room, self._board) if one.text)
        self._room = self._board = Message(b"")
        self.filled.clear()
        return found
