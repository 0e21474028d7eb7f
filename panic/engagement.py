"""What is engaged, by the latch's file and by the ledger, and whether it is known to be clear."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from panic import history, latch
from panic.config import LedgerFiles, Settings
from panic.errors import UsageError
from panic.latch import Hold, State
from panic.latching import holds_of
from panic.ledger import reader
from panic.ledger.events import Event, decode
from panic.plan import Scope, Unsent
from panic.record import Joined, Kind, Pressed, read, read_plan
from panic.replay import scope_of
from panic.roster import Account
from panic.summary import Summary
from panic.words import clip


@dataclass(frozen=True, slots=True)
class Engagement:
    """What is engaged, by the latch's file and by the ledger.

    Attributes:
        state: What the file says.
        recorded: What presses were to engage and no reset ended, by the ledger.
        lost: What of that the file does not say; empty where it is not whole, since that says everything.
        doubts: Why each hold is not known to be clear, by hold; those that are clear are not in it.
        warnings: Where file and ledger contradict each other, and what is wrong with the ledger.
        unsure: Those of them that make it uncertain what the ledger says of anything.
    """

    state: State
    recorded: tuple[Hold, ...]
    lost: tuple[Hold, ...]
    doubts: dict[Hold, str]
    warnings: tuple[str, ...]
    unsure: tuple[str, ...] = ()

    @property
    def holds(self) -> tuple[Hold, ...]:
        """What is engaged: what the file lists, or what the ledger does where there is no whole file."""
        return self.recorded if self.state.problem else self.state.holds

    @property
    def known(self) -> tuple[Hold, ...]:
        """The same, and what the ledger says beside it: after two presses at once each may name another."""
        return (*self.holds, *(hold for hold in self.recorded if hold not in self.holds))


def look(settings: Settings, *, walk: bool = False) -> Engagement:
    """Say what is engaged.

    Args:
        settings: Where the latch is, and the ledger.
        walk: Whether to read all of the ledger, which takes a while, and not the headings of its runs alone.

    Raises:
        UsageError: The settings name no latch, or no ledger.
    """
    if settings.latch.file is None:
        raise UsageError("the settings name no [latch] file")
    state = latch.read(settings.latch.file)
    ledger = settings.ledger
    found = history.headings(ledger)
    asked, unread = _recorded(found.events)
    unsure = [*unread, *found.damage]
    if walk:
        unsure += history.walk(ledger)
    lost = tuple(hold for hold in asked if not state.includes([hold]))
    contradictions = []
    if lost:
        runs = clip(", ".join(sorted({hold.run for hold in lost})))
        contradictions.append(
            f"the ledger says that {latch.listed(lost)} is engaged (run {runs}), and the latch does not: it could "
            "not be engaged, or it was changed by something other than panic reset"
        )
    unsure = list(dict.fromkeys(unsure))
    engaged = Engagement(state, asked, lost, {}, (*contradictions, *unsure), tuple(unsure))
    return replace(engaged, doubts=_doubts(engaged.known, found.runs, settings, retold=walk))


# ── is it clear? ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Planned:
    """Which accounts a run was about, those that it could not reach as well.

    Attributes:
        groups: Each account's group at that time, by the account's id; None where its row does not tell.
        whole: Whether these are all: a row of the roster without a readable id may be any account.
    """

    groups: dict[int, str | None]
    whole: bool

    @classmethod
    def of(cls, accounts: Iterable[Account], unsent: Sequence[Unsent]) -> "_Planned":
        """Take them from a plan."""
        groups: dict[int, str | None] = {account.id: account.group for account in accounts}
        for one in unsent:
            if one.account:
                groups[one.account.id] = one.account.group
        rows = [one.row.id if one.row else None for one in unsent if not one.account]
        return cls(groups | dict.fromkeys(id_ for id_ in rows if id_ is not None), whole=None not in rows)

    def within(self, hold: Hold) -> set[int]:
        """Give those of its accounts that a hold of this run covers."""
        if hold.what == "account":
            return {int(hold.name)}
        return {id_ for id_, group in self.groups.items() if hold.what == "all" or group in {hold.name, None}}


def _doubts(
    holds: Sequence[Hold], runs: Sequence[Summary], settings: Settings, *, retold: bool
) -> dict[Hold, str]:
    """Say why each hold is not known to be clear."""
    own = {one.run: one for one in runs}
    counting = {hold: [one.run for one in runs if _counts(one, hold, own.get(hold.run))] for hold in holds}
    asked = {run for its in counting.values() for run in its}
    plans = _plans(settings.ledger, asked) if asked else {}

    def believe(found: Iterable[Summary], *, retold: bool) -> None:
        own.update({one.run: one for one in history.checked(settings.ledger, found, retold=retold)})

    def asking(hold: Hold) -> tuple[_Question, list[Summary]]:
        question = _Question(hold, own.get(hold.run), plans, settings.broker.base_url)
        return question, [own[run] for run in counting[hold]]

    believe([one for one in runs if one.run in asked and one.is_clear], retold=False)
    if retold:
        proofs = [proof for question, its in map(asking, holds) if (proof := question.proof(its))]
        believe({one.run: one for one in proofs}.values(), retold=True)
    doubts = {hold: question.doubt(its) for hold, (question, its) in zip(holds, map(asking, holds), strict=True)}
    return {hold: doubt for hold, doubt in doubts.items() if doubt}


def _counts(one: Summary, hold: Hold, own: Summary | None) -> bool:
    """Whether a run may say anything about a hold: whatever was over before it does not."""
    if one.pressed.drill:
        return False
    if one.alive or one is own:
        return True
    if own is not None:
        return one.began > own.began or one.ended > own.began
    return _is_later(one, hold) or bool(one.finished and _is_after(one.finished.finished_at, hold))


def _is_later(one: Summary, hold: Hold) -> bool:
    """Whether a run began after a hold whose own run is not on record."""
    return _is_after(one.pressed.started_at, hold)


def _is_after(moment: datetime, hold: Hold) -> bool:
    with suppress(ValueError, TypeError):  # no time, or one without a zone
        # A hold's time is given in whole seconds.
        return moment >= datetime.fromisoformat(hold.at) + timedelta(seconds=1)
    return False


def _plans(ledger: LedgerFiles, runs: Collection[str]) -> dict[str, _Planned]:
    """Read which accounts runs were about; a plan that is not what was written is none."""
    found: dict[str, _Planned] = {}
    volume = history.read(ledger, runs=runs, kinds=(Kind.PLANNED,))
    for row, before in zip(volume.rows, volume.before, strict=False):
        if reader.faults_of_rows([row], [before]):
            continue
        with suppress(ValueError):
            event = decode(row.record)
            found.setdefault(event.run, _Planned.of(*read_plan(event.body)))
    return found


@dataclass(frozen=True, slots=True)
class _Question:
    """Is what a hold covers known to be clear?

    Attributes:
        own: The run that engaged it; None where it is not on record.
    """

    hold: Hold
    own: Summary | None
    plans: dict[str, _Planned]
    base_url: str

    def proof(self, runs: Sequence[Summary]) -> Summary | None:
        """Give the last run that shows that all is clear."""
        return next((one for one in reversed(runs) if self._proves(one)), None)

    def doubt(self, runs: Sequence[Summary]) -> str:
        """Say why it is not, by the runs that count; "" if it is.

        It is if one run was clear of all of it, and every other that was not clear was over before that began.
        """
        proof = self.proof(runs)
        against = [(one, words) for one in runs if (words := self._against(one))]
        left = [(one, words) for one, words in against if not proof or not _is_over_before(one, proof)]
        if left:
            return f"{self.hold}: {left[-1][1]}"
        if proof:
            return ""
        if self.own is None or self.own.pressed.drill:
            why = f"run {self.hold.run} is not on record, so that nobody knows whether it is clear"
        else:
            why = f"run {self.own.run} was clear of what its scope and filters name, which is not all of it"
        return f"{self.hold}: {why}"

    def _proves(self, one: Summary) -> bool:
        """Whether a run shows that all is clear; in doubt it does not."""
        if one is not self.own:
            is_later = one.began > self.own.began if self.own else _is_later(one, self.hold)
            if not is_later:
                return False
        return one.is_clear and one.pressed.base_url == self.base_url and self._covers(one)

    def _against(self, one: Summary) -> str:
        """Say how a run leaves it open whether all is clear; in doubt it was about the same accounts."""
        if one.pressed.base_url != self.base_url:
            return f"run {one.run} was pressed against {one.pressed.base_url}" if one is self.own else ""
        if one is not self.own and not self._touches(one):
            return ""
        if one.finished is None:
            return f"run {one.run} {'is under way' if one.alive else 'did not come to its end'}"
        if not one.is_clear:
            return f"run {one.run} ended {one.finished.verdict}"
        return ""

    def _covers(self, one: Summary) -> bool:
        its = self.plans.get(one.run)
        if its is None or scope_of(one.pressed.scope).filters:
            return False
        if self.hold.what == "account":
            return int(self.hold.name) in its.groups
        mine = self.plans.get(self.hold.run)
        if mine is None or not mine.whole or not its.groups.keys() >= mine.within(self.hold):
            return False
        # Those that are in the group now are, too, to stop.
        return any(scope.all or self.hold.name in scope.groups for scope in _scopes(one))

    def _touches(self, one: Summary) -> bool:
        scopes = _scopes(one)
        if self.hold.what == "all" or any(scope.all for scope in scopes):
            return True
        if self.hold.what == "group" and any(self.hold.name in scope.groups for scope in scopes):
            return True
        its = self.plans.get(one.run)
        if its is None or not its.whole:
            return True
        if self.hold.what == "account":
            return int(self.hold.name) in its.groups
        mine = self.plans.get(self.hold.run)
        if mine is None or not mine.whole:
            return True
        return not {self.hold.name, None}.isdisjoint(its.groups.values()) or not mine.within(self.hold).isdisjoint(
            its.groups
        )


def _scopes(one: Summary) -> list[Scope]:
    """Give what a run was asked for: by the press, and by those that became a part of it."""
    return [scope_of(shown) for shown in (one.pressed.scope, *(joined.scope for joined in one.joined))]


def _is_over_before(one: Summary, proof: Summary) -> bool:
    """Whether a run was over before another began; one that died sent nothing more, whenever that was."""
    if one.finished is not None:
        return one.ended < proof.began
    return not one.alive and one.began < proof.began


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
        elif event.kind != Kind.RESUMED:
            return
        self.holds.update({hold[:2]: hold for hold in self.by_run.get(event.run, ())})

    def _end(self, reset: _Reset) -> None:
        if reset.state == "done":
            ended = {hold[:3] for hold in reset.holds}
            self.holds = {scope: hold for scope, hold in self.holds.items() if hold[:3] not in ended}


def recorded(settings: Settings) -> tuple[Hold, ...]:
    """Give what presses were to engage and no reset ended, by the ledger.

    Raises:
        UsageError: The settings name no ledger.
    """
    return _recorded(history.headings(settings.ledger).events)[0]


def _recorded(events: Iterable[Event]) -> tuple[tuple[Hold, ...], list[str]]:
    """Give that, and which events tell nothing."""
    asked, unread = _Asked(), []
    for event in events:
        try:
            asked.follow(event)
        except ValueError:
            unread.append(f"event {event.id} ({event.kind}) cannot be read")
    return tuple(asked.holds.values()), unread
