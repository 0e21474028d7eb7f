"""A run rebuilt from its record: the cases as they were, and the report that was, or would have been, printed.

A record may break off: a DELETE that was sent but has no end on record counts as unanswered.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from panic.accounts.plan import Scope, Unsent
from panic.broker.answers import Answer
from panic.broker.outcomes import EXIT_CODES, Evidence, Outcome, worst
from panic.engine.case import Case, Proof
from panic.engine.pacing import Pace
from panic.kit.clock import time_of_day
from panic.kit.process import Process
from panic.kit.words import clip
from panic.ledger.changes import apply, moment
from panic.ledger.events import Event, Head
from panic.ledger.record import Finished, Joined, Kind, Pressed, Resumed, Sending, read, read_plan
from panic.report.account import Circumstances
from panic.report.document import (
    RECORD_DAMAGED,
    UNDER_WAY,
    Flag,
    Joining,
    LatchReport,
    Report,
    Resumption,
    ScopeReport,
    Timings,
)
from panic.report.flags import from_cases
from panic.report.fold import fold

_NO_PACE = Pace(deadline=0.0, watch_s=0.0)
_UNREADABLE = (ValueError, KeyError, TypeError)
"""What reading an event raises if it is not what was written."""

_BEGINNING = datetime.min.replace(tzinfo=UTC)

_LOST = "nothing is on record of its end: the process died first"

_UNSENT = "no DELETE of it is on record; one may have left in the last moment before the process died"

_GOING_ON = "nothing is on record of its end yet", "no DELETE of it is on record yet"

UNFINISHED = "unfinished"
"""Code of the flag on the report of an unfinished run."""


@dataclass(slots=True)
class Replay:
    """A run as known from its record. Feed it the events in order."""

    run: str
    pressed: Pressed | None = None
    cases: dict[int, Case] = field(default_factory=dict)
    unsent: tuple[Unsent, ...] = ()
    flags: list[Flag] = field(default_factory=list)
    latch: LatchReport | None = None
    joined: list[Joined] = field(default_factory=list)
    resumed: list[Resumed] = field(default_factory=list)
    finished: Finished | None = None
    last_at: datetime = _BEGINNING
    oddities: list[str] = field(default_factory=list)
    _sent: dict[int, tuple[int, datetime]] = field(default_factory=dict)

    @classmethod
    def of(cls, run: str, events: Iterable[Event]) -> "Replay":
        """Replay a run's events; useless ones are noted in `oddities`."""
        replay = cls(run)
        for event in events:
            try:
                replay.last_at = max(replay.last_at, moment(event.at))
                replay._take(event)
            except _UNREADABLE as error:
                replay._note_odd(event, error)
        return replay

    def _take(self, event: Event) -> None:
        match Kind(event.kind):
            case Kind.PRESSED:
                self.pressed = read(Pressed, event.body)
            case Kind.PLANNED:
                accounts, self.unsent = read_plan(event.body)
                filters = self.scope.filters
                self.cases = {account.id: Case(account, filters) for account in accounts}
            case Kind.ATTEMPT:
                self._send(event, read(Sending, event.body))
            case Kind.OUTCOME | Kind.STANDING:
                self._change(event)
            case Kind.FLAG:
                self.flags.append(read(Flag, event.body))
            case Kind.LATCHED:
                self.latch = read(LatchReport, event.body)
            case Kind.JOINED:
                self._join(read(Joined, event.body))
            case Kind.RESUMED:
                self._resume(read(Resumed, event.body))
            case Kind.FINISHED:
                self.finished = read(Finished, event.body)

    @property
    def process(self) -> Process | None:
        """The process that had the run last."""
        last = self.resumed[-1] if self.resumed else self.pressed
        return last.process if last else None

    @property
    def scope(self) -> Scope:
        """What was asked for."""
        return scope_of(self.pressed.scope) if self.pressed else Scope()

    def close(self, lost: str = _LOST, unsent: str = _UNSENT) -> None:
        """Treat a DELETE that was sent but has no end on record as unanswered: it may have arrived."""
        for account, (nth, at) in self._sent.items():
            case = self.cases[account]
            if nth > case.cancels:
                case.cancelled(Answer(0.0, 0.0, Evidence(sent=True), Outcome.UNKNOWN, error=lost), _NO_PACE)
                case.attempts[-1] = case.attempts[-1]._replace(at=at)
        self._sent.clear()
        if self.finished is None:
            for case in self.cases.values():
                if case.outcome is Outcome.NOT_ATTEMPTED:
                    case.note(unsent)

    def _send(self, event: Event, sending: Sending) -> None:
        for account, nth in sending.deletes:
            if account in self.cases:
                self._sent[account] = nth, moment(event.at)
                self.cases[account].pressed_again = False
            else:
                self._note_odd(event, KeyError(account))

    def _change(self, event: Event) -> None:
        """Apply what became of accounts; an unreadable one does not affect the others."""
        accounts = event.body.get("accounts") if isinstance(event.body, dict) else None
        found: Any
        for found in accounts if isinstance(accounts, list) else [None]:
            account = None
            try:
                account = found["account"]
                apply(self.cases[account], found)
            except _UNREADABLE as error:
                self._note_odd(event, error)
                self._forget(account)

    def _forget(self, account: Any) -> None:
        """Something about an account, or an unknown one, is lost: earlier proofs no longer hold."""
        known = [case for case in self.cases.values() if case.account.id == account]
        for case in known or self.cases.values():
            case.proof = Proof()

    def _note_odd(self, event: Event, error: Exception) -> None:
        words = f"event {event.id} ({event.kind}) cannot be read: {type(error).__name__}"
        if words not in self.oddities:
            self.oddities.append(words)

    def _join(self, joined: Joined) -> None:
        """Another press: the run may take longer, and what was clear before is clear no more."""
        self.joined.append(joined)
        for account in joined.accounts:
            if account in self.cases:
                self.cases[account].press_again()
        if self.pressed is not None:
            self.pressed = self.pressed.joined_by(joined)

    def _resume(self, resumed: Resumed) -> None:
        if self.resumed and self.resumed[-1] == resumed:  # a writer that waited for it in vain wrote it again
            return
        self.close()
        self.finished = None
        self.resumed.append(resumed)
        for case in self.cases.values():
            case.resume(0.0, _NO_PACE)


def report_of(
    replay: Replay, head: Head | None = None, damage: Sequence[str] = (), *, under_way: bool = False
) -> Report:
    """Fold the report as it was printed, but with nothing clear if there is any damage.

    `under_way` says that its process still works on it.

    Raises:
        ValueError: The record does not tell who pressed, or of which accounts.
    """
    replay.close(*_GOING_ON if under_way else ())
    if replay.pressed is None:
        raise ValueError("the record does not tell who pressed, and why")
    if not replay.cases and not replay.unsent:
        raise ValueError("the record does not tell of which accounts")
    facts = _circumstances(replay, replay.pressed, damage, under_way=under_way)
    report = fold(replay.cases.values(), replay.unsent, facts, time_of_day)
    if replay.finished is None:
        return report
    verdict = worst(report.verdict, replay.finished.verdict)  # they differ only where something is lost
    return replace(report, verdict=verdict, exit_code=EXIT_CODES[verdict], ledger_head=str(head) if head else None)


def circumstances(
    run: str, pressed: Pressed, joined: Iterable[Joined], resumed: Iterable[Resumed], **more: Any
) -> Circumstances:
    """Give the circumstances of a run: those that its record holds, and `more`."""
    return Circumstances(
        run_id=run,
        drill=pressed.drill,
        base_url=pressed.base_url,
        contact=pressed.contact,
        roster=pressed.roster,
        trigger=pressed.trigger,
        scope=pressed.scope,
        started_at=pressed.started_at,
        joined=tuple(
            Joining(one.trigger.source, one.trigger.by, one.trigger.reason, one.trigger.at, len(one.accounts))
            for one in joined
        ),
        resumed=tuple(Resumption(one.at, one.by) for one in resumed),
        **more,
    )


def _circumstances(replay: Replay, pressed: Pressed, damage: Sequence[str], *, under_way: bool) -> Circumstances:
    end = replay.finished
    lasted_s = round((replay.last_at - pressed.started_at).total_seconds(), 3)
    flags = [Flag(RECORD_DAMAGED, clip(words, 500)) for words in damage]
    flags += replay.flags if end else _unfinished_flags(replay, pressed.base_url, under_way=under_way)
    return circumstances(
        replay.run,
        pressed,
        replay.joined,
        replay.resumed,
        version=end.version if end else pressed.version,
        timings=end.timings if end else Timings(None, None, lasted_s, pressed.deadline_s),
        finished_at=end.finished_at if end else replay.last_at,
        finished=end is not None,
        latch=replay.latch,
        flags=tuple(dict.fromkeys(flags)),
        is_damaged=bool(damage),
        roster_checked=end is not None and end.roster_checked,
        unlisted=end.unlisted if end else (),
    )


def _unfinished_flags(replay: Replay, base_url: str, *, under_way: bool) -> Iterable[Flag]:
    if under_way:
        yield Flag(UNDER_WAY, f"this run is under way ({replay.process}): this is what is on record of it so far")
    else:
        text = f"this run did not come to its end ({replay.process}): panic resume {replay.run}, or press again"
        yield Flag(UNFINISHED, text)
    yield from replay.flags
    yield from from_cases(list(replay.cases.values()), base_url, over=False, died=not under_way)
    yield from (Flag(RECORD_DAMAGED, words) for words in replay.oddities)


def scope_of(shown: ScopeReport) -> Scope:
    """Rebuild the scope that a report shows."""
    filters = shown.filters
    orders = (filters.side, filters.type, filters.instrument_type, filters.instrument_ids)
    return Scope.of(shown.all, shown.groups, shown.accounts, orders)
