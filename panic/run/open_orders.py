"""Every open order of a scope, as it is now: read-only, and behind everything that presses."""

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from panic.accounts.plan import Scope
from panic.accounts.roster import Account
from panic.broker.client import Broker
from panic.broker.findings import Findings
from panic.broker.proof import Look
from panic.engine.lanes import Lanes
from panic.kit.background import begin
from panic.kit.clock import Clock
from panic.report.open_orders import OpenOrders, Seen, fold
from panic.run.asking import Asking, Pace
from panic.run.pace import lanes_of, remember
from panic.run.press import Prepared, Press

AT_ONCE = 16
"""Accounts in progress at once: a press that begins meanwhile finds little before it."""

_SHARE = 0.3
"""How much it takes of a pace that the broker is known to keep: a press finds turns left. Of half or more its lane
would learn that it may go faster, which nobody knows."""

_LOOKS = 3
"""Orders come and go while a large account is counted; then it is looked at again."""

TOO_LATE = "the broker did not answer in time"


_A_MOMENT_S = 5.0
"""How long somebody waits for a plan."""


def a_look(scope: Scope) -> Press:
    """Give the press that covers what a look looks at; nobody makes it."""
    return Press(scope, "a look at what is open")


async def open_orders(
    prepared: Prepared, *, lanes: Lanes | None = None, within_s: float | None = None
) -> OpenOrders:
    """Read every account of a plan, as far as `within_s` seconds allow; what was not read is said. Cancel to stop.

    The orders are those that the filters of the plan's scope name, in whatever status that has not ended. What the
    caller's own lanes learn is the caller's to keep.
    """
    own = lanes_of(prepared.settings) if lanes is None else lanes
    sum_up = await _Round(prepared, own).run(within_s)
    if lanes is None:
        await remember(prepared.settings, own)
    return await begin(sum_up, "orders")  # of many orders that takes a while, and a loop may have to press


async def open_now(prepared: Prepared, lanes: Lanes) -> str:
    """Say in a line what is open, as far as the broker tells it in a few seconds; never raises."""
    if not prepared.press.verify:
        return "not asked: --no-verify"
    try:
        found = await open_orders(prepared, lanes=lanes, within_s=_A_MOMENT_S)
    except Exception as error:  # noqa: BLE001  (the plan is worth showing all the same)
        return f"not asked: {type(error).__name__}"
    if found.is_blind:
        return f"not known: {found.not_known[-1].why}"
    is_cut = any(one.why == TOO_LATE for one in found.not_known)
    more = f" (asked for {_A_MOMENT_S:g} s; panic orders reads them all)" if is_cut else ""
    return f"{found.headline}{more}"


class _Round:
    def __init__(self, prepared: Prepared, lanes: Lanes) -> None:
        settings, self._plan, self._clock = prepared.settings, prepared.plan, Clock()
        self._began, self._base_url = self._clock.now(), settings.broker.base_url
        self._broker = Broker(settings.broker, prepared.keys, self._clock)
        pace, accounts = _pace(self._plan.accounts, lanes), len(self._plan.accounts)
        self._asking = Asking(self._broker, self._clock, settings.run, pace, accounts, lanes)
        self._looks: dict[int, Look] = {}

    async def run(self, within_s: float | None) -> Callable[[], OpenOrders]:
        turns = iter(self._plan.accounts)
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._broker.certify()
                async with self._broker:
                    try:
                        await asyncio.gather(*(self._work(turns) for _ in range(AT_ONCE)))
                    finally:
                        self._asking.close()
        return partial(
            fold,
            [*map(self._seen, self._plan.accounts)],
            self._plan,
            base_url=self._base_url,
            at=self._clock.wall(self._began),
            took_s=self._clock.now() - self._began,
            scrub=self._broker.scrub,
        )

    async def _work(self, turns: Iterator[Account]) -> None:
        for account in turns:
            size = 0
            for _ in range(_LOOKS):
                look = self._begin(account, size)
                is_answered = await self._look(account, look)
                if not look.broke_off or not is_answered:
                    break
                size = look.found.size

    def _begin(self, account: Account, size: int) -> Look:
        matches = self._plan.scope.filters.matches
        found = Findings(self._clock.earlier(), matches, size=size, every=True)
        look = self._looks[account.id] = Look(found, began=self._clock.now(), now=self._clock.wall())
        return look

    async def _look(self, account: Account, look: Look) -> bool:
        """Look; tell whether the broker answered to the end, whatever its answers prove."""
        while True:
            answer = await self._asking.read(account, look.query())
            if look.hear(answer):  # it was asked often enough
                look.break_off(answer.error)
            if look.finished:
                return answer.page is not None

    def _seen(self, account: Account) -> Seen:
        look = self._looks.get(account.id)
        if look is None:
            return Seen(account, (), TOO_LATE)
        doubt = look.broke_off if look.finished else TOO_LATE
        return Seen(account, tuple(look.found.open.values()), doubt)


def takes_s(prepared: Prepared) -> float:
    """Give about how long it takes at the pace that the broker is known to keep, seconds; 0 where none is."""
    accounts = prepared.plan.accounts
    return _pace(accounts, lanes_of(prepared.settings)).needs_s(len(accounts))


def _pace(accounts: tuple[Account, ...], lanes: Lanes) -> Pace:
    """Give a share of the pace, where that of every credential is known; the lanes keep to the rest themselves."""
    credentials = {account.credential for account in accounts}
    rates = lanes.rates(credentials)
    return Pace(sum(rates.values()) if rates.keys() == credentials else math.inf, _SHARE)
