"""Read the settings: one TOML file, a few environment variables, and every mistake in them at once.

`load` is tolerant, because a press fires with what it can read: a mistake becomes a `Problem`, and the default
counts. Only what makes sending unsafe or impossible raises; `survey`, for read-only use, raises nothing.
"""

import os
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, get_origin

from pydantic import BaseModel

from panic.config.address import safe_base_url
from panic.config.document import Document, line_of, mistake, relative
from panic.config.entries import IDENTITY, NAMED, SCHEDULES, read_named
from panic.config.own_files import own_files
from panic.config.sections import Broker, LatchFile
from panic.config.settings import Settings
from panic.kit.errors import ConfigurationError, Problem
from panic.kit.files import read_regular, why
from panic.kit.process import ENVIRONMENT
from panic.kit.words import did_you_mean, shown

NAME: Final = "panic.toml"
SYSTEM = Path("/etc/panic")
_HERE = Path("config")
_BASE_URL = "PANIC_BROKER_BASE_URL"
_LARGEST_CA_FILE = 4 << 20

SECTIONS: dict[str, type[BaseModel]] = {
    name: info.annotation
    for name, info in Settings.model_fields.items()
    if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
}

KNOWN: Final = (*SECTIONS, *NAMED, SCHEDULES, IDENTITY)
"""The names of all sections."""


def load(path: str | Path | None = None, env: Mapping[str, str] = ENVIRONMENT) -> Settings:
    """Read the settings from `path`, else from where PANIC_CONFIG says, else from the first of `places`.

    A ConfigurationError lists every problem where the file cannot be read, or `base_url` is missing or unsafe.
    """
    found = survey(path, env)
    if not found.is_usable:
        raise ConfigurationError(found.settings.problems)
    return found.settings


@dataclass(frozen=True)
class Survey:
    """What the settings come to, whatever is wrong with them; `base_url` is empty where none is safe."""

    settings: Settings
    is_usable: bool
    document: Document


def places(env: Mapping[str, str] = ENVIRONMENT) -> list[Path]:
    """Give the files where settings are looked for: in the working directory, the user's, the system's."""
    home = env.get("XDG_CONFIG_HOME") or os.path.join(env.get("HOME") or "", ".config")  # noqa: PTH118
    users = [Path(home, "panic")] if os.path.isabs(home) else []  # noqa: PTH117  (a relative one is to be ignored)
    return [folder / NAME for folder in (_HERE, *users, SYSTEM)]


def find(path: str | Path | None = None, env: Mapping[str, str] = ENVIRONMENT) -> tuple[Path, str]:
    """Give the file of the settings, and what named it; "" where it is the first that is there."""
    if path is not None:
        return Path(path), "--config"
    if named := env.get("PANIC_CONFIG"):
        return Path(named), "environment PANIC_CONFIG"
    looked_in = places(env)
    return next(filter(_is_there, looked_in), looked_in[0]), ""


def _is_there(file: Path) -> bool:
    """Whether it is there; who may not look is told so, and does not get another one instead."""
    try:
        os.lstat(file)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def survey(path: str | Path | None = None, env: Mapping[str, str] = ENVIRONMENT) -> Survey:
    """Read the settings as `load` does; all that is wrong with them is in their `problems`."""
    file, named_by = find(path, env)
    unreadable: tuple[Problem, ...] = ()
    try:
        others = " or ".join(str(one.parent) for one in places(env)[1:])
        remedy = "Name one that you may read in --config or PANIC_CONFIG, or make it: panic init."
        remedy += "" if named_by else f" Nor is there one in {others}."
        document = Document.read(file, remedy)
    except ConfigurationError as error:
        document, unreadable = Document(file, {}, {}), error.problems
    url, unsafe = _base_url(document, env)
    state = _section(document, env, "state").get("folder", file.parent)
    document.state = state
    defaults = {
        "state": {"folder": state},
        "roster": {"file": file.parent / "accounts.csv"},
        "ledger": {"file": state / "ledger.db"},
        "latch": {"file": state / "panic.latch"},
    }
    said = {name: _section(document, env, name) for name in SECTIONS if name != "state"}
    named = read_named(document)
    _unknown_sections(document)
    _stray_variables(document, env, named.variables)
    _drop_unusable_authorities(document, said["broker"])
    broker = {**said.pop("broker"), "base_url": url}
    values = {name: defaults.get(name, {}) | said.get(name, {}) for name in SECTIONS if name != "broker"}
    settings = Settings.model_validate(
        {
            "file": file,
            "digest": document.digest,
            "lines": document.lines,
            "problems": unreadable or (*unsafe, *sorted(document.problems, key=lambda problem: problem.line or 0)),
            "broker": Broker(**broker) if url else Broker.model_construct(**broker),
            **named._asdict(),
            **{name: SECTIONS[name](**fields) for name, fields in values.items()},
        }
    )
    return Survey(_without_a_latch_that_is_something_else(settings), not (unreadable or unsafe), document)


def _without_a_latch_that_is_something_else(settings: Settings) -> Settings:
    """Leave the latch out if it is also another of panic's files: engaging it would overwrite that."""
    latch = os.path.abspath(settings.latch.file or "")  # noqa: PTH100  (by name alone: no disk may hang a press)
    others = [what for what, file in own_files(settings) if os.path.abspath(file) == latch]  # noqa: PTH100
    if others in ([], ["the latch"]):
        return settings
    what = f"[latch] file {settings.latch.file} is {others[0]} as well; there is no latch until it has its own"
    problem = Problem(what, "Name another file.", settings.file, line_of(settings.lines, "latch", "file"))
    return settings.model_copy(update={"latch": LatchFile(), "problems": (*settings.problems, problem)})


def _base_url(document: Document, env: Mapping[str, str]) -> tuple[str, list[Problem]]:
    """The address to use, and any objections to it."""
    stray = env.get(_BASE_URL, "")
    broker = document.tables.get("broker")
    url = broker.get("base_url") if isinstance(broker, dict) else None
    named = url is not None
    if not named and not stray:
        remedy = 'Write base_url = "https://api.clearstreet.com" below [broker].'
        return "", [document.problem("[broker] names no base_url", remedy, "broker")]
    try:
        safe = safe_base_url(str(url) if named else stray)
    except ConfigurationError as error:
        found = error.problems[0]
        if named:
            return "", [document.problem(f"[broker] {found.what}", found.remedy, "broker", "base_url")]
        return "", [replace(found, what=f"{_BASE_URL}: {found.what}")]
    path = ("broker", "base_url")
    document.origins[path] = document.place(*path) if named else f"environment {_BASE_URL}"
    if named and stray and not _is_same(stray, safe):
        remedy = "Unset it, or correct the file; the file's address is used."
        document.problems.append(Problem(f"{_BASE_URL} differs from the settings' base_url", remedy))
    return safe, []


def _is_same(url: str, safe: str) -> bool:
    try:
        return safe_base_url(url) == safe
    except ConfigurationError:
        return False


def _section(document: Document, env: Mapping[str, str], name: str) -> dict[str, Any]:
    """The valid settings of one section, from the file and, with priority, the environment."""
    model, table = SECTIONS[name], document.table(name)
    values = document.fields(model, {key: table[key] for key in table if key != "base_url"}, name)
    if name == "state" and values:  # service and shell read one file, and seldom have one environment
        return values
    for key in overridable(model):
        variable = f"PANIC_{name}_{key}".upper()
        raw = env.get(variable)
        if not raw or variable == _BASE_URL:
            continue
        value = relative(model, key, raw, Path())
        if error := mistake(model, key, value, strict=False):
            what, remedy = f"{variable} is {shown(raw)}", f"{error.remedy} Until then ignored."
            document.problems.append(Problem(what, remedy, section=name, key=key))
        else:
            values[key] = value
            document.origins[name, key] = f"environment {variable}"
    return values


def overridable(model: type[BaseModel]) -> list[str]:
    """The settings that a variable can hold, which excludes lists."""
    return [key for key, info in model.model_fields.items() if get_origin(info.annotation) is not tuple]


def _unknown_sections(document: Document) -> None:
    for name in (name for name in document.tables if name not in KNOWN):
        document.complain(f"there is no section or setting {shown(name)}", did_you_mean(name, KNOWN), name)


def _stray_variables(document: Document, env: Mapping[str, str], spoken_for: Collection[str]) -> None:
    known = {f"PANIC_{name}_{key}".upper() for name, model in SECTIONS.items() for key in overridable(model)}
    for name in sorted(name for name in env if name.startswith("PANIC_")):
        if name not in {*known, *spoken_for, "PANIC_CONFIG", "PANIC_TOKEN", "PANIC_TRACEBACK"}:
            guess = did_you_mean(name, sorted(known), "Unset it.")
            document.problems.append(Problem(f"the environment variable {shown(name)} means nothing", guess))


def _drop_unusable_authorities(document: Document, broker: dict[str, Any]) -> None:
    file = broker.get("ca_file")
    if file and (reason := _unusable_authorities(file)):
        del broker["ca_file"]
        remedy = "Give a PEM file of certificates; until then the system's authorities are trusted."
        document.complain(f"[broker] ca_file {file} cannot be used: {reason}", remedy, "broker", "ca_file")


def _unusable_authorities(file: Path) -> str:
    try:
        read_regular(file, _LARGEST_CA_FILE)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:
        return "it holds no certificate"
    except OSError as error:
        return why(error)
    return ""
