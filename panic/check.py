"""The check: would a press work, everywhere, now? Read-only: it makes GETs and nothing else."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from panic import flags, readiness
from panic.background import begin
from panic.broker.answers import Answer
from panic.broker.client import Broker
from panic.broker.connections import connections_possible
from panic.broker.listing import Listing, list_accounts
from panic.broker.outcomes import EXIT_CODES, REFUSED, TRY_AGAIN, Verdict
from panic.broker.pages import Query
from panic.broker.proof import since
from panic.clock import Clock
from panic.config import Settings
from panic.engine.pacing import backoff
from panic.engine.slots import Kind, Slots
from panic.errors import ConfigurationError, Problem
from panic.roster import Account, Roster
from panic.roster import load as load_roster
from panic.secret import Key, read

_TRIES = 3

_PACED_AT_ONCE = 32
"""So many accounts are under way at once when there is a pace: enough to keep it while the broker hangs."""

_CERTIFICATES_S = 10.0

_HOPELESS = 10
"""After so many failures in a row behind one credential the next of its accounts is asked once."""


class State(StrEnum):
    """What the check found about one account."""

    OK = "ok"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    MISSING = "missing"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class AccountCheck:
    """One account of the roster: whether its orders can be read with its key."""

    id: int
    name: str
    state: State
    status: int | None
    error: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the check found.

    Attributes:
        unlisted_accounts: Active accounts that the broker shows and the roster neither lists nor excludes.
        clock_skew_s: Our clock less the broker's, seconds; null when the broker did not tell its time.
        warnings: What does not stop a press and should be mended all the same.
        drift_checked: Whether every list of accounts that the broker gave was whole.
        certificate_ends: When the broker's certificate does; null where none was seen.
    """

    schema: str
    base_url: str
    exit_code: int
    roster_digest: str
    elapsed_s: float
    clock_skew_s: float | None
    states: dict[State, int]
    unlisted_accounts: tuple[int, ...]
    warnings: tuple[str, ...]
    accounts: tuple[AccountCheck, ...]
    drift_checked: bool = True
    certificate_ends: datetime | None = None

    @property
    def ok(self) -> bool:
        """Whether a press would work everywhere."""
        return self.exit_code == 0


@dataclass(frozen=True, slots=True)
class Pace:
    """How much of the broker's rate a check takes: evenly, and never a burst.

    Attributes:
        rate: Requests a second that the broker is taken to allow.
        share: The part of them that the check may take.
    """

    rate: float = 50.0
    share: float = 0.1

    @property
    def gap_s(self) -> float:
        """The time from one request to the next, seconds."""
        return 1 / (self.rate * self.share)

    def needs_s(self, accounts: int) -> float:
        """Give how long so many accounts take at least, seconds."""
        return accounts * self.gap_s


class Loaded(NamedTuple):
    """What a check works with: as much of it as can be read, and every mistake in it."""

    roster: Roster | None
    keys: dict[str, Key]
    problems: tuple[Problem, ...]

    @property
    def checkable(self) -> list[Account]:
        """The accounts to ask about."""
        return [] if self.roster is None else [one for one in self.roster.accounts if not one.excluded]


Tell = Callable[[CheckReport], None]
"""Told what is known so far, when it is worth telling; must neither block nor raise."""


async def check(settings: Settings, env: Mapping[str, str], *, pace: Pace | None = None) -> CheckReport:
    """Try the whole path for every account of the roster that is not excluded.

    To stop it, cancel it: it lets go of what is in flight, and is no result.

    Args:
        settings: Where the broker is, and everything else.
        env: Where keys are looked for.
        pace: How fast; None for as fast as a run.

    Raises:
        ConfigurationError: There is any mistake at all in settings, roster, keys or secrets; lists them all.
    """
    loaded = load(settings, env)
    if loaded.problems:
        raise ConfigurationError(loaded.problems)
    return await examine(settings, loaded, pace=pace)


def load(settings: Settings, env: Mapping[str, str]) -> Loaded:
    """Read roster, keys and what else a press needs, and collect every mistake; it may take a while."""
    problems: list[Problem] = list(settings.problems)
    keys: dict[str, Key] = {}
    for name, credential in settings.credentials.items():
        key, found = read(name, credential, env)
        problems += found
        if key is not None:
            keys[name] = key
    roster = None
    try:
        roster = load_roster(settings.roster.file, settings.credentials)
        problems += roster.problems
    except ConfigurationError as error:
        problems += error.problems
    problems += readiness.problems(settings, roster, keys, env)
    return Loaded(roster, keys, tuple(problems))


async def examine(
    settings: Settings, loaded: Loaded, *, pace: Pace | None = None, tell: Tell | None = None
) -> CheckReport:
    """Try the whole path for every account of what was loaded, mistakes or not. To stop it, cancel it.

    Args:
        settings: Where the broker is, and how long it may take.
        loaded: The accounts and the keys.
        pace: How fast; None for as fast as a run.
        tell: Told of failures before the end, where there is a pace.
    """
    return await _Check(settings, loaded, pace, tell).run()


class _Check:
    def __init__(self, settings: Settings, loaded: Loaded, pace: Pace | None, tell: Tell | None) -> None:
        self._settings, self._loaded, self._keys, self._tell = settings, loaded, loaded.keys, tell
        self._clock = Clock()
        self._began = self._clock.now()
        self._gap_s, self._next_at = (pace.gap_s, self._began) if pace else (0.0, 0.0)
        most = min(settings.run.concurrency, connections_possible())
        self._slots = Slots(min(most, _PACED_AT_ONCE) if pace else most, self._clock.now)
        self._accounts = _in_order(loaded.checkable, paced=pace is not None)
        self._deadline = self._began + settings.run.deadline_s + _TRIES * self._gap_s * len(self._accounts)
        self._broker = Broker(settings.broker, self._keys, self._clock)
        self._failures: Counter[str] = Counter()
        self._found: dict[int, AccountCheck] = {}
        self._told: set[State] = set()
        self._skew_s: float | None = None
        self._listings: list[Listing] = []
        self._shown: dict[int, bool] = {}
        self._certificate_ends: datetime | None = None

    async def run(self) -> CheckReport:
        if self._settings.broker.ca_file is not None:  # its file system may hang, and others need this loop
            async with asyncio.timeout(_CERTIFICATES_S):
                await begin(self._broker.load_certificates, "certificates")
        async with self._broker:
            if self._keys:
                await self._look_around()
            if self._gap_s:
                self._say()
                turns = iter(self._accounts)
                await asyncio.gather(*(self._work(turns) for _ in range(min(_PACED_AT_ONCE, len(self._accounts)))))
            else:
                await asyncio.gather(*map(self._account, self._accounts))
        return self._report()

    async def _look_around(self) -> None:
        """Learn what is the same for all accounts, before any of them is judged."""
        self._skew_s = await self._skew()
        self._certificate_ends = self._broker.certificate_ends
        self._listings = await asyncio.gather(*map(self._list, sorted(self._keys)))
        for listing in self._listings:
            self._shown.update(listing.active)

    @property
    def _is_whole(self) -> bool:
        return bool(self._listings) and not any(listing.failure for listing in self._listings)

    def _report(self) -> CheckReport:
        roster, found = self._loaded.roster, self._found.values()
        known = {account.id for account in roster.accounts} if roster else set()
        unlisted = tuple(sorted(id_ for id_, active in self._shown.items() if active and id_ not in known))
        warnings = tuple(_warnings(self._listings, self._skew_s, unlisted if roster else ()))
        return CheckReport(
            schema="panic-check/1",
            base_url=self._settings.broker.base_url,
            exit_code=_exit_code(found, warnings),
            roster_digest=roster.digest if roster else "",
            elapsed_s=round(self._clock.now() - self._began, 3),
            clock_skew_s=None if self._skew_s is None else round(self._skew_s, 3),
            states=dict(Counter(one.state for one in found)),
            unlisted_accounts=unlisted if roster else (),
            warnings=warnings,
            accounts=tuple(sorted(found, key=lambda one: (one.state is State.OK, one.id))),
            drift_checked=self._is_whole,
            certificate_ends=self._certificate_ends,
        )

    def _say(self) -> None:
        if self._tell is not None:
            self._tell(self._report())

    async def _work(self, turns: Iterator[Account]) -> None:
        """Take accounts one by one: to begin with all of them at once would hold everybody else up."""
        for account in turns:
            await self._account(account)

    async def _turn(self) -> None:
        """Wait until the next request may be made."""
        if self._gap_s:
            at = max(self._next_at, self._clock.now())
            self._next_at = at + self._gap_s
            await asyncio.sleep(at - self._clock.now())

    async def _account(self, account: Account) -> None:
        if account.credential not in self._keys:
            self._judged(AccountCheck(account.id, account.name, State.REFUSED, None, _NO_KEY, None))
            return
        tries = 1 if self._gap_s and self._failures[account.credential] >= _HOPELESS else _TRIES
        answer = await self._ask_about(account, tries)
        found = _judge(account, answer, self._shown if self._is_whole else None)
        failed = found.state in {State.REFUSED, State.UNREACHABLE}
        self._failures[account.credential] = self._failures[account.credential] + 1 if failed else 0
        self._judged(found)

    def _judged(self, found: AccountCheck) -> None:
        self._found[found.id] = found
        if self._gap_s and found.state is not State.OK and found.state not in self._told:
            self._told.add(found.state)
            self._say()

    async def _ask_about(self, account: Account, tries: int) -> Answer:
        async def ask() -> Answer:
            await self._slots.acquire(account.credential, (Kind.READ, account.priority), account.id)
            answer = None
            try:
                await self._turn()
                answer = await self._broker.read(account, self._one_order(), self._leash())
            finally:
                self._answered(account, answer)
            return answer

        return await self._persistently(ask, tries)

    def _answered(self, account: Account, answer: Answer | None) -> None:
        limited = answer.is_limited if answer is not None and answer.is_answered else None
        retry_after = None if answer is None else answer.retry_after
        self._slots.answered(account.credential, account.id, limited=limited, retry_after=retry_after)
        self._slots.release()

    async def _list(self, credential: str) -> Listing:
        async def ask(parameters: tuple[tuple[str, str], ...]) -> Answer:
            await self._turn()
            return await self._broker.get("/v1/accounts", parameters, credential, self._leash())

        listing = Listing()
        await list_accounts(ask, listing, self._pause)
        return listing

    async def _skew(self) -> float | None:
        """Give our clock less the broker's, taken in the middle of the request."""
        credential = min(self._keys)

        async def ask() -> Answer:
            await self._turn()
            return await self._broker.get("/v1/clock", (), credential, self._leash())

        answer = await self._persistently(ask)
        theirs = _time(answer.document)
        if theirs is None:
            return None
        ours = self._clock.wall((answer.began + answer.ended) / 2)
        return (ours - theirs).total_seconds()

    async def _persistently(self, ask: Callable[[], Awaitable[Answer]], tries: int = _TRIES) -> Answer:
        """Ask up to so many times, and as often as the broker says "later"; but not past the deadline."""
        failures = 0

        def is_enough(state: RetryCallState) -> bool:
            nonlocal failures
            failures += not _last(state).is_limited
            return failures >= tries or self._clock.now() >= self._deadline

        retrying = AsyncRetrying(
            retry=retry_if_result(lambda answer: answer.outcome in TRY_AGAIN),
            wait=lambda state: max(_last(state).retry_after or 0.0, backoff(state.attempt_number, 0.0)),
            stop=is_enough,
            sleep=self._pause,
            retry_error_callback=_last,
        )
        answer: Answer = await retrying(ask)
        return answer

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, min(seconds, self._deadline - self._clock.now())))

    def _one_order(self) -> Query:
        """Ask as far back as a press does: a broker may not take that."""
        return Query((since(self._clock.earlier()), ("page_size", "1")))

    def _leash(self) -> asyncio.Timeout:
        return asyncio.timeout_at(min(self._clock.now() + self._settings.run.attempt_s, self._deadline))


_NO_KEY = "there is no usable key for it"


def _in_order(accounts: Sequence[Account], *, paced: bool) -> list[Account]:
    """Put one account of each credential first, where it would take long to learn that a key is dead."""
    if not paced:
        return list(accounts)
    ranked = sorted(accounts, key=lambda account: account.priority)
    heads = {account.credential: account for account in reversed(ranked)}
    return [*heads.values(), *(one for one in ranked if heads[one.credential] is not one)]


def _last(state: RetryCallState) -> Answer:
    assert state.outcome is not None  # noqa: S101  (tenacity sets it before it asks)
    answer: Answer = state.outcome.result()
    return answer


def _judge(account: Account, answer: Answer, shown: Mapping[int, bool] | None) -> AccountCheck:
    return AccountCheck(
        id=account.id,
        name=account.name,
        state=_state(account, answer, shown),
        status=answer.evidence.status,
        error=answer.error or None,
        request_id=answer.request_id or None,
    )


def _state(account: Account, answer: Answer, shown: Mapping[int, bool] | None) -> State:
    if answer.evidence.status == 404 and shown is not None and account.id not in shown:  # noqa: PLR2004
        return State.MISSING
    if answer.page is None:
        refused = answer.outcome in REFUSED or answer.evidence.status == 404  # noqa: PLR2004
        return State.REFUSED if refused else State.UNREACHABLE
    if shown is None:
        return State.OK
    return State.MISSING if account.id not in shown else State.OK if shown[account.id] else State.CLOSED


def _time(document: Mapping[str, Any] | None) -> datetime | None:
    data = (document or {}).get("data")
    stamp = data.get("clock") if isinstance(data, dict) else None
    try:
        return datetime.fromisoformat(str(stamp))
    except ValueError:
        return None


def _warnings(listings: Sequence[Listing], skew_s: float | None, unlisted: tuple[int, ...]) -> Iterable[str]:
    for listing in listings:
        if listing.failure:
            yield f"the broker did not list its accounts ({listing.failure}): drift was not checked"
    if skew_s is None:
        yield "the broker did not tell its time: clock skew was not checked"
    yield from (flag.text for flag in flags.from_clock(skew_s))
    yield from (flag.text for flag in flags.from_listings({}, unlisted))


def _exit_code(found: Iterable[AccountCheck], warnings: Sequence[str]) -> int:
    states = {one.state for one in found}
    if State.REFUSED in states:
        return EXIT_CODES[Verdict.REFUSED]
    if State.UNREACHABLE in states:
        return EXIT_CODES[Verdict.UNKNOWN]
    return EXIT_CODES[Verdict.UNVERIFIED] if warnings or states - {State.OK} else 0


_REPORT: TypeAdapter[CheckReport] = TypeAdapter(CheckReport)


def to_json(report: CheckReport) -> bytes:
    """Write what the check found as JSON."""
    return _REPORT.dump_json(report, indent=2)
