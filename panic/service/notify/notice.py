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
        key: Equal keys are one page, and one incident of a pager.
        closes: Whether it ends the page of this key, and every page about accounts that it is about, too.
        about: The accounts that a page calls not clear, or that are clear now. None stands for accounts without a
            readable id, or that the roster does not list.
    """

    kind: Kind
    run: str
    title: str
    text: str
    key: str
    closes: bool = False
    about: frozenset[int | None] = frozenset()

    @property
    def opens(self) -> bool:
        """Whether somebody has to see to it."""
        return self.kind == "page" and not self.closes
