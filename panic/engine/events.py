"""The events of a run, for observers."""

from collections.abc import Callable
from enum import StrEnum

from panic.engine.case import Case


class What(StrEnum):
    """What can happen to a case.

    SENDING comes right before a DELETE leaves, CANCELLED when it is over, LOOKED when a look is, DOUBTED when
    a proof was taken back, REAPPEARED when new orders were seen, and SETTLED once, without a case, when every
    account is concluded for the first time.
    """

    SENDING = "sending"
    CANCELLED = "cancelled"
    LOOKED = "looked"
    DOUBTED = "doubted"
    REAPPEARED = "reappeared"
    SETTLED = "settled"


Observer = Callable[[What, Case | None], None]
"""Told of every event, synchronously; must not block."""
