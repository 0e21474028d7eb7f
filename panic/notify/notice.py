"""A notice: what somebody is told about a run."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["start", "verdict", "flag", "page"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One message, in plain words.

    Attributes:
        kind: What it is about; a channel is told the kinds that its settings name.
        run: The run's id; empty where there is none (a hook that was refused, say).
        title: The first line: the verdict and the counts.
        text: The rest, a few short lines.
        key: Equal keys are one page.
        closes: Whether it ends the page of this key. A page with another key about the same run stays open.
    """

    kind: Kind
    run: str
    title: str
    text: str
    key: str
    closes: bool = False
