"""One account's case against a broker that answers every query truly: clear is never said too early.

The broker here reads the query it is asked, so that it does not matter which questions a look consists of.
"""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from panic.broker.answers import Answer, Receipt
from panic.broker.outcomes import REFUSED, Standing
from panic.broker.pages import Page, Parameters
from panic.engine.timetable import Do
from panic.orders import Order
from tests.kit.builders import a_case, a_pace, an_answer, an_order, begin_look

PACE = a_pace(100_000.0, watch_s=100_000.0)
OPEN = ("NEW", "PENDING_CANCEL", "a status that nobody knows")
ENDED = ("CANCELED", "FILLED", "REJECTED", "EXPIRED")
STATUSES = st.sampled_from([200, 200, 404, 403, 503, None])


class Broker:
    """The truth about an account's orders, and honest answers about it."""

    def __init__(self) -> None:
        self.orders: dict[str, str] = {}

    @property
    def open(self) -> set[str]:
        """The orders that have not ended."""
        return {id_ for id_, status in self.orders.items() if status not in ENDED}

    def page(self, query: Parameters) -> Page:
        """Give the page that a query asks for."""
        asked = dict(query)
        statuses, ids = (asked.get(name, "").split(",") for name in ("status", "order_ids"))
        found = [
            an_order(id_, status)
            for id_, status in self.orders.items()
            if (statuses == [""] or status in statuses) and (ids == [""] or id_ in ids)
        ]
        start, size = int(asked.get("page_token", 0)), int(asked.get("page_size", 1000))
        more = start + size < len(found)
        return Page(tuple(found[start : start + size]), str(start + size) if more else "", len(found))

    def some(self, names: bool) -> tuple[Order, ...]:
        """Name every order that is open, or none."""
        return tuple(an_order(id_, self.orders[id_]) for id_ in self.open) if names else ()


class CaseMachine(RuleBasedStateMachine):
    """Does what the case says is due, while orders come and go and people press, doubt and look again."""

    def __init__(self) -> None:
        super().__init__()
        self.broker, self.case, self.now = Broker(), a_case(), 0.0
        self.named: set[str] = set()
        self.open_when_begun: set[str] = set()
        self.receipts: list[Receipt] = []
        self.proof: list[Receipt] = []
        self.counts_from = 0.0
        self.is_doubted = self.is_pressed = False

    # ── the broker's side ──

    @rule(status=st.sampled_from(OPEN))
    def an_order_comes(self, status: str) -> None:
        self.broker.orders[f"o{len(self.broker.orders)}"] = status

    @precondition(lambda self: self.broker.open)
    @rule(data=st.data(), status=st.sampled_from((*ENDED, *ENDED, *OPEN)))
    def orders_change(self, data: st.DataObject, status: str) -> None:
        chosen = data.draw(st.sampled_from([*sorted(self.broker.open), "all"]))
        changed = self.broker.open if chosen == "all" else {chosen}
        self.broker.orders |= dict.fromkeys(changed, status)

    # ── what is due ──

    @precondition(lambda self: self.case.step(self.now, PACE).do is Do.CANCEL)
    @rule(status=STATUSES, names=st.booleans())
    def cancel(self, status: int | None, names: bool) -> None:
        self._cancel(status, names=names)

    def _cancel(self, status: int | None, *, names: bool) -> None:
        assert self.is_pressed or self.case.outcome not in REFUSED
        self._wait()
        self.case.send()
        self._answered(an_answer(status, **self._took(), orders=self.broker.some(names)), is_read=False)
        self.is_pressed, self.counts_from = False, self.now
        assert Standing.UNREAD is self.case.standing

    @precondition(lambda self: self.case.step(self.now, PACE).do is Do.READ)
    @rule(is_fresh=st.booleans(), pages=st.sampled_from([1, 9, 9, 9]))
    def read(self, is_fresh: bool, pages: int) -> None:
        self._read(pages, is_fresh=is_fresh)

    def _read(self, pages: int, *, is_fresh: bool) -> None:
        for _ in range(pages):
            page = self.broker.page(self._ask())
            self.receipts.append(Receipt(fresh=is_fresh))
            self._answered(an_answer(**self._took(), page=page, receipt=self.receipts[-1], orders=page.orders))
            if self.case.look is None:
                return

    @precondition(lambda self: self.case.step(self.now, PACE).do is Do.READ)
    @rule(status=st.sampled_from([503, 429, 404, None]), names=st.booleans())
    def read_in_vain(self, status: int | None, names: bool) -> None:
        self._ask()
        self._answered(an_answer(status, **self._took(), orders=self.broker.some(names)))

    @precondition(lambda self: self.case.standing is not Standing.CLEAR)
    @rule(is_fresh=st.booleans())
    def all_is_cancelled_and_read(self, is_fresh: bool) -> None:
        """As most accounts do: from here somebody may take the clear back."""
        self.broker.orders |= dict.fromkeys(self.broker.open, "CANCELED")
        for _ in range(4):
            due = self.case.step(self.now, PACE).do
            if due is Do.CANCEL:
                self._cancel(200, names=False)
            elif due is Do.READ:  # one that was refused, and shows open orders, is done with
                self._read(9, is_fresh=is_fresh)

    # ── people ──

    @rule()
    def somebody_presses(self) -> None:
        self.case.press_again()
        self.is_pressed = True
        self._counts_from_now()

    @rule()
    def somebody_looks_again(self) -> None:
        self.case.look_again(self.now)
        self._counts_from_now()

    @rule()
    def somebody_resumes(self) -> None:
        self.is_pressed = self.case.standing is not Standing.CLEAR  # what was not proven is sent again
        self.case.resume(self.now, PACE)
        self._counts_from_now()

    @rule(revokes=st.booleans())
    def somebody_doubts(self, revokes: bool) -> None:
        for receipt in (*self.receipts, *self.proof) if revokes else ():
            receipt.revoked = True
        self.case.doubt(self.now)
        self.is_doubted = True

    def _counts_from_now(self) -> None:
        self.counts_from = self.now
        assert Standing.CLEAR is not self.case.standing

    # ── what must hold ──

    @invariant()
    def clear_rests_on_trusted_answers(self) -> None:
        if self.is_doubted and self.case.standing is Standing.CLEAR:
            assert all(receipt.fresh and not receipt.revoked for receipt in self.proof)

    def _wait(self) -> None:
        self.now = max(self.now, self.case.step(self.now, PACE).at)

    def _took(self) -> dict[str, Any]:
        began, self.now = self.now, self.now + 0.01
        return {"began": began, "ended": self.now}

    def _ask(self) -> Parameters:
        self._wait()
        if self.case.look is None:
            self.open_when_begun, self.receipts = self.broker.open, []
        return begin_look(self.case, self.now).query()

    def _answered(self, answer: Answer, *, is_read: bool = True) -> None:
        page = () if answer.page is None else answer.page.orders
        self.named |= {order.id for order in (*answer.orders, *page) if order.id in self.broker.open}
        look = self.case.look
        if not is_read:
            self.case.cancelled(answer, PACE)
            return
        self.case.read(answer, PACE)
        is_proof = self.case.standing is Standing.CLEAR and look is not None and self.case.proof.as_of == look.at
        if self.case.look is None and look is not None and is_proof:
            assert look.began >= self.counts_from
            assert not (self.open_when_begun | self.named) & self.broker.open
            self.proof = self.receipts


CaseMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=25)
TestCaseMachine = CaseMachine.TestCase
"""Clear is never said too early, and a refused account is not cancelled again unless somebody presses."""
