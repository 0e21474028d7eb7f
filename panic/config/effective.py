"""Every setting in force, and where its value comes from. For a secret only where it is read from."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from panic.config.entries import TITLE
from panic.config.loading import SECTIONS, Survey
from panic.config.sections import Credential
from panic.config.settings import Settings

DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in force, such as run.concurrency; its origin is a file and line, a variable, or default."""

    name: str
    value: Any
    origin: str


def effective(found: Survey) -> Iterator[Setting]:
    """Give every setting, in the order of the documentation; those of a section with a name of its own, too."""
    for path, model in _sections(found.settings):
        for key in type(model).model_fields:
            value = _shown(key, getattr(model, key))
            origin = DEFAULT if value is None else found.document.origins.get((*path, key), DEFAULT)
            yield Setting(".".join((path[0].strip("[]"), *path[1:], key)), value, origin)


def _sections(settings: Settings) -> Iterator[tuple[tuple[str, ...], BaseModel]]:
    yield from (((section,), getattr(settings, section)) for section in SECTIONS)
    yield from ((("credentials", name), one) for name, one in settings.credentials.items())
    yield from ((("tokens", name), one) for name, one in settings.tokens.items())
    yield from ((("hooks", name), one) for name, one in settings.hooks.items())
    yield from ((("notify", name), one) for name, one in settings.channels.items())
    yield from (((TITLE, one.name), one) for one in settings.schedules)


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
