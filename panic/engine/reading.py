"""The look under way in one account: which of its questions is asked again, skipped or the last."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from panic.broker.answers import Answer
from panic.broker.outcomes import TRY_AGAIN, Body, Outcome
from panic.broker.proof import Look
from panic.orders import Filters

_MORE_TRIES_A_PAGE = 2
"""A page that failed is asked for twice more before the look is given up: accounts with many pages need it."""

_LOCKED_OUT = frozenset({Outcome.UNAUTHENTICATED, Outcome.FORBIDDEN})
"""A key that may not read is not asked another way."""


@dataclass(slots=True)
class Reading:
    """Begins looks, and remembers from one to the next how large the account is and whether counts add up."""

    look: Look | None = None
    _size: int = 0
    _miscounts: bool = False
    _failures: int = 0

    def begin(
        self,
        now: float,
        wall: datetime,
        since: datetime | None,
        *,
        filters: Filters,
        named: Collection[str],
        unmet: Collection[str],
    ) -> Look:
        """Begin a look; the arguments are those of `Look`."""
        self._failures = 0
        self.look = Look(
            began=now,
            now=wall,
            since=since,
            matches=filters.matches,
            named=named,
            size=self._size,
            miscounts=self._miscounts,
            unmet=unmet,
        )
        return self.look

    def take(self, answer: Answer, look: Look) -> bool:
        """Take in an answer to the look's question; tell whether it is to be asked again after a wait."""
        if answer.page is not None:
            look.take(answer.page, answer.receipt)
            self._failures = 0
            return False
        self._failures += not answer.is_limited  # being told to wait is no failure
        why = answer.error or f"HTTP {answer.evidence.status} without a list of orders"
        is_over = answer.outcome in _LOCKED_OUT or answer.evidence.body is Body.FOREIGN
        if not is_over and answer.outcome in TRY_AGAIN and self._failures <= _MORE_TRIES_A_PAGE:
            return True
        if is_over or not answer.is_answered:
            look.break_off(why)
        else:
            self._failures = 0
            look.refuse(why)
        return False

    def end(self, look: Look) -> None:
        """Remember what a look that is over has taught."""
        self.look, self._size, self._miscounts = None, look.size, look.miscounts
