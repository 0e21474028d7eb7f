"""A run: a press carried out by the engine, put on record, and summed up in one report."""

import random
from collections.abc import Collection, Sequence
from enum import Enum, auto
from urllib.parse import urlsplit

from panic.broker.client import Broker
from panic.broker.connections import connections_possible
from panic.engine.case import Case
from panic.engine.engine import Engine
from panic.engine.events import Observer, What
from panic.engine.lanes import Lanes
from panic.engine.pacing import Pace, hush
from panic.engine.queue import Urgency
from panic.engine.slots import Slots
from panic.kit.clock import Clock
from panic.kit.errors import PanicError
from panic.ledger.record import Joined
from panic.ledger.recorder import Recorder
from panic.ledger.writer import Writer
from panic.report import flags
from panic.report.document import AUTOMATED, Report, Source, scope_report
from panic.run import roster_size
from panic.run.latching import Latching
from panic.run.pace import lanes_of, remember
from panic.run.press import Prepared, Press
from panic.run.reporter import Reporter, Unlisted, log_finished
from panic.run.story import begin, trigger_of

_LINGERING_MOST = 4096
"""The most connections to listen to after their last answer, if there are enough descriptors."""


class Join(Enum):
    """What a press that joins a run asks for: newer evidence, or newer cancels as well."""

    LOOK_AGAIN = auto()
    SEND_AGAIN = auto()


class Run:
    """One run. Create it inside a running loop, then `await go()`; `report()` gives what is known at any time.

    `stop()` sends nothing more; `wall()` gives the time of day of a loop time, or now. `observe` must not block.
    The opener of the ledger closes it; the run closes the connections it is given.
    """

    def __init__(
        self,
        prepared: Prepared,
        observe: Observer = lambda _what, _case: None,
        *,
        ledger: Writer | None = None,
        broker: Broker | None = None,
        lanes: Lanes | None = None,
        drill: bool = False,
        rng: random.Random | None = None,
    ) -> None:
        settings = prepared.settings
        if drill and urlsplit(settings.broker.base_url).hostname != "127.0.0.1":
            raise PanicError("a drill runs against the embedded simulator and nothing else")
        self.prepared, self.drill = prepared, drill
        self._clock = Clock()
        possible = connections_possible()
        self._concurrency = min(prepared.concurrency, possible)
        lingering = min(max(possible - self._concurrency, self._concurrency), _LINGERING_MOST)
        if broker is None:
            broker = Broker(settings.broker, prepared.keys, self._clock, self._doubt, lingering)
        else:
            broker.adopt(self._clock, self._doubt, prepared.keys, lingering)
        self._broker, self.scrub, self.wall = broker, broker.scrub, self._clock.wall
        self._lanes = lanes_of(settings) if lanes is None else lanes
        pace = _pace(prepared, self._clock.now())
        self.story = story = begin(prepared, self._clock, pace, self.scrub, self._concurrency, drill=drill)
        self.id, self.cases, self.started_at = story.id, story.cases, story.pressed.started_at
        self._recorder: Recorder | None = None
        if ledger is not None:
            leg = ledger.leg(self.id, broker.scrub, prepared.unfinished.leg if prepared.unfinished else "")
            self._recorder = Recorder(leg, self._clock)
            observe = _both(self._recorder.observe, observe)
        self.engine = Engine(
            cancel=broker.cancel,
            read=broker.read,
            pace=pace,
            slots=Slots(self._concurrency, self._clock.now, self._lanes, urgency=_urgency(prepared.press)),
            clock=self._clock,
            observe=observe,
            rng=rng or random.Random(),  # noqa: S311  (spreads retries; nothing secret)
        )
        self._unlisted = Unlisted(prepared, broker, self.engine)
        self.reporter = Reporter(prepared, story, self.engine, broker, self._clock, self._unlisted)
        self.reporter.flags += flags.from_descriptors(prepared.concurrency, possible)
        self._latching = Latching(self.id)
        self.report, self.stop = self.reporter.report, self.engine.stop

    async def go(self) -> Report:
        """Carry the run out and give its report; never raises for what a broker or a network does."""
        press = self.prepared.press
        async with self._broker:
            self.engine.sweep.collector_pause.begin()
            try:
                if press.latch:
                    self._latching.begin(self.prepared.settings.latch.file, press.scope, self.started_at)
                if self._recorder is not None:
                    await self.story.put_on_record(self._recorder, self.prepared)
            except BaseException:
                self.engine.sweep.collector_pause.end()
                raise
            beside = self._unlisted.ask() if self._unlisted.is_asked else None
            await self.engine.run(_within_reach(self.cases, self.prepared.keys), beside)
        self.story.latch = await self._latching.end(self.story.latch)
        if not self.drill and self.prepared.unfinished is None:
            self.reporter.flags += await roster_size.doubts(self.prepared.settings, self.prepared.roster)
        self.story.ended_at = self._clock.now()
        report = self.report()
        if self._recorder is not None:
            report = await self._recorder.end(report, self.cases, left=self.story.is_left)
        if not self.drill:
            await remember(self.prepared.settings, self._lanes)
        log_finished(report)
        return report

    def join(self, prepared: Prepared, how: Join) -> bool:
        """Make another press, of accounts of this run, a part of it; False if it needs a run of its own."""
        if self.engine.deadline.is_over:
            return False
        story, press, now = self.story, prepared.press, self._clock.now()
        sent: list[int] = []
        deadline_s, watch_s = story.pressed.deadline_s, story.pressed.scope.watch_s
        if how is Join.LOOK_AGAIN:
            self.engine.look_again()
        else:
            ids = {account.id for account in prepared.plan.accounts}
            sent = [one.account.id for one in self.cases if one.account.id in ids and not one.owes_first]
            deadline = now + prepared.deadline_s
            latest = now + prepared.longest_s
            if not self.engine.press_again(ids, deadline=deadline, watch_s=prepared.watch_s, latest=latest):
                return False
            self.engine.slots.hurry(ids, _urgency(press))
            deadline_s, watch_s = max(deadline_s, deadline - story.began_at), max(watch_s, prepared.watch_s)
        joined = Joined(
            trigger=trigger_of(press, self.wall(now), self.scrub),
            accounts=tuple(sent),
            deadline_s=deadline_s,
            watch_s=watch_s,
            scope=scope_report(press.scope, verify=press.verify, watch_s=prepared.watch_s),
            latch=press.latch,
            key=press.key,
        )
        story.join(joined)
        if press.latch:
            self._latching.begin(prepared.settings.latch.file, press.scope, joined.trigger.at)
        return True

    def leave(self) -> None:
        """Send nothing more, and leave the run as a crash would: another process will resume it."""
        self.story.is_left = True
        self.engine.stop()

    @property
    def elapsed_s(self) -> float:
        """Seconds since this process began the run."""
        return self._clock.now() - self.story.began_at

    def _doubt(self) -> None:
        self.reporter.mixed_up = True
        self.engine.doubt()


def _both(first: Observer, then: Observer) -> Observer:
    def observe(what: What, case: Case | None) -> None:
        first(what, case)
        then(what, case)

    return observe


def _within_reach(cases: Sequence[Case], keys: Collection[str]) -> Sequence[Case]:
    """Give the cases that can be sent; a key may have disappeared since a crash, which is noted."""
    for case in cases:
        if (name := case.account.credential) not in keys:
            case.note(f"its credential '{name}' has no usable key now: nothing was sent again")
    return [case for case in cases if case.account.credential in keys]


def _urgency(press: Press) -> Urgency:
    if press.source == Source.SCHEDULE:
        return Urgency.CLOCK
    return Urgency.PROGRAM if press.program or press.source in AUTOMATED else Urgency.PERSON


def _pace(prepared: Prepared, now: float) -> Pace:
    settings, verify = prepared.settings.run, prepared.press.verify
    return Pace(
        deadline=now + prepared.deadline_s,
        latest=now + prepared.longest_s,
        attempt_s=settings.attempt_s,
        poll_first_s=settings.poll_first_s,
        poll_most_s=max(settings.poll_max_s, settings.poll_first_s),
        watch_s=prepared.watch_s if verify else 0.0,
        verify=verify,
        hush_s=hush(settings.poll_first_s, prepared.deadline_s),
    )
