"""When an account's next DELETE and its next read are due: plain arithmetic over seconds of loop time.

    after                                next DELETE                             next read
    ────────────────────────────────────────────────────────────────────────────────────────────────────────
    nothing                              at once                                 never
    a DELETE to try again                backoff or retry budget, at most FLOOR  at once (unanswered: a poll)
    a DELETE that was refused            never                                   at once
    any other DELETE                     FLOOR                                   a poll (a 404: at once)
    a look that shows it clear           never                                   the longest poll; unwatched: never
    one that shows it open               at once, and later again with backoff   a poll, longer each time
    one that shows it pending, or        as it was, at most FLOOR                a poll, longer each time
      open while DELETEs fail
    one that proves nothing              as it was                               a poll, longer each time
    a clear that is taken back           FLOOR; refused: never                   at once

FLOOR counts from when the last DELETE began. Without verification nothing is read, and a DELETE that is not to
be tried again is the last. A Retry-After holds both; one of a read holds the DELETE no longer than FLOOR.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from panic.broker.answers import Answer
from panic.broker.outcomes import TRY_AGAIN, Outcome, Standing
from panic.engine.pacing import FLOOR_S, POLL_GROWTH, Pace, backoff

NEVER = float("inf")

_CANCELS_WITHOUT_A_LOOK = 2
"""After this many DELETEs a read goes first, so that an account that only answers 429 is still read."""

_PART_OF_A_LOOK = 0.25
"""A DELETE that the lane refused counts for less: it is sent again at the lane's next turn."""


class Do(Enum):
    """What a step is."""

    CANCEL = "cancel"
    READ = "read"
    REST = "rest"


class Step(NamedTuple):
    """The next thing to do for an account, and the loop time from which it may be done."""

    do: Do
    at: float = NEVER


@dataclass(slots=True)
class Timetable:
    """What is due when for one account, after so many `looks`."""

    cancel_at: float = 0.0
    read_at: float = NEVER
    looks: int = 0
    _held_until: float = 0.0
    _reads_held_until: float = 0.0
    _poll: float = 0.0
    _cancel_began: float = 0.0
    _cancel_ended: float = 0.0
    _failures: int = 0
    _recancels: int = 0
    _unlooked: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether nothing will ever be due."""
        return self.cancel_at == self.read_at == NEVER

    def step(self, now: float, hush_at: float = NEVER) -> Step:
        """Say what is due next: a DELETE before a read, unless reads have waited for two of them.

        From `hush_at` on no DELETE goes, but for one that tries again.
        """
        cancel_at = max(self.cancel_at, self._held_until, now)
        read_at = max(self.read_at, self._held_until, self._reads_held_until, now)
        if cancel_at > hush_at and not self._failures:
            cancel_at = NEVER
        if cancel_at == read_at == NEVER:
            return Step(Do.REST)
        read_first = self._unlooked >= _CANCELS_WITHOUT_A_LOOK
        if cancel_at < read_at or (cancel_at == read_at and not read_first):
            return Step(Do.CANCEL, cancel_at)
        return Step(Do.READ, read_at)

    def cancelled(self, answer: Answer, pace: Pace, *, refused: bool, was_open: bool, jitter: float) -> None:
        """Set the times after a DELETE.

        Args:
            answer: What came back.
            pace: The times of the run.
            refused: Whether a further DELETE would only be refused as well.
            was_open: Whether a look had shown open orders since the DELETE before.
            jitter: Between -1 and 1; spreads the waits.
        """
        again = answer.outcome in TRY_AGAIN
        self._failures = self._failures + 1 if again else 0
        self._recancels += was_open
        self._unlooked += _PART_OF_A_LOOK if answer.waits_for_lane else 1.0
        self._cancel_began, self._cancel_ended = answer.began, answer.ended
        if answer.is_limited and answer.retry_after is not None:  # before a read: nobody has answered yet
            self.cancel_at = min(answer.ended + answer.retry_after, self._floor)
        elif again:
            wait = backoff(self._failures, jitter)
            self.cancel_at = min(answer.ended + wait, self._floor)
        else:
            self.cancel_at = self._floor if pace.verify and not refused else NEVER
        if answer.retry_after:
            self._held_until = answer.ended + answer.retry_after
        if pace.verify:
            self._poll = pace.poll_first_s
            settles = answer.outcome in {Outcome.ACCEPTED, Outcome.UNKNOWN}
            self.read_at = answer.ended + (self._poll if settles else 0.0)

    def hold_reads(self, answer: Answer) -> None:
        """Apply the Retry-After of a read."""
        if answer.retry_after:
            self._reads_held_until = answer.ended + answer.retry_after
            self._held_until = max(self._held_until, min(self._reads_held_until, self._floor))

    def next_page(self, at: float, *, after_a_wait: bool) -> None:
        """Ask the next question of a look, or the last one once more."""
        self.read_at = at + (self._poll if after_a_wait else 0.0)

    def looked(self, standing: Standing | None, now: float, pace: Pace) -> None:
        """Set the times after a look; None for one that proved nothing."""
        self.looks += 1
        self._unlooked = 0.0
        if standing is Standing.CLEAR:
            self._recancels = 0
            self.cancel_at = NEVER
            self.read_at = now + pace.poll_most_s if pace.watch_s else NEVER
            return
        if standing is Standing.OPEN and not self._failures:  # else the retry has its own time
            wait = backoff(self._recancels, 0.0) if self._recancels else 0.0
            self._cancel_by(min(self._cancel_ended + wait, self._floor), now)
        elif standing is not None:  # it was clear, and is pending now: it needs a next DELETE again
            self._cancel_by(self._floor, now)
        due = now + self._poll
        self._poll = min(self._poll * POLL_GROWTH, pace.poll_most_s)
        last_look = pace.deadline - pace.hush_s / 2
        self.read_at = last_look if now < last_look < due else due

    def read_again(self, now: float, *, refused: bool, after_a_poll: bool = False) -> None:
        """Set the times after a clear was taken back."""
        self.read_at = now + (self._poll if after_a_poll else 0.0)
        self.cancel_at = NEVER if refused else self._floor

    def begin_anew(self) -> None:
        """Forget earlier failures: somebody pressed again."""
        self._failures = self._recancels = 0

    def end(self) -> None:
        """Do nothing more."""
        self.cancel_at = self.read_at = NEVER

    @property
    def _floor(self) -> float:
        return self._cancel_began + FLOOR_S

    def _cancel_by(self, at: float, now: float) -> None:
        self.cancel_at = min(self.cancel_at, max(now, at))


def resumed(now: float, pace: Pace, *, proven: bool, refused: bool) -> Timetable:
    """Give the timetable of an account after a restart: what was proven clear is read, all else sent again."""
    if not proven:
        return Timetable(cancel_at=now, _poll=pace.poll_first_s)
    again = Timetable(_poll=pace.poll_first_s, _cancel_began=now, _cancel_ended=now)
    again.read_again(now, refused=refused)
    return again
