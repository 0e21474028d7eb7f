"""What is engaged, and what a reset did to that."""

from pathlib import Path

from rich.console import RenderableType

from panic import latch
from panic.cli.tables.drawing import LISTED_MOST, Text, draw, indented, line
from panic.latch import State
from panic.run.engagement import Engagement
from panic.run.reset import WILL_NOT, Reset


def latch_table(found: Engagement, file: Path, *, width: int = 80, colour: bool = False) -> str:
    """Draw what is engaged."""
    state = found.state
    head = ("ENGAGED" if state.engaged else "DISENGAGED", "bold red" if state.engaged else "bold green")
    words = f"for {'everything' if state.problem else latch.listed(state.holds)}" if state.engaged else ""
    parts: list[RenderableType] = [line(head, f"  {words}".rstrip()), Text(str(file))]
    if state.problem:
        parts.append(Text(f"! it {state.problem}, which means engaged for everything", style="yellow"))
    parts += [Text(f"! {warning}", style="yellow") for warning in found.warnings[:LISTED_MOST]]
    for hold in found.holds[:LISTED_MOST]:
        parts.append(Text(f"{hold}: since {hold.at}, by run {hold.run}"))
        if hold in found.doubts:
            parts.append(indented(f"not clear: {found.doubts[hold]}"))
    if state.engaged:
        parts.append(Text('→ panic reset --reason "…" ends it'))
    return draw(parts, width=width, colour=colour)


def reset_table(reset: Reset, state: State | None, *, width: int = 80, colour: bool = False) -> str:
    """Draw what a reset did, or without a state what it would do."""
    head = ("DRY RUN", "bold") if state is None else ("RESET", "bold green")
    parts: list[RenderableType] = [line(head, f"  this {reset}"), Text(WILL_NOT)]
    if state is not None:
        parts.append(Text(f"the latch is {state} now", style="bold"))
    parts += [Text(f"! {doubt}", style="yellow") for doubt in reset.doubts[:LISTED_MOST]]
    if reset.forced_because:
        parts.append(Text(f"forced: {reset.forced_because}"))
    parts.append(Text(f"by {reset.by}: {reset.reason}"))
    parts += [Text(f"looked in {file}", style="dim") for file in reset.looked_in]
    return draw(parts, width=width, colour=colour)
