"""What is asked of a place for events; a file is one, and one that several machines share can take its place."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from panic.kit.errors import PanicError
from panic.ledger.chain import Head

Record = tuple[str, str, bytes]
"""The run and the kind of an event, and the event as it is written down."""


class Store(Protocol):
    """All that the writer needs.

    Attributes:
        set_aside: Where a damaged one that stood in its place was moved; None if none did.
    """

    set_aside: Path | None

    def append(self, records: Sequence[Record], *, after: int | None = None, unless: str = "") -> Head:
        """Make records durable, all or none, in this order, and give the head after the last.

        Args:
            records: What to append; of one run, if `after` is given, and of one kind, if `unless` is.
            after: Append only if this is the last event of that run so far; 0 for none. What was set aside does
                not count: then there may be none, too.
            unless: Append only if no event of the same kind has these words in its record.

        Raises:
            ConflictError: It is not; or there is one.
            GoneError: All that it held is gone; whoever opens it again begins a new one.
        """

    def close(self) -> None:
        """Let go of it."""


class ConflictError(PanicError):
    """Somebody else has written about this run since it was read."""


REMOVED = "ledger_removed"
DAMAGED = "ledger_damaged"


class GoneError(OSError):
    """What was recorded so far is not in its place any more; the code says why."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(errno.ESTALE, words)
        self.code = code
