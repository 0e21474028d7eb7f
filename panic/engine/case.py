"""One account's case in a run: what has happened to it, and what to do about it next.

Pure: a `Case` is told what came back and says which step is due at what time. It never waits and never
sends; the engine does, for all cases at once.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from panic.accounts.roster import Account
from panic.broker.answers import Answer, Receipt
from panic.broker.findings import Findings
from panic.broker.outcomes import REFUSED, TRY_AGAIN, Body, Outcome, Standing, Verdict, judge, succeed
from panic.broker.proof import Look
from panic.engine.pacing import Pace
from panic.engine.tally import Tally
from panic.engine.timetable import NEVER, Do, Step, Timetable, resumed
from panic.orders import Filters

_LOOKS_AFTER_A_REFUSAL = 5
"""Reading cannot help a refused account; a few looks show whether it is clear anyway."""


class Attempt(NamedTuple):
    """One HTTP request on the wire; `began` is loop time, `elapsed` seconds.

    Attributes:
        at: The time of day it began; set only if an earlier process made it.
    """

    method: str
    began: float
    elapsed: float
    status: int | None
    request_id: str
    error: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """What the last conclusive look since the last DELETE has shown; empty if there was none.

    Attributes:
        as_of: When that look began.
        open: How many open orders it saw.
        is_counted: Whether it rests on the broker's counts rather than on reading every order.
        receipts: How far the connections of its answers are to be trusted.
        clear_since: Loop time since which the account has been clear.
        is_whole: Whether that look came to its end; one that broke off may have missed open orders.
    """

    standing: Standing = Standing.UNREAD
    as_of: datetime | None = None
    open: int = 0
    is_counted: bool = False
    receipts: Collection[Receipt] = ()
    clear_since: float | None = None
    is_whole: bool = True

    @property
    def is_trusted(self) -> bool:
        """Whether it holds even if answers got mixed up on some connection."""
        return are_trusted(self.receipts)


@dataclass(slots=True)
class Case:
    """One account under a run. The engine calls `cancelled` and `read`, and asks for the next `step`.

    Attributes:
        own_envelope: Whether the answer that named the outcome came in the broker's own envelope.
        first_clear: When the first read that showed it clear was made, whatever came later.
        seen_open: How many orders were seen open before the last DELETE, and when.
        cancels: DELETEs of this sweep; 0 means that the account's first one is still owed.
        sending: Whether a DELETE is under way.
        pressed_again: Whether there was a press since the last DELETE began: another first one is owed.
        look: The look under way.
    """

    account: Account
    filters: Filters = field(default_factory=Filters)
    outcome: Outcome = Outcome.NOT_ATTEMPTED
    own_envelope: bool = False
    proof: Proof = Proof()
    first_clear: datetime | None = None
    seen_open: tuple[int, datetime] | None = None
    attempts: list[Attempt] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    cancels: int = 0
    sending: bool = False
    pressed_again: bool = False
    tally: Tally = field(init=False)
    timetable: Timetable = field(default_factory=Timetable)
    look: Look | None = None
    _size: int = 0
    _miscounts: bool = False
    _doubts: int = 0
    _found_nothing: bool = False

    def __post_init__(self) -> None:
        self.tally = Tally(self.filters)

    @property
    def standing(self) -> Standing:
        """What the last conclusive read after the last DELETE showed."""
        return self.proof.standing

    @property
    def verdict(self) -> Verdict:
        """The account's one word."""
        return judge(self.outcome, self.standing, own_envelope=self.own_envelope)

    @property
    def is_concluded(self) -> bool:
        """Whether nothing more is to be done for this account, unless its orders reappear."""
        return self.standing is Standing.CLEAR or (self.timetable.is_over and not self.pressed_again)

    @property
    def owes_first(self) -> bool:
        """Whether a press is still owed its first DELETE of this account."""
        return self.pressed_again or not (self.cancels or self.sending)

    def note(self, text: str) -> None:
        """Add a note once."""
        self.notes[text] = None

    def step(self, now: float, pace: Pace) -> Step:
        """Say what is due next."""
        if self.pressed_again:  # like the very first DELETE, it ignores what earlier ones were told
            return Step(Do.CANCEL, now)
        # A DELETE in the last moments would only undo what the reads have shown, with no time to read again.
        hushes = pace.verify and self.outcome in {Outcome.ACCEPTED, Outcome.NOTHING_TO_CANCEL}
        return self.timetable.step(now, pace.deadline - pace.hush_s if hushes else NEVER)

    # ── DELETE ──────────────────────────────────────────────────────────────────────────────────────────

    def send(self) -> bool:
        """Note that a DELETE is about to leave; tell whether it is a press's first one."""
        first = self.owes_first
        self.sending, self.pressed_again = True, False
        return first

    def cancelled(self, answer: Answer, pace: Pace, *, jitter: float = 0.0) -> None:
        """Process the answer to a DELETE; the arguments are those of `Timetable.cancelled`."""
        self.sending = False
        self.cancels += 1
        self._record("DELETE", answer)
        self._fold(answer)
        refused = answer.outcome in REFUSED and self.outcome in REFUSED
        was_open = self.standing is Standing.OPEN
        self.timetable.cancelled(answer, pace, refused=refused, was_open=was_open, jitter=jitter)
        self._lose_proof()

    def _fold(self, answer: Answer) -> None:
        """Bring outcome and orders up to date with an answer to a DELETE."""
        if answer.is_answered:
            self._found_nothing = answer.outcome is Outcome.NOTHING_TO_CANCEL
        self.outcome = succeed(self.outcome, answer.outcome)
        if answer.outcome is self.outcome:
            self.own_envelope = answer.own_envelope
        self.tally.name(answer.orders)
        if answer.outcome is Outcome.ACCEPTED:
            self.tally.accept(answer.orders, self.filters)
            if answer.evidence.body is Body.OVERLONG:
                self.note("the answer to the cancel was longer than we read: accepted, and the reads decide")
        if answer.outcome is Outcome.NOTHING_TO_CANCEL and not answer.own_envelope:
            self.note(
                "answered 404, but not in the broker's own words: "
                "a wrong account id, route or base_url answers like this"
            )

    def _lose_proof(self) -> None:
        """Do not count a read begun before now as proof; what it saw stays seen."""
        if self.standing in {Standing.OPEN, Standing.PENDING} and self.proof.as_of is not None:
            self.seen_open = (self.proof.open, self.proof.as_of)
        self.proof = Proof()
        self._drop_look()

    def _drop_look(self) -> None:
        if self.look is not None:
            self.tally.learn(self.look.found)
            self.look = None

    # ── GET ─────────────────────────────────────────────────────────────────────────────────────────────

    def begin_look(self, now: float, wall: datetime, since: datetime) -> Look:
        """Give the look under way, or begin one; `since` is where the questions look back from."""
        if self.look is None:
            found = Findings(
                since,
                self.filters.matches,
                frozenset(self.tally.not_ended()),
                self.tally.unmet.instrument_ids,
                self._size,
                self._miscounts,
            )
            self.look = Look(found, began=now, now=wall)
        return self.look

    def read(self, answer: Answer, pace: Pace) -> None:
        """Process the answer to one request of the look under way."""
        self._record("GET", answer)
        self.timetable.hold_reads(answer)
        look = self.look
        if look is None:  # there was a press meanwhile: a look begun before it proves nothing any more
            return
        if answer.page is None:
            self.tally.name(order for order in answer.orders if self.filters.matches(order))
        self.timetable.next_page(answer.ended, after_a_wait=look.hear(answer))
        if look.finished:
            self._looked(look, answer, pace)

    def _looked(self, look: Look, answer: Answer, pace: Pace) -> None:
        standing, found = look.standing, look.found
        self.look, self._size, self._miscounts = None, found.size, found.miscounts
        self.tally.learn(found)
        if standing is Standing.CLEAR and not self._bears_out(look):
            standing = None
        if standing is not None:
            self._stand(standing, look, answer.ended)
        elif look.broke_off:
            self.note(f"a read proved nothing: {look.broke_off}")
        self.timetable.looked(standing, answer.ended, pace)
        if self.outcome in REFUSED and standing is not Standing.CLEAR:
            read_refused = standing is None and answer.is_answered and answer.outcome not in TRY_AGAIN
            if standing is not None or read_refused or self.timetable.looks >= _LOOKS_AFTER_A_REFUSAL:
                self.timetable.end()

    def _bears_out(self, look: Look) -> bool:
        """Tell whether nothing outside a look contradicts the clear that it shows."""
        if self._doubts and not are_trusted(look.receipts):
            return False  # it came over connections that may have mixed up their answers
        return not self.tally.not_ended()

    def _stand(self, standing: Standing, look: Look, now: float) -> None:
        self.tally.looks += not look.broke_off
        since = None
        if standing is Standing.CLEAR:
            self.first_clear = self.first_clear or look.at
            since = now if self.proof.clear_since is None else self.proof.clear_since
        elif self._found_nothing:
            self.note("open orders were seen after the broker answered 404, nothing to cancel")
        found, is_whole = look.found, not look.broke_off
        self.proof = Proof(standing, look.at, len(found.open), found.is_counted, look.receipts, since, is_whole)

    def _record(self, method: str, answer: Answer) -> None:
        elapsed = answer.ended - answer.began
        self.attempts.append(
            Attempt(method, answer.began, elapsed, answer.evidence.status, answer.request_id, answer.error)
        )
        if answer.note:
            self.note(answer.note)
        if answer.evidence.body is Body.FOREIGN:
            self.note("an answer carried another account's orders; it was not believed")

    # ── what others ask for ─────────────────────────────────────────────────────────────────────────────

    def press_again(self) -> None:
        """Owe a first DELETE once more: no press is answered with an older press's DELETE."""
        self._lose_proof()
        self.pressed_again = True
        self.timetable.begin_anew()

    def look_again(self, now: float) -> bool:
        """Take back a clear that was proven before now, and read anew; tell whether there was one."""
        self._drop_look()
        if self.standing is not Standing.CLEAR:
            return False
        self._take_back(now)
        return True

    def doubt(self, now: float) -> bool:
        """Take back a clear whose answers may have been mixed up; tell whether there was one."""
        self._doubts += 1
        if self.standing is not Standing.CLEAR or self.proof.is_trusted:
            return False
        self._take_back(now, after_a_poll=self._doubts > 1)  # the first doubt is looked into at once
        self.note("read again on a new connection: answers on this credential's connections were mixed up")
        return True

    def take_back_unless_quiet(self, now: float, quiet_s: float) -> None:
        """Take a clear back at the end of a run with doubts, unless it was quiet long enough after it."""
        since = self.proof.clear_since
        if self._doubts and since is not None and now - since < quiet_s:
            self.proof = Proof()
            self.note("a read had just shown it clear, too late to rule out that answers were mixed up")

    def resume(self, now: float, pace: Pace) -> None:
        """Continue where an earlier process died: what it proved clear is read again, the rest is sent again."""
        proven = self.standing is Standing.CLEAR
        self._lose_proof()
        self.sending = self.pressed_again = False
        self.cancels = int(proven)
        self.timetable = resumed(now, pace, proven=proven, refused=self.outcome in REFUSED)

    def _take_back(self, now: float, *, after_a_poll: bool = False) -> None:
        self.proof = Proof()
        self.timetable.read_again(now, refused=self.outcome in REFUSED, after_a_poll=after_a_poll)


def are_trusted(receipts: Iterable[Receipt]) -> bool:
    """Tell whether answers hold although others got mixed up: each came over a new connection, unrevoked."""
    return all(receipt.fresh and not receipt.revoked for receipt in receipts)
