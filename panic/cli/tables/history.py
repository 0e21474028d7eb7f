"""The runs on record."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import RenderableType

from panic.cli.tables.drawing import STYLES, Text, draw, indented, line
from panic.ledger.summary import Summary


def runs_table(
    found: Sequence[Summary],
    *,
    more: int,
    damage: Sequence[str],
    looked_in: Sequence[str] = (),
    now: datetime,
    width: int = 80,
    colour: bool = False,
) -> str:
    """Draw the runs on record, in the order given; `more` are not among them."""
    parts = list(_runs_parts(found, more, damage, now))
    parts += [Text(f"looked in {file}", style="dim") for file in looked_in]
    return draw(parts, width=width, colour=colour)


def _runs_parts(
    found: Sequence[Summary], more: int, damage: Sequence[str], now: datetime
) -> Iterable[RenderableType]:
    yield from (Text(f"! {words}", style="bold yellow") for words in damage)
    if not found:
        yield Text("no run is on record")
    for one in found:
        trigger, state = one.pressed.trigger, one.state(now)
        style = STYLES[one.finished.verdict] if one.finished else "bold red"
        yield line(
            (f"{state.upper():<10}", style),
            (f" {one.run}", "bold"),
            f"  {'DRILL · ' if one.pressed.drill else ''}{trigger.source} · {trigger.by}: {trigger.reason}",
        )
        if one.resumable(now) and not one.alive:
            yield indented(f"→ panic resume {one.run}, until {one.resumable_until:%H:%M:%S} UTC; or press again")
    if more:
        yield Text(f"and {more:,} more: --limit")
