"""What words are made of: parsers, commands and groups of commands, and the values that a word may have."""

import argparse
from pathlib import Path
from typing import Any, NoReturn

from panic.kit.errors import UsageError


class Parser(argparse.ArgumentParser):
    """An argument parser whose refusals are usage errors (64), like all others."""

    def __init__(self, **what: Any) -> None:
        """Read words in full only, and print what is said about them as it is written."""
        super().__init__(**what, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Refuse."""
        raise UsageError(f"{message}\n{self.format_usage().strip()}")


class Commands:
    """The commands that a parser must choose from: the program's, or those of a group."""

    def __init__(self, parser: Parser) -> None:
        self._parsers = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(self, name: str, do: str, what: str, codes: str = "") -> Parser:
        """Add a command.

        Args:
            name: What to type for it.
            do: "module:function" under `panic.cli` that carries it out; imported only then.
            what: What it is for, in half a line.
            codes: What its exit codes mean, for the end of its help.

        Returns:
            The parser to add its options to.
        """
        parser = self._parser(name, what, codes)
        parser.set_defaults(command=do)
        return parser

    def group(self, name: str, what: str) -> "Commands":
        """Add a word that has commands of its own, as in `panic NAME COMMAND`."""
        return Commands(self._parser(name, what))

    def _parser(self, name: str, what: str, codes: str = "") -> Parser:
        description = f"{what[0].upper()}{what[1:]}."
        parser = self._parsers.add_parser(name, help=what, description=description, epilog=codes)
        common_options(parser)
        return parser


def common_options(parser: Parser) -> None:
    """Add what may stand before the command or after it."""
    nothing = argparse.SUPPRESS  # else the later parser's default would undo what the earlier one read
    where = "settings (else PANIC_CONFIG, else config/panic.toml)"
    levels = ("debug", "info", "warning", "error")
    parser.add_argument("--config", type=Path, metavar="FILE", default=nothing, help=where)
    parser.add_argument("--log-level", choices=levels, default=nothing, help="what to log on standard error")


def output_options(parser: Parser) -> None:
    """Add where and how to print what a command found; `panic.cli.output` obeys them."""
    parser.add_argument("--format", choices=("table", "json"), help="default: table on a terminal, json in a pipe")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the whole report there, as JSON")


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────


def account_id(words: str) -> int:
    """Read the number of an account."""
    if not (words.isascii() and words.isdigit() and 0 < int(words[:20]) < 1 << 63):
        raise argparse.ArgumentTypeError(f"{words!r} is no account id: a positive whole number")
    return int(words)


def positive(words: str) -> int:
    """Read how many."""
    if not (words.isascii() and words.isdigit() and 0 < int(words[:9]) <= 1_000_000):  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{words!r}: a whole number from 1 to 1,000,000")
    return int(words)


def port(words: str) -> int:
    """Read a port, where 0 is any."""
    if not (words.isascii() and words.isdigit() and int(words[:6]) < 1 << 16):
        raise argparse.ArgumentTypeError(f"{words!r}: a port from 0 to 65535")
    return int(words)


def seconds(words: str) -> float:
    """Read a short time, in seconds."""
    value = float(words)
    if not 0 <= value <= 60:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{words!r}: seconds from 0 to 60")
    return value
