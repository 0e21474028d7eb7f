"""What the service answers with, beside reports, plans and checks: each a document with a published schema."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from panic.broker.outcomes import Verdict
from panic.engine.forecast import Forecast
from panic.ledger.summary import Summary
from panic.report.document import Flag, Report
from panic.report.headline import scope_words

RUNS: Final = "/v1/runs"
RUN: Final = f"{RUNS}/{{id}}"


@dataclass(frozen=True, slots=True)
class Links:
    """Where else to look."""

    self: str
    events: str
    report: str


def links(run_id: str) -> Links:
    """Say where a run is, and what there is of it."""
    return Links(f"{RUNS}/{run_id}", f"/v1/events?run={run_id}", f"{RUNS}/{run_id}/report")


@dataclass(frozen=True, slots=True)
class Started:
    """What a press came to: whether it joined a run that was under way, and whether that sent everything again.

    The flags are what was known before anything was sent.
    """

    schema: Literal["panic-started/1"]
    run_id: str
    joined: bool
    resent: bool
    links: Links
    flags: tuple[Flag, ...] = ()


def started(run_id: str, flags: Sequence[Flag] = (), *, joined: bool = False, resent: bool = True) -> Started:
    """Say what a press, or a resume, came to."""
    return Started("panic-started/1", run_id, joined, resent, links(run_id), tuple(flags))


@dataclass(frozen=True, slots=True)
class Arrival:
    """Whether a press arrived: its run, and when; null where nothing is known of it.

    Attributes:
        known_s: For how long the service has known keys; what came before that, it knows from the ledger alone.
    """

    schema: Literal["panic-arrival/1"]
    run_id: str | None
    at: datetime | None
    known_s: float


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run in a list of runs: what it covered, how its accounts ended, and how long it took, seconds."""

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
    scope: str
    verdicts: dict[Verdict, int]
    total_s: float | None


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs, unfinished ones first and then the latest; `more` are not listed, `damage` is the ledger's."""

    schema: Literal["panic-runs/1"]
    runs: tuple[RunRow, ...]
    more: int
    damage: tuple[str, ...]
    looked_in: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunFound:
    """One run, whether it is under way in this service, and where to look.

    While it is, `deadline_s` is when it ends at the latest, seconds since the press; `forecast` how long it takes
    where the broker limits the pace.
    """

    schema: Literal["panic-run-summary/1"]
    live: bool
    run: RunRow
    links: Links
    deadline_s: float | None = None
    forecast: Forecast | None = None


def row(one: Summary, now: datetime, *, state: str = "", report: Report | None = None) -> RunRow:
    """Tell of a run; of one that is here with its state and report."""
    pressed, end = one.pressed, report or one.finished
    verdicts = report.totals.verdicts if report else one.finished.verdicts if one.finished else {}
    return RunRow(
        run_id=one.run,
        state=state or one.state(now),
        verdict=end.verdict if end else None,
        exit_code=end.exit_code if end else None,
        drill=pressed.drill,
        started_at=pressed.started_at,
        finished_at=end.finished_at if end else None,
        resumable_until=None if end else one.resumable_until,
        process=str(one.process),
        base_url=pressed.base_url,
        source=pressed.trigger.source,
        by=pressed.trigger.by,
        reason=pressed.trigger.reason,
        scope=scope_words(pressed.scope),
        verdicts=verdicts,
        total_s=end.timings.total_s if end else None,
    )


@dataclass(frozen=True, slots=True)
class LiveView:
    """A run under way here; times in seconds since the press, and how long it takes at the broker's pace."""

    run_id: str
    source: str
    elapsed_s: float
    deadline_s: float
    links: Links
    forecast: Forecast | None


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
class Ready:
    """Whether a press would work, and in one word why not; `files` tells ledger and latch from others."""

    ready: bool
    why: str
    files: dict[str, str]
