"""The one use-case that every caller uses: a press becomes a run, the run one report."""

import asyncio
import os
import random
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import time
from urllib.parse import urlsplit

import structlog

from panic import background, flags, latch
from panic._version import VERSION
from panic.answers import Answer
from panic.broker import Broker, connections_possible
from panic.case import Case
from panic.clock import Clock
from panic.collector import Pause
from panic.config import LedgerFiles, Settings
from panic.discovery import Listing, list_accounts
from panic.engine import Engine, Leash, Observer, What
from panic.errors import PanicError, Problem, UsageError
from panic.fold import Circumstances, fold
from panic.ledger.writer import Writer, sqlite_writer
from panic.pacing import Pace, hush
from panic.plan import Plan, Scope, plan
from panic.process import here
from panic.record import SCHEMA, Finished, Pressed, Resumed
from panic.recorder import INTENT_S, Recorder
from panic.replay import Replay
from panic.report import Flag, LatchReport, Report, Resumption, RosterFacts, Timings, Trigger, scope_report
from panic.roster import Roster
from panic.roster import load as load_roster
from panic.secret import Key, read
from panic.slots import Slots
from panic.words import clip

log = structlog.get_logger()

_REASON_MOST = 1000
_LATCH_MOST_S = 1.0
"""When all else is over the latch gets so long to be written; then the report says that it was not."""

_LINGERING_MOST = 4096
"""Connections that may be listened to after their last answer, where the descriptors allow it."""


@dataclass(frozen=True, slots=True)
class Press:
    """The act: which accounts, why, and how this run differs from the settings (None: it does not).

    Attributes:
        scope: Which accounts and orders.
        reason: Why; goes into the report.
        by: Who; empty for the user of this process.
        source: cli, library or drill.
        deadline_s: When the run ends at the latest, seconds.
        concurrency: Requests in flight at most.
        watch_s: How long to go on reading after the first clear, seconds.
        verify: Whether to read until the accounts are proven clear.
        latch: Whether to leave the scope engaged.
    """

    scope: Scope
    reason: str
    by: str = ""
    source: str = "library"
    deadline_s: float | None = None
    concurrency: int | None = None
    watch_s: float | None = None
    verify: bool = True
    latch: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything a run needs, read and validated; nothing has been sent.

    Attributes:
        earlier: What is on record of the run, if this is to go on with one that a process left unfinished.
        resumed: Who goes on with it; None where nobody does.
        claimed: Whether the ledger knows already that they do.
    """

    press: Press
    settings: Settings
    roster: Roster
    keys: Mapping[str, Key]
    plan: Plan
    flags: tuple[Flag, ...] = ()
    earlier: Replay | None = None
    resumed: Resumed | None = None
    claimed: bool = False


def open_ledger(files: LedgerFiles) -> Writer | None:
    """Begin to open a ledger on a thread of its own; None where the settings name none."""
    if files.file is None:
        return None
    writer = sqlite_writer(files.file, files.second)
    writer.start()
    return writer


def prepare(settings: Settings, press: Press, env: Mapping[str, str] = os.environ) -> Prepared:
    """Read roster and keys and make the plan.

    Raises:
        UsageError: No reason, or a scope that makes no sense.
        ConfigurationError: The roster cannot be used, or not one account of the scope can be fired.
    """
    _check(press)
    keys, raised, broken = read_keys(settings, env)
    roster = load_roster(settings.roster.file, settings.credentials)
    raised += flags.from_problems("roster", roster.problems)
    return Prepared(press, settings, roster, keys, plan(roster, press.scope, keys, broken), tuple(raised))


def read_keys(settings: Settings, env: Mapping[str, str]) -> tuple[dict[str, Key], list[Flag], list[Problem]]:
    """Give the usable keys by name, what is wrong with the settings and keys as flags, and the unusable ones."""
    keys: dict[str, Key] = {}
    broken: list[Problem] = []
    raised = flags.from_problems("settings", settings.problems)
    for name, credential in settings.credentials.items():
        key, problems = read(name, credential, env)
        raised += flags.from_problems("credential", problems)
        if key is None:
            broken += problems
        else:
            keys[name] = key
    return keys, raised, broken


def _check(press: Press) -> None:
    if not press.reason.strip():
        raise UsageError("no reason: say --reason TEXT; the report and the auditor will ask for it")
    for name, value in (("--deadline", press.deadline_s), ("--watch", press.watch_s)):
        if value is not None and not 0 <= value <= 86_400:  # noqa: PLR2004  (a day; also refuses NaN)
            raise UsageError(f"{name} {value}: give seconds between 0 and 86400")
    if press.deadline_s == 0:
        raise UsageError("--deadline 0 leaves no time to send anything: give seconds, or leave it out")
    if press.concurrency is not None and not 1 <= press.concurrency <= 1000:  # noqa: PLR2004
        raise UsageError(f"--concurrency {press.concurrency}: give a number between 1 and 1000")


class Run:
    """One run. Create it inside a running loop, then `await go()`; `report()` tells at any time what is known.

    Args:
        prepared: What to do.
        observe: Told of every event of the engine; must not block.
        ledger: Where the run is put on record; whoever opened it closes it.
        drill: Whether the broker is the embedded simulator.
        rng: Spreads the retries.
    """

    def __init__(
        self,
        prepared: Prepared,
        observe: Observer = lambda _what, _case: None,
        *,
        ledger: Writer | None = None,
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
        self._deadline_s = press.deadline_s or settings.run.deadline_s
        self._watch_s = settings.run.watch_s if press.watch_s is None else press.watch_s
        self._flags = list(prepared.flags)
        self._latch: LatchReport | None = earlier.latch if earlier else None
        self._asks = press.verify and press.scope.all
        used = {account.credential for account in prepared.roster.accounts}
        self._listings = {name: Listing() for name in sorted(used & prepared.keys.keys()) if self._asks}
        self._mixed_up = False
        self._concurrency = self._bound_concurrency()
        self._slots = Slots(self._concurrency, self._clock.now)
        lingering = min(max(connections_possible() - self._concurrency, self._concurrency), _LINGERING_MOST)
        self._broker = Broker(settings.broker, prepared.keys, self._clock, self._doubt, lingering)
        self._ledger = ledger
        self._recorder: Recorder | None = None
        if ledger is not None:
            ledger.scrub = self._broker.scrub_json
            self._recorder = Recorder(ledger, self.id, self._clock)
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

    def _begin(self, earlier: Replay | None) -> None:
        press, plan = self.prepared.press, self.prepared.plan
        if earlier is None or earlier.pressed is None:
            self.started_at = self._clock.wall(self._began)
            self._roster = _roster_facts(self.prepared.roster)
            by, reason = (
                clip(self.scrub(press.by or whoami())),
                clip(self.scrub(press.reason.strip()), _REASON_MOST),
            )
            self._trigger = Trigger(press.source, by, reason, self.started_at)
            self.cases = [Case(account, press.scope.filters) for account in plan.accounts]
            return
        self.started_at, self._roster = earlier.pressed.started_at, earlier.pressed.roster
        self._trigger = earlier.pressed.trigger
        self._began -= (self._clock.wall(self._began) - self.started_at).total_seconds()
        self.cases = list(earlier.cases.values())
        for case in self.cases:
            case.take_up(self._taken_up, self._pace())
            if case.account.credential not in self.prepared.keys:
                case.note(
                    f"its credential '{case.account.credential}' has no usable key now: nothing was sent again"
                )

    async def go(self) -> Report:
        """Carry the run out and give its report; never raises for what a broker or a network does."""
        async with self._broker:
            latching = self._engage()
            is_recorded = await self._intend()
            await self.engine.run(self._within_reach(), self._discover() if self._asks else None)
        if self.prepared.press.latch:
            await self._latched(latching)
        self._ended = self._clock.now()
        report = await self._put_on_record(is_recorded=is_recorded)
        _log(report)
        return report

    def scrub(self, text: str) -> str:
        """Take every key out of foreign words."""
        return self._broker.scrub(text)

    def stop(self) -> None:
        """Send nothing more, and report what is known."""
        self.engine.stop()

    @property
    def elapsed_s(self) -> float:
        """Seconds since this process began with the run."""
        return self._clock.now() - self._taken_up

    @property
    def deadline_s(self) -> float:
        """How long the run may take, seconds."""
        return self._deadline_s

    def report(self) -> Report:
        """Fold what is known at this moment into the report."""
        settings, press = self.prepared.settings, self.prepared.press
        ended = self._clock.now() if self._ended is None else self._ended
        facts = Circumstances(
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
            finished=self._ended is not None,
            resumed=self._resumptions(),
            latch=self._latch,
            flags=self._all_flags(),
            roster_checked=bool(self._listings) and not any(one.failure for one in self._listings.values()),
            unlisted=self._unlisted(),
            scrub=self._broker.scrub,
        )
        with Pause():  # it makes a hundred thousand small values and no garbage
            return fold(self.cases, self.prepared.plan.unsent, facts, self._clock.wall)

    def _timings(self, ended: float) -> Timings:
        def since(moment: float | None) -> float | None:
            return None if moment is None else round(moment - self._began, 3)

        last, settled = self.engine.last_first_cancel_at, self.engine.settled_at
        return Timings(since(last), since(settled), round(ended - self._began, 3), self._deadline_s)

    # ── on record ───────────────────────────────────────────────────────────────────────────────────────

    def _tell(self, what: What, case: Case | None) -> None:
        assert self._recorder is not None  # noqa: S101  (only then is it called)
        self._recorder.observe(what, case)
        self._observe(what, case)

    async def _intend(self) -> bool:
        """Put the intent on record before the act, but do not wait for it for long."""
        if self._recorder is None:
            return True
        prepared = self.prepared
        if prepared.earlier is None:
            self._recorder.press(self._pressed(), prepared.plan)
            self._recorder.flag(prepared.flags)
        else:
            self._recorder.go_on(self.cases, prepared.earlier.flags)
            if prepared.resumed is not None and not prepared.claimed:
                self._recorder.resume(prepared.resumed)
            self._recorder.flag(prepared.flags)
        return await self._recorder.intend()

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
        )

    async def _put_on_record(self, *, is_recorded: bool) -> Report:
        """Record the end of the run; give its report with the ledger's head."""
        if self._recorder is None or self._ledger is None:
            return self.report()
        if not is_recorded and not self._ledger.troubles:
            text = f"the intent was not on record within {INTENT_S * 1000:.0f} ms, and no DELETE waited for it"
            self._flags.append(Flag("ledger_late", f"{text}: is {self._ledger.place} on a slow disk?"))
        known = len(self._ledger.troubles)
        self._flags += [Flag(one.code, clip(one.text, _REASON_MOST)) for one in self._ledger.troubles[:known]]
        report = self.report()
        head = await self._recorder.finish(_finished(report), self.cases, report.flags)
        late = [Flag(one.code, clip(one.text, _REASON_MOST)) for one in self._ledger.troubles[known:]]
        if head is None:
            text = "the end of this run is not on record: keep this report"
            late.append(Flag("ledger_incomplete", text))
        _page(self.id, [flag for flag in (*report.flags, *late) if flag.code.startswith("ledger_")])
        return replace(report, ledger_head=str(head) if head else None, flags=(*report.flags, *late))

    def _resumptions(self) -> tuple[Resumption, ...]:
        earlier, resumed = self.prepared.earlier, self.prepared.resumed
        all_of_them = [*(earlier.resumed if earlier else ()), *([resumed] if resumed else ())]
        return tuple(Resumption(one.at, one.by) for one in all_of_them)

    def _within_reach(self) -> Sequence[Case]:
        """Give the cases that can be sent; after a crash, a key that was there may be gone."""
        return [case for case in self.cases if case.account.credential in self.prepared.keys]

    # ── the latch ───────────────────────────────────────────────────────────────────────────────────────

    def _engage(self) -> "asyncio.Future[LatchReport] | None":
        """Begin to engage the latch; strategies stop while the first DELETEs are on their way."""
        file = self.prepared.settings.latch.file
        if file is None or not self.prepared.press.latch:
            return None
        scope, at = self.prepared.press.scope, self.started_at.isoformat(timespec="seconds")
        holds = [latch.Hold("all", "", self.id, at)] if scope.all else []
        holds += [latch.Hold("group", group, self.id, at) for group in scope.groups]
        holds += [latch.Hold("account", str(id_), self.id, at) for id_ in scope.accounts]
        def engage() -> LatchReport:
            wrong = latch.engage(file, holds)
            text = wrong or f"{file} says engaged for {scope}, until panic reset"
            return LatchReport(latch.read(file).includes(holds), clip(text, _REASON_MOST), as_asked=not wrong)

        return background.begin(engage, "latch")

    async def _latched(self, engaging: "asyncio.Future[LatchReport] | None") -> None:
        file = self.prepared.settings.latch.file
        text = "the settings name no [latch] file: strategies were not stopped"
        self._latch = LatchReport(engaged=False, text=text, as_asked=False)
        try:
            async with asyncio.timeout(_LATCH_MOST_S):
                self._latch = self._latch if engaging is None else await engaging
        except Exception as error:  # noqa: BLE001  (whatever became of it, the run is done)
            text = f"{file} could not be written ({type(error).__name__}): strategies may not be stopped"
            self._latch = LatchReport(engaged=False, text=text, as_asked=False)
        if not self._latch.as_asked:
            self._flags.append(Flag("latch", self._latch.text))
        if self._recorder is not None:
            self._recorder.latched(self._latch)

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
        shown = {id_ for one in self._listings.values() for id_, active in one.active.items() if active}
        return tuple(sorted(shown - known))

    def _all_flags(self) -> list[Flag]:
        base_url = self.prepared.settings.broker.base_url
        found = [*self._flags, *flags.from_cases(self.cases, base_url, stopped=self.engine.stopped)]
        if self._broker.problem:
            found.append(Flag("certificates", clip(self._broker.problem)))
        if self._mixed_up:
            text = "a connection brought an answer nobody asked for; proofs were repeated on new connections"
            found.append(Flag("mixed_up_answers", text))
        found += flags.from_clock(self._clock.ahead_s)
        found += flags.from_listings(self._listings, self._unlisted())
        found += [Flag("internal_error", f"panic itself failed: {text}") for text in self.engine.failures]
        return found


def _finished(report: Report) -> Finished:
    return Finished(
        version=report.version,
        verdict=report.verdict,
        exit_code=report.exit_code,
        finished_at=report.finished_at,
        timings=report.timings,
        roster_checked=report.coverage.roster_checked,
        unlisted=report.coverage.unlisted_accounts,
    )


def _page(run_id: str, flags_: Sequence[Flag]) -> None:
    """Tell whoever runs panic, beside whoever reads the report, that its ledger is not well."""
    if structlog.is_configured():
        for flag in flags_:
            log.error("ledger_trouble", run_id=run_id, code=flag.code, text=flag.text)


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


def whoami() -> str:
    """Give user@host of this process, for the report, without asking a directory that may hang."""
    user = os.environ.get("LOGNAME") or os.environ.get("USER") or f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


__all__ = ["Prepared", "Press", "Run", "open_ledger", "prepare", "read_keys", "whoami"]
