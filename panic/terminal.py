"""Standard output and standard error that never fail a run: closed, full or gone, the press goes on."""

import os
import shutil
import sys
from contextlib import suppress
from typing import TextIO


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
    """Tell the person on standard error; silently if there is none."""
    _write(sys.stderr, words)


def out(text: str) -> bool:
    """Write to standard output; False if it did not get there."""
    return _write(sys.stdout, text)


def _write(stream: TextIO | None, text: str) -> bool:
    if stream is None:  # the descriptor was closed before we started
        return False
    try:
        stream.write(text if text.endswith("\n") else text + "\n")
        stream.flush()
    except UnicodeEncodeError:
        return _write(stream, text.encode("ascii", "replace").decode())
    except (OSError, ValueError):
        _silence(stream)
        return False
    return True


def _silence(stream: TextIO) -> None:
    """Point a dead stream at nothing, so that the flush at exit does not change the exit code."""
    with suppress(OSError, ValueError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, stream.fileno())
        os.close(sink)
