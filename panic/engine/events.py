"""What an observer is told of a run, and that its faults end nobody's work."""

from collections.abc import Callable
from enum import StrEnum

import structlog

from panic.engine.case import Case

log = structlog.get_logger()


class What(StrEnum):
    """What an observer is told about a case.

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


class Events:
    """Tells an observer; what it raises is added to `failures`, once for each kind of error."""

    def __init__(self, observe: Observer, failures: list[str]) -> None:
        self._observe, self._failures = observe, failures

    def tell(self, what: What, case: Case | None = None) -> None:
        """Tell it of one event."""
        try:
            self._observe(what, case)
        except Exception as error:  # whoever watches must not end the work on an account
            text = f"what watches the run: {type(error).__name__}"
            if text not in self._failures:
                self._failures.append(text)
                if structlog.is_configured():
                    log.exception("observer_failed")
