"""The sections that have a name: [credentials.NAME], [tokens.NAME], [hooks.NAME], [notify.NAME] and [[schedules]].

A credential is used as far as possible. Any other section with a mistake is left out whole: half a token
would allow too much, and half a hook would press something else.
"""

from collections import Counter
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from panic.config.document import Document, relative
from panic.config.identity import Grant, Provider
from panic.config.sections import Credential, MistakeError
from panic.config.service import Channel, Hook, Schedule, Token, is_plain_name
from panic.kit.words import shown

NAMED = ("credentials", "tokens", "hooks", "notify")
SCHEDULES, IDENTITY = "schedules", "identity"
TITLE = "[[schedules]]"
"""How every problem with a schedule begins."""

_WITHOUT = {
    "tokens": "nobody is let in with it",
    "hooks": "nothing is pressed through it",
    "notify": "nothing is sent there",
    SCHEDULES: "it does not run",
    IDENTITY: "nobody signs in with it",
}
"""What happens until a mistake in one is fixed."""

_PLACES = frozenset({"secrets", "url", "client_secret"})
"""The settings that say where secrets are."""

_M = TypeVar("_M", bound=BaseModel)


class Named(NamedTuple):
    """The valid contents of the file's named sections."""

    credentials: dict[str, Credential]
    tokens: dict[str, Token]
    hooks: dict[str, Hook]
    channels: dict[str, Channel]
    schedules: tuple[Schedule, ...]
    identity: Provider | None

    @property
    def variables(self) -> set[str]:
        """The environment variables that hold their secrets."""
        hooks = (place for hook in self.hooks.values() for place in hook.secrets)
        channels = (channel.url for channel in self.channels.values())
        client = (self.identity.client_secret,) if self.identity and self.identity.client_secret else ()
        return {place.env for place in (*self.credentials.values(), *hooks, *channels, *client) if place.env}


def read_named(document: Document) -> Named:
    """Read them all, and note every mistake in `document`."""
    tokens = _entries(document, Token, "tokens")
    _drop_doubles(document, tokens)
    hooks, channels = _entries(document, Hook, "hooks"), _entries(document, Channel, "notify")
    return Named(_credentials(document), tokens, hooks, channels, _schedules(document), _identity(document))


def _credentials(document: Document) -> dict[str, Credential]:
    table = document.table("credentials")
    if not document.tables.get("credentials"):
        remedy = 'Add [credentials.default] and, below it, env = "CLEAR_STREET_API_KEY".'
        document.complain("no credential is named, so that no account can be reached", remedy, "credentials")
    found = {name: _credential(document, name, entry) for name, entry in table.items()}
    return {name: credential for name, credential in found.items() if credential}


def _credential(document: Document, name: str, entry: object) -> Credential | None:
    path, remedy = ("credentials", name), 'Give env = "VARIABLE" or file = "FILE"; until then a file is used.'
    if not isinstance(entry, dict):
        document.complain(f"[credentials] {name} is not a section", f"Write [credentials.NAME]. {remedy}", *path)
        return None
    values, places = document.fields(Credential, entry, *path), entry.keys() & {"env", "file"}
    if len(places) != 1:
        what = f"[credentials.{name}] names {'both env and file' if places else 'neither env nor file'}"
        document.complain(what, remedy, *path)
    if len(values) > 1:
        del values["env"]
    return Credential(**values) if values else None


def _entries(document: Document, model: type[_M], section: str) -> dict[str, _M]:
    found = {name: _entry(document, model, section, name, raw) for name, raw in document.table(section).items()}
    return {name: entry for name, entry in found.items() if entry}


def _entry(document: Document, model: type[_M], section: str, name: str, raw: object) -> _M | None:
    until = f"until then {_WITHOUT[section]}."
    if not isinstance(raw, dict):
        remedy = f"Write [{section}.NAME] and its keys below it; {until}"
        document.complain(f"[{section}] {shown(name)} is not a section", remedy, section, name)
        return None
    entry = _whole(document, model, f"[{section}.{name}]", raw, section, name)
    if is_plain_name(name):
        return entry
    remedy = f"Use letters, digits, '.', '_' and '-', at most 64; {until}"
    document.complain(f"[{section}] {shown(name)} is no plain name", remedy, section, name)
    return None


def _whole(document: Document, model: type[_M], called: str, table: dict[str, Any], *path: str) -> _M | None:
    """One section, or None and a problem for each mistake in it."""
    before, without = len(document.problems), _WITHOUT[path[0]]
    table = {key: _places(value, document) if key in _PLACES else value for key, value in table.items()}
    values = document.fields(model, table, *path, otherwise=without, called=called)
    for key, info in model.model_fields.items():
        if info.is_required() and key not in table:
            remedy = f"{info.description or f'Add {key}'}; until then {without}."
            document.complain(f"{called} has no {key}", remedy, *path)
    if len(document.problems) > before:
        return None
    try:
        return model(**values)
    except ValidationError as error:
        wrong: MistakeError = error.errors()[0]["ctx"]["error"]
        place = (*path, wrong.key) if wrong.key else path
        document.complain(f"{called} {wrong.what}", f"{wrong.remedy} Until then {without}.", *place)
        return None


def _places(raw: object, document: Document) -> object:
    """A place of a secret, or a list of them, with its file's name taken from the settings' folder."""
    if isinstance(raw, list):
        return [_places(one, document) for one in raw]
    if isinstance(raw, dict):
        return {key: relative(Credential, key, value, document.file.parent) for key, value in raw.items()}
    return raw


def _identity(document: Document) -> Provider | None:
    """The identity provider; a grant with a mistake is left out alone, since it can only give."""
    table = document.table(IDENTITY)
    if not table:
        return None
    raw = table.get("grants")
    if not isinstance(raw, dict):
        return _whole(document, Provider, f"[{IDENTITY}]", table, IDENTITY)
    grants: dict[str, Grant] = {}
    for name, entry in raw.items():
        called, path = f"[{IDENTITY}.grants.{name}]", (IDENTITY, "grants", name)
        if not isinstance(entry, dict):
            document.complain(f"{called} is not a section", 'Give it roles = ["presser"].', *path)
        elif grant := _whole(document, Grant, called, entry, *path):
            grants[name] = grant
    return _whole(document, Provider, f"[{IDENTITY}]", {**table, "grants": grants}, IDENTITY)


def _drop_doubles(document: Document, tokens: dict[str, Token]) -> None:
    """Remove tokens that have two names: nobody could say who is asking."""
    times = Counter(digest for token in tokens.values() for digest in token.digest)
    for name in [name for name, token in tokens.items() if any(times[digest] > 1 for digest in token.digest)]:
        del tokens[name]
        remedy = f"Make another with panic token; until then {_WITHOUT['tokens']}."
        document.complain(f"[tokens.{name}] is the same token as another", remedy, "tokens", name)


def _schedules(document: Document) -> tuple[Schedule, ...]:
    raw = document.tables.get(SCHEDULES, [])
    found: dict[str, Schedule] = {}
    for nth, table in enumerate(raw if isinstance(raw, list) else [raw], 1):
        path = (SCHEDULES, str(nth))
        if not isinstance(table, dict) or table is raw:
            remedy = f"Write {TITLE}, in double brackets; until then {_WITHOUT[SCHEDULES]}."
            document.complain(f"{TITLE} number {nth} is {shown(table)}", remedy, *path)
            continue
        name = table.get("name")
        known = name if isinstance(name, str) and is_plain_name(name) else f"number {nth}"
        schedule = _whole(document, Schedule, f"{TITLE} {known}", table, *path)
        if schedule and schedule.name in found:
            what = f"{TITLE} {schedule.name}: there is one of this name above"
            document.complain(what, "Give each its own name; until then only the first runs.", *path, "name")
        elif schedule:
            found[schedule.name] = schedule
            document.lines[TITLE, schedule.name] = document.lines.get(path, 0)
            said = {key[2:]: place for key, place in document.origins.items() if key[:2] == path}
            document.origins |= {(TITLE, schedule.name, *key): place for key, place in said.items()}
    return tuple(found.values())
