"""Read the schedules, [[schedules]]: one that has a mistake is left out whole, and that is said."""

from typing import Any

from panic.config.at import AtError, parse
from panic.config.clock import Schedule
from panic.config.document import Document
from panic.config.service import is_plain_name
from panic.words import shown

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
    if len(document.problems) > before or not _is_meant(document, values, called, path):
        return None
    return Schedule(**values)


def _name(raw: dict[str, Any]) -> str:
    name = raw.get("name")
    return name if isinstance(name, str) and is_plain_name(name) else ""


def _is_meant(document: Document, values: dict[str, Any], called: str, path: tuple[str, ...]) -> bool:
    """Whether a press says what it presses, and that it spares nothing; a problem where it does not."""
    if values.get("drill"):
        return True
    some = bool(values.get("groups") or values.get("accounts"))
    if bool(values.get("all")) == some:
        has = "both all and some" if some else "no"
        remedy = f"Write all = true, or else groups or accounts; until then {_WITHOUT}."
        document.complain(f"{called} it names {has} accounts to press", remedy, *path)
        return False
    if not values.get("cancels_gtc_and_close_orders"):
        key = "cancels_gtc_and_close_orders"
        what = (
            f"{called} {key} is not true, and the broker's call cannot spare good-till-cancel and on-close orders"
        )
        remedy = f"Write {key} = true if they may be cancelled too; until then {_WITHOUT}."
        document.complain(what, remedy, *path, key)
        return False
    return True
