"""What the service tells of the latch and of itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from panic import latch
from panic.engagement import Engagement
from panic.latch import State
from panic.reset import WILL_NOT, Reset
from panic.service.api.views import Links, links
from panic.service.desk import Live

# ── the latch ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class HoldView:
    """One scope that is engaged; `doubt` is why it is not known to be clear, empty if it is."""

    what: str
    name: str
    run: str
    at: str
    doubt: str


@dataclass(frozen=True, slots=True)
class LatchView:
    """What is engaged, as `panic latch --format json` says it."""

    schema: Literal["panic-latch/1"]
    file: str
    engaged: bool
    problem: str
    holds: tuple[HoldView, ...]
    warnings: tuple[str, ...]


def latch_view(found: Engagement, file: str) -> LatchView:
    """Tell what is engaged."""
    holds = tuple(HoldView(*hold, doubt=found.doubts.get(hold, "")) for hold in found.holds)
    state = found.state
    return LatchView("panic-latch/1", file, state.engaged, state.problem, holds, tuple(found.warnings))


@dataclass(frozen=True, slots=True)
class ResetView:
    """What a reset did, or with `dry_run` would do, as `panic reset --format json` says it."""

    schema: Literal["panic-reset/1"]
    done: bool
    ends: tuple[dict[str, str], ...]
    by: str
    reason: str
    forced_because: str | None
    doubts: tuple[str, ...]
    engaged_now: bool | None
    will_not: str


def reset_view(prepared: Reset, state: State | None) -> ResetView:
    """Tell what a reset did."""
    return ResetView(
        schema="panic-reset/1",
        done=state is not None,
        ends=tuple(_hold(hold) for hold in prepared.holds),
        by=prepared.by,
        reason=prepared.reason,
        forced_because=prepared.forced_because or None,
        doubts=prepared.doubts,
        engaged_now=None if state is None else state.engaged,
        will_not=WILL_NOT,
    )


def _hold(hold: latch.Hold) -> dict[str, str]:
    return hold._asdict()


# ── the service ─────────────────────────────────────────────────────────────────────────────────────────────


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
    """Whether a press would work, and in one word why not; `files` tells ledger, latch and store from others."""

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


def plain(value: Any) -> Any:
    """Make JSON values of what a status holds: dates, paths and problems become text."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
