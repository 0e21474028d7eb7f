"""The brokerage house: its accounts, their books, and whose key opens what."""

import random
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from panic.simulator.book import Book, Clock, SimAccount
from panic.simulator.faults import Fault, Script


@dataclass(frozen=True, slots=True)
class Desk:
    """All there is about one account while the simulator runs."""

    account: SimAccount
    book: Book
    script: Script


class House:
    """Everything behind the API. Knows no HTTP."""

    def __init__(
        self,
        accounts: Iterable[SimAccount],
        keys: Mapping[str, Collection[int] | None],
        *,
        settle_s: float,
        page_size: int,
        rate_limit: int | None,
        seed: int,
        fault_all: tuple[Fault, ...],
    ) -> None:
        self.accounts: dict[int, SimAccount] = {}
        for account in accounts:
            if account.id in self.accounts:
                raise ValueError(f"account {account.id} is given twice")
            if any(fault.on == "OTHER" for fault in account.faults):
                raise ValueError(f"account {account.id} has a fault on OTHER: put it into fault_all")
            self.accounts[account.id] = account
        self.settle_s = settle_s
        self.page_size = page_size
        self.other = Script(fault_all)
        self._keys = {key: None if ids is None else frozenset(ids) for key, ids in keys.items()}
        self._rate_limit = rate_limit
        self._spent: Counter[str] = Counter()
        self._second = 0
        self._seed = seed
        self._fault_all = fault_all
        self._visible: dict[str, Sequence[SimAccount]] = {}
        self._desks: dict[int, Desk] = {}
        self._random = random.Random(seed)
        self._clock: Clock | None = None

    def open(self, clock: Clock) -> None:
        """Start the house's time."""
        self._clock = clock

    @property
    def clock(self) -> Clock:
        """The house's time."""
        if self._clock is None:
            raise RuntimeError("the simulator has not been started")
        return self._clock

    def knows(self, key: str) -> bool:
        """Whether this is one of the keys."""
        return key in self._keys

    def may_use(self, key: str, account_id: int) -> bool:
        """Whether the key opens the account."""
        ids = self._keys[key]
        return ids is None or account_id in ids

    def visible(self, key: str) -> Sequence[SimAccount]:
        """The accounts that the key sees; remembered, because a large firm is read page by page."""
        if key not in self._visible:
            self._visible[key] = tuple(a for a in self.accounts.values() if self.may_use(key, a.id))
        return self._visible[key]

    def spend(self, key: str) -> bool:
        """Take one request from the key's allowance for this second; False when it is used up."""
        if self._rate_limit is None:
            return True
        second = int(self.clock.now())
        if second != self._second:
            self._second = second
            self._spent.clear()
        self._spent[key] += 1
        return self._spent[key] <= self._rate_limit

    def desk(self, account_id: int) -> Desk:
        """The account's desk, set up when it is first asked for. KeyError for an unknown account."""
        desk = self._desks.get(account_id)
        if desk is None:
            account = self.accounts[account_id]
            book = Book(account, self.clock, settle_s=self.settle_s, seed=self._seed)
            desk = Desk(account, book, Script((*account.faults, *self._fault_all)))
            self._desks[account_id] = desk
        return desk

    def uuid(self) -> str:
        """The next id of something that needs one."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))
