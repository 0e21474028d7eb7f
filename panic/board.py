"""The board: a run's events folded, as they come, into one letter for each account, and when it came how far.

Pure, and cheap: an event costs what it tells, and nothing else is looked at again. A `clear` is what a standing
on record says and no later DELETE has superseded; in doubt the board says less than the report does.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from panic.broker.outcomes import REFUSED, TRY_AGAIN, Outcome, Standing, Verdict, judge, succeed
from panic.course import Clearing, clearing, curve
from panic.engine.case import Case
from panic.ledger.events import Event
from panic.record import Kind


class Code(StrEnum):
    """What is known of an account, in a letter."""

    WAITING = "w"
    SENT = "s"
    AGAIN = "t"
    ACCEPTED = "a"
    PENDING = "p"
    OPEN = "o"
    CLEAR = "c"
    REFUSED = "r"
    UNVERIFIED = "u"
    UNKNOWN = "k"


OF_VERDICT: Final[Mapping[Verdict, Code]] = {
    Verdict.CLEAR: Code.CLEAR,
    Verdict.UNVERIFIED: Code.UNVERIFIED,
    Verdict.OPEN: Code.OPEN,
    Verdict.UNKNOWN: Code.UNKNOWN,
    Verdict.REFUSED: Code.REFUSED,
}
"""What an account is at the end of a run."""

WORST_FIRST: Final = (
    Code.REFUSED,
    Code.UNKNOWN,
    Code.AGAIN,
    Code.OPEN,
    Code.PENDING,
    Code.UNVERIFIED,
    Code.ACCEPTED,
    Code.SENT,
    Code.WAITING,
)
"""All codes but clear, the ones that somebody should look at first."""

_GOOD: Final = (Outcome.ACCEPTED, Outcome.NOTHING_TO_CANCEL)
_OUTCOMES: Final = {str(one): one for one in Outcome}
_STANDINGS: Final = {str(one): one for one in Standing}
_UNREADABLE = (ValueError, KeyError, TypeError, IndexError, AttributeError)
_OK, _NO_MORE_OK, _NOT_FOUND = 200, 300, 404


class _Row:
    """One account: its state, and the seconds at which it first came so far; below zero for never."""

    __slots__ = ("accepted_s", "cancels", "clear_s", "code", "outcome", "own", "sent", "sent_s", "standing")

    def __init__(self) -> None:
        self.outcome, self.own, self.standing = Outcome.NOT_ATTEMPTED, False, Standing.UNREAD
        self.sent = self.cancels = 0
        self.sent_s = self.accepted_s = self.clear_s = -1.0
        self.code = Code.WAITING

    @property
    def in_flight(self) -> bool:
        """Whether a DELETE left and has no end on record."""
        return self.sent > self.cancels

    def now(self) -> Code:
        """Give its code while the run is under way."""
        standing, in_flight = self.standing, self.sent > self.cancels
        if standing is Standing.CLEAR and not in_flight:
            return Code.CLEAR
        outcome = self.outcome
        if outcome in REFUSED:
            return Code.REFUSED
        if standing is Standing.OPEN:
            return Code.OPEN
        if standing is Standing.PENDING:
            return Code.PENDING
        if outcome in TRY_AGAIN:
            return Code.AGAIN
        if in_flight:
            return Code.SENT
        return Code.WAITING if outcome is Outcome.NOT_ATTEMPTED else Code.ACCEPTED

    def at_the_end(self) -> Code:
        """Give its code once nothing more is sent."""
        return OF_VERDICT[judge(self.outcome, self.standing, own_envelope=self.own)]

    def lose_what_is_in_flight(self) -> None:
        """A DELETE without an end may have arrived: what was read before it proves nothing."""
        if self.in_flight:
            self.outcome, self.standing = succeed(self.outcome, Outcome.UNKNOWN), Standing.UNREAD
            self.cancels = self.sent


class Board:
    """One run. Feed it the events in their order, each once, or show it the cases.

    Attributes:
        codes: A letter for each account, in the plan's order, those that could not be sent at the end.
        counts: How many accounts have which code.
        changed: The places of the accounts whose codes changed since it was last emptied.
        touched: The same of those of which anything was told.
        finished: Whether the run came to its end.
    """

    def __init__(self, began: datetime | None = None) -> None:
        self.codes = bytearray()
        self.counts: dict[Code, int] = dict.fromkeys(Code, 0)
        self.changed: set[int] = set()
        self.touched: set[int] = set()
        self.finished = False
        self._began = None if began is None else began.timestamp()
        self._rows: list[_Row] = []
        self._places: dict[int, int] = {}
        self._has_plan = False
        self._resumed: object = None
        self._sent: list[float] = []
        self._accepted: list[float] = []
        self._clear: list[float] = []

    def plan(self, accounts: Iterable[int], unsent: int) -> None:
        """Take the accounts in the order of the plan, and how many could not be sent."""
        if self._has_plan:  # the same plan again, from a second file
            return
        self._has_plan = True
        self._places = {account: place for place, account in enumerate(accounts)}
        self._rows = [_Row() for _ in self._places]
        self.codes = bytearray(b"w" * len(self._rows) + b"k" * unsent)
        self.counts = dict.fromkeys(Code, 0) | {Code.WAITING: len(self._rows), Code.UNKNOWN: unsent}

    # ── events ──────────────────────────────────────────────────────────────────────────────────────────

    def take(self, event: Event) -> int:
        """Go one event on; give how many accounts it told of. What cannot be read makes nothing clear."""
        try:
            return self._take(event.kind, event.at, event.body)
        except _UNREADABLE:
            if event.kind in {Kind.OUTCOME, Kind.STANDING, Kind.ATTEMPT, Kind.JOINED}:
                self._forget(range(len(self._rows)))
            return 0

    def _take(self, kind: str, at: str, body: Any) -> int:
        if kind == Kind.ATTEMPT:
            return self._send(body["deletes"], self._since(at))
        if kind in {Kind.OUTCOME, Kind.STANDING}:
            return self._change(body["accounts"], self._since(at))
        if kind == Kind.PRESSED:
            self._began = datetime.fromisoformat(body["started_at"]).timestamp()
        elif kind == Kind.PLANNED:
            self.plan([row[0] for row in body["accounts"]], len(body["unsent"]))
            return len(self._rows)
        elif kind == Kind.JOINED:
            self._join(body["accounts"])
        elif kind == Kind.RESUMED:
            self._resume(body)
        elif kind == Kind.FINISHED:
            self.conclude(finished=True)
        return 1

    def _since(self, at: str) -> float:
        moment = datetime.fromisoformat(at).timestamp()
        return 0.0 if self._began is None else max(moment - self._began, 0.0)

    def _send(self, deletes: Sequence[tuple[int, int]], at_s: float) -> int:
        for account, nth in deletes:
            place = self._places.get(account)
            if place is None:
                continue
            row = self._rows[place]
            row.sent = nth
            if row.sent_s < 0:
                row.sent_s = at_s
                insort(self._sent, at_s)
            self._set(place, row.now())
        return len(deletes)

    def _change(self, accounts: Sequence[Mapping[str, Any]], at_s: float) -> int:
        for found in accounts:
            place = None
            try:
                place = self._places.get(found["account"])
                if place is not None:
                    self._change_one(place, found, at_s)
            except _UNREADABLE:
                self._forget(range(len(self._rows)) if place is None else [place])
        return len(accounts)

    def _change_one(self, place: int, found: Mapping[str, Any], at_s: float) -> None:
        row = self._rows[place]
        for attempt in found.get("attempts", ()):
            row.cancels += attempt[0] == "DELETE"
        if "outcome" in found:
            row.outcome = _OUTCOMES[found["outcome"]]
            if row.accepted_s < 0 and row.outcome in _GOOD:
                row.accepted_s = at_s
                insort(self._accepted, at_s)
        if "own_envelope" in found:
            row.own = found["own_envelope"]
        if "standing" in found:
            row.standing = _STANDINGS[found["standing"]]
        code = row.now()
        if code is Code.CLEAR and row.clear_s < 0:
            row.clear_s = at_s
            insort(self._clear, at_s)
        self._set(place, code)

    def _join(self, accounts: Iterable[int]) -> None:
        """Another press: what was clear before it is clear no more."""
        for account in accounts:
            place = self._places.get(account)
            if place is not None:
                self._rows[place].standing = Standing.UNREAD
                self._set(place, self._rows[place].now())

    def _resume(self, body: object) -> None:
        """Another process took it up: all is sent again but what was clear, and that is read again."""
        if body == self._resumed:  # who waited for it in vain wrote it again
            return
        self._resumed, self.finished = body, False
        for place, row in enumerate(self._rows):
            row.lose_what_is_in_flight()
            row.cancels, row.sent = int(row.standing is Standing.CLEAR), 0
            row.standing = Standing.UNREAD
            self._set(place, row.now())

    def _forget(self, places: Iterable[int]) -> None:
        for place in places:
            self._rows[place].standing = Standing.UNREAD
            self._set(place, self._rows[place].now())

    def conclude(self, *, finished: bool = False) -> None:
        """Give every account its verdict: the run is over, or nobody has it any more."""
        self.finished = finished
        for place, row in enumerate(self._rows):
            row.lose_what_is_in_flight()
            self._set(place, row.at_the_end())

    def _set(self, place: int, code: Code) -> None:
        row = self._rows[place]
        self.touched.add(place)
        if code is row.code:
            return
        self.counts[row.code] -= 1
        self.counts[code] += 1
        row.code = code
        self.codes[place] = ord(code)
        self.changed.add(place)

    # ── cases ───────────────────────────────────────────────────────────────────────────────────────────

    def show(self, place: int, case: Case, wall: Callable[[float], datetime]) -> None:
        """Take an account's state from its case, where no events tell of it."""
        row = self._rows[place]
        state = (row.outcome, row.standing, row.own, row.in_flight, row.cancels)
        if state == (case.outcome, case.standing, case.own_envelope, case.sending, case.cancels):
            return
        row.outcome, row.standing, row.own = case.outcome, case.standing, case.own_envelope
        row.cancels, row.sent = case.cancels, case.cancels + case.sending
        self._date(row, case, wall)
        self._set(place, row.now())

    def _date(self, row: _Row, case: Case, wall: Callable[[float], datetime]) -> None:
        """Learn when an account came how far, from its attempts."""
        for one in case.attempts if row.accepted_s < 0 else ():
            if one.method == "DELETE":
                began_s = self._of((one.at or wall(one.began)).timestamp())
                if row.sent_s < 0:
                    row.sent_s = began_s
                    insort(self._sent, began_s)
                status = one.status or 0
                if row.outcome in _GOOD and (_OK <= status < _NO_MORE_OK or status == _NOT_FOUND):
                    row.accepted_s = began_s + one.elapsed
                    insort(self._accepted, row.accepted_s)
                    break
        if row.standing is Standing.CLEAR and row.clear_s < 0 and case.proof.as_of is not None:
            row.clear_s = self._of(case.proof.as_of.timestamp())
            insort(self._clear, row.clear_s)

    def _of(self, epoch: float) -> float:
        return 0.0 if self._began is None else max(epoch - self._began, 0.0)

    def withdraw(self, is_clear: Callable[[int], bool]) -> None:
        """Take back each clear that somebody who knows better does not bear out."""
        codes, place = self.codes, -1
        while (place := codes.find(b"c", place + 1)) >= 0:
            if not is_clear(place):
                self._forget([place])

    # ── what it comes to ────────────────────────────────────────────────────────────────────────────────

    def places(self, most: int) -> list[int]:
        """Give the places of accounts that are not clear, worst first, so many at most."""
        found: list[int] = []
        for code in WORST_FIRST:
            place, letter = -1, code.encode()
            while len(found) < most and (place := self.codes.find(letter, place + 1)) >= 0:
                found.append(place)
        return found

    def code_of(self, account: int | None) -> Code | None:
        """Give an account's code; None for one that could not be sent."""
        place = None if account is None else self._places.get(account)
        return None if place is None else self._rows[place].code

    def times(self, account: int) -> tuple[float | None, float | None, float | None]:
        """Give when an account was first sent, accepted and read clear, seconds since the press."""
        row = self._rows[self._places[account]]
        sent, accepted, clear = (None if at < 0 else at for at in (row.sent_s, row.accepted_s, row.clear_s))
        return sent, accepted, clear

    def course(self) -> dict[str, tuple[tuple[float, int], ...]]:
        """Give how many accounts had come how far after how many seconds."""
        return {"sent": curve(self._sent), "accepted": curve(self._accepted), "clear": curve(self._clear)}

    def clearing(self) -> Clearing | None:
        """Give how long accounts took to be read clear; None where none was."""
        return clearing(self._clear)
