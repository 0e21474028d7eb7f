"""What a command found, on its way to its readers: on standard output, in a file, or at least said in one line.

Every function here that takes the options of a command reads `--format` and `--output` and nothing else.
"""

import argparse
import errno
import os
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from panic import terminal

if TYPE_CHECKING:
    from panic.report import Report

# A press must not wait until what draws its report is imported.
# ruff: noqa: PLC0415


class Drawing(Protocol):
    """What can be drawn for people."""

    def __call__(self, *, width: int, colour: bool) -> str:
        """Draw it, at most so many columns wide."""


def wants_json(options: argparse.Namespace) -> bool:
    """Whether standard output takes JSON: where nobody says, in a pipe."""
    chosen: str | None = options.format
    return chosen == "json" if chosen else not terminal.is_terminal(sys.stdout)


def show(document: str, draw: Drawing, options: argparse.Namespace) -> None:
    """Save a document and print it.

    Args:
        document: The whole of it, as JSON.
        draw: Draws it for people; called where it is not the document that is printed.
        options: Those of the command.
    """
    save(document, options.output)
    terminal.out(document if wants_json(options) else _drawn(draw, sys.stdout))


def deliver(report: "Report", options: argparse.Namespace) -> None:
    """Bring the report to its readers; whatever is broken on the way, the run is done and its exit code stands."""
    from panic.report import to_json

    try:
        document = to_json(report).decode()
        saved = save(document, options.output)
        _print(report, document, options, saved=saved)
    except Exception as error:  # noqa: BLE001  (the run is over, and its verdict must still get out)
        terminal.say(f"panic: the report could not be shown: {type(error).__name__}")
        terminal.say(_closing(report))


def _print(report: "Report", document: str, options: argparse.Namespace, *, saved: bool) -> None:
    delivered = terminal.out(document if wants_json(options) else _table(report, sys.stdout))
    if not delivered and not saved:
        terminal.say(f"panic: standard output is gone; the report follows here\n{_table(report, sys.stderr)}")
    elif not terminal.is_terminal(sys.stdout) or not delivered:
        terminal.say(_closing(report))


def _closing(report: "Report") -> str:
    from panic.render.report import verdict_line

    code = "" if report.drill else f" (exit {report.exit_code})"
    return f"panic: {verdict_line(report).plain}{code}"


def _table(report: "Report", stream: TextIO | None) -> str:
    from panic.render.report import table

    return _drawn(partial(table, report), stream)


def _drawn(draw: Drawing, stream: TextIO | None) -> str:
    return draw(width=terminal.width(), colour=terminal.colour(stream))


def save(document: str, path: Path | None) -> bool:
    """Write the report beside its name and move it there, so that nobody reads half of one."""
    if path is None:
        return False
    part = None
    try:
        path = _a_file(path)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        part.write_text(document + "\n", encoding="utf-8")
        part.replace(path)
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):
            if part is not None:
                part.unlink()
        why = getattr(error, "strerror", None) or type(error).__name__
        terminal.say(f"panic: the report could not be written to {path} ({why}); it is on standard output only")
        return False
    return True


def _a_file(path: Path) -> Path:
    """Give what a path leads to, so that a link stays a link; OSError for a directory or a device."""
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no file")
    return path
