"""The settings in force, for people."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from panic.cli.tables.drawing import Text, draw
from panic.config.effective import DEFAULT, Setting


def config_table(
    settings: Sequence[Setting], problems: Sequence[str], *, width: int = 80, colour: bool = False
) -> str:
    """Draw every setting with its value and origin, below what is wrong."""
    return draw(_parts(settings, problems), width=width, colour=colour)


def _parts(settings: Sequence[Setting], problems: Sequence[str]) -> Iterable[RenderableType]:
    yield from (Text(f"! {problem}", style="yellow") for problem in problems)
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(overflow="fold")
    for one in settings:
        said = "dim" if one.origin == DEFAULT else "bold"
        table.add_row(Text(one.name), Text(_words(one.value), style=said), Text(one.origin, style=said))
    yield table


def _words(value: Any) -> str:
    if value is None or value in ("", []):
        return "unset"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
