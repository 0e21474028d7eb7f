"""Ending the engaged state: a person's deliberate act. It fails closed: in doubt everything stays engaged."""

import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from panic import history, latch
from panic._version import VERSION
from panic.config import Settings
from panic.engage import holds_of
from panic.errors import ConfigurationError, Problem, UsageError
from panic.history import Summary
from panic.latch import Hold, State
from panic.ledger import reader
from panic.ledger.events import Event, decode, encode
from panic.outcomes import Verdict
from panic.plan import Scope
from panic.record import Kind, Pressed, read
from panic.replay import scope_of
from panic.words import clip

WILL_NOT = (
    "Nothing is sent to the broker: no order is cancelled, none is restored. "
    "The latch never blocked anything there; it only stops strategies that read it."
)


@dataclass(frozen=True, slots=True)
class Engagement:
    """What is engaged, by the latch's file and by the ledger.

    Attributes:
        state: What the file says.
        recorded: What the ledger says is engaged.
        doubts: Why each hold is not known to be clear, by hold; those that are clear are not in it.
        warnings: Where file and ledger contradict each other, and what of the ledger cannot be read.
    """

    state: State
    recorded: tuple[Hold, ...]
    doubts: dict[Hold, str]
    warnings: tuple[str, ...]

    @property
    def holds(self) -> tuple[Hold, ...]:
        """What a reset can end: what the file lists, or what the ledger does where there is no whole file."""
        return self.recorded if self.state.problem else self.state.holds


@dataclass(frozen=True, slots=True)
class Reset:
    """A reset that may be carried out."""

    holds: tuple[Hold, ...]
    recreate: bool
    by: str
    reason: str
    forced_because: str
    doubts: tuple[str, ...]

    def __str__(self) -> str:
        what = latch.listed(self.holds) if self.holds else "everything"
        return f"ends the engaged state of {what}: strategies that test the latch may trade again"


def look(settings: Settings) -> Engagement:
    """Say what is engaged."""
    if settings.latch.file is None:
        raise UsageError("the settings name no [latch] file")
    state = latch.read(settings.latch.file)
    recorded, warnings = _recorded(settings)
    summaries, damage = history.runs(settings.ledger)
    holds = recorded if state.problem else state.holds
    doubts = {hold: doubt for hold in holds if (doubt := _doubt(hold, summaries))}
    if not state.problem:
        scopes = {hold[:2] for hold in state.holds}
        lost = [hold for hold in recorded if hold[:2] not in scopes]
        if lost:
            runs = ", ".join(sorted({hold.run for hold in lost}))
            warnings.append(
                f"the ledger says that {latch.listed(lost)} is engaged (run {runs}), and the latch does not: "
                "it was changed by something other than panic reset"
            )
    return Engagement(state, recorded, doubts, (*warnings, *damage))


def prepare(settings: Settings, scope: Scope, *, by: str, reason: str, force: str = "") -> Reset:
    """Say what a reset would end; an empty scope means everything that is engaged.

    Raises:
        UsageError: No reason, nothing is engaged, or what is has not been seen clear and nobody forces it.
    """
    if not reason.strip():
        raise UsageError("no reason: say --reason TEXT; the auditor will ask who ended it, and why")
    found = look(settings)
    if not found.state.engaged:
        raise UsageError(f"nothing is engaged: {settings.latch.file} says disengaged")
    everything = not (scope.all or scope.groups or scope.accounts)
    if found.state.problem and not everything:
        raise UsageError(f"the latch is {found.state}: only all of it can be reset, so name no scope")
    holds = found.holds if everything else _named(found.holds, scope)
    doubts = [found.doubts[hold] for hold in holds if hold in found.doubts]
    if found.state.problem and not holds:
        doubts.append("the latch is not whole, and no run on record engaged it")
    if doubts and not force.strip():
        raise UsageError(
            "\n".join(dict.fromkeys(doubts))
            + '\nPress again until it is clear, or say why it may end all the same: --force "TEXT"'
        )
    return Reset(
        holds,
        bool(found.state.problem),
        clip(by),
        clip(reason.strip(), 1000),
        clip(force.strip(), 1000) if doubts else "",
        tuple(dict.fromkeys(doubts)),
    )


def carry_out(settings: Settings, reset: Reset) -> State:
    """Record the reset, end the engaged state, and say what the latch says now.

    Raises:
        ConfigurationError: The ledger cannot take it, so that nothing was changed.
        LatchError: The file could not be changed; what it says is in the words.
    """
    assert settings.latch.file is not None  # noqa: S101  (it was read before)
    _put_on_record(settings, reset, "intended")
    try:
        latch.release(settings.latch.file, reset.holds, recreate=reset.recreate)
    except latch.LatchError:
        _put_on_record(settings, reset, "failed")
        raise
    _put_on_record(settings, reset, "done")
    return latch.read(settings.latch.file)


def _named(holds: Sequence[Hold], scope: Scope) -> tuple[Hold, ...]:
    wanted = [("all", "")] if scope.all else []
    wanted += [("group", group) for group in scope.groups] + [("account", str(id_)) for id_ in scope.accounts]
    known = {hold[:2]: hold for hold in holds}
    if unknown := [name or what for what, name in wanted if (what, name) not in known]:
        raise UsageError(f"{', '.join(unknown)}: not engaged by this name; engaged is {latch.listed(holds)}")
    return tuple(known[name] for name in wanted)


def _doubt(hold: Hold, summaries: Iterable[Summary]) -> str:
    """Say why what a hold covers is not known to be clear; the last run that covers it decides."""
    covering = [one for one in summaries if one.run == hold.run or _covers(one, hold)]
    if not covering:
        return f"{hold}: run {hold.run} is not on record, so that nobody knows whether it is clear"
    last = max(covering, key=lambda one: one.pressed.started_at)
    if last.finished is None:
        return f"{hold}: run {last.run} did not come to its end"
    if last.finished.verdict is not Verdict.CLEAR:
        return f"{hold}: run {last.run} ended {last.finished.verdict}"
    return ""


def _covers(one: Summary, hold: Hold) -> bool:
    scope, filters = one.pressed.scope, one.pressed.scope.filters
    if one.pressed.drill or one.pressed.started_at.isoformat() < hold.at:
        return False
    if filters.side or filters.type or filters.instrument_type or filters.instrument_ids:
        return False
    named = (hold.what == "group" and hold.name in scope.groups) or (
        hold.what == "account" and int(hold.name) in scope.accounts
    )
    return scope.all or named


# ── on record ───────────────────────────────────────────────────────────────────────────────────────────────


def _recorded(settings: Settings) -> tuple[tuple[Hold, ...], list[str]]:
    """Give what presses were to engage and no reset ended, by the ledger; and what of it cannot be read."""
    events: dict[str, Event] = {}
    warnings = []
    for file in history.files(settings.ledger):
        for row in reader.read(file, kinds=(Kind.PRESSED, Kind.RESET)).rows:
            try:
                event = decode(row.record)
            except ValueError:
                warnings.append(f"{file}: event {row.seq} ({row.kind}) cannot be read")
            else:
                events[event.id] = event
    holds: dict[tuple[str, str], Hold] = {}
    for event in sorted(events.values(), key=lambda event: event.at):
        try:
            _follow(holds, event)
        except (ValueError, KeyError, TypeError):
            warnings.append(f"event {event.id} ({event.kind}) cannot be read")
    return tuple(holds.values()), warnings


def _follow(holds: dict[tuple[str, str], Hold], event: Event) -> None:
    """Go one event on: a press engages, even if the file could not be written; a reset that was done ends it."""
    if event.kind == Kind.PRESSED:
        pressed = read(Pressed, event.body)
        if pressed.latch:
            engaged = holds_of(scope_of(pressed.scope), event.run, pressed.started_at)
            holds.update({hold[:2]: hold for hold in engaged})
    elif event.body["state"] == "done":
        for what, name, *_ in event.body["holds"]:
            holds.pop((what, name), None)
        if event.body["recreate"]:
            holds.clear()


def _put_on_record(settings: Settings, reset: Reset, state: str) -> None:
    from panic.ledger.store import SqliteStore  # noqa: PLC0415  (creates nothing until it is needed)

    file = settings.ledger.file
    if file is None:
        raise ConfigurationError([Problem("the settings name no [ledger] file", "A reset must be on record.")])
    body = {
        "state": state,
        "by": reset.by,
        "reason": reset.reason,
        "forced_because": reset.forced_because,
        "doubts": reset.doubts,
        "holds": reset.holds,
        "recreate": reset.recreate,
        "file": str(settings.latch.file),
        "version": VERSION,
    }
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    event = Event("", Kind.RESET, f"{secrets.token_hex(4)}-0", at, body)
    try:
        store = SqliteStore(file)
        try:
            store.append([(event.run, event.kind, encode(event))])
        finally:
            store.close()
    except (OSError, sqlite3.Error) as error:
        what = f"the reset could not be put on record ({clip(str(error))}), so that it was not carried out"
        if state != "intended":
            what = f"the reset is {state}, and that could not be put on record ({clip(str(error))})"
        raise ConfigurationError([Problem(what, "Mend the ledger, and look at: panic latch", file)]) from error
