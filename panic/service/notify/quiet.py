"""Silence for foreign libraries: what they log while they deliver may hold a notification URL."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_BELOW_EVERY_HANDLER = -1
_here = threading.local()
_installing = threading.Lock()
_is_installed = False


@contextmanager
def silence() -> Iterator[list[str]]:
    """Keep from every handler what this thread logs through `logging`; the list holds the words meanwhile.

    The words are for recognising known phrases in them, and must not be shown.
    """
    _install()
    heard: list[str] = []
    before = getattr(_here, "heard", None)
    _here.heard = heard
    try:
        yield heard
    finally:
        _here.heard = before


def _install() -> None:
    """Put ourselves between every logger and its records, once.

    Filters would have to be put on each logger by its name: those of the library that delivers, of its HTTP
    client, of what that rests on. Records are made in one place.
    """
    global _is_installed  # noqa: PLW0603  (there is one factory in a process)
    with _installing:
        if _is_installed:
            return
        _is_installed = True
        before = logging.getLogRecordFactory()

        def make(*args: object, **kwargs: object) -> logging.LogRecord:
            record = before(*args, **kwargs)
            heard = getattr(_here, "heard", None)
            if heard is not None:
                with suppress(Exception):
                    heard.append(record.getMessage())
                record.msg, record.args = "(silenced)", ()
                record.exc_info = record.exc_text = record.stack_info = None
                record.levelno = _BELOW_EVERY_HANDLER
            return record

        logging.setLogRecordFactory(make)
