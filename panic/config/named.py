"""The sections that have a name: [credentials.NAME], [tokens.NAME], [hooks.NAME], [notify.NAME] and [[schedules]].

A credential is used as far as possible. Any other section with a mistake is left out whole: half a token
would allow too much, and half a hook would press something else.
"""

from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from panic.config.document import Document, relative
from panic.config.kinds import MistakeError
from panic.config.sections import Credential
from panic.config.service import Channel, Hook, Schedule, Token, is_plain_name
from panic.kit.words import shown

NAMED = ("credentials", "tokens", "hooks", "notify")
SCHEDULES = "schedules"
TITLE = "[[schedules]]"
"""How every problem with a schedule begins."""


class _Kind(NamedTuple):
    """What happens until a mistake in one is fixed, and the settings that it requires."""

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
_SCHEDULE = _Kind(
    SCHEDULES, "it does not run", {"name": 'name = "cleanup"', "at": 'at = "5 minutes before close"'}
)

_M = TypeVar("_M", bound=BaseModel)


class Named(NamedTuple):
    """The valid contents of the file's named sections."""

    credentials: dict[str, Credential]
    tokens: dict[str, Token]
    hooks: dict[str, Hook]
    channels: dict[str, Channel]
    schedules: tuple[Schedule, ...]

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
    hooks, channels = _entries(document, Hook, _HOOK), _entries(document, Channel, _CHANNEL)
    return Named(_credentials(document), tokens, hooks, channels, _schedules(document))


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
    path = (kind.section, name)
    if not isinstance(raw, dict):
        remedy = f"Write [{kind.section}.NAME] and its keys below it; until then {kind.without}."
        document.complain(f"[{kind.section}] {shown(name)} is not a section", remedy, *path)
        return None
    table = {key: _places(value, document) if key in {"secrets", "url"} else value for key, value in raw.items()}
    entry = _whole(document, model, kind, f"[{'.'.join(path)}]", table, *path)
    if is_plain_name(name):
        return entry
    remedy = f"Use letters, digits, '.', '_' and '-', at most 64; until then {kind.without}."
    document.complain(f"[{kind.section}] {shown(name)} is no plain name", remedy, *path)
    return None


def _whole(
    document: Document, model: type[_M], kind: _Kind, called: str, table: dict[str, Any], *path: str
) -> _M | None:
    """One section, or None and a problem for each mistake in it."""
    before = len(document.problems)
    values = document.fields(model, table, *path, otherwise=kind.without, called=called)
    for key in sorted(kind.needs.keys() - table.keys()):
        remedy = f"Add {kind.needs[key]}; until then {kind.without}."
        document.complain(f"{called} has no {key}", remedy, *path)
    if len(document.problems) > before:
        return None
    try:
        return model(**values)
    except ValidationError as error:
        wrong: MistakeError = error.errors()[0]["ctx"]["error"]
        place = (*path, wrong.key) if wrong.key else path
        document.complain(f"{called} {wrong.what}", f"{wrong.remedy} Until then {kind.without}.", *place)
        return None


def _places(raw: object, document: Document) -> object:
    """A place of a secret, or a list of them, with its file's name taken from the settings' folder."""
    if isinstance(raw, list):
        return [_places(one, document) for one in raw]
    if isinstance(raw, dict):
        return {key: relative(Credential, key, value, document.file.parent) for key, value in raw.items()}
    return raw


def _drop_doubles(document: Document, tokens: dict[str, Token]) -> None:
    """Remove tokens that have two names: nobody could say who is asking."""
    first: dict[str, str] = {}
    for name, token in list(tokens.items()):
        other = first.setdefault(token.digest, name)
        if other != name:
            what = f"[tokens.{other}] and [tokens.{name}] are the same token"
            remedy = f"Make another with panic token; until then {_TOKEN.without}."
            document.complain(what, remedy, "tokens", name)
            del tokens[name]
            tokens.pop(other, None)


def _schedules(document: Document) -> tuple[Schedule, ...]:
    raw = document.tables.get(SCHEDULES, [])
    if not isinstance(raw, list):
        remedy = f"Write it in double brackets; until then {_SCHEDULE.without}."
        document.complain(f"{TITLE} is no list", remedy, SCHEDULES)
        return ()
    found: dict[str, Schedule] = {}
    for nth, table in enumerate(raw, 1):
        path = (SCHEDULES, str(nth))
        schedule = _schedule(document, table, *path)
        if schedule and schedule.name in found:
            what = f"{TITLE} {schedule.name}: there is one of this name above"
            remedy = "Give each its own name; until then only the first runs."
            document.complain(what, remedy, *path, "name")
        elif schedule:
            found[schedule.name] = schedule
            document.lines[TITLE, schedule.name] = document.lines.get(path, 0)
            said = {key[2:]: place for key, place in document.origins.items() if key[:2] == path}
            document.origins |= {(TITLE, schedule.name, *key): place for key, place in said.items()}
    return tuple(found.values())


def _schedule(document: Document, raw: object, section: str, nth: str) -> Schedule | None:
    if not isinstance(raw, dict):
        remedy = f"Write {TITLE}; until then {_SCHEDULE.without}."
        document.complain(f"{TITLE} number {nth} is {shown(raw)}", remedy, section, nth)
        return None
    name = raw.get("name")
    known = name if isinstance(name, str) and is_plain_name(name) else f"number {nth}"
    return _whole(document, Schedule, _SCHEDULE, f"{TITLE} {known}", raw, section, nth)
