"""Keys: read at every press, never printed."""

import hashlib
import json
import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NoReturn, SupportsIndex

from panic.config.sections import Credential
from panic.kit.errors import Problem
from panic.kit.files import read_regular, why

_LONGEST_KEY = 4096
_LARGEST_FILE = 1 << 16
_SHORTEST_SECRET = 8
_WORDS = (re.compile(r"[A-Za-z0-9_-]{16,}"), re.compile(r"[^\s\"'<>,;]{16,}"))
"""What may be a token in a text: of the letters that `panic token` uses, or whatever stands alone."""

_REMEDY = "Put the key there and nothing else, in one line."


class Key:
    """An API key that cannot be printed, formatted or pickled; `reveal` is for the Authorization header."""

    __slots__ = ("__spellings", "__text")

    def __init__(self, text: str) -> None:
        if not text:
            raise ValueError("a key has at least one character")
        self.__text, secret = text, text.partition(".")[2]
        self.__spellings = _spellings(text) + (_spellings(secret) if len(secret) >= _SHORTEST_SECRET else [])

    def reveal(self) -> str:
        """The key itself."""
        return self.__text

    def scrub(self, text: str) -> str:
        """`text` with the key, and the secret part of it after the first dot, replaced by `[key]`."""
        for spelling in self.__spellings:
            text = text.replace(spelling, "[key]")
        return text

    def __repr__(self) -> str:
        return "Key('****')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __copy__(self) -> "Key":
        return self

    def __deepcopy__(self, memo: object) -> "Key":
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a key is not pickled: it would end up in a file or on a wire")


def scrub(text: str, keys: Iterable[Key]) -> str:
    """`text` without any of these keys."""
    for key in keys:
        text = key.scrub(text)
    return text


def without_tokens(text: str, digests: Collection[str]) -> str:
    """`text` without any of the tokens that have these digests: somebody pastes the wrong thing."""

    def hidden(found: re.Match[str]) -> str:
        digest = hashlib.sha256(found[0].encode(errors="replace")).hexdigest()
        return "[token]" if f"sha256:{digest}" in digests else found[0]

    for word in _WORDS if digests else ():
        text = word.sub(hidden, text)
    return text


def _spellings(secret: str) -> list[str]:
    """The ways in which a text may quote a secret: as it is, in JSON, in Python, and one inside the other."""
    by_repr = repr(secret)[1:-1]
    found = (secret, json.dumps(secret)[1:-1], by_repr, json.dumps(by_repr)[1:-1])
    return sorted(dict.fromkeys(found), key=len, reverse=True)


def read(name: str, credential: Credential, env: Mapping[str, str]) -> tuple[Key | None, tuple[Problem, ...]]:
    """Read the key of the credential `name`, now: it, or None, and what is wrong, also with a usable key."""
    if credential.file is not None:
        return _from_file(name, credential.file)
    variable = credential.env or ""
    if variable not in env:
        what = f"credential {name}: the environment variable {variable} is not set"
        return None, (Problem(what, "Set it to the key before panic starts."),)
    return checked(f"credential {name}: the environment variable {variable}", env[variable], None)


def read_all(
    credentials: Mapping[str, Credential], env: Mapping[str, str]
) -> tuple[dict[str, Key], list[Problem]]:
    """Give the usable keys by name, and everything that is wrong with any."""
    keys: dict[str, Key] = {}
    problems: list[Problem] = []
    for name, credential in credentials.items():
        key, found = read(name, credential, env)
        problems += found
        if key is not None:
            keys[name] = key
    return keys, problems


def _from_file(name: str, file: Path) -> tuple[Key | None, tuple[Problem, ...]]:
    place = f"credential {name}: the key file"
    try:
        data, status = read_regular(file, _LARGEST_FILE)
        key, problems = checked(place, data.decode("utf-8-sig"), file)
    except UnicodeDecodeError:
        return None, (Problem(f"{place} is not UTF-8 text", _REMEDY, file),)
    except OSError as error:
        remedy = (
            "Put the key there, in a file of mode 600 that the user who runs panic owns, or name the right file."
        )
        return None, (Problem(f"{place} cannot be read: {why(error)}", remedy, file),)
    if status.st_mode & 0o077:
        what, remedy = f"{place} is open to other users", f"Run: chmod 600 {shlex.quote(str(file))}"
        problems = (*problems, Problem(what, remedy, file))
    return key, problems


def checked(place: str, text: str, file: Path | None) -> tuple[Key | None, tuple[Problem, ...]]:
    """Give the key that `text` is, or None and what is wrong with it; `place` says where it was."""
    text = text.strip(" \t\r\n")
    wrong = ""
    if not text:
        wrong = "is empty"
    elif len(text) > _LONGEST_KEY:
        wrong = f"holds more than {_LONGEST_KEY} characters"
    elif not all("!" <= character <= "~" for character in text):
        wrong = "holds a blank, a line break or another character that no key has"
    return (None, (Problem(f"{place} {wrong}", _REMEDY, file),)) if wrong else (Key(text), ())
