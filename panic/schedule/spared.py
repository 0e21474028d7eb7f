"""What a press by the clock would take that its writer may have meant to spare: pure counting.

The broker's call cannot spare good-till-cancel and on-close orders. What an order does not say, or says in
words that nobody has heard of, may mean either, and is counted apart.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from heapq import nlargest
from typing import NamedTuple

from panic.broker.outcomes import EXIT_CODES, Verdict
from panic.census import Census, Reading
from panic.config import Schedule
from panic.orders import TYPES, Order
from panic.prepared import Prepared

SHOWN_MOST = 20
"""So many accounts are shown: enough to see whose orders they are."""

_GOOD_TILL = frozenset({"GOOD_TILL_CANCEL", "GTC", "GOOD_TILL_DATE", "GTD"})
_CLOSE = frozenset({"AT_THE_CLOSE", "AT_CLOSE", "ON_CLOSE", "CLS"})
_CLOSE_TYPES = frozenset({"MARKET_ON_CLOSE", "LIMIT_ON_CLOSE", "MOC", "LOC"})
_OF_TODAY = frozenset({"DAY", "IMMEDIATE_OR_CANCEL", "FILL_OR_KILL", "AT_OPEN", "AT_THE_OPENING"})
_PLAIN_TYPES = frozenset(TYPES) - {"OTHER"}


class Term(Enum):
    """How long an order was meant to live."""

    GOOD_TILL = auto()
    CLOSE = auto()
    UNCLEAR = auto()
    TODAY = auto()


def term(order: Order) -> Term:
    """Tell how long an order was meant to live. When in doubt, that is unclear."""
    force, kind = _word(order.time_in_force), _word(order.type)
    if force in _CLOSE or kind in _CLOSE_TYPES:
        return Term.CLOSE
    if force in _GOOD_TILL:
        return Term.GOOD_TILL
    return Term.TODAY if force in _OF_TODAY and kind in _PLAIN_TYPES else Term.UNCLEAR


def _word(text: str) -> str:
    return text.strip().upper().replace("-", "_").replace(" ", "_")


class Tally(NamedTuple):
    """How many open orders there are, and how many of them somebody may have meant to spare.

    Attributes:
        good_till: Good till cancelled or till a date, and not for the close.
        close: For the close.
        unclear: Those whose terms do not tell.
    """

    orders: int = 0
    good_till: int = 0
    close: int = 0
    unclear: int = 0

    @property
    def unspared(self) -> int:
        """Those that are known as good-till-cancel, good-till-date or for the close."""
        return self.good_till + self.close


def tally(orders: Iterable[Order]) -> Tally:
    """Count open orders by their terms."""
    found = Counter(map(term, orders))
    return Tally(found.total(), found[Term.GOOD_TILL], found[Term.CLOSE], found[Term.UNCLEAR])


class Held(NamedTuple):
    """One account that holds such orders."""

    id: int
    name: str
    tally: Tally


class Missed(NamedTuple):
    """An account, or a row of the roster, that could not be read, or not wholly, and why.

    Attributes:
        id: None where nobody can tell.
        refused: Whether that will not mend itself: the broker refused, or nothing could be sent.
    """

    id: int | None
    name: str
    why: str
    refused: bool
    request_id: str = ""


@dataclass(frozen=True)
class Unspared:
    """What a schedule would cancel if it ran now.

    Attributes:
        what: Its scope and filters, in words.
        accounts: How many there are in the scope, bad rows of the roster among them.
        totals: Over all accounts, as far as they were read.
        holders: How many accounts have orders that could not be spared, or may have.
        held: Those with most of them, at most `SHOWN_MOST`.
        missed: What could not be read, worst first.
        warnings: What should be mended all the same.
    """

    schedule: Schedule
    what: str
    base_url: str
    now: datetime
    elapsed_s: float
    accounts: int
    totals: Tally
    holders: int
    held: tuple[Held, ...]
    missed: tuple[Missed, ...]
    warnings: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """Zero where everything was read."""
        return EXIT_CODES[Verdict.UNKNOWN] if self.missed else 0


def unspared(schedule: Schedule, prepared: Prepared, census: Census, now: datetime) -> Unspared:
    """Fold what was read of a schedule's accounts."""
    counted = [Held(one.account.id, one.account.name, tally(one.orders)) for one in census.readings]
    holders = [held for held in counted if held.tally.unspared or held.tally.unclear]
    plan = prepared.plan
    filters = ", ".join(f"{name} {value}" for name, value in plan.scope.filters.query().items())
    return Unspared(
        schedule=schedule,
        what=f"{plan.scope}, only {filters}" if filters else str(plan.scope),
        base_url=prepared.settings.broker.base_url,
        now=now,
        elapsed_s=census.elapsed_s,
        accounts=len(plan.accounts) + len(plan.unsent),
        totals=Tally(*(sum(column) for column in zip(*(held.tally for held in counted), strict=True))),
        holders=len(holders),
        held=tuple(nlargest(SHOWN_MOST, holders, key=_many)),
        missed=tuple(sorted(_missed(prepared, census.readings), key=lambda one: not one.refused)),
        warnings=tuple(flag.text for flag in prepared.flags),
    )


def _many(held: Held) -> tuple[int, int, int]:
    return held.tally.unspared, held.tally.unclear, held.tally.orders


def _missed(prepared: Prepared, readings: Iterable[Reading]) -> Iterator[Missed]:
    """Give what could not be read, in the order of the plan."""
    for unsent in prepared.plan.unsent:
        account, row = unsent.account, unsent.row
        id_ = account.id if account else row.id if row else None
        yield Missed(id_, account.name if account else "", unsent.why, refused=True)
    for one in readings:
        if one.failure:
            yield Missed(one.account.id, one.account.name, one.failure, one.refused, one.request_id)
