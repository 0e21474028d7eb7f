"""What is said of a run: its intent, on record before the first DELETE, and at any moment its facts and report."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from panic._version import VERSION
from panic.broker.client import Broker
from panic.engine.engine import Engine
from panic.kit.clock import Clock
from panic.kit.collector import Pause
from panic.kit.process import here
from panic.kit.words import clip
from panic.ledger.record import SCHEMA, Pressed
from panic.ledger.recorder import Recorder
from panic.ledger.replay import joining
from panic.report import flags
from panic.report.account import Circumstances
from panic.report.document import Flag, Report, scope_report
from panic.report.fold import fold
from panic.run.press import Prepared
from panic.run.story import Story
from panic.run.unlisted import Unlisted

log = structlog.get_logger()


@dataclass(slots=True)
class Teller:
    """Tells of one run; `flags` were known before anything was sent."""

    prepared: Prepared
    story: Story
    engine: Engine
    broker: Broker
    clock: Clock
    unlisted: Unlisted
    recorder: Recorder | None
    drill: bool
    flags: list[Flag] = field(default_factory=list)
    mixed_up: bool = False  # a connection brought an answer that nobody had asked for

    def report(self) -> Report:
        """Fold what is known at this moment into the report."""
        with Pause():  # it makes a hundred thousand small values but no garbage
            return fold(self.story.cases, self.prepared.plan.unsent, self.facts(), self.clock.wall)

    def facts(self) -> Circumstances:
        """Give what is known at this moment of the run as a whole."""
        settings, press, story = self.prepared.settings.broker, self.prepared.press, self.story
        now = self.clock.now() if story.ended is None else story.ended
        unlisted = self.unlisted.accounts(story.cases)
        return Circumstances(
            run_id=story.id,
            drill=self.drill,
            base_url=settings.base_url,
            contact=settings.contact,
            roster=story.roster,
            trigger=story.trigger,
            scope=press.scope,
            verify=press.verify,
            watch_s=story.watch_s,
            timings=story.timings(
                now,
                swept=self.engine.sweep.last_at,
                settled=self.engine.sweep.settled_at,
                held_s=self.engine.deadline.held_s,
            ),
            started_at=story.started_at,
            finished_at=self.clock.wall(now),
            finished=story.ended is not None and not story.is_left,
            joined=tuple(map(joining, story.joined)),
            resumed=story.resumed,
            latch=story.latch,
            flags=tuple(self._flags(unlisted)),
            roster_checked=self.unlisted.is_answered,
            unlisted=unlisted,
            scrub=self.broker.scrub,
        )

    def _flags(self, unlisted: Sequence[int]) -> Iterable[Flag]:
        cases, story, over = self.story.cases, self.story, self.story.ended is not None
        base_url = self.prepared.settings.broker.base_url
        yield from self.prepared.flags
        yield from self.flags
        yield from flags.from_cases(cases, base_url, stopped=self.engine.stopped, over=over)
        if self.broker.problem:
            yield Flag("certificates", clip(self.broker.problem))
        if self.mixed_up:
            text = "a connection brought an answer nobody asked for; proofs were repeated on new connections"
            yield Flag("mixed_up_answers", text)
        yield from flags.from_clock(self.clock.ahead_s)
        yield from flags.from_filters(cases) if over else ()
        yield from flags.from_listings(self.unlisted.listings if over else {}, unlisted)
        if story.latch is not None and not story.latch.as_asked:
            yield Flag("latch", story.latch.text)
        if self.recorder is not None:
            yield from self.recorder.troubles()
        yield from (Flag("internal_error", f"panic itself failed: {text}") for text in self.engine.failures)


def log_finished(report: Report) -> None:
    """Write one canonical line, where the process has set logs up."""
    if not structlog.is_configured():  # structlog's default writes to the caller's standard output
        return
    log.info(
        "run_finished",
        run_id=report.run_id,
        drill=report.drill,
        base_url=report.base_url,
        verdict=str(report.verdict),
        accounts=report.totals.accounts,
        attempts=report.totals.attempts,
        total_s=report.timings.total_s,
        flags=[flag.code for flag in report.flags],
        ledger_head=report.ledger_head,
    )


def record_intent(recorder: Recorder, story: Story, prepared: Prepared, concurrency: int, *, drill: bool) -> None:
    """Hand the intent of a run to its recorder."""
    unfinished = prepared.unfinished
    if unfinished is None:
        recorder.press(pressed_of(story, prepared, concurrency, drill=drill), prepared.plan)
    else:
        recorder.go_on(story.cases, unfinished.record.flags)
        if not unfinished.is_on_record:
            recorder.resume(unfinished.resumed)
    recorder.flag(prepared.flags)
    for joined in story.joined[len(unfinished.record.joined) if unfinished else 0 :]:
        recorder.join(joined)


def pressed_of(story: Story, prepared: Prepared, concurrency: int, *, drill: bool) -> Pressed:
    """Give what goes on record of who pressed, and why."""
    settings, press = prepared.settings, prepared.press
    return Pressed(
        schema=SCHEMA,
        version=VERSION,
        drill=drill,
        base_url=settings.broker.base_url,
        contact=settings.broker.contact,
        settings_digest=settings.digest,
        roster=story.roster,
        trigger=story.trigger,
        scope=scope_report(press.scope, verify=press.verify, watch_s=story.watch_s),
        started_at=story.started_at,
        deadline_s=story.deadline_s,
        concurrency=concurrency,
        latch=press.latch,
        process=here(),
        key=press.key,
    )
