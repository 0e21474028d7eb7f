"""What a run says of itself at any moment: its report, and the circumstances of all its accounts."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from panic._version import VERSION
from panic.broker.answers import Answer
from panic.broker.client import Broker
from panic.broker.listing import Listing, are_whole, list_accounts
from panic.broker.pages import Parameters
from panic.engine.case import Case
from panic.engine.engine import Engine
from panic.kit.clock import Clock
from panic.kit.collector import Pause
from panic.kit.words import clip
from panic.ledger.replay import circumstances
from panic.report import flags
from panic.report.account import Circumstances
from panic.report.document import Flag, Pace, Report, Timings
from panic.report.fold import fold
from panic.run.press import Prepared
from panic.run.story import Story

log = structlog.get_logger()


class Unlisted:
    """Accounts that the broker shows but the roster lacks, if the press covers all and is verified."""

    def __init__(self, prepared: Prepared, broker: Broker, engine: Engine) -> None:
        self._roster, self._broker, self._engine = prepared.roster, broker, engine
        self.is_asked = prepared.press.verify and prepared.press.scope.all
        # also those of which no account is left in the roster: it may have been copied by half
        self.listings = {name: Listing() for name in sorted(prepared.keys) if self.is_asked}

    def accounts(self, cases: Iterable[Case]) -> tuple[int, ...]:
        """Give the active accounts that neither the roster nor a case of the run knows."""
        known = {account.id for account in self._roster.accounts} | {row.id for row in self._roster.bad_rows}
        known |= {case.account.id for case in cases}  # when a run is resumed, the roster may have lost some
        shown = {id_ for one in self.listings.values() for id_, active in one.active.items() if active}
        return tuple(sorted(shown - known))

    async def ask(self) -> None:
        """Ask the broker which accounts each credential sees, once every first DELETE was sent."""
        await self._engine.swept.wait()
        await asyncio.gather(*(self._list(name, listing) for name, listing in self.listings.items()))

    async def _list(self, name: str, listing: Listing) -> None:
        def ask(parameters: Parameters) -> Awaitable[Answer]:
            return self._engine.aside(name, partial(self._broker.get, "/v1/accounts", parameters, name))

        await list_accounts(ask, listing)


@dataclass(slots=True)
class Reporter:
    """Reports on one run; `flags` were known before anything was sent."""

    prepared: Prepared
    story: Story
    engine: Engine
    broker: Broker
    clock: Clock
    unlisted: Unlisted
    flags: list[Flag] = field(default_factory=list)
    mixed_up: bool = False  # a connection brought an answer that nobody had asked for

    def report(self) -> Report:
        """Fold what is known at this moment into the report."""
        with Pause():  # it makes a hundred thousand small values but no garbage
            return fold(self.story.cases, self.prepared.plan.unsent, self.circumstances(), self.clock.wall)

    def circumstances(self) -> Circumstances:
        """Give what is known at this moment of the run as a whole."""
        story = self.story
        now = self.clock.now() if story.ended_at is None else story.ended_at
        unlisted = self.unlisted.accounts(story.cases)
        return circumstances(
            story.id,
            story.pressed,
            story.joined,
            story.resumed,
            version=VERSION,
            timings=self._timings(now),
            finished_at=self.clock.wall(now),
            finished=story.ended_at is not None and not story.is_left,
            latch=story.latch,
            flags=tuple(dict.fromkeys(self._flags(unlisted))),  # an earlier process may have raised the same
            roster_checked=are_whole(self.unlisted.listings.values()),
            unlisted=unlisted,
            scrub=self.broker.scrub,
        )

    @property
    def elapsed_s(self) -> float:
        """Seconds since the press."""
        return round(self.clock.now() - self.story.pressed_at, 3)

    @property
    def ends_s(self) -> float:
        """When it ends at the latest, seconds since the press; a resumed run has all of its time again."""
        story = self.story
        later_s = self.engine.deadline.held_s + self.engine.deadline.put_off_s
        return round(story.began_at - story.pressed_at + story.pressed.deadline_s + later_s, 3)

    def _timings(self, now: float) -> Timings:
        sweep, deadline, slots = self.engine.sweep, self.engine.deadline, self.engine.slots
        paces = tuple(
            Pace(name, round(lane.rate.value or 0.0, 1), slots.refused[name])
            for name, lane in sorted(slots.limited.items())
        )
        moments = (sweep.last_at, sweep.settled_at, now)
        swept, settled, total = [None if at is None else round(at - self.story.pressed_at, 3) for at in moments]
        deadline_s = self.story.pressed.deadline_s + round(deadline.held_s + deadline.put_off_s, 3)
        return Timings(swept, settled, total or 0.0, deadline_s, round(slots.waited_s, 3), paces)

    def _flags(self, unlisted: Sequence[int]) -> Iterable[Flag]:
        cases, story, over = self.story.cases, self.story, self.story.ended_at is not None
        yield from flags.from_listings(self.unlisted.listings if over else {}, unlisted)
        yield from self.prepared.flags
        yield from self.flags
        yield from flags.from_cases(cases, story.pressed.base_url, stopped=self.engine.stopped, over=over)
        if self.broker.problem:
            yield Flag("certificates", clip(self.broker.problem))
        if self.mixed_up:
            text = "a connection brought an answer nobody asked for; proofs were repeated on new connections"
            yield Flag("mixed_up_answers", text)
        yield from flags.from_clock(self.clock.ahead_s)
        yield from flags.from_filters(cases) if over else ()
        if story.latch is not None and not story.latch.as_asked:
            yield Flag("latch", story.latch.text)
        if story.recorder is not None:
            yield from story.recorder.troubles()
        yield from (Flag("internal_error", f"panic itself failed: {text}") for text in self.engine.failures)


def log_finished(report: Report) -> None:
    """Write one canonical line, and what is wrong with the ledger, where the process has set logs up."""
    if not structlog.is_configured():  # structlog's default writes to the caller's standard output
        return
    for flag in report.flags:
        if flag.code.startswith("ledger_"):
            log.error("ledger_trouble", run_id=report.run_id, code=flag.code, text=flag.text)
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
