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


def add_command(commands: Any, name: str, do: str, what: str, codes: str = "") -> Parser:
    """Add a command that `do`, a "module:function" under `panic.cli`, carries out; give its parser."""
    epilog, description = codes and f"exit codes:{codes}", f"{what[0].upper()}{what[1:]}."
    parser: Parser = commands.add_parser(name, help=what, description=description, epilog=epilog)
    common_options(parser)
    parser.set_defaults(command=do)
    return parser


def add_group(parser: Parser) -> Any:
    """Let a parser have commands, as `panic` and `panic evidence` do."""
    return parser.add_subparsers(metavar="COMMAND", required=True)


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
