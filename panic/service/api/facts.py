"""What the service tells of itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from panic.service.api.views import Links, links
from panic.service.live import Live


@dataclass(frozen=True, slots=True)
class LiveView:
    """A run under way here; times in seconds."""

    run_id: str
    source: str
    elapsed_s: float
    deadline_s: float
    links: Links


@dataclass(frozen=True, slots=True)
class StatusView:
    """How the service is; `standby` tells how old what it holds ready is, `self_test` what was proven lately."""

    schema: Literal["panic-status/1"]
    version: str
    base_url: str
    ready: bool
    why: str
    standby: dict[str, Any]
    live: tuple[LiveView, ...]
    streams: int
    self_test: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Alive:
    """That the service answers at all."""

    alive: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """Whether a press would work, and in one word why not; `files` tells ledger and latch from others."""

    ready: bool
    why: str
    files: dict[str, str]


def live_views(lives: Sequence[Live]) -> tuple[LiveView, ...]:
    """Tell which runs are under way."""
    return tuple(
        LiveView(
            run_id=live.run.id,
            source=live.run.prepared.press.source,
            elapsed_s=round(live.run.elapsed_s, 3),
            deadline_s=live.run.deadline_s,
            links=links(live.run.id),
        )
        for live in lives
        if not live.is_over
    )
