"""`panic config show`: every setting in force, and where it comes from. It makes no request and reads no key."""

import argparse
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from rich.console import RenderableType
from rich.table import Table

from panic import config
from panic.cli import output
from panic.cli.tables.drawing import Text
from panic.config.entries import IDENTITY, NAMED, TITLE
from panic.config.loading import SECTIONS
from panic.config.sections import Credential
from panic.config.settings import Settings
from panic.kit.errors import ConfigurationError

_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in force, such as run.concurrency; its origin is a file and line, a variable, or default."""

    name: str
    value: Any
    origin: str


def do_show(options: argparse.Namespace) -> int:
    """Print every setting, even if some are wrong; the exit code says whether a press could use them."""
    found = config.survey(options.config)
    output.guard(options, found.settings)
    settings = [_file(options, found), *_effective(found)]
    problems = [str(problem) for problem in found.settings.problems]
    document = {
        "schema": "panic-config/1",
        "usable": found.is_usable,
        "settings": [asdict(one) for one in settings],
        "problems": problems,
    }
    output.show(json.dumps(document, indent=2), config_table(settings, problems), options)
    return 0 if found.is_usable else ConfigurationError.exit_code


def _file(options: argparse.Namespace, found: config.Survey) -> Setting:
    """The settings file itself, shown as a setting."""
    origin = config.find(options.config)[1] or f"the first of {', '.join(map(str, config.places()))}"
    return Setting("settings", str(found.document.file.absolute()), origin)


def config_table(settings: Sequence[Setting], problems: Sequence[str]) -> Iterable[RenderableType]:
    """Give every setting with its value and origin, below what is wrong."""
    yield from (Text(f"! {problem}", style="yellow") for problem in problems)
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(overflow="fold")
    for one in settings:
        said = "dim" if one.origin == _DEFAULT else "bold"
        table.add_row(Text(one.name), Text(_words(one.value), style=said), Text(one.origin, style=said))
    yield table


def _words(value: Any) -> str:
    if value is None or value in ("", []):
        return "unset"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# ── every setting in force, and where it comes from; of a secret only where it is read ─────────────────────


def _effective(found: config.Survey) -> Iterator[Setting]:
    """Give every setting, in the order of the documentation; those of a section with a name of its own, too."""
    for path, model in _sections(found.settings):
        for key in type(model).model_fields:
            if key == "grants":  # each is a section of its own
                continue
            value = _shown(key, getattr(model, key))
            origin = _DEFAULT if value is None else found.document.origins.get((*path, key), _DEFAULT)
            yield Setting(".".join((path[0].strip("[]"), *path[1:], key)), value, origin)


def _sections(settings: Settings) -> Iterator[tuple[tuple[str, ...], BaseModel]]:
    yield from (((section,), getattr(settings, section)) for section in SECTIONS)
    held: tuple[Mapping[str, BaseModel], ...] = (
        settings.credentials,
        settings.tokens,
        settings.hooks,
        settings.channels,
    )
    for section, named in zip(NAMED, held, strict=True):
        yield from (((section, name), one) for name, one in named.items())
    yield from (((TITLE, one.name), one) for one in settings.schedules)
    if (provider := settings.identity) is not None:
        yield (IDENTITY,), provider
        yield from (((IDENTITY, "grants", name), one) for name, one in provider.grants.items())


def _shown(key: str, value: Any) -> Any:
    if key == "digest":
        return "(not shown)"
    if key == "env" and value is not None:
        return _variable(value)
    if isinstance(value, Credential):
        is_file = value.env is None
        return f"file {_shown('file', value.file)}" if is_file else f"environment {_variable(value.env)}"
    if isinstance(value, tuple):
        return [_shown("", one) for one in value]
    return os.path.abspath(value) if isinstance(value, Path) else value  # noqa: PTH100  (also takes .. away)


def _variable(name: str | None) -> str:
    """The name of a variable, unless it looks as if the key itself was written there."""
    return name if name and (name in os.environ or name.isupper()) else "(not shown)"
