"""The check: would a press work, everywhere, now? Read-only: it makes GETs and nothing else."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter
from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from panic import flags
from panic.answers import Answer
from panic.broker import Broker, connections_possible
from panic.clock import Clock
from panic.config import Settings
from panic.discovery import Listing, list_accounts
from panic.errors import ConfigurationError, Problem
from panic.outcomes import EXIT_CODES, REFUSED, TRY_AGAIN, Verdict
from panic.pacing import backoff
from panic.proof import Query
from panic.roster import Account, Roster
from panic.roster import load as load_roster
from panic.secret import Key, read
from panic.slots import Kind, Slots

_TRIES = 3
_ONE_ORDER = Query((("page_size", "1"),))


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

    @property
    def ok(self) -> bool:
        """Whether a press would work everywhere."""
        return self.exit_code == 0


async def check(settings: Settings, env: Mapping[str, str]) -> CheckReport:
    """Try the whole path for every account of the roster that is not excluded.

    Raises:
        ConfigurationError: There is any mistake at all in settings, roster or credentials; lists them all.
    """
    roster, keys = _load(settings, env)
    return await _Check(settings, roster, keys).run()


def _load(settings: Settings, env: Mapping[str, str]) -> tuple[Roster, dict[str, Key]]:
    problems: list[Problem] = list(settings.problems)
    keys: dict[str, Key] = {}
    for name, credential in settings.credentials.items():
        key, found = read(name, credential, env)
        problems += found
        if key is not None:
            keys[name] = key
    try:
        roster = load_roster(settings.roster.file, settings.credentials)
    except ConfigurationError as error:
        raise ConfigurationError([*problems, *error.problems]) from error
    problems += roster.problems
    if problems:
        raise ConfigurationError(problems)
    return roster, keys


class _Check:
    def __init__(self, settings: Settings, roster: Roster, keys: Mapping[str, Key]) -> None:
        self._settings, self._roster, self._keys = settings, roster, keys
        self._clock = Clock()
        self._slots = Slots(min(settings.run.concurrency, connections_possible()), self._clock.now)
        self._deadline = self._clock.now() + settings.run.deadline_s
        self._broker = Broker(settings.broker, keys, self._clock)

    async def run(self) -> CheckReport:
        began = self._clock.now()
        accounts = [account for account in self._roster.accounts if not account.excluded]
        async with self._broker:
            skew_s, listings = await self._skew(), [await self._list(name) for name in sorted(self._keys)]
            answers = await asyncio.gather(*(self._account(account) for account in accounts))
        shown = {id_: active for listing in listings for id_, active in listing.active.items()}
        whole = not any(listing.failure for listing in listings)
        found = tuple(
            _judge(a, answer, shown if whole else None) for a, answer in zip(accounts, answers, strict=True)
        )
        known = {account.id for account in self._roster.accounts}
        unlisted = tuple(sorted(id_ for id_, active in shown.items() if active and id_ not in known))
        warnings = tuple(_warnings(listings, skew_s, unlisted))
        return CheckReport(
            schema="panic-check/1",
            base_url=self._settings.broker.base_url,
            exit_code=_exit_code(found, warnings),
            roster_digest=self._roster.digest,
            elapsed_s=round(self._clock.now() - began, 3),
            clock_skew_s=None if skew_s is None else round(skew_s, 3),
            states=dict(Counter(one.state for one in found)),
            unlisted_accounts=unlisted,
            warnings=warnings,
            accounts=tuple(sorted(found, key=lambda one: (one.state is State.OK, one.id))),
        )

    async def _account(self, account: Account) -> Answer:
        async def ask() -> Answer:
            await self._slots.acquire(account.credential, (Kind.READ, account.priority), account.id)
            answer = None
            try:
                answer = await self._broker.read(account, _ONE_ORDER, self._leash())
            finally:
                self._answered(account, answer)
            return answer

        return await self._persistently(ask)

    def _answered(self, account: Account, answer: Answer | None) -> None:
        limited = answer.is_limited if answer is not None and answer.is_answered else None
        retry_after = None if answer is None else answer.retry_after
        self._slots.answered(account.credential, account.id, limited=limited, retry_after=retry_after)
        self._slots.release()

    async def _list(self, credential: str) -> Listing:
        async def ask(parameters: tuple[tuple[str, str], ...]) -> Answer:
            return await self._broker.get("/v1/accounts", parameters, credential, self._leash())

        listing = Listing()
        await list_accounts(ask, listing, self._pause)
        return listing

    async def _skew(self) -> float | None:
        """Give our clock less the broker's, taken in the middle of the request."""
        credential = min(self._keys)

        async def ask() -> Answer:
            return await self._broker.get("/v1/clock", (), credential, self._leash())

        answer = await self._persistently(ask)
        theirs = _time(answer.document)
        if theirs is None:
            return None
        ours = self._clock.wall((answer.began + answer.ended) / 2)
        return (ours - theirs).total_seconds()

    async def _persistently(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask up to three times, and as often as the broker says "later"; but not past the deadline."""
        failures = 0

        def is_enough(state: RetryCallState) -> bool:
            nonlocal failures
            failures += not _last(state).is_limited
            return failures >= _TRIES or self._clock.now() >= self._deadline

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

    def _leash(self) -> asyncio.Timeout:
        return asyncio.timeout_at(min(self._clock.now() + self._settings.run.attempt_s, self._deadline))


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


def _exit_code(found: Sequence[AccountCheck], warnings: Sequence[str]) -> int:
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
