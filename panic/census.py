"""The census: which orders are open now in every account of a plan? Read-only: it makes GETs and nothing else."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from panic.broker.answers import Answer
from panic.broker.client import Broker
from panic.broker.connections import connections_possible
from panic.broker.outcomes import REFUSED, Outcome
from panic.broker.pages import Query
from panic.broker.proof import Look
from panic.clock import Clock
from panic.engine.pacing import backoff
from panic.engine.slots import Kind, Slots
from panic.orders import Order
from panic.prepared import Prepared
from panic.roster import Account

_TRIES = 3
_NOT_FOUND = 404

_LATE = "there was no time left to read it"
_MIXED_UP = "the broker's answers got mixed up: they may be another account's"


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of one account.

    Attributes:
        orders: Its open orders that the plan's filters name, as far as they were read.
        failure: Why these may not be all; "" where they are.
        refused: Whether the broker does not let this key read it.
        request_id: The broker's id of the request that failed; may be empty.
    """

    account: Account
    orders: tuple[Order, ...] = ()
    failure: str = ""
    refused: bool = False
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Census:
    """What was read of every account of the plan that a press would fire.

    Attributes:
        elapsed_s: How long it took, seconds.
    """

    readings: tuple[Reading, ...]
    elapsed_s: float


async def take(prepared: Prepared) -> Census:
    """Read the open orders of every account of the plan, all pages; nothing outlasts the deadline of the press.

    To stop it, cancel it: it lets go of what is in flight, and is no result.
    """
    return await _Census(prepared).run()


@dataclass(slots=True)
class _Sheet:
    """How far one account has been read: the look under way, and the last answer that showed no page."""

    look: Look | None = None
    failure: str = _LATE
    failed: Answer | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether all that it shows came over connections which had carried nothing before, nor anything after."""
        return self.look is not None and all(one.fresh and not one.revoked for one in self.look.receipts)


class _Census:
    def __init__(self, prepared: Prepared) -> None:
        settings = prepared.settings
        self._settings, self._plan = settings, prepared.plan
        self._clock = Clock()
        self._began = self._clock.now()
        self._deadline = self._began + prepared.deadline_s
        self._slots = Slots(min(settings.run.concurrency, connections_possible()), self._clock.now)
        self._broker = Broker(settings.broker, prepared.keys, self._clock, self._note_mixed_up)
        self._sheets: dict[int, _Sheet] = {}
        self._mixed_up = False

    async def run(self) -> Census:
        async with self._broker:
            doubtful = await self._read_all()
        for account in doubtful:
            self._sheets[account.id].failure = self._sheets[account.id].failure or _MIXED_UP
        return Census(
            readings=tuple(map(self._reading, self._plan.accounts)),
            elapsed_s=round(self._clock.now() - self._began, 3),
        )

    def _note_mixed_up(self) -> None:
        self._mixed_up = True

    async def _read_all(self) -> Sequence[Account]:
        """Read all accounts, and again those that may have got another's answer; give those that still may."""
        due: Sequence[Account] = self._plan.accounts
        for _ in range(_TRIES):
            self._mixed_up = False
            await asyncio.gather(*map(self._account, due))
            if not self._mixed_up:
                return ()
            due = [account for account in due if not self._sheets[account.id].is_fresh]
        return due

    async def _account(self, account: Account) -> None:
        sheet = self._sheets[account.id] = _Sheet()
        try:
            async with asyncio.timeout_at(self._deadline):
                await self._fill(account, sheet)
        except TimeoutError:
            sheet.failure = _LATE if sheet.failed is None else f"{_LATE} again ({sheet.failed.error})"

    async def _fill(self, account: Account, sheet: _Sheet) -> None:
        for _ in range(_TRIES):  # a strategy may change the orders between two pages
            sheet.look = look = self._begin_look()
            while not look.finished:
                answer = await self._ask_until_shown(account, look.query(), sheet)
                if answer.outcome is Outcome.REJECTED:
                    look.refuse(answer.error)
                    continue
                if answer.page is None:
                    sheet.failure = answer.error or "no list of orders came back"
                    return
                look.take(answer.page, answer.receipt)
            sheet.failure = look.broke_off
            if not sheet.failure:
                return

    def _begin_look(self) -> Look:
        """Ask what a press asks, but to the end: no order is one that it looks for, so none cuts it short."""
        return Look(
            began=self._clock.now(),
            now=self._clock.wall(),
            since=self._clock.earlier(),
            matches=lambda _: False,
            named=(),
        )

    async def _ask_until_shown(self, account: Account, query: Query, sheet: _Sheet) -> Answer:
        """Ask for one page up to so many times, and as often as the broker says "later"."""
        failures = 0

        def is_enough(state: RetryCallState) -> bool:
            nonlocal failures
            failures += not _last(state).is_limited
            return failures >= _TRIES

        async def ask() -> Answer:
            answer = await self._ask(account, query)
            sheet.failed = answer if answer.page is None else None
            return answer

        retrying = AsyncRetrying(
            retry=retry_if_result(lambda answer: answer.page is None and not _is_refused(answer)),
            wait=lambda state: max(_last(state).retry_after or 0.0, backoff(state.attempt_number, 0.0)),
            stop=is_enough,
            sleep=asyncio.sleep,
            retry_error_callback=_last,
        )
        answer: Answer = await retrying(ask)
        return answer

    async def _ask(self, account: Account, query: Query) -> Answer:
        await self._slots.acquire(account.credential, (Kind.READ, account.priority), account.id)
        answer = None
        try:
            leash = asyncio.timeout_at(min(self._clock.now() + self._settings.run.attempt_s, self._deadline))
            answer = await self._broker.read(account, query, leash)
        finally:
            limited = answer.is_limited if answer is not None and answer.is_answered else None
            retry_after = None if answer is None else answer.retry_after
            self._slots.answered(account.credential, account.id, limited=limited, retry_after=retry_after)
            self._slots.release()
        return answer

    def _reading(self, account: Account) -> Reading:
        sheet, filters = self._sheets[account.id], self._plan.scope.filters
        seen = () if sheet.look is None else sheet.look.orders.values()
        return Reading(
            account=account,
            orders=tuple(order for order in seen if not order.is_ended and filters.matches(order)),
            failure=sheet.failure,
            refused=sheet.failed is not None and _is_refused(sheet.failed),
            request_id="" if sheet.failed is None else sheet.failed.request_id,
        )


def _is_refused(answer: Answer) -> bool:
    return answer.outcome in REFUSED or answer.evidence.status == _NOT_FOUND


def _last(state: RetryCallState) -> Answer:
    assert state.outcome is not None  # noqa: S101  (tenacity sets it before it asks)
    answer: Answer = state.outcome.result()
    return answer
