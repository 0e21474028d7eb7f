"""Logs on standard error: events, not prose; JSON in a pipe, readable on a terminal."""

import logging
import sys

import structlog

from panic.kit import terminal


def configure(level: str = "warning") -> None:
    """Set structlog up for this process; `level` is debug, info, warning or error."""
    readable = terminal.is_terminal(sys.stderr)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if not readable else _as_it_is,
            structlog.dev.ConsoleRenderer(
                colors=terminal.colour(sys.stderr),
                # rich tracebacks print local variables, and a local may hold the request's headers
                exception_formatter=structlog.dev.plain_traceback,
            )
            if readable
            else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: _Safe(),
        cache_logger_on_first_use=False,
    )


def _as_it_is(_: object, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    return event


class _Safe:
    """Writes a line to standard error, or nowhere: a full disk or a closed pipe never stops a press."""

    def msg(self, message: str) -> None:
        """Write one line."""
        terminal.say(message)

    debug = info = warning = error = critical = exception = log = msg
