"""`panic completion` prints a script for the shell; it asks `panic complete` for the words that may come next."""

import argparse
import os
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from panic import config
from panic.accounts import roster
from panic.cli.arguments import Parser
from panic.cli.commands import parser
from panic.config import Settings
from panic.kit import terminal
from panic.kit.errors import PanicError
from panic.ledger import history
from panic.orders import INSTRUMENT_TYPES, SIDES, TYPES

_SCRIPTS: Final = {
    "bash": """\
_panic() {
    local IFS=$'\\n'
    COMPREPLY=($(panic complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o bashdefault -o default -F _panic panic
""",
    "zsh": """\
#compdef panic
_panic() {
    local -a found
    found=("${(@f)$(panic complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "$found[1]" ]]; then compadd -Q -a found; else _files; fi
}
compdef _panic panic
""",
}


def do_completion(options: argparse.Namespace) -> int:
    """Print the script."""
    terminal.out(_SCRIPTS[options.shell])
    return 0


def complete(words: Sequence[str]) -> int:
    """Print what the last word may become, one in a line, as it is typed; nothing where anything may stand."""
    *before, word = words or [""]
    start = re.sub(r"[\\\"']", "", word).casefold()
    for one in _candidates(before, word):
        if one.casefold().startswith(start):
            is_quoted = word[:1] in {'"', "'"}
            terminal.out(one if is_quoted else re.sub(r"([^\w@%+=:,./-])", r"\\\1", one))
    return 0


def _candidates(before: Sequence[str], word: str) -> Iterable[str]:
    of, settings, seen = parser(), None, 0
    option: argparse.Action | None = None  # whose value may come next
    for one in before:
        if one.startswith("-"):
            option = of.options.get(one)
            option = option if option and option.nargs != 0 else None
        elif option is not None and one != "=":  # bash makes a word of it
            settings = Path(os.path.expanduser(one)) if option.dest == "config" else settings  # noqa: PTH111
            option = option if option.nargs == "+" else None
        elif one in of.commands:
            of, seen = of.commands[one], 0
        elif option is None:
            seen += 1
    if word.startswith("-"):
        return _names(of)
    if option is not None:
        return _values(option, settings)
    if of.commands:
        return of.commands
    return _values(of.places[seen], settings) if seen < len(of.places) else () if word else _names(of)


def _names(of: Parser) -> list[str]:
    return [name for name in of.options if name.startswith("--")]


def _values(of: argparse.Action, file: Path | None) -> Iterable[str]:
    if of.choices is not None:
        return of.choices
    if of.dest in _FIXED:
        return _FIXED[of.dest]
    if of.dest in _KEPT:
        with suppress(PanicError):  # settings or files that cannot be read suggest nothing
            return sorted(set(_KEPT[of.dest](config.load(file))))
    return ()


def _pressed(settings: Settings) -> list[roster.Account]:
    found = roster.load(settings.roster.file, settings.credentials)
    return [account for account in found.accounts if not account.excluded]


_FIXED: Final = {"side": SIDES, "type": TYPES, "instrument_type": INSTRUMENT_TYPES}
_KEPT: Final[dict[str, Callable[[Settings], Iterable[str]]]] = {
    "group": lambda settings: (account.group for account in _pressed(settings) if account.group),
    "account": lambda settings: (str(account.id) for account in _pressed(settings)),
    "run": lambda settings: (history.LAST, *(one.run for one in history.headings(settings.ledger).runs)),
}
"""The options whose values are in the roster or the ledger."""
