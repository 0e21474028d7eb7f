"""What is engaged, by the latch's file and by the ledger, and whether it is known to be clear."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from panic import latch
from panic.broker.outcomes import Verdict
from panic.config import LedgerFiles, Settings
from panic.kit.errors import UsageError
from panic.kit.words import clip
from panic.latch import Hold, State
from panic.ledger import history
from panic.ledger.events import Event
from panic.ledger.record import Joined, Kind, Pressed, read
from panic.ledger.replay import scope_of
from panic.ledger.summary import Summary
from panic.report.document import AccountReport
from panic.run.asked import Asked, may_still, pending
from panic.run.latching import holds_of


@dataclass(frozen=True, slots=True)
class HoldView:
    """One scope that is engaged; `doubt` is why it is not known to be clear, empty if it is."""

    what: str
    name: str
    run: str
    at: str
    doubt: str


@dataclass(frozen=True, slots=True)
class AskView:
    """Somebody asked for a reset of these scopes, and another person has not yet."""

    by: str
    reason: str
    at: str
    ends: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LatchView:
    """What is engaged; `lost` is what the ledger says is engaged and the file does not.

    Attributes:
        asked: Resets that await another person, where the settings want two.
    """

    schema: Literal["panic-latch/1"]
    file: str
    engaged: bool
    problem: str
    holds: tuple[HoldView, ...]
    lost: tuple[HoldView, ...]
    warnings: tuple[str, ...]
    asked: tuple[AskView, ...]


@dataclass(frozen=True, slots=True)
class Engagement:
    """What is engaged: by the latch's file, and by presses on record that no reset ended."""

    state: State
    recorded: tuple[Hold, ...]
    doubts: dict[Hold, str]
    damage: tuple[str, ...]
    asked: tuple[Asked, ...] = ()

    @property
    def holds(self) -> tuple[Hold, ...]:
        """What is engaged: what the file lists, or if that is missing or damaged, what the ledger lists."""
        return self.recorded if self.state.problem else self.state.holds

    @property
    def known(self) -> tuple[Hold, ...]:
        """The same and what the ledger adds: after two presses at once the two may differ."""
        return tuple(dict.fromkeys((*self.holds, *self.recorded)))

    @property
    def lost(self) -> tuple[Hold, ...]:
        """What is recorded but not in the file; empty if the file is damaged, since that means everything."""
        return tuple(hold for hold in self.recorded if not self.state.includes([hold]))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Contradictions between file and ledger, and what is wrong with the ledger."""
        if not self.lost:
            return self.damage
        runs = clip(", ".join(sorted({hold.run for hold in self.lost})))
        contradiction = (
            f"the ledger says that {latch.listed(self.lost)} is engaged (run {runs}), and the latch does not: it "
            "could not be engaged, or it was changed by something other than panic reset"
        )
        return (contradiction, *self.damage)

    def view(self, file: str) -> LatchView:
        """Give the document that the command line and the API print."""
        holds, lost = (
            tuple(HoldView(*hold, doubt=self.doubts.get(hold, "")) for hold in some)
            for some in (self.holds, self.lost)
        )
        state = self.state
        asked = tuple(
            AskView(one.by, one.reason, one.at, tuple(str(Hold(*hold)) for hold in one.holds))
            for one in self.asked
        )
        return LatchView("panic-latch/1", file, state.engaged, state.problem, holds, lost, self.warnings, asked)


def look(settings: Settings, *, walk: bool = False) -> Engagement:
    """Say what is engaged; `walk` is whether to check all of the ledger, which takes a while."""
    if settings.latch.file is None:
        raise UsageError("the settings name no [latch] file")
    state = latch.read(settings.latch.file)
    found = history.headings(settings.ledger)
    asked, unread = _recorded(found.events)
    damage = [*unread, *found.damage, *(history.walk(settings.ledger) if walk else ())]
    now = datetime.now(UTC)
    asks = pending(found.events, now) if settings.latch.resets > 1 else ()
    awaiting = tuple(one for one in asks if may_still(one, settings, now))
    engaged = Engagement(state, asked, {}, tuple(dict.fromkeys(damage)), awaiting)
    host = settings.broker.base_url
    here = [one for one in found.runs if one.pressed.base_url == host and not one.pressed.drill]
    judge = _Judge(here, settings.ledger)
    for hold in engaged.known:
        if doubt := judge.doubt(hold):
            engaged.doubts[hold] = f"{hold}: {doubt}"
    return engaged


@dataclass(frozen=True)
class _Judge:
    """Judges by the records of runs at this broker, never by what their last events say alone."""

    runs: Sequence[Summary]
    ledger: LedgerFiles
    _told: dict[str, tuple[Sequence[AccountReport], Verdict | None]] = field(default_factory=dict)

    def doubt(self, hold: Hold) -> str:
        """Say why what a hold covers is not known to be clear; "" if it is.

        It is clear if a run that covers all of it, the hold's own or a later one, was clear, and no run that may
        be about the same accounts ended after that one began without being clear.
        """
        own = next((one for one in self.runs if one.run == hold.run), None)
        if own is None:
            return f"run {hold.run} is not on record at this broker, so that nobody knows whether it is clear"
        accounts = self._record(own)[0]
        mine = {one.id for one in accounts if hold.what == "all" or hold.name in {one.group, str(one.id)}}
        later = [one for one in self.runs if one.began >= own.began]
        proof = next((one for one in reversed(later) if self._proves(one, hold, mine)), None)
        since = (proof or own).began
        for one in sorted(self.runs, key=_last_word, reverse=True):
            if _last_word(one) < since:
                break
            if not self._is_clear(one) and not self._is_elsewhere(one, hold, mine):
                return f"run {one.run} {self._end(one)}"
        if proof is None:
            return f"no run since {own.run} shows all of it clear, whatever its accounts and its orders"
        return ""

    def _end(self, one: Summary) -> str:
        if one.finished is None:
            return "is under way" if one.alive else "did not come to its end"
        if one.is_clear:
            return f"ended clear, and its record comes to {self._record(one)[1] or 'nothing'}"
        return f"ended {one.finished.verdict}"

    def _is_clear(self, one: Summary) -> bool:
        return one.is_clear and self._record(one)[1] is Verdict.CLEAR

    def _proves(self, one: Summary, hold: Hold, mine: set[int | None]) -> bool:
        """Whether a run shows that everything a hold covers is clear."""
        scope = scope_of(one.pressed.scope)
        is_wide = hold.what == "account" or scope.all or hold.name in scope.groups
        if scope.filters or not is_wide or not self._is_clear(one):
            return False
        # Beyond the scope's name: an account may have left its group or the roster since.
        return bool(mine) and mine <= {account.id for account in self._record(one)[0]}

    def _is_elsewhere(self, one: Summary, hold: Hold, mine: set[int | None]) -> bool:
        """Whether a run is certainly about other accounts."""
        accounts = self._record(one)[0]
        theirs = {account.id for account in accounts}
        if hold.what == "all" or not (mine and theirs) or None in theirs:
            return False
        return not theirs & mine and hold.name not in {account.group for account in accounts}

    def _record(self, one: Summary) -> tuple[Sequence[AccountReport], Verdict | None]:
        """Make a run's report again: its accounts and its verdict, none if its record is too damaged."""
        if one.run not in self._told:
            self._told[one.run] = (), None
            with suppress(UsageError):
                report = history.recall(self.ledger, one.run).report()
                self._told[one.run] = report.accounts, report.verdict
        return self._told[one.run]


def _last_word(one: Summary) -> float:
    """Give the place in the ledger of the last event that a run may have seen; a dead run saw no more."""
    return one.ended or (float("inf") if one.alive else one.began)


# ── on record ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Reset:
    """What counts of a reset on record."""

    state: str
    holds: tuple[tuple[str, str, str, str], ...]


def recorded(settings: Settings) -> tuple[Hold, ...]:
    """Give what presses were to engage and no reset ended, by the ledger."""
    return _recorded(history.headings(settings.ledger).events)[0]


def _recorded(events: Iterable[Event]) -> tuple[tuple[Hold, ...], list[str]]:
    """Give that, and the unreadable events: a press engages even if the file could not be written."""
    by_run: dict[str, list[Hold]] = {}
    holds: dict[tuple[str, str], Hold] = {}
    unread = []
    for event in events:
        its = by_run.setdefault(event.run, [])
        try:
            if event.kind == Kind.RESET:
                reset = read(_Reset, event.body)
                ended = {hold[:3] for hold in reset.holds} if reset.state == "done" else set()
                holds = {scope: hold for scope, hold in holds.items() if hold[:3] not in ended}
            elif event.kind in {Kind.PRESSED, Kind.JOINED}:
                press = read(Pressed, event.body) if event.kind == Kind.PRESSED else read(Joined, event.body)
                if press.latch:
                    its += holds_of(scope_of(press.scope), event.run, press.trigger.at)
        except ValueError:
            unread.append(f"event {event.id} ({event.kind}) cannot be read")
        if event.kind in {Kind.PRESSED, Kind.JOINED, Kind.RESUMED}:
            holds |= {hold[:2]: hold for hold in its}
    return tuple(holds.values()), unread
