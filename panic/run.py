"""The one use-case that every caller uses: a press becomes a run, the run one report."""

import asyncio
import os
import random
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time
from urllib.parse import urlsplit

import structlog

from panic import flags
from panic.answers import Answer
from panic.broker import Broker, connections_possible
from panic.case import Case
from panic.clock import Clock
from panic.collector import Pause
from panic.config import Settings
from panic.discovery import Listing, list_accounts
from panic.engine import Engine, Leash, Observer
from panic.errors import PanicError, Problem, UsageError
from panic.fold import Circumstances, fold
from panic.pacing import Pace, hush
from panic.plan import Plan, Scope, plan
from panic.report import Flag, Report, RosterFacts, Trigger
from panic.roster import Roster
from panic.roster import load as load_roster
from panic.secret import Key, read
from panic.slots import Slots
from panic.words import clip

log = structlog.get_logger()

_REASON_MOST = 1000
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
    """

    scope: Scope
    reason: str
    by: str = ""
    source: str = "library"
    deadline_s: float | None = None
    concurrency: int | None = None
    watch_s: float | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything a run needs, read and validated; nothing has been sent."""

    press: Press
    settings: Settings
    roster: Roster
    keys: Mapping[str, Key]
    plan: Plan
    flags: tuple[Flag, ...] = ()


def prepare(settings: Settings, press: Press, env: Mapping[str, str] = os.environ) -> Prepared:
    """Read roster and keys and make the plan.

    Raises:
        UsageError: No reason, or a scope that makes no sense.
        ConfigurationError: The roster cannot be used, or not one account of the scope can be fired.
    """
    _check(press)
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
    roster = load_roster(settings.roster.file, settings.credentials)
    raised += flags.from_problems("roster", roster.problems)
    return Prepared(press, settings, roster, keys, plan(roster, press.scope, keys, broken), tuple(raised))


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
    """One run. Create it inside a running loop, then `await go()`; `report()` tells at any time what is known."""

    def __init__(
        self,
        prepared: Prepared,
        observe: Observer = lambda _what, _case: None,
        *,
        drill: bool = False,
        rng: random.Random | None = None,
    ) -> None:
        settings, press = prepared.settings, prepared.press
        if drill and not _is_loopback(settings.broker.base_url):
            raise PanicError("a drill runs against the embedded simulator and nothing else")
        self.prepared = prepared
        self.drill = drill
        self.id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        self.cases = [Case(account, press.scope.filters) for account in prepared.plan.accounts]
        self._clock = Clock()
        self._began = self._clock.now()
        self._ended: float | None = None
        by = clip(press.by or whoami())
        self._trigger = Trigger(press.source, by, clip(press.reason.strip(), _REASON_MOST), self._clock.wall())
        self._deadline_s = press.deadline_s or settings.run.deadline_s
        self._watch_s = settings.run.watch_s if press.watch_s is None else press.watch_s
        self._flags = list(prepared.flags)
        self._asks = press.verify and press.scope.all
        used = {account.credential for account in prepared.roster.accounts}
        self._listings = {name: Listing() for name in sorted(used & prepared.keys.keys()) if self._asks}
        self._mixed_up = False
        concurrency = self._concurrency()
        self._slots = Slots(concurrency, self._clock.now)
        lingering = min(max(connections_possible() - concurrency, concurrency), _LINGERING_MOST)
        self._broker = Broker(settings.broker, prepared.keys, self._clock, self._doubt, lingering)
        self.engine = Engine(
            cancel=self._broker.cancel,
            read=self._broker.read,
            pace=self._pace(),
            slots=self._slots,
            clock=self._clock,
            observe=observe,
            rng=rng or random.Random(),  # noqa: S311  (spreads retries; nothing secret)
        )

    async def go(self) -> Report:
        """Carry the run out and give its report; never raises for what a broker or a network does."""
        async with self._broker:
            await self.engine.run(self.cases, self._discover() if self._asks else None)
        self._ended = self._clock.now()
        report = self.report()
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
        """Seconds since the press."""
        return self._clock.now() - self._began

    @property
    def deadline_s(self) -> float:
        """How long the run may take, seconds."""
        return self._deadline_s

    def report(self) -> Report:
        """Fold what is known at this moment into the report."""
        settings, press = self.prepared.settings, self.prepared.press
        facts = Circumstances(
            run_id=self.id,
            drill=self.drill,
            base_url=settings.broker.base_url,
            contact=settings.broker.contact,
            roster=_roster_facts(self.prepared.roster),
            trigger=self._trigger,
            scope=press.scope,
            verify=press.verify,
            watch_s=self._watch_s,
            deadline_s=self._deadline_s,
            began=self._began,
            ended=self._clock.now() if self._ended is None else self._ended,
            settled=self.engine.settled_at,
            last_first_cancel=self.engine.last_first_cancel_at,
            flags=self._all_flags(),
            roster_checked=bool(self._listings) and not any(one.failure for one in self._listings.values()),
            unlisted=self._unlisted(),
            scrub=self._broker.scrub,
        )
        with Pause():  # it makes a hundred thousand small values and no garbage
            return fold(self.cases, self.prepared.plan.unsent, facts, self._clock)

    def _concurrency(self) -> int:
        wanted = self.prepared.press.concurrency or self.prepared.settings.run.concurrency
        possible = connections_possible()
        if possible < wanted:
            text = f"{possible} requests in flight instead of {wanted}: this process may open no more files"
            self._flags.append(Flag("few_descriptors", f"{text} (ulimit -n)"))
        return min(wanted, possible)

    def _pace(self) -> Pace:
        settings, press = self.prepared.settings.run, self.prepared.press
        return Pace(
            deadline=self._began + self._deadline_s,
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


__all__ = ["Prepared", "Press", "Run", "prepare", "whoami"]
