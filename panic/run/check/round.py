"""One look at every account: what is the same for all of them first, then each of them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from panic.accounts.roster import Account, Roster
from panic.accounts.roster import load as load_roster
from panic.broker.client import Broker
from panic.broker.listing import Listing, are_whole
from panic.config import Settings
from panic.config.secret import Key, read_all
from panic.engine.forecast import planned
from panic.engine.lanes import Lanes
from panic.kit.clock import Clock
from panic.kit.errors import ConfigurationError, Problem
from panic.run.asking import PACED_AT_ONCE, Asking, Pace
from panic.run.check.result import AccountCheck, CheckReport, State, exit_code_of, judge, warnings_of
from panic.run.pace import lanes_of, remember
from panic.run.roster_size import doubts


@dataclass(frozen=True, slots=True)
class Setup:
    """What a check works with: the roster if it can be read, the usable keys by name, and every mistake."""

    roster: Roster | None = None
    keys: Mapping[str, Key] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def accounts(self) -> list[Account]:
        """The accounts to ask about."""
        return [] if self.roster is None else [one for one in self.roster.accounts if not one.excluded]


def read_setup(settings: Settings, env: Mapping[str, str]) -> Setup:
    """Read roster and keys, and collect every mistake in them and in the settings; it may take a while."""
    keys, problems = read_all(settings.credentials, env)
    problems = [*settings.problems, *problems]
    try:
        roster = load_roster(settings.roster.file, settings.credentials)
    except ConfigurationError as error:
        return Setup(None, keys, (*problems, *error.problems))
    return Setup(roster, keys, (*problems, *roster.problems))


Tell = Callable[[CheckReport], None]
"""Called with what is known so far when there is news; must neither block nor raise."""


async def check(
    settings: Settings,
    setup: Setup,
    *,
    pace: Pace | None = None,
    tell: Tell | None = None,
    lanes: Lanes | None = None,
) -> CheckReport:
    """Try the whole path for every account of the roster that is not excluded. To stop it, cancel it.

    Without a pace it goes as fast as a run; `tell` is told of failures before the end.
    """
    lanes = lanes_of(settings) if lanes is None else lanes
    report = await _Round(settings, setup, pace, tell, lanes).run()
    await remember(settings, lanes)
    return report if setup.roster is None else await _with_doubts(report, settings, setup, setup.roster)


async def _with_doubts(report: CheckReport, settings: Settings, setup: Setup, roster: Roster) -> CheckReport:
    """Say first that the roster has lost many rows; where the broker lists no others, it is good as it is."""
    is_asked = report.drift_checked and setup.keys.keys() == settings.credentials.keys()
    found = await doubts(settings, roster, is_whole=is_asked and not report.unlisted_accounts)
    warnings = (*(flag.text for flag in found), *report.warnings)
    code = exit_code_of(report.states.keys(), warnings)
    return replace(report, warnings=warnings, exit_code=code, roster_doubt=found[0].text if found else None)


class _Round:
    def __init__(
        self, settings: Settings, setup: Setup, pace: Pace | None, tell: Tell | None, lanes: Lanes
    ) -> None:
        self._settings, self._setup, self._pace, self._tell = settings, setup, pace, tell
        self._lanes, self._clock = lanes, Clock()
        self._began = self._clock.now()
        self._accounts = setup.accounts
        self._broker = Broker(settings.broker, setup.keys, self._clock)
        self._asking = Asking(self._broker, self._clock, settings.run, pace, len(self._accounts), lanes)
        self._skew_s: float | None = None
        self._certificate_ends: datetime | None = None
        self._listings: list[Listing] = []
        self._listed: dict[int, bool] = {}
        self._found: dict[int, AccountCheck] = {}
        self._told: set[State] = set()

    async def run(self) -> CheckReport:
        await self._broker.certify()
        async with self._broker:
            if self._setup.keys:
                await self._look_around()
            self._say()
            # at a pace only a few are under way: to begin with all of them would hold everybody else up
            workers = min(PACED_AT_ONCE if self._pace else len(self._accounts), len(self._accounts))
            turns = iter(self._accounts)
            try:
                await asyncio.gather(*(self._work(turns) for _ in range(workers)))
            finally:
                self._asking.close()
        return self._report()

    async def _look_around(self) -> None:
        """Learn what is the same for all accounts, before any of them is judged."""
        answer = await self._asking.time(min(self._setup.keys))
        if (theirs := _time(answer.document)) is not None:
            ours = self._clock.wall((answer.began + answer.ended) / 2)
            self._skew_s = round((ours - theirs).total_seconds(), 3)
        self._certificate_ends = self._broker.connections.certificate_ends
        self._listings = await asyncio.gather(*map(self._asking.accounts, sorted(self._setup.keys)))
        for listing in self._listings:
            self._listed.update(listing.active)

    async def _work(self, turns: Iterator[Account]) -> None:
        for account in turns:
            await self._look_at(account)

    async def _look_at(self, account: Account) -> None:
        if account.credential not in self._setup.keys:
            why = "there is no usable key for it"
            self._note(AccountCheck(account.id, account.name, State.REFUSED, None, why, request_id=None))
            return
        answer = await self._asking.orders(account)
        self._note(judge(account, answer, self._listed if are_whole(self._listings) else None))

    def _note(self, found: AccountCheck) -> None:
        self._found[found.id] = found
        if found.state is not State.OK and found.state not in self._told:
            self._told.add(found.state)
            self._say()

    def _say(self) -> None:
        if self._tell is not None:
            self._tell(self._report())

    def _report(self) -> CheckReport:
        roster, found = self._setup.roster, self._found.values()
        unlisted: tuple[int, ...] = ()
        if roster is not None:
            known = {account.id for account in roster.accounts}
            unlisted = tuple(sorted(id_ for id_, active in self._listed.items() if active and id_ not in known))
        warnings = tuple(warnings_of(self._listings, self._skew_s, unlisted))
        states = Counter(one.state for one in found)
        return CheckReport(
            schema="panic-check/1",
            base_url=self._settings.broker.base_url,
            exit_code=exit_code_of(states, warnings),
            roster_digest=roster.digest if roster else "",
            elapsed_s=round(self._clock.now() - self._began, 3),
            clock_skew_s=self._skew_s,
            states=dict(states),
            unlisted_accounts=unlisted,
            warnings=warnings,
            accounts=tuple(sorted(found, key=lambda one: (one.state is State.OK, one.id))),
            drift_checked=are_whole(self._listings),
            certificate_ends=self._certificate_ends,
            forecast=planned(self._accounts, self._lanes),
        )


def _time(document: Mapping[str, Any] | None) -> datetime | None:
    data = (document or {}).get("data")
    stamp = data.get("clock") if isinstance(data, dict) else None
    try:
        return datetime.fromisoformat(str(stamp))
    except ValueError:
        return None
