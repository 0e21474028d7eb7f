"""Logs on standard error: events, not prose; JSON in a pipe, readable on a terminal."""

import logging
import sys

import structlog

from panic.kit import terminal


def configure(level: str = "warning") -> None:
    """Set structlog up for this process; `level` is debug, info, warning or error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(_readable() if terminal.is_terminal(sys.stderr) else _MACHINE_READABLE),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: _Safe(),
        cache_logger_on_first_use=False,
    )


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
