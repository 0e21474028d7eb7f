"""The sections that have a name of their own: [credentials.NAME], [tokens.NAME], [hooks.NAME], [notify.NAME].

A credential is taken as far as it can be. Of the others one that has a mistake is left out whole: half of a
token would allow too much, and half of a hook would press something else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from panic.config.document import Document
from panic.config.fields import relative
from panic.config.sections import Credential
from panic.config.service import Channel, Hook, Token, is_plain_name
from panic.kit.words import shown

NAMED = ("credentials", "tokens", "hooks", "notify")


class _Kind(NamedTuple):
    """What is said about one kind of section.

    Attributes:
        section: Its first name.
        without: What holds until a mistake is mended.
        needs: The settings that it cannot do without, and how to write them.
    """

    section: str
    without: str
    needs: dict[str, str]


_TOKEN = _Kind(
    "tokens",
    "nobody is let in with it",
    {
        "digest": 'the line digest = "sha256:…" that panic token printed',
        "roles": 'roles = ["viewer"], or "presser", or "resetter"',
    },
)
_HOOK = _Kind("hooks", "nothing is pressed through it", {"secrets": 'secrets = [{ file = "FILE" }]'})
_CHANNEL = _Kind("notify", "nothing is sent there", {"url": 'url = { file = "FILE" }'})

_M = TypeVar("_M", bound=BaseModel)


@dataclass(frozen=True)
class Named:
    """What the file's named sections say rightly."""

    credentials: dict[str, Credential]
    tokens: dict[str, Token]
    hooks: dict[str, Hook]
    channels: dict[str, Channel]

    @property
    def variables(self) -> set[str]:
        """The environment variables that hold their secrets."""
        hooks = (place for hook in self.hooks.values() for place in hook.secrets)
        channels = (channel.url for channel in self.channels.values())
        return {place.env for place in (*self.credentials.values(), *hooks, *channels) if place.env}


def read_named(document: Document) -> Named:
    """Read them all, and note every mistake in `document`."""
    tokens = _entries(document, Token, _TOKEN)
    _drop_doubles(document, tokens)
    return Named(
        credentials=_credentials(document),
        tokens=tokens,
        hooks=_entries(document, Hook, _HOOK),
        channels=_entries(document, Channel, _CHANNEL),
    )


def _credentials(document: Document) -> dict[str, Credential]:
    table = document.table("credentials")
    if document.tables.get("credentials", {}) == {}:
        remedy = 'Add [credentials.default] and, below it, env = "CLEAR_STREET_API_KEY".'
        document.complain("no credential is named, so that no account can be reached", remedy, "credentials")
    found = {name: _credential(document, name, entry) for name, entry in table.items()}
    return {name: credential for name, credential in found.items() if credential}


def _credential(document: Document, name: str, entry: object) -> Credential | None:
    path = ("credentials", name)
    if not isinstance(entry, dict):
        remedy = 'Write [credentials.NAME] and, below it, env = "VARIABLE" or file = "FILE".'
        document.complain(f"[credentials] {name} is not a section", remedy, *path)
        return None
    values = document.fields(Credential, entry, *path)
    if not entry.keys() & {"env", "file"}:
        remedy = 'Add env = "VARIABLE" or file = "FILE".'
        document.complain(f"[credentials.{name}] names neither env nor file", remedy, *path)
    if len(values) > 1:
        del values["env"]
        remedy = "Remove one of them; until then the file is used."
        document.complain(f"[credentials.{name}] names both env and file", remedy, *path)
    return Credential(**values) if values else None


def _entries(document: Document, model: type[_M], kind: _Kind) -> dict[str, _M]:
    found = {name: _entry(document, model, kind, name, raw) for name, raw in document.table(kind.section).items()}
    return {name: entry for name, entry in found.items() if entry}


def _entry(document: Document, model: type[_M], kind: _Kind, name: str, raw: object) -> _M | None:
    """One section, or None and a problem for each mistake in it."""
    path, before = (kind.section, name), len(document.problems)
    if not isinstance(raw, dict):
        remedy = f"Write [{kind.section}.NAME] and its keys below it; until then {kind.without}."
        document.complain(f"[{kind.section}] {shown(name)} is not a section", remedy, *path)
        return None
    if not is_plain_name(name):
        remedy = f"Use letters, digits, '.', '_' and '-', at most 64; until then {kind.without}."
        document.complain(f"[{kind.section}] {shown(name)} is no plain name", remedy, *path)
    table = {key: _places(value, document) if key in {"secrets", "url"} else value for key, value in raw.items()}
    values = document.fields(model, table, *path, otherwise=kind.without)
    for key in kind.needs.keys() - raw.keys():
        remedy = f"Add {kind.needs[key]}; until then {kind.without}."
        document.complain(f"[{kind.section}.{name}] has no {key}", remedy, *path)
    if len(document.problems) > before:
        return None
    try:
        return model(**values)
    except ValidationError:
        remedy = f"Write all = true, or else groups or accounts; until then {kind.without}."
        has = "both all and some" if raw.get("all") else "no"
        document.complain(f"[{kind.section}.{name}] names {has} accounts to press", remedy, *path)
        return None


def _places(raw: object, document: Document) -> object:
    """A place of a secret, or a list of them, with its file's name taken from the settings' folder."""
    if isinstance(raw, list):
        return [_places(one, document) for one in raw]
    if isinstance(raw, dict):
        return {key: relative(Credential, key, value, document.file.parent) for key, value in raw.items()}
    return raw


def _drop_doubles(document: Document, tokens: dict[str, Token]) -> None:
    """Take away tokens that stand there under two names: nobody could say who asks."""
    for name, other in _doubles(tokens):
        what = f"[tokens.{name}] and [tokens.{other}] are the same token"
        remedy = f"Make another with panic token; until then {_TOKEN.without}."
        document.complain(what, remedy, "tokens", other)
    for name in {name for pair in _doubles(tokens) for name in pair}:
        del tokens[name]


def _doubles(tokens: dict[str, Token]) -> list[tuple[str, str]]:
    first: dict[str, str] = {}
    pairs: Iterable[tuple[str, str]] = ((first.setdefault(t.digest, name), name) for name, t in tokens.items())
    return [pair for pair in pairs if pair[0] != pair[1]]
