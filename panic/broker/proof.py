"""What reads prove about one account: pure, one `Look` at a time.

"Clear" means that every order in the account, in the 400 days that a look goes back, has an ended status; an
unknown status counts as open. A list of open statuses cannot prove that: the next one will not be on it. So:

1. One page of everything, whatever its status. A quiet account fits on it, and that page is the proof.
   A busier one gets a larger page.
2. An account with more orders than that is counted: the ended ones first, then everything. What has ended
   stays ended, so if both numbers are the same, nothing that is not ended can be among the rest. Orders on the
   list of known statuses are looked at one by one between the two counts, and count as what they are.
3. If the counts are missing, contradict what is shown or do not add up, everything is read, page by page.
4. Every order that any answer of this run named, and that was not yet seen ended, is asked for by its id.

A look ends at the first question that shows an open order, unless every one of them is wanted. One that broke off
proves "open" if it saw an open order, and nothing if it saw none.
"""

from datetime import datetime

from panic.broker.answers import Answer, Receipt
from panic.broker.findings import Findings
from panic.broker.outcomes import TRY_AGAIN, Body, Outcome, Standing
from panic.broker.pages import Page, Parameters
from panic.broker.questions import ask

_MORE_TRIES_A_PAGE = 2
"""A page that failed is asked for twice more before the look is given up: accounts with many pages need it."""

_LOCKED_OUT = frozenset({Outcome.UNAUTHENTICATED, Outcome.FORBIDDEN})
"""A key that may not read is not asked another way."""


class Look:
    """One pass over the questions, fed a page at a time.

    Args:
        found: What is known before it, and then what it has found.
        began: Loop time at which the look began, seconds; `now` on the wall clock.
    """

    def __init__(self, found: Findings, *, began: float, now: datetime) -> None:
        self.found = found
        self.began, self.at = began, now
        self.receipts: list[Receipt] = []
        self.broke_off = ""
        self.finished = False
        self._answered_whole = False
        self._failures = 0
        self._token = ""
        self._course = ask(found)
        self._answers = next(self._course)

    def query(self) -> Parameters:
        """Give the parameters of the GET to make next; meaningless once the look has finished."""
        token = (("page_token", self._token),) if self._token else ()
        return (*self._answers.parameters, *token)

    def hear(self, answer: Answer) -> bool:
        """Take in an answer to `query`; tell whether it is to be asked again after a wait."""
        if answer.page is not None:
            self._failures = 0
            self.take(answer.page, answer.receipt)
            return False
        self._failures += not answer.is_limited  # being told to wait is no failure
        why = answer.error or f"HTTP {answer.evidence.status} without a list of orders"
        is_over = answer.outcome in _LOCKED_OUT or answer.evidence.body is Body.FOREIGN
        if not is_over and answer.outcome in TRY_AGAIN and self._failures <= _MORE_TRIES_A_PAGE:
            return True
        if is_over or not answer.is_answered:
            self.break_off(why)
        else:
            self._failures = 0
            self.refuse(why)
        return False

    def take(self, page: Page, receipt: Receipt | None = None) -> None:
        """Process the answer to `query`, and how far the connection it came over is to be trusted."""
        self.receipts.append(receipt or Receipt())
        if self.finished:
            return
        for order in page.orders:
            self.found.see(order)
        self._token = self._answers.take(page)
        if not self._token:
            self._go_on()

    def refuse(self, why: str) -> None:
        """Continue without an answer that the broker refuses, if the look does not need it."""
        if self._answers.needed:
            self.break_off(why)
            return
        self._answers.refused, self._answers.wrong = True, why or "the broker refuses the question"
        self._go_on()

    def break_off(self, why: str) -> None:
        """End the look early: what it saw open stays seen, what it did not see proves nothing."""
        self.broke_off = why or "no valid answer"
        self.finished = True
        self._answered_whole = False

    @property
    def standing(self) -> Standing | None:
        """What the finished look proves; None when it proves nothing."""
        if self.found.open:
            pending_only = self._answered_whole and all(order.is_pending for order in self.found.open.values())
            return Standing.PENDING if pending_only else Standing.OPEN
        return Standing.CLEAR if self._answered_whole else None

    def _go_on(self) -> None:
        try:
            self._answers, self._token = self._course.send(self._answers), ""
        except StopIteration as end:
            if end.value:
                self.break_off(end.value)
            else:
                self.finished = self._answered_whole = True
