"""The story of a run: how it began, fresh or resumed, and what has joined it since."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import time

from panic._version import VERSION
from panic.engine.case import Case
from panic.engine.pacing import Pace
from panic.kit.clock import Clock
from panic.kit.collector import Pause
from panic.kit.process import here
from panic.kit.words import clip
from panic.ledger.record import SCHEMA, Joined, LastPress, Pressed, Resumed
from panic.ledger.recorder import Recorder
from panic.ledger.replay import Replay
from panic.report.document import LatchReport, RosterFacts, Trigger, scope_report
from panic.run.press import Prepared, Press, whoami

_REASON_MOST = 1000

Scrub = Callable[[str], str]


@dataclass(slots=True)
class Story:
    """What a report says about a run besides its accounts and what the engine knows; moments are loop times.

    Attributes:
        pressed: What is on record of the press, with what later ones made of deadline and watch.
        pressed_at: Before this process began with the run where it is resumed.
        began_at: When this process began with it.
        is_left: Whether this process left it before its end, for another to resume.
        recorder: What puts it on record; None before its intent is there, and where there is no ledger.
    """

    id: str
    pressed: Pressed
    pressed_at: float
    began_at: float
    cases: list[Case]
    joined: list[Joined] = field(default_factory=list)
    resumed: list[Resumed] = field(default_factory=list)
    latch: LatchReport | None = None
    ended_at: float | None = None
    is_left: bool = False
    recorder: Recorder | None = None

    @property
    def last_press(self) -> LastPress:
        """Its last press, also where that became a part of it."""
        return LastPress.of(self.id, self.pressed, self.joined)

    def join(self, joined: Joined) -> None:
        """Make another press a part of it."""
        self.joined.append(joined)
        self.pressed = self.pressed.joined_by(joined)
        if self.recorder is not None:
            self.recorder.join(joined)

    async def put_on_record(self, recorder: Recorder, prepared: Prepared) -> None:
        """Put the intent on record before acting, but do not wait long for it."""
        self.recorder = recorder
        try:
            self._record(recorder, prepared)
            await recorder.intend()
        except Exception as error:  # noqa: BLE001  (whatever is wrong with the record, the press fires)
            recorder.fail(error)

    def _record(self, recorder: Recorder, prepared: Prepared) -> None:
        """Hand over the press, or what this process adds to the record of an earlier one."""
        unfinished, known = prepared.unfinished, 0
        if unfinished is None:
            recorder.press(self.pressed, prepared.plan)
        else:
            known = len(unfinished.record.joined)
            recorder.go_on(self.cases, unfinished.record.flags)
            if not unfinished.is_on_record:
                recorder.resume(unfinished.resumed)
        recorder.flag(prepared.flags)
        for joined in self.joined[known:]:
            recorder.join(joined)


def begin(prepared: Prepared, clock: Clock, pace: Pace, scrub: Scrub, concurrency: int, *, drill: bool) -> Story:
    """Begin the story of a new press, or of an unfinished run."""
    settings, press, now = prepared.settings, prepared.press, clock.now()
    if prepared.unfinished is not None and (pressed := prepared.unfinished.record.pressed) is not None:
        return _resumed(prepared.unfinished.record, pressed, prepared.unfinished.resumed, clock, pace)
    at, roster = clock.wall(now), prepared.roster
    age_s = max(0.0, round(time() - roster.modified_at, 1))
    pressed = Pressed(
        schema=SCHEMA,
        version=VERSION,
        drill=drill,
        base_url=settings.broker.base_url,
        contact=settings.broker.contact,
        settings_digest=settings.digest,
        roster=RosterFacts(roster.digest, len(roster.accounts), age_s),
        trigger=trigger_of(press, at, scrub),
        scope=scope_report(press.scope, verify=press.verify, watch_s=prepared.watch_s),
        started_at=at,
        deadline_s=prepared.deadline_s,
        concurrency=concurrency,
        latch=press.latch,
        process=here(),
        key=press.key,
    )
    with Pause():  # the first DELETE waits for it, and it makes no garbage
        cases = [Case(account, press.scope.filters) for account in prepared.plan.accounts]
    return Story(
        id=f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
        pressed=pressed,
        pressed_at=now,
        began_at=now,
        cases=cases,
    )


def _resumed(record: Replay, pressed: Pressed, resumed: Resumed, clock: Clock, pace: Pace) -> Story:
    now = clock.now()
    cases = list(record.cases.values())
    for case in cases:
        case.resume(now, pace)
    return Story(
        id=record.run,
        pressed=pressed,
        pressed_at=now - (clock.wall(now) - pressed.started_at).total_seconds(),
        began_at=now,
        cases=cases,
        joined=list(record.joined),
        resumed=[*record.resumed, resumed],
        latch=record.latch,
    )


def trigger_of(press: Press, at: datetime, scrub: Scrub) -> Trigger:
    """Give who pressed, and why, without keys and clipped for the report."""
    by, reason = clip(scrub(press.by or whoami())), clip(scrub(press.reason.strip()), _REASON_MOST)
    return Trigger(str(press.source), by, reason, at)
