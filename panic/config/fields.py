"""One field of a section: whether a value fits it, and how a person would write one."""

import os
from pathlib import Path
from typing import Final, get_args

from pydantic import BaseModel, ValidationError

IN_STATE_FOLDER: Final = "in the state folder"
"""Marks a setting, as `Annotated` has it: a relative name starts where panic keeps its own files."""


def relative(model: type[BaseModel], key: str, value: object, base: Path, state: Path | None = None) -> object:
    """`value`, or where the setting is a file the path it means, from `base` or, if it is kept there, `state`."""
    info = model.model_fields.get(key)
    kinds = (info.annotation, *get_args(info.annotation)) if info else ()
    if info is None or Path not in kinds or not isinstance(value, str):
        return value
    if state is not None and IN_STATE_FOLDER in info.metadata:
        base = state
    return base / os.path.expanduser(value)  # noqa: PTH111 - pathlib's raises for a user that is unknown


def is_right(model: type[BaseModel], key: str, value: object, *, strict: bool) -> bool:
    """Whether `model` takes `value` for the field `key`, whatever its other fields."""
    try:
        model.model_validate({key: value}, strict=strict)
    except ValidationError as error:
        return all(detail["loc"][:1] != (key,) for detail in error.errors(include_url=False))
    return True


def expected(model: type[BaseModel], key: str) -> str:
    """What the field `key` takes, in words: "a whole number from 1 to 1000"."""
    schema = model.model_json_schema()["properties"][key]
    schema = {**schema, **schema.get("anyOf", [{}])[0]}
    words = {
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "path": "a file name",
    }
    kind = str(schema.get("description") or words.get(schema.get("format") or schema.get("type", ""), "a text"))
    if "minimum" in schema:
        return f"{kind} from {schema['minimum']} to {schema['maximum']}"
    if "exclusiveMinimum" in schema:
        return f"{kind} above {schema['exclusiveMinimum']}, at most {schema['maximum']}"
    return kind


def toml(value: object) -> str:
    """A default as it would stand in the file; an empty one in a word."""
    if value is None or value == "":
        return "unset"
    if isinstance(value, Path | str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml, value))}]"
    return str(value).lower()
