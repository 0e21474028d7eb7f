"""A case made again from its changes on record is told as it was."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic.accounts.roster import Account
from panic.broker.answers import Answer, Receipt
from panic.broker.outcomes import Body, Outcome, Standing
from panic.engine.case import Case
from panic.engine.pacing import Pace
from panic.kit.clock import Clock
from panic.ledger.changes import Image, apply, changes
from panic.orders import Filters, Order
from panic.report.document import to_json
from panic.report.fold import fold
from panic.report.order_list import OrderReport
from tests.kit.builders import a_case, a_pace, a_page, an_answer, an_order, begin_look, circumstances
from tests.kit.virtual import virtually
from tests.ledger.mangle import mangled
from tests.ledger.test_record import through_the_ledger


async def _clock() -> Clock:
    return Clock()


CLOCK = virtually(_clock())
PACES = (a_pace(), a_pace(watch_s=15.0), a_pace(verify=False))
STATUSES = ("NEW", "PENDING_CANCEL", "CANCELED", "FILLED", "REPLACED", "DONE_FOR_DAY", "", "new to us")
QUANTITIES = ("", "0", "5", "5.0", "12", "-3", "1e3", "1e99", "NaN", "many", "\ud800")
ORDERS = st.builds(
    Order,
    id=st.sampled_from(["", "a", "b", "c", "\ud83d", "nul\0"]),
    status=st.sampled_from(STATUSES),
    filled_quantity=st.sampled_from(QUANTITIES),
    leaves_quantity=st.sampled_from(["", "0", "7"]),
    limit_price=st.sampled_from(["", "150.00"]),
    stop_price=st.sampled_from(["", "140"]),
    average_fill_price=st.sampled_from(["", "0.5", "149.95", "1e17", "none"]),
    type=st.sampled_from(["", "LIMIT", "x\ud800"]),
    instrument_type=st.sampled_from(["", "OPTION"]),
    symbol=st.sampled_from(["", "AAPL", "BRK.B", "\udcff"]),
    side=st.sampled_from(["", "BUY", "SELL", "7"]),
    client_order_id=st.sampled_from(["", "algo-1", "algo-22", "a\ud800", "\x1b[2J"]),
    time_in_force=st.sampled_from(["", "DAY", "GOOD_TILL_CANCEL"]),
)
ANSWERED = {
    "request_id": st.sampled_from(["", "r-1", "r-2"]),
    "error": st.sampled_from(["", "no answer in time"]),
    "retry_after": st.sampled_from([None, 1.0, 30.0]),
    "own_envelope": st.booleans(),
    "orders": st.lists(ORDERS, max_size=3).map(tuple),
    "note": st.sampled_from(["", "odd", "strange"]),
}
ANSWERS = ((status, Body.OBJECT, True) for status in (200, 404, 401, 403, 422))
NO_ANSWERS = ((None, None, True), (None, None, False))
ODD = ((200, Body.OVERLONG, True), (200, Body.FOREIGN, True), (204, Body.EMPTY, True), (503, Body.INVALID, True))
RESULTS = st.sampled_from([*ANSWERS, *NO_ANSWERS, *ODD])
WAITS = st.floats(0, 9, allow_nan=False)


@st.composite
def answers(draw: st.DrawFn, began: float) -> Answer:
    """Anything that can come back."""
    status, kind, sent = draw(RESULTS)
    fields = {name: draw(strategy) for name, strategy in ANSWERED.items()}
    return an_answer(status, kind, sent=sent, began=began, ended=began + draw(WAITS), **fields)


@st.composite
def reads(draw: st.DrawFn, began: float) -> Answer:
    """A page of a read, or anything else."""
    if draw(st.integers(0, 3)) == 0:
        return draw(answers(began))
    orders = draw(st.lists(ORDERS, max_size=3))
    if draw(st.booleans()):  # what was shown open is shown ended, so that there is a clear at times
        orders = [an_order(id_, "CANCELED", filled_quantity="3") for id_ in "abc"]
    page = a_page(*orders, next_token=draw(st.sampled_from(["", "", "", "more"])))
    receipt = draw(st.sampled_from([None, Receipt(), Receipt(fresh=True)]))
    return an_answer(200, began=began, ended=began + draw(WAITS), page=page, receipt=receipt, orders=page.orders)


class Life:
    """A case to which things happen, and the record of them."""

    def __init__(self, filters: Filters, pace: Pace) -> None:
        self.case = Case(Account(7, "Näme", "desk"), filters)
        self.pace = pace
        self.record: list[Any] = []
        self._known = dict[int, Image]()
        self.now = 0.0

    def on_record(self) -> None:
        """Put on record what has changed."""
        if found := changes(self.case, self._known, CLOCK):
            self.record.append(through_the_ledger(found))

    def again(self) -> Case:
        """Make the case again from its record alone."""
        case = Case(self.case.account, self.case.filters)
        for found in self.record:
            if found is None:
                case.resume(self.now, self.pace)
            else:
                apply(case, found)
        return case

    def crash(self) -> None:
        """Go on with what the record tells."""
        self.record.append(None)
        self.case = self.again()
        self._known.clear()
        changes(self.case, self._known, CLOCK)


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Anything that can happen to a case, recorded at any time, and in the end."""
    filters = draw(st.sampled_from([Filters(), Filters(side="BUY"), Filters(instrument_ids=("AAPL",))]))
    life = Life(filters, draw(st.sampled_from(PACES)))
    acts = st.sampled_from(["cancel", "cancel", "read", "read", "read", "doubt", "hush", "record", "crash"])
    for act in draw(st.lists(acts, max_size=14)):
        if act == "cancel":
            life.case.cancelled(draw(answers(life.now)), life.pace)
        elif act == "read":
            begin_look(life.case, life.now)
            life.case.read(draw(reads(life.now)), life.pace)
        elif act == "doubt":
            life.case.doubt(life.now)
        elif act == "hush":
            life.case.take_back_unless_quiet(life.now, 2.0)
        elif act == "crash":
            life.crash()
        else:
            life.on_record()
        life.now += draw(WAITS)
    life.on_record()
    return life


def told(case: Case) -> bytes:
    """What a report says of an account."""
    return to_json(fold([case], (), circumstances(), CLOCK.wall))


@settings(max_examples=60)
@given(lives())
def test_a_case_made_again_from_its_record_is_told_as_it_was(life: Life):
    """Byte for byte, whatever happened and whenever it was put on record; and it goes on as it would have."""
    restored = life.again()
    assert told(life.case) == told(restored)

    life.case.look = None  # who died in the middle of one has seen nothing
    assert life.case.cancels == restored.cancels
    for case in (life.case, restored):
        case.resume(life.now, life.pace)
    assert told(life.case) == told(restored)
    asked = [begin_look(case, life.now) for case in (life.case, restored)]
    assert asked[0].found.named == asked[1].found.named


def test_whether_an_order_was_seen_ended_is_on_record():
    """Also that it is not ended any more, though nothing else of it changed: a resume asks for it again."""
    life, seen = Life(Filters(), a_pace()), []
    page = a_page(an_order("a", "CANCELED"), an_order("b"))
    first = an_answer(200, orders=(an_order("a"), an_order("b")))
    pending = an_answer(200, began=2.0, orders=(an_order("a", "PENDING_CANCEL"),))
    for at, answer in enumerate([first, an_answer(200, began=1.0, page=page), pending]):
        if answer.page is None:
            life.case.cancelled(answer, life.pace)
        else:
            begin_look(life.case, float(at))
            life.case.read(answer, life.pace)
            life.case.resume(1.5, life.pace)  # which ends the look
        life.on_record()
        both = life.case.tally, life.again().tally
        seen += [{id_: one.seen_ended for id_, one in tally.orders.items()} for tally in both]

    known, unknown = {"a": True, "b": False}, {"a": False, "b": False}
    assert [unknown, unknown, known, known, unknown, unknown] == seen


def test_what_did_not_change_is_not_recorded_again():
    """The record of a watched account stays small; of one to which nothing happened there is none."""
    case, known = a_case(), dict[int, Image]()
    before = changes(case, known, CLOCK)
    case.cancelled(an_answer(200, orders=(an_order("a"),)), PACES[0])
    first = changes(case, known, CLOCK)

    assert {"account", "attempts", "outcome", "orders", "accepted"} == set(first)
    assert {} == before == changes(case, known, CLOCK)


GOOD = {
    "account": 7,
    "attempts": [["DELETE", 1_700_000_000.5, 0.25, 200, "r-1", ""]],
    "outcome": "accepted",
    "own_envelope": True,
    "standing": "open",
    "as_of": "2026-03-02T00:00:01+00:00",
    "open": 1,
    "seen_open": [2, "2026-03-02T00:00:00+00:00"],
    "looks": 1,
    "notes": ["odd"],
    "orders": [
        ["a", "NEW", False, "5", "AAPL", "BUY", "mine", "3", "1.5", "LIMIT", "DAY", "OPTION", "1", "2", "3", "4"],
        ["b", "NEW", False, "", "", "", ""],
    ],
    "accepted": ["a"],
    "reappeared": ["b"],
    "whole": False,
    "nameless": [
        ["", "NEW", False, "5", "AAPL", "BUY", "mine", "5", "", "LIMIT", "DAY", "OPTION", "1", "2", "3", "4"]
    ],
}


def test_a_record_of_everything_is_taken_in():
    """All that a case's record can hold."""
    case = a_case(7)
    apply(case, GOOD)

    assert (Outcome.ACCEPTED, True) == (case.outcome, case.own_envelope)
    assert (Standing.OPEN, 1) == (case.standing, case.proof.open)
    assert (1, 1, {"odd": None}) == (case.cancels, case.tally.looks, case.notes)
    tracked = case.tally.orders["a"]
    assert ("3", "5") == (tracked.first.filled_quantity, tracked.last.filled_quantity)
    assert ({"a"}, {"b"}) == (set(case.tally.accepted), set(case.tally.reappeared))
    assert (False, ["mine"]) == (case.proof.is_whole, [one.client_order_id for one in case.tally.nameless])


@pytest.mark.parametrize(
    ("row", "first", "told_of"),
    [
        (["5", "AAPL", "BUY", "mine"], "5", (Decimal(), None, None, "")),
        (["5", "AAPL", "BUY", "mine", "3"], "3", (Decimal(2), None, None, "")),
        (
            ["5", "AAPL", "BUY", "mine", "3", "150", "LIMIT", "DAY", "COMMON_STOCK", "150.00", "", "7", "151"],
            "3",
            (Decimal(2), Decimal("152.5"), Decimal("150.00"), "LIMIT"),
        ),
    ],
)
def test_an_order_on_record_by_any_release_is_told(row: list[str], first: str, told_of: tuple[Any, ...]):
    """Older ones wrote less of it, and that it was not filled when first seen not at all."""
    case = a_case(7)
    apply(case, {"account": 7, "orders": [["a", "NEW", False, *row]]})
    (order,) = fold([case], (), circumstances(), CLOCK.wall).accounts[0].order_list

    assert first == case.tally.orders["a"].first.filled_quantity
    assert told_of == (order.filled, order.fill_price, order.price, order.type)
    assert ("a", "mine", "AAPL", "BUY", "NEW", True) == (*_names(order), order.status, order.open)


def test_what_is_on_record_of_an_order_is_not_written_again_when_it_ends():
    """Thousands end in a moment; where the first part of a record is lost, the rest is told."""
    life = Life(Filters(), PACES[0])
    told_of = {"symbol": "AAPL", "type": "LIMIT", "limit_price": "150.00", "filled_quantity": "0"}
    life.case.cancelled(an_answer(200, orders=(an_order("a", **told_of),)), life.pace)
    life.on_record()
    filled = {**told_of, "filled_quantity": "7", "average_fill_price": "149.5"}
    begin_look(life.case, 1.0)
    life.case.read(an_answer(200, began=1.0, page=a_page(an_order("a", "FILLED", **filled))), life.pace)
    life.on_record()
    late = a_case(7)
    apply(late, life.record[1])

    assert [["a", "FILLED", True, "7", "", "149.5"]] == life.record[1]["orders"]
    assert ("AAPL", "150.00") == (
        life.again().tally.orders["a"].last.symbol,
        life.again().tally.orders["a"].last.limit_price,
    )
    assert ("FILLED", "") == (late.tally.orders["a"].last.status, late.tally.orders["a"].last.symbol)


def _names(order: OrderReport) -> tuple[str, str, str, str]:
    return order.id, order.client_order_id, order.symbol, order.side


@pytest.mark.parametrize(
    "more",
    [
        {"attempts": "DELETE"},
        {"attempts": [["DELETE", 1.0, "slow", None, "", ""]]},
        {"outcome": "acceptable"},
        {"as_of": "2026-03-02T00:00:01"},
        {"open": -1},
        {"seen_open": [1, "2026-03-02T00:00:01"]},
        {"notes": [5]},
        {"orders": [["a", "NEW", "no", "", "", "", ""]]},
        {"reappeared": ["never seen"]},
    ],
)
def test_a_record_that_is_none_changes_nothing(more: dict[str, Any]):
    """Half of it would be worse than nothing: a case is changed as a whole or not at all."""
    case = a_case(7)
    before = told(case)
    with pytest.raises(ValueError, match=r"."):
        apply(case, {**GOOD, **more})

    assert before == told(case)
    assert 0 == case.cancels


@settings(max_examples=150)
@given(mangled(GOOD))
def test_a_mangled_record_is_refused_or_can_be_told(found: Any):
    """Nothing else is ever raised, and no report is spoilt by it later."""
    case = a_case(7)
    before = told(case)
    try:
        apply(case, found)
    except ValueError:
        assert before == told(case)
    else:
        assert told(case)
