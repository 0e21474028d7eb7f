"""The parts of the command line: parsers, commands, groups of commands, and the values of options."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from panic.kit.errors import UsageError


class Parser(argparse.ArgumentParser):
    """An argument parser that reports mistakes as usage errors (64), like the rest of panic."""

    def __init__(self, **what: Any) -> None:
        """Accept no abbreviated options, and print help texts as they are written."""
        super().__init__(**what, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Refuse."""
        raise UsageError(f"{message}\n{self.format_usage().strip()}")


class Commands:
    """The commands of the program, or of a group."""

    def __init__(self, parser: Parser) -> None:
        self._parsers = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(self, name: str, do: str, what: str, codes: str = "") -> Parser:
        """Add a command, and give the parser for its options.

        `do` is the "module:function" under `panic.cli` that carries it out, imported only then; `codes` tells at
        the end of its help what its exit codes mean.
        """
        parser = self._parser(name, what, codes)
        parser.set_defaults(command=do)
        return parser

    def group(self, name: str, what: str) -> "Commands":
        """Add a group of commands, as in `panic NAME COMMAND`."""
        return Commands(self._parser(name, what))

    def _parser(self, name: str, what: str, codes: str = "") -> Parser:
        description = f"{what[0].upper()}{what[1:]}."
        parser = self._parsers.add_parser(
            name, help=what, description=description, epilog=codes and f"exit codes:{codes}"
        )
        common_options(parser)
        return parser


def common_options(parser: Parser) -> None:
    """Add the options that may come before or after the command."""
    nothing = argparse.SUPPRESS  # else the later parser's default would undo what the earlier one read
    where = "settings (else PANIC_CONFIG, else config/panic.toml)"
    levels = ("debug", "info", "warning", "error")
    parser.add_argument("--config", type=Path, metavar="FILE", default=nothing, help=where)
    parser.add_argument("--log-level", choices=levels, default=nothing, help="what to log on standard error")


def output_options(parser: Parser) -> None:
    """Add the options for where and how to print the result; `panic.cli.output` obeys them."""
    parser.add_argument("--format", choices=("table", "json"), help="default: table on a terminal, json in a pipe")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the whole report there, as JSON")


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────


def whole(least: int, most: int, what: str = "") -> Callable[[str], int]:
    """Give what reads a whole number from `least` to `most`."""

    def read(words: str) -> int:
        if not (words.isascii() and words.isdigit() and least <= int(words[:20]) <= most):
            raise argparse.ArgumentTypeError(f"{words!r}{what or f': a whole number from {least:,} to {most:,}'}")
        return int(words)

    return read


account_id = whole(1, (1 << 63) - 1, " is not an account id: give a positive whole number")
positive = whole(1, 1_000_000)
port = whole(0, 65_535)


def seconds(words: str) -> float:
    """Read a short time, in seconds."""
    value = float(words)
    if not 0 <= value <= 60:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{words!r}: seconds from 0 to 60")
    return value
