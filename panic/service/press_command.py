"""What to type if a hook or a schedule could not press: a command that works with the current files."""

import shlex
from collections.abc import Callable, Iterator

from panic.accounts.plan import Scope, scope_of
from panic.config import Hook, Schedule


def press_command(rule: Hook | Schedule, pressable: Callable[[Scope], Scope | None], reason: str) -> str:
    """Say what to do where a rule pressed nothing: the command that is nearest, to be copied."""
    meant = scope_of(rule)
    found = pressable(meant)
    if found is None:
        return "cancel at the broker; no press works until what panic check lists is corrected"
    near = "" if found == meant else " the nearest that works"
    words = ["panic", "press", *_flags(found), *(["--latch"] if rule.latch else []), "--reason", reason]
    return f"cancel at the broker, or type{near}: {shlex.join(words)}"


def _flags(scope: Scope) -> Iterator[str]:
    if scope.all:
        yield "--all"
    filters = scope.filters
    given: list[tuple[str, object]] = [
        *(("--group", group) for group in scope.groups),
        *(("--account", id_) for id_ in scope.accounts),
        *(("--instrument", one) for one in filters.instrument_ids),
        ("--side", filters.side),
        ("--type", filters.type),
        ("--instrument-type", filters.instrument_type),
    ]
    for flag, value in given:
        if str(value).startswith("-"):  # else it would be taken for a flag
            yield f"{flag}={value}"
        elif value:
            yield from (flag, str(value))
