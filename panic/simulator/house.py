"""The brokerage house: its accounts, their books, and whose key opens what."""

import random
import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from panic.simulator.book import Book, Clock, SimAccount
from panic.simulator.faults import Fault, Script
from panic.simulator.limits import Meter, RateLimit
from panic.simulator.market import SpecialDays


@dataclass(frozen=True, slots=True)
class Setup:
    """What a house begins with, and how it behaves; the arguments of `Simulator` explain each."""

    accounts: tuple[SimAccount, ...]
    keys: Mapping[str, Collection[int] | None]
    settle_s: float
    page_size: int
    rate_limit: RateLimit | None
    fault_all: tuple[Fault, ...]
    special_days: SpecialDays

    def __post_init__(self) -> None:
        for id_, times in Counter(account.id for account in self.accounts).items():
            if times > 1:
                raise ValueError(f"account {id_} is given twice")
        for account in self.accounts:
            if any(fault.on == "OTHER" for fault in account.faults):
                raise ValueError(f"account {account.id} has a fault on OTHER: put it into fault_all")


@dataclass(frozen=True, slots=True)
class Desk:
    """All there is about one account while the simulator runs."""

    account: SimAccount
    book: Book
    script: Script


class House:
    """Everything behind the API. Knows no HTTP."""

    def __init__(self, setup: Setup, clock: Clock, seed: int) -> None:
        self.setup, self.clock = setup, clock
        self.accounts = {account.id: account for account in setup.accounts}
        self.other = Script(setup.fault_all)
        self._seed, self._random = seed, random.Random(seed)
        self.meter = None if setup.rate_limit is None else Meter(setup.rate_limit)
        self._visible: dict[str, Sequence[SimAccount]] = {}
        self._desks: dict[int, Desk] = {}

    def anew(self) -> "House":
        """The house as it was set up, with other ids; its time goes on."""
        old, elapsed_s = self.clock, self.clock.now()
        clock = Clock(old.time, old.started + elapsed_s, old.microseconds(elapsed_s))
        return House(self.setup, clock, self._seed + 1)

    def may_use(self, key: str, account_id: int) -> bool:
        """Whether the key opens the account."""
        ids = self.setup.keys[key]
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
            book = Book(account, self.clock, settle_s=self.setup.settle_s, seed=self._seed)
            desk = Desk(account, book, Script((*account.faults, *self.setup.fault_all)))
            self._desks[account_id] = desk
        return desk

    def uuid(self) -> str:
        """The next id of something that needs one."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))
