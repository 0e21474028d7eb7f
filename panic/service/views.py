"""What the service answers with, beside reports, plans and checks: each a document with a published schema."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from panic import latch
from panic.engagement import Engagement
from panic.history import RESUMABLE_S, Summary
from panic.latch import State
from panic.outcomes import Verdict
from panic.process import here
from panic.reset import WILL_NOT, Reset
from panic.service.desk import Live
from panic.words import clip

RUNS: Final = "/v1/runs"


@dataclass(frozen=True, slots=True)
class Links:
    """Where else to look."""

    self: str
    events: str
    report: str


def links(run_id: str) -> Links:
    """Say where a run is, and what there is of it."""
    return Links(f"{RUNS}/{run_id}", f"{RUNS}/{run_id}/events", f"{RUNS}/{run_id}/report")


@dataclass(frozen=True, slots=True)
class Started:
    """What a press came to.

    Attributes:
        joined: Whether it became a part of a run that was under way.
        resent: Whether what that run had sent before was sent again.
    """

    schema: Literal["panic-started/1"]
    run_id: str
    joined: bool
    resent: bool
    links: Links


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run, as `panic runs --format json` lists it."""

    run_id: str
    state: str
    verdict: Verdict | None
    exit_code: int | None
    drill: bool
    started_at: datetime
    finished_at: datetime | None
    resumable_until: datetime | None
    process: str
    base_url: str
    source: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs, unfinished ones first and then the latest; `damage` is what is wrong with the ledger."""

    schema: Literal["panic-runs/1"]
    runs: tuple[RunRow, ...]
    more: int
    damage: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunFound:
    """One run, whether it is under way in this service, and where to look."""

    schema: Literal["panic-run-summary/1"]
    live: bool
    run: RunRow
    links: Links


def row(one: Summary, now: datetime) -> RunRow:
    """Tell of a run on record."""
    pressed, finished = one.pressed, one.finished
    return RunRow(
        run_id=one.run,
        state=one.state(now),
        verdict=finished.verdict if finished else None,
        exit_code=finished.exit_code if finished else None,
        drill=pressed.drill,
        started_at=pressed.started_at,
        finished_at=finished.finished_at if finished else None,
        resumable_until=None if finished else one.resumable_until,
        process=str(one.process),
        base_url=pressed.base_url,
        source=pressed.trigger.source,
        by=pressed.trigger.by,
        reason=pressed.trigger.reason,
    )


async def live_row(live: Live) -> RunRow:
    """Tell of a run that is here; it waits for nothing."""
    run = live.run
    report = await live.finished() if live.is_over and live.failure is None else None
    press = run.prepared.press
    until = run.started_at + timedelta(seconds=run.deadline_s + RESUMABLE_S)
    return RunRow(
        run_id=run.id,
        state=str(report.verdict) if report else "failed" if live.is_over else "under way",
        verdict=report.verdict if report else None,
        exit_code=report.exit_code if report else None,
        drill=run.drill,
        started_at=run.started_at,
        finished_at=report.finished_at if report else None,
        resumable_until=None if report else until,
        process=str(here()),
        base_url=run.prepared.settings.broker.base_url,
        source=press.source,
        by=clip(run.scrub(press.by)),
        reason=clip(run.scrub(press.reason.strip()), 1000),
    )


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
class PageView:
    """Something that somebody must see to."""

    kind: str
    run: str
    title: str


@dataclass(frozen=True, slots=True)
class StatusView:
    """How the service is; `standby` tells how old what it holds ready is."""

    schema: Literal["panic-status/1"]
    version: str
    base_url: str
    ready: bool
    why: str
    standby: dict[str, Any]
    live: tuple[LiveView, ...]
    open_pages: tuple[PageView, ...]
    streams: int


@dataclass(frozen=True, slots=True)
class Alive:
    """That the service answers at all."""

    alive: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """Whether a press would work, and in one word why not."""

    ready: bool
    why: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Whether there was a page about this run that nobody had acknowledged."""

    schema: Literal["panic-acknowledged/1"]
    run_id: str
    acknowledged: bool
    by: str


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


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def to_json(view: object) -> bytes:
    """Write an answer as JSON, indented, UTF-8."""
    kind = type(view)
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    found: bytes = _ADAPTERS[kind].dump_json(view, indent=2)
    return found
