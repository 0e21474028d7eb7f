"""The one use-case that every caller uses: a press becomes a run, the run one report."""

import asyncio
import random
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum, auto
from time import time
from urllib.parse import urlsplit

import structlog

from panic import flags
from panic._version import VERSION
from panic.broker.answers import Answer
from panic.broker.client import Broker
from panic.broker.connections import connections_possible
from panic.broker.listing import Listing, list_accounts
from panic.clock import Clock
from panic.collector import Pause
from panic.config import LedgerFiles
from panic.engine.case import Case
from panic.engine.pacing import Pace, hush
from panic.engine.slots import Slots
from panic.engine.sweep import Engine, Leash, Observer, What
from panic.errors import PanicError
from panic.fold import Circumstances, fold
from panic.latching import Engaging, both
from panic.ledger.writer import Writer, sqlite_writer
from panic.process import here
from panic.record import SCHEMA, Joined, LastPress, Pressed
from panic.recorder import Journal, Recorder
from panic.replay import Replay, joining
from panic.report import Flag, LatchReport, Report, Resumption, RosterFacts, Timings, Trigger, scope_report
from panic.roster import Roster
from panic.run.press import Prepared, Press, whoami
from panic.words import clip

log = structlog.get_logger()

_REASON_MOST = 1000
_LINGERING_MOST = 4096
"""Connections that may be listened to after their last answer, where the descriptors allow it."""


def open_ledger(files: LedgerFiles, *, at_once: bool = True) -> Writer | None:
    """Give the ledger's writer; None where the settings name none.

    Args:
        files: Where it is.
        at_once: Whether its thread begins to open it now, and not with the first event.
    """
    if files.file is None:
        return None
    writer = sqlite_writer(files.file)
    if at_once:
        writer.probe()
    return writer


class Join(Enum):
    """What a press asks for that becomes a part of a run: newer evidence, or newer cancels as well."""

    LOOK_AGAIN = auto()
    SEND_AGAIN = auto()


class Run:
    """One run. Create it inside a running loop, then `await go()`; `report()` tells at any time what is known.

    Args:
        prepared: What to do.
        observe: Told of every event of the engine; must not block.
        ledger: Where the run is put on record; whoever opened it closes it.
        broker: Connections that are open already; the run closes them. None opens new ones.
        journal: Told of every event that is put on record, as it is before keys are taken out; must not block.
        drill: Whether the broker is the embedded simulator.
        rng: Spreads the retries.
    """

    def __init__(
        self,
        prepared: Prepared,
        observe: Observer = lambda _what, _case: None,
        *,
        ledger: Writer | None = None,
        broker: Broker | None = None,
        journal: Journal = lambda _event: None,
        drill: bool = False,
        rng: random.Random | None = None,
    ) -> None:
        settings, press, earlier = prepared.settings, prepared.press, prepared.earlier
        if drill and not _is_loopback(settings.broker.base_url):
            raise PanicError("a drill runs against the embedded simulator and nothing else")
        self.prepared = prepared
        self.drill = drill
        self.id = earlier.run if earlier else f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        self._clock = Clock()
        self._taken_up = self._clock.now()
        self._began = self._taken_up
        self._ended: float | None = None
        self._deadline_s, self._watch_s = prepared.deadline_s, prepared.watch_s
        self._flags = list(prepared.flags)
        self._asks = press.verify and press.scope.all
        used = {account.credential for account in prepared.roster.accounts}
        self._listings = {name: Listing() for name in sorted(used & prepared.keys.keys()) if self._asks}
        self._mixed_up = False
        self._concurrency = self._bound_concurrency()
        self._slots = Slots(self._concurrency, self._clock.now)
        lingering = min(max(connections_possible() - self._concurrency, self._concurrency), _LINGERING_MOST)
        if broker is None:
            self._broker = Broker(settings.broker, prepared.keys, self._clock, self._doubt, lingering)
        else:
            self._broker = broker
            broker.adopt(self._clock, self._doubt, prepared.keys, lingering)
        self._recorder: Recorder | None = None
        if ledger is not None:
            leg = ledger.leg(self.id, self._broker.scrub, prepared.leg, journal)
            self._recorder = Recorder(leg, self.id, self._clock)
        self._observe = observe
        self.engine = Engine(
            cancel=self._broker.cancel,
            read=self._broker.read,
            pace=self._pace(),
            slots=self._slots,
            clock=self._clock,
            observe=observe if self._recorder is None else self._tell,
            rng=rng or random.Random(),  # noqa: S311  (spreads retries; nothing secret)
        )
        self._begin(earlier)
        self._joined = list(earlier.joined) if earlier else []
        self._is_on_record = self._left = False
        self._latch: LatchReport | None = earlier.latch if earlier else None
        self._engaging: list[Engaging] = []
        if press.latch:
            self._engaging.append(Engaging(settings.latch.file, press.scope, self.id, self.started_at))

    def _begin(self, earlier: Replay | None) -> None:
        press, plan = self.prepared.press, self.prepared.plan
        if earlier is None or earlier.pressed is None:
            self.started_at = self._clock.wall(self._began)
            self._roster = _roster_facts(self.prepared.roster)
            self._trigger = self._trigger_of(press, self.started_at)
            self.cases = [Case(account, press.scope.filters) for account in plan.accounts]
            return
        self.started_at, self._roster = earlier.pressed.started_at, earlier.pressed.roster
        self._trigger = earlier.pressed.trigger
        self._began -= (self._clock.wall(self._began) - self.started_at).total_seconds()
        self.cases = list(earlier.cases.values())
        for case in self.cases:
            case.take_up(self._taken_up, self._pace())

    def _trigger_of(self, press: Press, at: datetime) -> Trigger:
        by, reason = clip(self.scrub(press.by or whoami())), clip(self.scrub(press.reason.strip()), _REASON_MOST)
        return Trigger(str(press.source), by, reason, at)

    async def go(self) -> Report:
        """Carry the run out and give its report; never raises for what a broker or a network does."""
        async with self._broker:
            self.engine.collector_pause.begin()
            try:
                for engaging in tuple(self._engaging):
                    engaging.begin()
                await self._intend()
            except BaseException:
                self.engine.collector_pause.end()
                raise
            await self.engine.run(self._within_reach(), self._discover() if self._asks else None)
        for engaging in self._engaging:
            self._latch = both(self._latch, await engaging.end())
        self._ended = self._clock.now()
        report = self.report()
        if self._recorder is not None:
            report = await self._recorder.end(report, self.cases, left=self._left)
        _log(report)
        return report

    def join(self, prepared: Prepared, how: Join) -> bool:
        """Make another press a part of this run.

        Args:
            prepared: The other press; every account of its plan must be one of this run's.
            how: What it asks for anew.

        Returns:
            Whether it is; False where it needs a run of its own.
        """
        press = prepared.press
        now, takes = self._clock.now(), self.engine.takes_presses
        ids = {account.id for account in prepared.plan.accounts}
        again = how is Join.SEND_AGAIN
        sent = [one.account.id for one in self.cases if again and one.account.id in ids and not one.owes_first]
        deadline_s, watch_s = prepared.deadline_s, prepared.watch_s
        if takes and how is Join.LOOK_AGAIN:
            self.engine.look_again()
        if not takes or (again and not self.engine.press_again(ids, deadline=now + deadline_s, watch_s=watch_s)):
            return False
        if again:
            self._deadline_s = max(self._deadline_s, now - self._taken_up + deadline_s)
            self._watch_s = max(self._watch_s, watch_s)
        joined = Joined(
            trigger=self._trigger_of(press, self._clock.wall(now)),
            accounts=tuple(sent),
            deadline_s=self._deadline_s,
            watch_s=self._watch_s,
            scope=scope_report(press.scope, verify=press.verify, watch_s=watch_s),
            latch=press.latch,
            key=press.key,
        )
        self._joined.append(joined)
        if self._recorder is not None and self._is_on_record:
            self._recorder.join(joined)
        if press.latch:
            self._engaging.append(Engaging(prepared.settings.latch.file, press.scope, self.id, joined.trigger.at))
            self._engaging[-1].begin()
        return True

    def scrub(self, text: str) -> str:
        """Take every key out of foreign words."""
        return self._broker.scrub(text)

    def leave(self) -> None:
        """Send nothing more, and leave the run as a process that dies would: somebody else will take it up."""
        self._left = True
        self.engine.stop()

    def stop(self) -> None:
        """Send nothing more, and report what is known."""
        self.engine.stop()

    @property
    def last_press(self) -> LastPress:
        """Its last press, that of another which became a part of it as well."""
        last = self._joined[-1].trigger if self._joined else self._trigger
        return LastPress(self.id, last.at, 1 + len(self._joined))

    @property
    def elapsed_s(self) -> float:
        """Seconds since this process began with the run."""
        return self._clock.now() - self._taken_up

    @property
    def deadline_s(self) -> float:
        """How long the run may take, seconds."""
        return self._deadline_s

    @property
    def ends_s(self) -> float:
        """When it ends at the latest, seconds since the press; a run that was taken up has its time anew."""
        return round(self._taken_up - self._began + self._deadline_s + self.engine.held_s, 3)

    def report(self) -> Report:
        """Fold what is known at this moment into the report."""
        with Pause():  # it makes a hundred thousand small values and no garbage
            return fold(self.cases, self.prepared.plan.unsent, self.facts(), self.wall)

    def wall(self, moment: float | None = None) -> datetime:
        """Give the time of day of a loop time, or of now."""
        return self._clock.wall(moment)

    def facts(self) -> Circumstances:
        """Give what is known at this moment of the run as a whole."""
        settings, press = self.prepared.settings, self.prepared.press
        ended = self._clock.now() if self._ended is None else self._ended
        return Circumstances(
            run_id=self.id,
            drill=self.drill,
            base_url=settings.broker.base_url,
            contact=settings.broker.contact,
            roster=self._roster,
            trigger=self._trigger,
            scope=press.scope,
            verify=press.verify,
            watch_s=self._watch_s,
            timings=self._timings(ended),
            started_at=self.started_at,
            finished_at=self._clock.wall(ended),
            finished=self._ended is not None and not self._left,
            joined=tuple(map(joining, self._joined)),
            resumed=self._resumptions(),
            latch=self._latch,
            flags=self._all_flags(),
            roster_checked=bool(self._listings) and not any(one.failure for one in self._listings.values()),
            unlisted=self._unlisted(),
            scrub=self._broker.scrub,
        )

    def _timings(self, ended: float) -> Timings:
        def since(moment: float | None) -> float | None:
            return None if moment is None else round(moment - self._began, 3)

        last, settled = self.engine.last_first_cancel_at, self.engine.settled_at
        allowed_s = self._deadline_s + round(self.engine.held_s, 3)
        return Timings(since(last), since(settled), round(ended - self._began, 3), allowed_s)

    # ── on record ───────────────────────────────────────────────────────────────────────────────────────

    def _tell(self, what: What, case: Case | None) -> None:
        assert self._recorder is not None  # noqa: S101  (only then is it called)
        self._recorder.observe(what, case)
        self._observe(what, case)

    async def _intend(self) -> None:
        """Put the intent on record before the act, but do not wait for it for long."""
        if self._recorder is None:
            return
        try:
            self._record_intent(self._recorder)
            await self._recorder.intend()
        except Exception as error:  # noqa: BLE001  (whatever is wrong with the record, the press fires)
            self._recorder.fail(error)

    def _record_intent(self, recorder: Recorder) -> None:
        prepared = self.prepared
        if prepared.earlier is None:
            recorder.press(self._pressed(), prepared.plan)
            recorder.flag(prepared.flags)
        else:
            recorder.go_on(self.cases, prepared.earlier.flags)
            if prepared.resumed is not None and not prepared.claimed:
                recorder.resume(prepared.resumed)
            recorder.flag(prepared.flags)
        for joined in self._joined[len(prepared.earlier.joined) if prepared.earlier else 0 :]:
            recorder.join(joined)
        self._is_on_record = True

    def _pressed(self) -> Pressed:
        settings, press = self.prepared.settings, self.prepared.press
        return Pressed(
            schema=SCHEMA,
            version=VERSION,
            drill=self.drill,
            base_url=settings.broker.base_url,
            contact=settings.broker.contact,
            settings_digest=settings.digest,
            roster=self._roster,
            trigger=self._trigger,
            scope=scope_report(press.scope, verify=press.verify, watch_s=self._watch_s),
            started_at=self.started_at,
            deadline_s=self._deadline_s,
            concurrency=self._concurrency,
            latch=press.latch,
            process=here(),
            key=press.key,
        )

    def _resumptions(self) -> tuple[Resumption, ...]:
        earlier, resumed = self.prepared.earlier, self.prepared.resumed
        all_of_them = [*(earlier.resumed if earlier else ()), *([resumed] if resumed else ())]
        return tuple(Resumption(one.at, one.by) for one in all_of_them)

    def _within_reach(self) -> Sequence[Case]:
        """Give the cases that can be sent; after a crash, a key that was there may be gone, which is noted."""
        keys = self.prepared.keys
        for case in self.cases:
            if case.account.credential not in keys:
                case.note(
                    f"its credential '{case.account.credential}' has no usable key now: nothing was sent again"
                )
        return [case for case in self.cases if case.account.credential in keys]

    # ── how it goes ─────────────────────────────────────────────────────────────────────────────────────

    def _bound_concurrency(self) -> int:
        wanted = self.prepared.press.concurrency or self.prepared.settings.run.concurrency
        possible = connections_possible()
        if possible < wanted:
            text = f"{possible} requests in flight instead of {wanted}: this process may open no more files"
            self._flags.append(Flag("few_descriptors", f"{text} (ulimit -n)"))
        return min(wanted, possible)

    def _pace(self) -> Pace:
        settings, press = self.prepared.settings.run, self.prepared.press
        return Pace(
            deadline=self._taken_up + self._deadline_s,
            attempt_s=settings.attempt_s,
            poll_first_s=settings.poll_first_s,
            poll_most_s=max(settings.poll_max_s, settings.poll_first_s),
            watch_s=self._watch_s if press.verify else 0.0,
            verify=press.verify,
            hush_s=hush(settings.poll_first_s, self._deadline_s),
        )

    def _doubt(self) -> None:
        self._mixed_up = True
        self.engine.doubt()

    async def _discover(self) -> None:
        """Ask which accounts there are, once every first DELETE was sent."""
        await self.engine.swept.wait()
        await asyncio.gather(*(self._list(name, listing) for name, listing in self._listings.items()))

    async def _list(self, name: str, listing: Listing) -> None:
        async def ask(parameters: tuple[tuple[str, str], ...]) -> Answer | None:
            async def call(leash: Leash) -> Answer:
                return await self._broker.get("/v1/accounts", parameters, name, leash)

            return await self.engine.aside(name, call)

        await list_accounts(ask, listing, self.engine.pause)

    def _unlisted(self) -> tuple[int, ...]:
        roster = self.prepared.roster
        known = {account.id for account in roster.accounts} | {row.id for row in roster.bad_rows}
        known |= {case.account.id for case in self.cases}  # of a run taken up, the roster may have lost some
        shown = {id_ for one in self._listings.values() for id_, active in one.active.items() if active}
        return tuple(sorted(shown - known))

    def _all_flags(self) -> list[Flag]:
        base_url, over = self.prepared.settings.broker.base_url, self._ended is not None
        found = [*self._flags, *flags.from_cases(self.cases, base_url, stopped=self.engine.stopped, over=over)]
        if self._broker.problem:
            found.append(Flag("certificates", clip(self._broker.problem)))
        if self._mixed_up:
            text = "a connection brought an answer nobody asked for; proofs were repeated on new connections"
            found.append(Flag("mixed_up_answers", text))
        found += flags.from_clock(self._clock.ahead_s)
        found += flags.from_filters(self.cases) if over else []
        found += flags.from_listings(self._listings if over else {}, self._unlisted())
        if self._latch is not None and not self._latch.as_asked:
            found.append(Flag("latch", self._latch.text))
        if self._recorder is not None:
            found += self._recorder.troubles()
        found += [Flag("internal_error", f"panic itself failed: {text}") for text in self.engine.failures]
        return found


def _log(report: Report) -> None:
    """Write one canonical line for each account and one for the run, where the process has set logs up."""
    if not structlog.is_configured():  # structlog's default writes to the caller's standard output
        return
    for account in report.accounts:
        log.debug(
            "account_finished",
            run_id=report.run_id,
            account=account.id,
            outcome=str(account.outcome),
            standing=str(account.standing),
            verdict=str(account.verdict),
            attempts=len(account.attempts),
        )
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


def _is_loopback(base_url: str) -> bool:
    return urlsplit(base_url).hostname == "127.0.0.1"


def _roster_facts(roster: Roster) -> RosterFacts:
    age_s = max(0.0, round(time() - roster.modified_at, 1))
    return RosterFacts(roster.digest, len(roster.accounts), age_s)
