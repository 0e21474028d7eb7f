"""What is typed: a parser that says what was meant, and the values of options."""

import argparse
import re
import shlex
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, NoReturn

from panic.kit.errors import UsageError
from panic.kit.words import closest, did_you_mean

_DASHES = "-\u2013\u2014"
"""What a text program makes of two hyphens, too."""


class Parser(argparse.ArgumentParser):
    """An argument parser that reports mistakes as usage errors (64), like the rest of panic."""

    def __init__(self, **what: Any) -> None:
        """Accept no abbreviated options, and print help texts as they are written."""
        super().__init__(**what, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)

    @property
    def options(self) -> dict[str, argparse.Action]:
        """Every option by each of its names."""
        return self._option_string_actions

    @property
    def places(self) -> list[argparse.Action]:
        """What stands without a name, in this order."""
        return self._get_positional_actions()

    @property
    def commands(self) -> "dict[str, Parser]":
        """The commands of this one."""
        found = (one.choices for one in self.places if isinstance(one, argparse._SubParsersAction))  # noqa: SLF001
        return next(found, {})

    def error(self, message: str) -> NoReturn:
        """Refuse; who named no command is shown them all."""
        is_lost = message.endswith("required: COMMAND")
        raise UsageError(f"{message}\n{self.format_help() if is_lost else f'See {self.prog} --help.'}")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse what is unknown here, where the options that were meant are known."""
        if self.commands and (unknown := self._unknown(args)):  # its value would be taken for a command
            self.error(self._stray(unknown))
        options, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(self._stray(rest[0]))
        return options, rest

    def _unknown(self, args: Iterable[str]) -> str:
        words = iter(args)
        for word in words:
            if not word.startswith("-"):
                break
            option = self.options.get(word.partition("=")[0])
            if option is None:
                return word
            if option.nargs != 0 and "=" not in word:
                next(words, "")
        return ""

    def _stray(self, word: str) -> str:
        name = word.partition("=")[0]
        command = next((one for one, its in self.commands.items() if name in its.options), "")
        meant = closest(name.lstrip(_DASHES), [one.lstrip("-") for one in self.options if one.startswith("--")])
        if not word.startswith("-"):
            otherwise = "Leave it out, or put a text in quotes."
            if "--account" in self.options:
                otherwise = "Say --all, --group NAME or --account ID."
            return (
                f"{shlex.quote(word)} belongs to no option. {f'Did you mean --{meant}?' if meant else otherwise}"
            )
        if command:
            meant = f"Did you mean {self.prog} {command} {name}?"
        elif meant:
            meant = f"Did you mean --{meant}?"
        return f"there is no option {name}. {meant or 'Leave it out.'}"

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            meant, is_command = did_you_mean(value, list(action.choices)), action.metavar == "COMMAND"
            what = f"there is no command {value!r}" if is_command else f"invalid choice: {value!r}"
            raise argparse.ArgumentError(None if is_command else action, f"{what}. {meant}")


class Joined(argparse.Action):
    """A text whose quotes somebody left out: its words, with a blank between them."""

    def __call__(self, _: Any, namespace: argparse.Namespace, values: Any, __: Any = None) -> None:
        """Put it together."""
        setattr(namespace, self.dest, " ".join(values))


class Several(argparse.Action):
    """Lists of values, one after the other, from each time that they are named."""

    def __call__(self, _: Any, namespace: argparse.Namespace, values: Any, __: Any = None) -> None:
        """Add these."""
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), *chain(*values)])


def _whole(least: int, most: int, what: str = "") -> Callable[[str], int]:
    def read(words: str) -> int:
        if not (words.isascii() and words.isdigit() and least <= int(words[:20]) <= most):
            raise argparse.ArgumentTypeError(f"{words!r}{what or f': a whole number from {least:,} to {most:,}'}")
        return int(words)

    return read


_account_id = _whole(1, (1 << 63) - 1, " is not an account id: give a positive whole number")
positive = _whole(1, 1_000_000)
port = _whole(0, 65_535)


def account_ids(words: str) -> list[int]:
    """Read one id, or several between commas; what may be one number with thousands separators is refused."""
    if re.fullmatch("[0-9]{1,3}(,[0-9]{3})+", words):
        what = f"{words!r} may be one id or several: give a positive whole number, without commas, for each"
        raise argparse.ArgumentTypeError(what)
    return [_account_id(one.strip()) for one in words.split(",")]


def symbols(words: str) -> list[str]:
    """Read one instrument, or several between commas."""
    return [one.strip() for one in words.split(",")]


def number(words: str) -> float:
    """Read seconds, of which the command says how many there may be."""
    try:
        return float(words)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{words!r} is no number: give seconds, such as 90") from None


def capitals(words: str) -> str:
    """Write a word as the broker does, such as STOP_LIMIT for stop-limit."""
    return words.upper().replace("-", "_")


def seconds(words: str) -> float:
    """Read seconds from 0 to 60."""
    value = float(words)
    if not 0 <= value <= 60:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{words!r}: seconds from 0 to 60")
    return value
