"""The totals of a run under way, kept up to date account by account: nobody counts thousands of them anew."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from panic.broker.outcomes import Outcome, Standing, Verdict
from panic.engine.case import Case
from panic.fold import Circumstances, coverage_of, sums_of
from panic.report import Coverage, Fill, Orders, Totals


class _Part(NamedTuple):
    """What one account adds."""

    verdict: Verdict
    outcome: Outcome
    standing: Standing
    counts: tuple[int, ...]
    fills: tuple[Fill, ...]


_NOTHING = _Part(Verdict.UNKNOWN, Outcome.NOT_ATTEMPTED, Standing.UNREAD, (0,) * 8, ())


class Sums:
    """Counts over all accounts; at first nothing happened to any of them."""

    def __init__(self, accounts: int, unsent: int) -> None:
        everybody = accounts + unsent
        self._parts = [_NOTHING] * accounts
        self._verdicts = Counter({Verdict.UNKNOWN: everybody})
        self._outcomes = Counter({Outcome.NOT_ATTEMPTED: everybody})
        self._standings = Counter({Standing.UNREAD: everybody})
        self._counts = [0] * 8
        self._fills: dict[tuple[str, str], Decimal] = {}
        self._accounts = everybody

    def look(self, place: int, case: Case, scrub: Callable[[str], str]) -> None:
        """Take in how an account stands now."""
        orders, fills = sums_of(case, scrub)
        ended = sum(one.seen_ended for one in case.tally.orders.values())
        counts = (
            len(case.attempts),
            orders.accepted,
            orders.canceled,
            orders.filled,
            orders.open,
            len(case.tally.orders),
            ended,
            case.proof.is_counted and case.standing is Standing.CLEAR,
        )
        old, new = self._parts[place], _Part(case.verdict, case.outcome, case.standing, counts, fills)
        self._parts[place] = new
        self._add(old, -1)
        self._add(new, 1)

    def _add(self, part: _Part, sign: int) -> None:
        self._verdicts[part.verdict] += sign
        self._outcomes[part.outcome] += sign
        self._standings[part.standing] += sign
        self._counts = [whole + sign * one for whole, one in zip(self._counts, part.counts, strict=True)]
        for fill in part.fills:
            key = fill.symbol, fill.side
            self._fills[key] = self._fills.get(key, Decimal()) + sign * fill.quantity

    @property
    def totals(self) -> Totals:
        """The totals of this moment's report."""
        attempts, accepted, canceled, filled, open_, *_ = self._counts
        fills = ((key, quantity) for key, quantity in sorted(self._fills.items()) if quantity)
        return Totals(
            accounts=self._accounts,
            verdicts=dict(+self._verdicts),
            outcomes=dict(+self._outcomes),
            standings=dict(+self._standings),
            attempts=attempts,
            orders=Orders(accepted, canceled, filled, open_),
            fills=tuple(Fill(symbol, side, quantity) for (symbol, side), quantity in fills),
        )

    def coverage(self, facts: Circumstances) -> Coverage:
        """The coverage of this moment's report."""
        named, ended, counted = self._counts[5:]
        clear = self._verdicts[Verdict.CLEAR]
        return coverage_of(facts, clear=clear, counted=counted, named=named, ended=ended)
