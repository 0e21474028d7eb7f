"""The brokerage house: its accounts, their books, and whose key opens what."""

import random
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from panic.simulator.book import Book, Clock, SimAccount
from panic.simulator.faults import Fault, Script
from panic.simulator.limits import Meter, RateLimit
from panic.simulator.market import SpecialDays


def checked(accounts: Iterable[SimAccount]) -> dict[int, SimAccount]:
    """The accounts by their ids. ValueError for a mistake in them."""
    accounts = tuple(accounts)
    for id_, times in Counter(account.id for account in accounts).items():
        if times > 1:
            raise ValueError(f"account {id_} is given twice")
    for account in accounts:
        if any(fault.on == "OTHER" for fault in account.faults):
            raise ValueError(f"account {account.id} has a fault on OTHER: put it into fault_all")
    return {account.id: account for account in accounts}


@dataclass(frozen=True, slots=True)
class Desk:
    """All there is about one account while the simulator runs."""

    book: Book
    script: Script


@dataclass(eq=False)
class House:
    """Everything behind the API; the arguments of `Simulator` explain it. Knows no HTTP."""

    accounts: dict[int, SimAccount]
    keys: Mapping[str, Collection[int] | None]
    settle_s: float
    rate_limit: RateLimit | None
    fault_all: tuple[Fault, ...]
    special_days: SpecialDays
    seed: int
    clock: Clock

    def __post_init__(self) -> None:
        self.other = Script(self.fault_all)
        self.meter = None if self.rate_limit is None else Meter(self.rate_limit)
        self._random = random.Random(self.seed)
        self._visible: dict[str, Sequence[SimAccount]] = {}
        self._desks: dict[int, Desk] = {}

    def anew(self) -> "House":
        """The house as it was at the start, with other ids; its time goes on."""
        old, elapsed_s = self.clock, self.clock.now()
        clock = Clock(old.time, old.started + elapsed_s, old.microseconds(elapsed_s))
        return replace(self, seed=self.seed + 1, clock=clock)

    def may_use(self, key: str, account_id: int) -> bool:
        """Whether the key opens the account."""
        ids = self.keys[key]
        return ids is None or account_id in ids

    def visible(self, key: str) -> Sequence[SimAccount]:
        """The accounts that the key sees; remembered, because a large firm is read page by page."""
        if key not in self._visible:
            self._visible[key] = tuple(a for a in self.accounts.values() if self.may_use(key, a.id))
        return self._visible[key]

    def desk(self, account_id: int) -> Desk:
        """The account's desk, set up when it is first asked for. KeyError for an unknown account."""
        desk = self._desks.get(account_id)
        if desk is None:
            account = self.accounts[account_id]
            book = Book(account, self.clock, settle_s=self.settle_s, seed=self.seed)
            desk = self._desks[account_id] = Desk(book, Script((*account.faults, *self.fault_all)))
        return desk

    def uuid(self) -> str:
        """The next id of something that needs one."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))
