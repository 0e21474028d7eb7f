"""The story of a run: how it began, fresh or resumed, and what has joined it since."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import time

from panic.engine.case import Case
from panic.engine.pacing import Pace
from panic.kit.clock import Clock
from panic.kit.words import clip
from panic.ledger.record import Joined, LastPress, Pressed
from panic.report.document import LatchReport, Resumption, RosterFacts, Timings, Trigger
from panic.run.press import Prepared, Press, Unfinished, whoami

_REASON_MOST = 1000

Scrub = Callable[[str], str]
"""Takes every key out of foreign words."""


@dataclass(slots=True)
class Story:
    """What a report says about a run besides its accounts and what the engine knows.

    Attributes:
        pressed: When, as a loop time; before this process began where the run is resumed.
        began: When this process began with it, as a loop time.
        is_left: Whether this process left it before its end, for another to resume.
    """

    id: str
    trigger: Trigger
    started_at: datetime
    pressed: float
    began: float
    deadline_s: float
    watch_s: float
    roster: RosterFacts
    cases: list[Case]
    joined: list[Joined] = field(default_factory=list)
    resumed: tuple[Resumption, ...] = ()
    latch: LatchReport | None = None
    ended: float | None = None
    is_left: bool = False

    @property
    def last_press(self) -> LastPress:
        """Its last press, also where that became a part of it."""
        last = self.joined[-1].trigger if self.joined else self.trigger
        return LastPress(self.id, last.at, 1 + len(self.joined))

    def ends_s(self, held_s: float) -> float:
        """When it ends at the latest, seconds since the press; a resumed run has all of its time again."""
        return round(self.began - self.pressed + self.deadline_s + held_s, 3)

    def timings(self, now: float, *, swept: float | None, settled: float | None, held_s: float) -> Timings:
        """Give what took how long until a loop time; for `held_s` the run gave way to others."""

        def since(moment: float | None) -> float | None:
            return None if moment is None else round(moment - self.pressed, 3)

        return Timings(
            since(swept), since(settled), round(now - self.pressed, 3), self.deadline_s + round(held_s, 3)
        )


def begin(prepared: Prepared, clock: Clock, pace: Pace, scrub: Scrub) -> Story:
    """Begin the story of a new press, or of an unfinished run."""
    unfinished, press, now = prepared.unfinished, prepared.press, clock.now()
    if unfinished is not None and unfinished.record.pressed is not None:
        return _resumed(prepared, unfinished, unfinished.record.pressed, clock, pace)
    at = clock.wall(now)
    age_s = max(0.0, round(time() - prepared.roster.modified_at, 1))
    return Story(
        id=f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
        trigger=trigger_of(press, at, scrub),
        started_at=at,
        pressed=now,
        began=now,
        deadline_s=prepared.deadline_s,
        watch_s=prepared.watch_s,
        roster=RosterFacts(prepared.roster.digest, len(prepared.roster.accounts), age_s),
        cases=[Case(account, press.scope.filters) for account in prepared.plan.accounts],
    )


def _resumed(prepared: Prepared, unfinished: Unfinished, pressed: Pressed, clock: Clock, pace: Pace) -> Story:
    record, now = unfinished.record, clock.now()
    cases = list(record.cases.values())
    for case in cases:
        case.resume(now, pace)
    return Story(
        id=record.run,
        trigger=pressed.trigger,
        started_at=pressed.started_at,
        pressed=now - (clock.wall(now) - pressed.started_at).total_seconds(),
        began=now,
        deadline_s=prepared.deadline_s,
        watch_s=prepared.watch_s,
        roster=pressed.roster,
        cases=cases,
        joined=list(record.joined),
        resumed=tuple(Resumption(one.at, one.by) for one in (*record.resumed, unfinished.resumed)),
        latch=record.latch,
    )


def trigger_of(press: Press, at: datetime, scrub: Scrub) -> Trigger:
    """Give who pressed, and why, without keys and clipped for the report."""
    by, reason = clip(scrub(press.by or whoami())), clip(scrub(press.reason.strip()), _REASON_MOST)
    return Trigger(str(press.source), by, reason, at)
