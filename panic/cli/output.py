"""Output of what a command found, as `--format` and `--output` say."""

import argparse
import csv
import errno
import io
import sys
from collections.abc import Iterable
from dataclasses import astuple, fields
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TextIO

from rich.cells import cell_len
from rich.console import RenderableType

from panic import config
from panic.cli.tables.drawing import draw
from panic.cli.tables.report import table, verdict_line
from panic.config import Settings
from panic.config.own_files import refuse_own
from panic.kit import background, terminal
from panic.kit.errors import PanicError, UsageError
from panic.kit.files import replace
from panic.kit.words import clip
from panic.report.document import Report, pieces
from panic.report.order_list import OrderReport

SAVING_S = 5.0  # a file system may hang, and the reader has seen the document already
_AN_ACCOUNT_S = 1e-4  # more for each account that a report tells of
_LOOK_S = 1.0  # to rule out that a file is panic's own; after that it is not written

# All that shows a report is imported before the run begins: an upgrade may replace it on disk meanwhile.
cell_len("\u4e2d")  # else rich imports its table of wide characters when it meets the first


def load(options: argparse.Namespace) -> Settings:
    """Load the settings, and check that --output does not name one of panic's own files."""
    settings = read(options)
    guard(options, settings)
    return settings


def read(options: argparse.Namespace) -> Settings:
    """Load the settings, and say which they are where nobody named them and they are not in this directory."""
    settings = config.load(options.config)
    if not config.find(options.config)[1] and settings.file != config.places()[0]:
        terminal.say(f"panic: the settings are {settings.file}")
    return settings


def guard_after_press(options: argparse.Namespace, settings: Settings) -> None:
    """Check again once a run is over: a press is never delayed or refused, only its report not written."""
    try:
        guard(options, settings)
    except UsageError as error:
        terminal.say(f"panic: {error}")
        options.output = None


def guard(options: argparse.Namespace, settings: Settings) -> None:
    """Refuse an --output that is one of panic's own files, before anything is done; drop it in a dry run."""
    if options.output is None:
        return
    why = "a dry run writes nothing" if getattr(options, "dry_run", False) else ""
    try:
        background.within(partial(refuse_own, options.output, settings, "--output"), _LOOK_S, "guard")
    except (TimeoutError, RuntimeError):  # the latter: no thread can be started
        why = why or "panic could not tell in time whether it is one of its own files"
    if why:
        terminal.say(f"panic: --output {clip(str(options.output))} is not written: {why}")
        options.output = None


def wants_json(options: argparse.Namespace) -> bool:
    """Whether standard output takes JSON: by default, if it is a pipe."""
    chosen: str | None = options.format
    return chosen == "json" if chosen else not terminal.is_terminal(sys.stdout)


def show(document: str, lines: Iterable[RenderableType], options: argparse.Namespace) -> None:
    """Print a document, which is JSON, or for people these lines; and save it. Half of it is no success."""
    hand_over(document if wants_json(options) else _drawn(lines, sys.stdout), document, options)


def hand_over(text: str, document: str, options: argparse.Namespace) -> None:
    """Print a text, and save the document; a PanicError where it got to neither."""
    delivered = terminal.out(text)
    if not save("document", [document.encode()], options.output) and not delivered:
        raise PanicError("standard output is gone before it had all of this")


def rows(columns: Iterable[str], cells: Iterable[Iterable[object]]) -> str:
    """Give rows as CSV, below the names of their columns."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([columns, *cells])
    return text.getvalue()


def deliver(report: Report, options: argparse.Namespace) -> None:
    """Print and save the report; whatever fails here, the run is done and its exit code stands."""
    try:
        _deliver(report, options)
    except Exception as error:  # noqa: BLE001  (the run is over, and its verdict must still get out)
        terminal.say(f"panic: the report could not be shown: {type(error).__name__}")
        terminal.say(_closing(report))


def _deliver(report: Report, options: argparse.Namespace) -> None:
    try:
        delivered = terminal.out(_shown(report, options))
    finally:
        saved = save("report", pieces(report), options.output, _AN_ACCOUNT_S * len(report.accounts))
    if not delivered and not saved:
        terminal.say(
            f"panic: standard output is gone; the report follows here\n{_drawn(table(report), sys.stderr)}"
        )
    elif not terminal.is_terminal(sys.stdout) or not delivered:
        terminal.say(_closing(report))


def _shown(report: Report, options: argparse.Namespace) -> str | Iterable[str]:
    if options.format == "csv":
        orders = (
            (account.id, account.name, *astuple(one)) for account in report.accounts for one in account.order_list
        )
        return rows(["account", "name", *(field.name for field in fields(OrderReport))], orders)
    return map(bytes.decode, pieces(report)) if wants_json(options) else _drawn(table(report), sys.stdout)


def _closing(report: Report) -> str:
    code = "" if report.drill else f" (exit {report.exit_code})"
    return f"panic: {verdict_line(report).plain}{code}"


def _drawn(lines: Iterable[RenderableType], stream: TextIO | None) -> str:
    return draw(lines, width=terminal.width(), colour=terminal.colour(stream))


def save(what: str, document: Iterable[bytes], path: Path | None, more_s: float = 0.0) -> bool:
    """Write a document into a file, if one is named; what stands in the way is said, and costs little time."""
    if path is None:
        return False
    within_s = SAVING_S + more_s
    try:
        background.within(partial(_write, document, path), within_s, "output")
    except (OSError, ValueError, RuntimeError) as error:  # the last: no thread can be started
        why = getattr(error, "strerror", None) or str(error) or f"it took longer than {within_s:g} s"
        terminal.say(f"panic: the {what} could not be written to {path} ({why})")
        return False
    return True


def _write(document: Iterable[bytes], path: Path) -> None:
    """Write it beside its name and move it there, so that nobody reads half of one; a link stays a link."""
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a file")
    replace(path, chain(document, [b"\n"]))
