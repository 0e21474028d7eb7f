"""What to type if a hook or a schedule could not press: a command that works with the current files."""

import shlex
from collections.abc import Iterator

from panic.accounts.plan import Scope


def by_hand(meant: Scope, found: Scope | None, *, latch: bool, reason: str) -> str:
    """Say what to do where this was meant and a press would take that now; ends with the command, to be copied."""
    if found is None:
        return "cancel at the broker; no press works until what panic check lists is corrected"
    near = "" if found == meant else " the nearest that works"
    words = ["panic", "press", *_words(found), *(["--latch"] if latch else []), "--reason", reason]
    return f"cancel at the broker, or type{near}: {shlex.join(words)}"


def _words(scope: Scope) -> Iterator[str]:
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
