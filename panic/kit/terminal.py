"""Standard output and standard error that never fail or delay a run, be they closed, full, paused or gone.

Standard error has a thread of its own: a terminal that somebody paused with Ctrl-S, or a pipe that nobody reads,
blocks its writer, and that must not be the press.
"""

import io
import os
import queue
import shutil
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import TextIO

_BACKLOG_MOST = 10_000  # pieces of text that wait for a reader before more are dropped


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody is looking."""
    with suppress(ValueError, OSError):
        return stream is not None and stream.isatty()
    return False


def colour(stream: TextIO | None) -> bool:
    """Whether to colour: on a terminal, unless NO_COLOR or a dumb terminal says otherwise."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Give the columns there are; 80 where nobody knows."""
    return shutil.get_terminal_size((80, 24)).columns


def say(words: str) -> None:
    """Print to standard error without waiting; do nothing if there is none."""
    errors.write(words if words.endswith("\n") else words + "\n")


def out(text: str | Iterable[str]) -> bool:
    """Write a text, or its pieces, to standard output; False if it did not get there."""
    with suppress(OSError, ValueError, AttributeError):
        os.set_blocking(sys.stdout.fileno(), True)  # else a slow reader of a pipe would get half a report
    piece = "\n"
    for piece in [text] if isinstance(text, str) else text:
        if not _write(sys.stdout, piece):
            return False
    return piece.endswith("\n") or _write(sys.stdout, "\n")


class _Errors(io.TextIOBase):
    """Standard error, written by a daemon thread that starts with the first word."""

    def __init__(self) -> None:
        self._pieces: queue.Queue[str | threading.Event] = queue.Queue(_BACKLOG_MOST)
        self._writer: threading.Thread | None = None

    def write(self, text: str) -> int:
        """Hand text over; what does not fit is dropped."""
        if self._writer is None:
            writer = threading.Thread(target=self._work, name="panic-stderr", daemon=True)
            with suppress(RuntimeError):  # no thread can be started: then nothing is said, and the press continues
                writer.start()
                self._writer = writer
        with suppress(queue.Full):
            self._pieces.put_nowait(text)
        return len(text)

    def isatty(self) -> bool:
        return is_terminal(sys.stderr)

    def drain(self, patience_s: float = 1.0) -> None:
        """Wait until all that was handed over is written, but not for ever."""
        if self._writer is None:
            return
        written = threading.Event()
        with suppress(queue.Full):
            self._pieces.put_nowait(written)
            written.wait(patience_s)

    def _work(self) -> None:
        while True:
            piece = self._pieces.get()
            if isinstance(piece, threading.Event):
                piece.set()
            else:
                _write_raw(piece)


errors = _Errors()
"""Standard error for code that must not wait."""


def _write_raw(text: str) -> None:
    """Write to the descriptor of standard error: a blocked write must not hold a lock that the exit waits for."""
    stream = sys.stderr
    if stream is None:
        return
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # a replacement without a descriptor, as in a test
        _write(stream, text)
        return
    rest = text.encode(stream.encoding or "utf-8", "replace")
    with suppress(OSError):
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def _write(stream: TextIO | None, text: str) -> bool:
    if stream is None:  # the descriptor was closed before we started
        return False
    try:
        stream.write(text)
        stream.flush()
    except UnicodeEncodeError:
        return _write(stream, text.encode("ascii", "replace").decode())
    except (OSError, ValueError):
        with suppress(OSError, ValueError):  # else the flush at exit would change the exit code
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return False
    return True
