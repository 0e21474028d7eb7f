"""A hand-written TOML file: what it says, on which line, and every mistake in it.

A mistake is a `Problem` in a list, never an exception, so that all of them can be reported at once.
"""

import hashlib
import os
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from panic.config.sections import IN_STATE_FOLDER, MistakeError
from panic.kit.errors import ConfigurationError, Problem
from panic.kit.files import read_regular, why
from panic.kit.words import did_you_mean, shown

_LARGEST_DOCUMENT = 1 << 20
_DEEPEST = 3  # [credentials.NAME] env
_SECRET = re.compile("key|token|secret|passw", re.IGNORECASE)
_NO_SECRET = {
    "tokens": "A token never stands here: panic token makes one and prints the digest to write.",
    "hooks": "A secret never stands here: secrets names its env or file.",
    "identity": "A secret never stands here: client_secret names its env or file.",
    "notify": "A key never stands here: url names the env or file of the whole address.",
}


def lines_of(text: str) -> dict[tuple[str, ...], int]:
    """1-based line of each section and key of a TOML text where people write one: at the start of a line.

    The parser forgets lines. A key inside an inline table is not found; the table is. The second section
    [[schedules]] is ("schedules", "2").
    """
    lines: dict[tuple[str, ...], int] = {}
    header: tuple[str, ...] = ()
    nth: Counter[tuple[str, ...]] = Counter()
    for number, line in enumerate(text.split("\n"), 1):
        head, bracket, rest = line.strip().lstrip("[").partition("]")
        name, equals, _ = line.partition("=")
        if line.lstrip().startswith("[") and bracket and rest.lstrip("] \t")[:1] in {"", "#"}:
            names = header = _names(head)
            if line.lstrip().startswith("[["):
                nth[header] += 1
                names = header = (*header, str(nth[header]))
        elif equals and not name.lstrip().startswith("#"):
            names = header + _names(name)
        else:
            continue
        for depth in range(min(len(names), _DEEPEST)):
            lines.setdefault(names[: depth + 1], number)
    return lines


def line_of(lines: Mapping[tuple[str, ...], int], *path: str) -> int | None:
    """The line of the key that `path` leads to, or of the nearest section around it; None if unknown."""
    found = (lines.get(path[:depth]) for depth in range(len(path), 0, -1))
    return next(filter(None, found), None)


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(name.strip(" \t\"'") for name in dotted.split("."))


@dataclass
class Document:
    """A TOML file and the mistakes found in it so far.

    Attributes:
        digest: Of its bytes.
        state: Where relative names of files start that panic keeps; None for this file's folder.
        origins: Maps section and key of each valid setting to its place: file and line, or a variable.
    """

    file: Path
    tables: dict[str, Any]
    lines: dict[tuple[str, ...], int]
    digest: str = ""
    problems: list[Problem] = field(default_factory=list)
    state: Path | None = None
    origins: dict[tuple[str, ...], str] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path, remedy: str) -> "Document":
        """Read and parse `file`, or raise a ConfigurationError; `remedy` is for one that cannot be read."""
        try:
            data = read_regular(file, _LARGEST_DOCUMENT)[0]
            text = data.decode("utf-8-sig").replace("\r\n", "\n")
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            return cls(file, tomllib.loads(text), lines_of(text), digest)
        except OSError as error:
            problem = Problem(f"the settings cannot be read: {why(error)}", remedy, file)
        except UnicodeDecodeError:
            problem = Problem("the settings are not UTF-8 text", "Save the file as UTF-8.", file)
        except (ValueError, RecursionError) as error:
            problem = _syntax_problem(file, text, str(error))
        raise ConfigurationError([problem])

    def complain(self, what: str, remedy: str, *path: str) -> None:
        """Note a mistake at the key that `path` leads to."""
        self.problems.append(self.problem(what, remedy, *path))

    def problem(self, what: str, remedy: str, *path: str) -> Problem:
        """A mistake at the key that `path` leads to, or at the nearest section around it."""
        return Problem(what, remedy, self.file, line_of(self.lines, *path), *path[:2])

    def place(self, *path: str) -> str:
        """File and line of the key that `path` leads to, or of the nearest section around it."""
        line = line_of(self.lines, *path)
        return f"{self.file}:{line}" if line else str(self.file)

    def table(self, name: str) -> dict[str, Any]:
        """The section `name`; empty, with a problem, when it is something else."""
        table = self.tables.get(name, {})
        if isinstance(table, dict):
            return table
        self.complain(f"{name} is not a section", f"Write [{name}] and its keys below it.", name)
        return {}

    def fields(
        self, model: type[BaseModel], table: Mapping[str, Any], *path: str, otherwise: str = "", called: str = ""
    ) -> dict[str, Any]:
        """The valid part of `table` by `model`; file names start in this file's folder, or in `state`.

        A problem says what holds until it is mended: `otherwise`, or the default. `called` names the section.
        """
        called = called or f"[{'.'.join(path)}]"
        values: dict[str, Any] = {}
        for key, raw in table.items():
            value = relative(model, key, raw, self.file.parent, self.state)
            if key not in model.model_fields:
                remedy = _home_of(key, model, path[0]) + (f" Until then {otherwise}." if otherwise else "")
                self.complain(f"{called} has no setting {shown(key)}", remedy, *path, key)
            elif error := mistake(model, key, value, strict=True):
                info = model.model_fields[key]
                what = shown(raw, 80) if info.repr else "unusable (not shown, it could be a key)"
                remedy = f"{error.remedy} Until then {otherwise or f'it is {toml(info.get_default())}'}."
                self.complain(f"{called} {key} is {what}{error.what}", remedy, *path, key)
            else:
                values[key] = value
                self.origins[*path, key] = self.place(*path, key)
        return values


def _home_of(key: str, model: type[BaseModel], section: str) -> str:
    """Where a key belongs that the section does not have."""
    if _SECRET.search(key):
        return _NO_SECRET.get(section, "A key never stands here: [credentials.NAME] names its env or file.")
    return did_you_mean(key, tuple(model.model_fields))


def _syntax_problem(file: Path, text: str, message: str) -> Problem:
    found = re.search(r" ?\(?at line (\d+), column \d+\)?| ?\(at end of document\)", message)
    line = int(found[1]) if found and found[1] else text.count("\n") + 1 if found else None
    message = message.replace(found[0], "") if found else message
    return Problem(f"this is not TOML: {message}", "Correct this line; text stands in quotes.", file, line)


# ── one field of a section ──────────────────────────────────────────────────────────────────────────────────


def relative(model: type[BaseModel], key: str, value: object, base: Path, state: Path | None = None) -> object:
    """`value`, or where the setting is a file the path it means, from `base` or, if it is kept there, `state`."""
    info = model.model_fields.get(key)
    kinds = (info.annotation, *get_args(info.annotation)) if info else ()
    if info is None or Path not in kinds or not isinstance(value, str):
        return value
    if state is not None and IN_STATE_FOLDER in info.metadata:
        base = state
    return base / os.path.expanduser(value)  # noqa: PTH111 - pathlib's raises for a user that is unknown


def mistake(model: type[BaseModel], key: str, value: object, *, strict: bool) -> MistakeError | None:
    """Say why `model` does not take `value` for the field `key`, whatever its other fields; None where it does."""
    try:
        model.model_validate({key: value}, strict=strict)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if detail["loc"][:1] == (key,):
                cause, words = detail.get("ctx", {}).get("error"), detail["msg"].removeprefix("Value error, ")
                if isinstance(cause, MistakeError):
                    return MistakeError(f": {cause.what}", cause.remedy)
                return MistakeError("", f"{model.model_fields[key].description or words}.")
    return None


def toml(value: object) -> str:
    """A default as it would stand in the file; an empty one in a word."""
    if value is None or value == "":
        return "unset"
    if isinstance(value, Path | str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml, value))}]"
    return str(value).lower()
