"""`panic token`: make a token for the service, and show it once."""

import argparse
import hashlib
import json
import secrets

from panic.config import is_plain_name
from panic.kit import terminal
from panic.kit.errors import PanicError, UsageError
from panic.kit.words import shown

_WORDS = """\
panic: this is the token; it is shown once and stored nowhere. Keep it in a password manager or in
a file of mode 600, never in an argument, an address or a log. Paste this into the settings of the
service, and let it read them again:
"""


def do_token(options: argparse.Namespace) -> int:
    """Print a new token on standard output, and on standard error what to do with it; write no file."""
    name, groups = options.name, list(dict.fromkeys(options.group))
    if not is_plain_name(name):
        raise UsageError(f"{shown(name)} is no plain name: letters, digits, '.', '_' and '-', at most 64")
    token = secrets.token_urlsafe(32)  # nobody can guess it, or recover it from its digest
    if not terminal.out(token):
        raise PanicError("standard output is gone: the token was not shown, so make another")
    lines = [
        f"[tokens.{name}]" if "." not in name else f'[tokens."{name}"]',
        f'digest = "sha256:{hashlib.sha256(token.encode()).hexdigest()}"',
        f"roles = {toml(list(dict.fromkeys(options.role or ['viewer'])))}",
        *([f"groups = {toml(groups)}"] if groups else []),
        f"person = {str(not options.automated).lower()}",
    ]
    terminal.say("\n".join([_WORDS, *lines]))
    return 0


def toml(value: str | list[str]) -> str:
    """Write a text, or a list of them, as TOML does."""
    return json.dumps(value, ensure_ascii=False).replace(
        "\x7f", "\\u007f"
    )  # the one text that TOML writes otherwise
