"""One account's case in a run: what has happened to it, and what to do about it next.

Pure: a `Case` is told what came back and says which step is due at what time. It never waits and never
sends; the engine does, for all cases at once.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from panic.broker.answers import HOLD_MOST_S, Answer
from panic.broker.outcomes import REFUSED, TRY_AGAIN, Body, Outcome, Standing, Verdict, judge, succeed
from panic.broker.proof import Look, Receipt
from panic.engine.pacing import FLOOR_S, Pace, backoff, next_poll
from panic.orders import Filters, Order
from panic.roster import Account
from panic.words import clip

NEVER = float("inf")

_MORE_TRIES_A_PAGE = 2
"""A page that failed is asked for twice more before the look is given up: accounts with many pages need it."""

_LOCKED_OUT = frozenset({Outcome.UNAUTHENTICATED, Outcome.FORBIDDEN})
"""A key that may not read is not asked another way."""

_LOOKS_AFTER_A_REFUSAL = 5
"""A refused account cannot be helped by reading; a few looks tell whether it is clear all the same."""

_CANCELS_WITHOUT_A_LOOK = 2
"""After so many DELETEs a read goes first, so that an account that only answers 429 is still looked at."""


class Do(Enum):
    """What a step is."""

    CANCEL = "cancel"
    READ = "read"
    REST = "rest"


class Step(NamedTuple):
    """The next thing to do for an account, and the loop time from which it may be done."""

    do: Do
    at: float = NEVER


class Attempt(NamedTuple):
    """One HTTP request on the wire; `began` is loop time, `elapsed` seconds.

    Attributes:
        at: The time of day it began, where it is known already because an earlier process made it.
    """

    method: str
    began: float
    elapsed: float
    status: int | None
    request_id: str
    error: str
    at: datetime | None = None


@dataclass(slots=True)
class Tracked:
    """An order that an answer of this run named: how filled it was at first, and how it was seen last."""

    first: Order
    last: Order
    seen_ended: bool = False

    @property
    def filled(self) -> Decimal:
        """Quantity filled since this run first saw the order."""
        return Decimal() if self.last is self.first else max(self.last.filled - self.first.filled, Decimal())


@dataclass(slots=True)
class Case:
    """One account under a run. The engine calls `cancelled` and `read`, and asks for the next `step`.

    Attributes:
        open: How many open orders the last conclusive look saw.
        cancels: DELETEs of this sweep; 0 means that the account's first one is still owed.
        sending: Whether a DELETE is under way.
        pressed_again: Whether somebody pressed since the last DELETE began: another first one is owed.
        clear_since: Loop time since which it has been clear.
        first_clear: When the first read that showed it clear was made, whatever came after.
        seen_open: How many orders were seen open before the last DELETE, and when.
        looks_concluded: Looks that saw everything: orders that appear after one are new.
        is_counted: Whether the standing rests on the broker's counts, and not on having read every order.
        unmet: The filters that no order seen so far matches.
    """

    account: Account
    filters: Filters = field(default_factory=Filters)
    outcome: Outcome = Outcome.NOT_ATTEMPTED
    own_envelope: bool = False
    standing: Standing = Standing.UNREAD
    as_of: datetime | None = None
    first_clear: datetime | None = None
    attempts: list[Attempt] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    orders: dict[str, Tracked] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    open: int = 0
    look: Look | None = None
    clear_since: float | None = None
    cancels: int = 0
    sending: bool = False
    pressed_again: bool = False
    is_over: bool = False
    seen_open: tuple[int, datetime] | None = None
    reappeared: set[str] = field(default_factory=set)
    looks_concluded: int = 0
    is_counted: bool = False
    unmet: Filters = field(init=False)
    _size: int = 0
    _miscounts: bool = False
    _cancel_at: float = 0.0
    _read_at: float = NEVER
    _held_until: float = 0.0
    _reads_held_until: float = 0.0
    _doubts: int = 0
    _found_nothing: bool = False
    _receipts: list[Receipt] = field(default_factory=list)
    _poll: float = 0.0
    _cancel_began: float = 0.0
    _cancel_ended: float = 0.0
    _failures: int = 0
    _recancels: int = 0
    _unlooked: int = 0
    _page_failures: int = 0
    _looks: int = 0

    def __post_init__(self) -> None:
        self.unmet = self.filters

    @property
    def verdict(self) -> Verdict:
        """Give the account's one word."""
        return judge(self.outcome, self.standing, own_envelope=self.own_envelope)

    @property
    def is_concluded(self) -> bool:
        """Whether nothing more is to be done for this account, unless its orders reappear."""
        return self.is_over or self.standing is Standing.CLEAR

    @property
    def owes_first(self) -> bool:
        """Whether a press is still owed its first DELETE of this account."""
        return self.pressed_again or not (self.cancels or self.sending)

    def note(self, text: str) -> None:
        """Add a note once."""
        self.notes[text] = None

    def step(self, now: float, pace: Pace) -> Step:
        """Say what is due next. A DELETE goes before a read, unless reads have waited for two of them."""
        if self.is_over:
            return Step(Do.REST)
        if self.pressed_again:  # as the first DELETE of all, it waits for nothing that was said to an earlier one
            return Step(Do.CANCEL, now)
        cancel_at = max(self._cancel_at, self._held_until, now)
        read_at = max(self._read_at, self._held_until, self._reads_held_until, now)
        if self._keeps_quiet(cancel_at, pace):
            cancel_at = NEVER
        if cancel_at == read_at == NEVER:
            return Step(Do.REST)
        read_first = self._unlooked >= _CANCELS_WITHOUT_A_LOOK
        if cancel_at < read_at or (cancel_at == read_at and not read_first):
            return Step(Do.CANCEL, cancel_at)
        return Step(Do.READ, read_at)

    def _keeps_quiet(self, cancel_at: float, pace: Pace) -> bool:
        # A DELETE in the last moments would only undo what the reads have shown, with no time to read again.
        return (
            pace.verify
            and self.outcome in {Outcome.ACCEPTED, Outcome.NOTHING_TO_CANCEL}
            and cancel_at > pace.deadline - pace.hush_s
            and self._failures == 0
        )

    # ── DELETE ──────────────────────────────────────────────────────────────────────────────────────────

    def send(self) -> bool:
        """Note that a DELETE is about to leave; tell whether it is a press's first one."""
        first = self.owes_first
        self.sending, self.pressed_again = True, False
        return first

    def press_again(self) -> None:
        """Owe a first DELETE once more: nobody's press is answered with somebody's older one."""
        self._lose_standing()
        self.pressed_again, self.is_over = True, False
        self._failures = self._recancels = 0

    def look_again(self, now: float) -> bool:
        """Take back a clear that was proven before now, and read anew; tell whether there was one."""
        if self.look is not None:
            self._learn(self.look)
            self.look = None
        if self.standing is not Standing.CLEAR:
            return False
        self._unread()
        self.is_over = False
        self._read_at = now
        self._cancel_at = NEVER if self.outcome in REFUSED else self._cancel_began + FLOOR_S
        return True

    def cancelled(self, answer: Answer, pace: Pace, *, queue_s: float = 0.0, jitter: float = 0.0) -> None:
        """Take in the answer to a DELETE.

        Args:
            answer: What came back.
            pace: The times of the run.
            queue_s: How long the retry budget makes a retry of this account wait, seconds.
            jitter: Between -1 and 1; spreads the waits.
        """
        self.sending = False
        self._record("DELETE", answer)
        self._remember_cancel(answer)
        self._lose_standing()
        again = answer.outcome in TRY_AGAIN
        self._failures = self._failures + 1 if again else 0
        latest = answer.began + FLOOR_S
        if again:
            wait = max(backoff(self._failures, jitter), queue_s)
            self._cancel_at = min(answer.ended + wait, latest)
        elif answer.outcome in REFUSED and self.outcome in REFUSED:
            self._cancel_at = NEVER
            self.is_over = not pace.verify
        else:
            self._cancel_at = latest if pace.verify else NEVER
            self.is_over = not pace.verify
        self._hold(answer)
        if pace.verify:
            self._poll = pace.poll_first_s
            settles = answer.outcome in {Outcome.ACCEPTED, Outcome.UNKNOWN}
            self._read_at = answer.ended + (self._poll if settles else 0.0)

    def _lose_standing(self) -> None:
        # A read begun before this DELETE ended no longer counts as proof, but what it saw stays seen.
        if self.standing in {Standing.OPEN, Standing.PENDING} and self.as_of is not None:
            self.seen_open = (self.open, self.as_of)
        self._unread()
        if self.look is not None:
            self._learn(self.look)
            self.look = None

    def _remember_cancel(self, answer: Answer) -> None:
        if self.standing is Standing.OPEN:
            self._recancels += 1
        self.cancels += 1
        self._unlooked += 1
        self._cancel_began, self._cancel_ended = answer.began, answer.ended
        if answer.is_answered:
            self._found_nothing = answer.outcome is Outcome.NOTHING_TO_CANCEL
        outcome = succeed(self.outcome, answer.outcome)
        if answer.outcome is outcome:
            self.own_envelope = answer.own_envelope
        self.outcome = outcome
        self._name(answer.orders)
        if answer.outcome is Outcome.ACCEPTED:
            self.accepted.update(order.id for order in answer.orders if order.id)
            if answer.orders and len(self.filters.instrument_ids) <= 1:  # the broker itself says that they match
                self.unmet = Filters()
        if answer.outcome is Outcome.NOTHING_TO_CANCEL and not answer.own_envelope:
            self.note(
                "answered 404, but not in the broker's own words: "
                "a wrong account id, route or base_url answers like this"
            )
        if answer.outcome is Outcome.ACCEPTED and answer.evidence.body is Body.OVERLONG:
            self.note("the answer to the cancel was longer than we read: accepted, and the reads decide")

    # ── GET ─────────────────────────────────────────────────────────────────────────────────────────────

    def begin_look(self, now: float, wall: datetime, since: datetime | None = None) -> Look:
        """Give the look under way, or begin one; `since` is where the questions look back from."""
        if self.look is None:
            named = [id_ for id_, tracked in self.orders.items() if not tracked.seen_ended]
            self.look = Look(
                began=now,
                now=wall,
                since=since,
                matches=self.filters.matches,
                named=named,
                size=self._size,
                miscounts=self._miscounts,
                unmet=self.unmet.instrument_ids,
            )
            self._page_failures = 0
        return self.look

    @property
    def must_cancel_by(self) -> float:
        """Give the loop time at which a read has to make way for the next DELETE."""
        return self._cancel_at

    def read(self, answer: Answer, pace: Pace) -> None:
        """Take in the answer to one request of the look under way."""
        self._record("GET", answer)
        self._hold_reads(answer)
        look = self.look
        if look is None:  # somebody pressed meanwhile: what was begun before that proves nothing any more
            return
        if answer.page is not None:
            look.take(answer.page, answer.receipt)
            self._page_failures = 0
            self._read_at = answer.ended
        else:
            self._page_failed(look, answer)
        if look.finished:
            self._looked(look, answer, pace)

    def _page_failed(self, look: Look, answer: Answer) -> None:
        self._name(order for order in answer.orders if self.filters.matches(order))
        self._page_failures += not answer.is_limited  # being told to wait is no failure
        why = answer.error or f"HTTP {answer.evidence.status} without a list of orders"
        is_over = answer.outcome in _LOCKED_OUT or answer.evidence.body is Body.FOREIGN
        if not is_over and answer.outcome in TRY_AGAIN and self._page_failures <= _MORE_TRIES_A_PAGE:
            self._read_at = answer.ended + self._poll
        elif is_over or not answer.is_answered:
            look.break_off(why)
        else:
            self._page_failures, self._read_at = 0, answer.ended
            look.refuse(why)

    def _looked(self, look: Look, answer: Answer, pace: Pace) -> None:
        now, standing = answer.ended, look.standing
        self.look, self._size, self._miscounts = None, look.size, look.miscounts
        self._unlooked = 0
        self._looks += 1
        self._learn(look)
        if standing is Standing.CLEAR and not self._bears_out(look):
            standing = None
        if standing is None:
            self._note_unread(look)
        else:
            self._stand(standing, look, now)
        self._decide(standing, answer, pace)

    def _bears_out(self, look: Look) -> bool:
        """Tell whether nothing outside a look speaks against the clear that it shows."""
        if self._doubts and not _are_trusted(look.receipts):
            return False  # it came over connections that may have mixed up their answers
        return all(tracked.seen_ended for tracked in self.orders.values())

    def _stand(self, standing: Standing, look: Look, now: float) -> None:
        self.looks_concluded += not look.broke_off
        self.standing, self.as_of, self._receipts = standing, look.at, look.receipts
        self.open, self.is_counted = len(look.open), look.is_counted
        if standing is Standing.CLEAR:
            self.first_clear = self.first_clear or look.at
            self.clear_since = now if self.clear_since is None else self.clear_since
            self._recancels = 0
            return
        self.clear_since = None
        if self._found_nothing:
            self.note("open orders were seen after the broker answered 404, nothing to cancel")

    def _note_unread(self, look: Look) -> None:
        if look.broke_off:
            self.note(f"a read proved nothing: {look.broke_off}")

    def _decide(self, standing: Standing | None, answer: Answer, pace: Pace) -> None:
        now = answer.ended
        if standing is Standing.CLEAR:
            self._cancel_at = NEVER
            self._read_at = now + pace.poll_most_s if pace.watch_s else NEVER
            self.is_over = not pace.watch_s
            return
        if self.outcome in REFUSED:
            read_refused = standing is None and answer.is_answered and answer.outcome not in TRY_AGAIN
            futile = self._looks >= _LOOKS_AFTER_A_REFUSAL
            self.is_over = standing is not None or read_refused or futile
        elif standing is Standing.OPEN and not self._failures:  # else the retry has its own time
            wait = backoff(self._recancels, 0.0) if self._recancels else 0.0
            again = min(self._cancel_ended + wait, self._cancel_began + FLOOR_S)
            self._cancel_at = min(self._cancel_at, max(now, again))
        elif standing is not None:  # it was clear, and is pending now: it needs a next DELETE again
            self._cancel_at = min(self._cancel_at, max(now, self._cancel_began + FLOOR_S))
        self._read_at = self._next_read(now, pace)

    def _next_read(self, now: float, pace: Pace) -> float:
        due = now + self._poll
        self._poll = next_poll(self._poll, pace.poll_most_s)
        last_look = pace.deadline - pace.hush_s / 2
        return last_look if now < last_look < due else due

    def _name(self, orders: Iterable[Order]) -> None:
        """Remember orders that an answer named; each has to be seen ended before the account is clear."""
        for order in orders:
            self._meet(order)
            if order.id and not order.is_ended:
                self.orders.setdefault(order.id, Tracked(order, order)).seen_ended = False

    def _learn(self, look: Look) -> None:
        """Bring the tracked orders up to date and note fills and orders that reappeared."""
        for id_, order in look.orders.items():
            self._meet(order)
            tracked = self.orders.get(id_)
            if tracked is not None:
                tracked.last = order
                tracked.seen_ended = order.is_ended
            elif id_ in look.open and order.id:
                self.orders[id_] = Tracked(order, order)
                if self.looks_concluded:
                    self.reappeared.add(id_)

    def _meet(self, order: Order) -> None:
        if self.unmet:
            self.unmet = self.unmet.unmet_by(order)

    # ── both ────────────────────────────────────────────────────────────────────────────────────────────

    def _record(self, method: str, answer: Answer) -> None:
        elapsed = answer.ended - answer.began
        self.attempts.append(
            Attempt(method, answer.began, elapsed, answer.evidence.status, answer.request_id, answer.error)
        )
        if answer.note:
            self.note(answer.note)
        if answer.evidence.body is Body.FOREIGN:
            self.note("an answer carried another account's orders; it was not believed")

    def _hold(self, answer: Answer) -> None:
        if answer.retry_after:
            self._held_until = answer.ended + min(answer.retry_after, HOLD_MOST_S)

    def _hold_reads(self, answer: Answer) -> None:
        # A read's Retry-After holds the next DELETE too, but not past the twenty seconds in which one is due.
        if answer.retry_after:
            until = answer.ended + min(answer.retry_after, HOLD_MOST_S)
            self._reads_held_until = until
            self._held_until = max(self._held_until, min(until, self._cancel_began + FLOOR_S))

    def _unread(self) -> None:
        self.standing, self.as_of, self.clear_since = Standing.UNREAD, None, None

    def doubt(self, now: float) -> bool:
        """Take back a clear whose answers may have been mixed up; tell whether there was one."""
        self._doubts += 1
        if self.standing is not Standing.CLEAR or _are_trusted(self._receipts):
            return False
        self._unread()
        self._read_at = now + (self._poll if self._doubts > 1 else 0.0)  # the first doubt is looked into at once
        self._cancel_at = NEVER if self.outcome in REFUSED else self._cancel_began + FLOOR_S
        self.is_over = False
        self.note("read again on a new connection: answers on this credential's connections were mixed up")
        return True

    def take_up(self, now: float, pace: Pace) -> None:
        """Go on where an earlier process died: what it proved clear is read again, all else is sent again."""
        proven = self.standing is Standing.CLEAR
        self._lose_standing()
        self.sending = self.pressed_again = self.is_over = False
        self.cancels = int(proven)
        self._poll = pace.poll_first_s
        self._cancel_began = self._cancel_ended = now
        self._cancel_at = now + FLOOR_S if proven and self.outcome not in REFUSED else NEVER if proven else now
        self._read_at = now if proven else NEVER

    def take_back_unless_quiet(self, now: float, quiet_s: float) -> None:
        """At the end of a run with doubts: a clear that was not listened to for long enough is none."""
        if self._doubts and self.clear_since is not None and now - self.clear_since < quiet_s:
            self._unread()
            self.note("a read had just shown it clear, too late to rule out that answers were mixed up")

    def reappeared_prefix(self, scrub: Callable[[str], str] = str) -> str:
        """Give the common beginning of the client order ids of the orders that reappeared, scrubbed first."""
        names = [clip(scrub(self.orders[id_].last.client_order_id)) for id_ in self.reappeared]
        first, last = min(names, default=""), max(names, default="")
        return first[: next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def _are_trusted(receipts: Iterable[Receipt]) -> bool:
    return all(receipt.fresh and not receipt.revoked for receipt in receipts)
