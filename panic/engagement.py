"""What is engaged, by the latch's file and by the ledger, and whether it is known to be clear."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from heapq import merge
from pathlib import Path

from panic import history, latch
from panic.config import Settings
from panic.errors import UsageError
from panic.history import Summary
from panic.latch import Hold, State
from panic.latching import holds_of
from panic.ledger import reader
from panic.ledger.events import Event, decode
from panic.outcomes import Verdict
from panic.record import Joined, Kind, Pressed, read
from panic.replay import scope_of
from panic.report import ScopeReport
from panic.words import clip


@dataclass(frozen=True, slots=True)
class Engagement:
    """What is engaged, by the latch's file and by the ledger.

    Attributes:
        state: What the file says.
        recorded: What presses were to engage and no reset ended, by the ledger.
        lost: What of that the file does not say; empty where it is not whole, since that says everything.
        doubts: Why each hold is not known to be clear, by hold; those that are clear are not in it.
        warnings: Where file and ledger contradict each other, and what of the ledger cannot be read.
    """

    state: State
    recorded: tuple[Hold, ...]
    lost: tuple[Hold, ...]
    doubts: dict[Hold, str]
    warnings: tuple[str, ...]

    @property
    def holds(self) -> tuple[Hold, ...]:
        """What is engaged: what the file lists, or what the ledger does where there is no whole file."""
        return self.recorded if self.state.problem else self.state.holds

    @property
    def known(self) -> tuple[Hold, ...]:
        """The same, and what the ledger says beside it: after two presses at once each may name another."""
        return (*self.holds, *(hold for hold in self.recorded if hold not in self.holds))


def look(settings: Settings) -> Engagement:
    """Say what is engaged.

    Raises:
        UsageError: The settings name no latch, or no ledger.
    """
    if settings.latch.file is None:
        raise UsageError("the settings name no [latch] file")
    state = latch.read(settings.latch.file)
    asked, warnings = recorded(settings)
    summaries, damage = history.runs(settings.ledger)
    lost = tuple(hold for hold in asked if not state.includes([hold]))
    if lost:
        runs = clip(", ".join(sorted({hold.run for hold in lost})))
        warnings.append(
            f"the ledger says that {latch.listed(lost)} is engaged (run {runs}), and the latch does not: it could "
            "not be engaged, or it was changed by something other than panic reset"
        )
    found = Engagement(state, asked, lost, {}, (*warnings, *damage))
    doubts = {hold: doubt for hold in found.known if (doubt := _doubt(hold, summaries, settings.broker.base_url))}
    return replace(found, doubts=doubts)


# ── is it clear? ────────────────────────────────────────────────────────────────────────────────────────────


def _doubt(hold: Hold, summaries: Iterable[Summary], base_url: str) -> str:
    """Say why what a hold covers is not known to be clear, by the last run that says something about it."""
    doubt = f"{hold}: run {hold.run} is not on record, so that nobody knows whether it is clear"
    for one in sorted(summaries, key=lambda one: one.pressed.started_at):
        if one.run != hold.run and not _comes_later(one, hold):
            continue
        if one.pressed.drill or not _touches(one.pressed.scope, hold):
            continue
        if one.pressed.base_url != base_url:
            if one.run == hold.run:
                doubt = f"{hold}: run {one.run} was pressed against {one.pressed.base_url}"
        elif one.finished is None:
            doubt = f"{hold}: run {one.run} {'is under way' if one.alive else 'did not come to its end'}"
        elif one.finished.verdict is not Verdict.CLEAR:
            doubt = f"{hold}: run {one.run} ended {one.finished.verdict}"
        elif _covers(one.pressed.scope, hold):
            doubt = ""
        elif one.run == hold.run:
            doubt = f"{hold}: run {one.run} was clear of what its scope and filters name, which is not all of it"
    return doubt


def _comes_later(one: Summary, hold: Hold) -> bool:
    """Whether a run began after a hold, whose time is given in whole seconds."""
    with suppress(ValueError, TypeError):  # no time, or one without a zone
        return one.pressed.started_at >= datetime.fromisoformat(hold.at) + timedelta(seconds=1)
    return False


def _touches(scope: ScopeReport, hold: Hold) -> bool:
    """Whether a run was about anything that a hold covers, as far as their names tell."""
    return hold.what == "all" or scope.all or _names(scope, hold)


def _covers(scope: ScopeReport, hold: Hold) -> bool:
    """Whether a run that is clear shows that all is clear that a hold covers."""
    return not scope_of(scope).filters and (scope.all or _names(scope, hold))


def _names(scope: ScopeReport, hold: Hold) -> bool:
    return (hold.what == "group" and hold.name in scope.groups) or (
        hold.what == "account" and int(hold.name) in scope.accounts
    )


# ── on record ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Reset:
    """What counts of a reset on record."""

    state: str
    holds: tuple[tuple[str, str, str, str], ...]


@dataclass(slots=True)
class _Asked:
    """What presses were to engage and no reset ended. Feed it the events in their order."""

    by_run: dict[str, list[Hold]] = field(default_factory=dict)
    holds: dict[tuple[str, str], Hold] = field(default_factory=dict)

    def follow(self, event: Event) -> None:
        """Go one event on: a press engages, even if the file could not be written; a reset that was done ends it.

        Raises:
            ValueError: Its body is not what its kind has.
        """
        if event.kind == Kind.RESET:
            self._end(read(_Reset, event.body))
            return
        if event.kind == Kind.PRESSED:
            pressed = read(Pressed, event.body)
            asked = holds_of(scope_of(pressed.scope), event.run, pressed.started_at) if pressed.latch else []
            self.by_run[event.run] = asked
        elif event.kind == Kind.JOINED:
            joined = read(Joined, event.body)
            asked = holds_of(scope_of(joined.scope), event.run, joined.trigger.at) if joined.latch else []
            self.by_run[event.run] = [*self.by_run.get(event.run, ()), *asked]
        self.holds.update({hold[:2]: hold for hold in self.by_run.get(event.run, ())})

    def _end(self, reset: _Reset) -> None:
        if reset.state == "done":
            ended = {hold[:3] for hold in reset.holds}
            self.holds = {scope: hold for scope, hold in self.holds.items() if hold[:3] not in ended}


def recorded(settings: Settings) -> tuple[tuple[Hold, ...], list[str]]:
    """Give what presses were to engage and no reset ended, by the ledger; and what of it cannot be read."""
    warnings: list[str] = []
    volumes = [_events(file, warnings) for file in history.files(settings.ledger)]
    asked, seen = _Asked(), set()
    # Within a file events stand in their order, whatever the clock was set to.
    for event in merge(*volumes, key=lambda event: event.at):
        if event.id in seen:
            continue
        seen.add(event.id)
        try:
            asked.follow(event)
        except ValueError:
            warnings.append(f"event {event.id} ({event.kind}) cannot be read")
    return tuple(asked.holds.values()), warnings


def _events(file: Path, warnings: list[str]) -> Iterator[Event]:
    for row in reader.read(file, kinds=(Kind.PRESSED, Kind.JOINED, Kind.RESUMED, Kind.RESET)).rows:
        try:
            yield decode(row.record)
        except ValueError:
            warnings.append(f"{file}: event {row.seq} ({row.kind}) cannot be read")
