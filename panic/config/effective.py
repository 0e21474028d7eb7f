"""Every setting in force, and where its value comes from. For a secret only where it is read from."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from panic.config.loading import SECTIONS, Survey
from panic.config.named import SCHEDULES, TITLE
from panic.config.sections import Credential

DEFAULT: Final = "default"

_NOT_SHOWN = "(not shown)"
_HIDDEN = {("tokens", "digest")}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in force, such as run.concurrency; its origin is a file and line, a variable, or default."""

    name: str
    value: Any
    origin: str


def effective(found: Survey) -> Iterator[Setting]:
    """Give every setting, in the order of the documentation; those of a section with a name of its own, too."""
    settings, origins = found.settings, found.document.origins
    named: dict[str, Mapping[str, BaseModel]] = {
        "credentials": settings.credentials,
        "tokens": settings.tokens,
        "hooks": settings.hooks,
        "notify": settings.channels,
    }
    for section in SECTIONS:
        yield from _fields(getattr(settings, section), (section,), (section,), origins)
    for section, entries in named.items():
        for name, one in entries.items():
            yield from _fields(one, (section, name), (section, name), origins)
    for schedule in settings.schedules:
        yield from _fields(schedule, (SCHEDULES, schedule.name), (TITLE, schedule.name), origins)


def _fields(
    model: BaseModel, called: tuple[str, ...], path: tuple[str, ...], origins: dict[tuple[str, ...], str]
) -> Iterator[Setting]:
    for key in type(model).model_fields:
        value = _shown(path[0], key, getattr(model, key))
        origin = DEFAULT if value is None else origins.get((*path, key), DEFAULT)
        yield Setting(".".join((*called, key)), value, origin)


def _shown(section: str, key: str, value: Any) -> Any:
    if (section, key) in _HIDDEN:
        return _NOT_SHOWN
    if (section, key) == ("credentials", "env") and value is not None:
        return _variable(value)
    if isinstance(value, Credential):
        return (
            f"environment {_variable(value.env)}"
            if value.env is not None
            else f"file {_shown('', '', value.file)}"
        )
    if isinstance(value, tuple):
        return [_shown("", "", one) for one in value]
    return os.path.abspath(value) if isinstance(value, Path) else value  # noqa: PTH100  (also takes .. away)


def _variable(name: str) -> str:
    """The name of a variable, unless it looks as if the key itself was written there."""
    return name if name in os.environ or name.isupper() else _NOT_SHOWN
