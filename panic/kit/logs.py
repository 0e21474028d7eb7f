"""Logs on standard error: events, not prose; JSON in a pipe, readable on a terminal."""

import logging
import sys
from collections.abc import Callable
from time import monotonic
from typing import Final

import structlog

from panic.kit import terminal

LINES_MOST: Final = 20
"""Lines of one event in a second: whoever can make us log must not fill the disk, or hide what else is said."""


def configure(level: str = "warning") -> None:
    """Set structlog up for this process; `level` is debug, info, warning or error."""
    structlog.configure(
        processors=[
            Throttle(),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(_readable() if terminal.is_terminal(sys.stderr) else _MACHINE_READABLE),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: _Safe(),
        cache_logger_on_first_use=False,
    )


class Throttle:
    """Lets so many lines of one event through in a second; the next one says how many it did not."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._said: dict[str, tuple[float, int, int]] = {}

    def __call__(self, _: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """Give the event, or drop it."""
        name, now = str(event["event"]), self._now()
        began, lines, unsaid = self._said.get(name, (now, 0, 0))
        if now - began >= 1.0:
            began, lines = now, 0
        if lines >= LINES_MOST:
            self._said[name] = (began, lines, unsaid + 1)
            raise structlog.DropEvent
        self._said[name] = (began, lines + 1, 0)
        return {**event, "unsaid": unsaid} if unsaid else event


_MACHINE_READABLE = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _readable() -> list[structlog.types.Processor]:
    # rich tracebacks print local variables, and a local may hold the request's headers
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=terminal.colour(sys.stderr), exception_formatter=plain)]


class _Safe:
    """Writes a line to standard error, or nowhere: a full disk or a closed pipe never stops a press."""

    def msg(self, message: str) -> None:
        """Write one line."""
        terminal.say(message)

    debug = info = warning = error = critical = exception = log = msg
