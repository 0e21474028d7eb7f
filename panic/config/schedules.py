"""Read the schedules, [[schedules]]: one that has a mistake is left out whole, and that is said."""

from typing import Any

from pydantic import ValidationError

from panic.config.at import AtError, MistakeError, parse
from panic.config.clock import Schedule
from panic.config.document import Document
from panic.config.service import is_plain_name
from panic.kit.words import shown

SECTION = "schedules"
TITLE = "[[schedules]]"
"""How every problem with one begins."""

_WITHOUT = "it does not run"
_NEEDS = {"name": 'name = "cleanup"', "at": 'at = "5 minutes before close"'}


def read_schedules(document: Document) -> tuple[Schedule, ...]:
    """Read them all, and note every mistake in `document`."""
    raw = document.tables.get(SECTION, [])
    if not isinstance(raw, list):
        document.complain(f"{TITLE} is no list", f"Write it in double brackets; until then {_WITHOUT}.", SECTION)
        return ()
    found: dict[str, Schedule] = {}
    for nth, table in enumerate(raw, 1):
        schedule = _schedule(document, table, str(nth))
        if schedule and schedule.name in found:
            what = f"{TITLE} {schedule.name}: there is one of this name above"
            remedy = "Give each its own name; until then only the first runs."
            document.complain(what, remedy, SECTION, str(nth), "name")
        elif schedule:
            found[schedule.name] = schedule
            document.lines[TITLE, schedule.name] = document.lines.get((SECTION, str(nth)), 0)
            said = {path[2:]: place for path, place in document.origins.items() if path[:2] == (SECTION, str(nth))}
            document.origins |= {(TITLE, schedule.name, *key): place for key, place in said.items()}
    return tuple(found.values())


def _schedule(document: Document, raw: object, nth: str) -> Schedule | None:
    """One of them, or None and a problem for each mistake in it."""
    path, before = (SECTION, nth), len(document.problems)
    if not isinstance(raw, dict):
        document.complain(f"{TITLE} number {nth} is {shown(raw)}", f"Write {TITLE}; until then {_WITHOUT}.", *path)
        return None
    called = f"{TITLE} {_name(raw) or f'number {nth}'}:"
    table = dict(raw)
    if isinstance(at := raw.get("at"), str):
        try:
            parse(at)
        except AtError as error:
            del table["at"]
            remedy = f"{error.remedy} Until then {_WITHOUT}."
            document.complain(f"{called} at is {shown(at, 80)}: {error.what}", remedy, *path, "at")
    values = document.fields(Schedule, table, *path, otherwise=_WITHOUT, called=called)
    for key, example in _NEEDS.items():
        if key not in raw:
            document.complain(f"{called} it has no {key}", f"Add {example}; until then {_WITHOUT}.", *path)
    if len(document.problems) > before:
        return None
    try:
        return Schedule(**values)
    except ValidationError as error:
        wrong: MistakeError = error.errors()[0]["ctx"]["error"]
        place = (*path, wrong.key) if wrong.key else path
        document.complain(f"{called} {wrong.what}", f"{wrong.remedy}; until then {_WITHOUT}.", *place)
        return None


def _name(raw: dict[str, Any]) -> str:
    name = raw.get("name")
    return name if isinstance(name, str) and is_plain_name(name) else ""
