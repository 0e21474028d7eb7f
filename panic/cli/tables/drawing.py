"""What all tables are drawn with.

Names and messages come from outside, so everything is drawn as plain `Text`: no markup is interpreted.
"""

import io
from collections.abc import Iterable, Sequence

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text as RichText

from panic.broker.outcomes import Verdict
from panic.kit.words import clean

LISTED_MOST = 60
"""The most of anything that are listed; the rest are counted."""

STYLES = {
    Verdict.CLEAR: "bold green",
    Verdict.UNVERIFIED: "bold yellow",
    Verdict.OPEN: "bold red",
    Verdict.UNKNOWN: "bold magenta",
    Verdict.REFUSED: "bold red",
}


class Text(RichText):
    """Text without terminal control sequences, whoever wrote it."""

    def __init__(self, words: str = "", style: str = "") -> None:
        super().__init__(clean(words), style)


def line(*pieces: str | tuple[str, str]) -> Text:
    """Join pieces of text, each plain or with a style."""
    whole = Text("")
    for piece in pieces:
        words, style = (piece, "") if isinstance(piece, str) else piece
        whole.append(clean(words), style=style)
    return whole


def indented(words: str, style: str = "") -> Padding:
    """Give a line that belongs to the one above it."""
    return Padding(Text(words, style=style), (0, 0, 0, 2))


def listed(words: Sequence[str], among: int = 0) -> str:
    """Join the first of them, and say how many more of `among` there are, by default all, and what has them."""
    rest = max(among, len(words)) - LISTED_MOST
    more = f" and {rest:,} more (--format json has all)" if rest > 0 else ""
    return ", ".join(words[:LISTED_MOST]) + more


def draw(parts: Iterable[RenderableType], *, width: int = 80, colour: bool = False) -> str:
    """Draw parts below each other, at most `width` columns wide, but never narrower than 40."""
    target = io.StringIO()
    console = Console(
        file=target,
        width=max(width, 40),
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
    )
    for part in parts:
        console.print(part)
    return "".join(f"{line.rstrip()}\n" for line in target.getvalue().splitlines())
