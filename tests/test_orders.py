"""Orders: read whatever comes, open unless known to have ended, matched when in doubt."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panic.orders import (
    ENDED_STATUSES,
    INSTRUMENT_TYPES,
    OPEN_STATUSES,
    OPEN_STATUSES_BEFORE,
    SIDES,
    TYPES,
    Filters,
    Order,
    order,
)
from tests.kit.builders import an_order

UUID = "5f1b7a3e-1c2d-4e5f-8a9b-0c1d2e3f4a5b"
OTHER_UUID = "00000000-1c2d-4e5f-8a9b-0c1d2e3f4a5b"
KNOWN = {
    *("PENDING_NEW", "NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED", "EXPIRED"),
    *("PENDING_CANCEL", "PENDING_REPLACE", "REPLACED", "DONE_FOR_DAY", "STOPPED", "SUSPENDED"),
    *("CALCULATED", "OTHER", "QUEUED", "PENDING_TRIGGER"),
}
"""Every status of the broker's specification, and the two that came later."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    *("id", "account_id", "client_order_id", "symbol", "side", "order_type", "instrument_type"),
    *("instrument_id", "time_in_force", "status", "filled_quantity", "leaves_quantity"),
    *("limit_price", "stop_price", "average_fill_price", "created_at"),
)


NOTHING_LEFT = ("0", "0.000", "0E+3")


@pytest.mark.parametrize(
    "leaves", [*NOTHING_LEFT, "1", "0.0001", "0." + "0" * 45 + "1", "", "none", "nan", "-inf"]
)
def test_a_replaced_order_has_ended_only_with_nothing_left(leaves: str):
    """It keeps its id and may live on; what cannot be read is not nothing."""
    assert (leaves in NOTHING_LEFT) is an_order(status="REPLACED", leaves_quantity=leaves).is_ended


@pytest.mark.parametrize("status", ["DONE_FOR_DAY", "CALCULATED"])
@pytest.mark.parametrize("in_force", ["DAY", "GOOD_TILL_CANCEL", "", "day"])
def test_done_for_the_day_has_ended_only_for_a_day_order(status: str, in_force: str):
    """A good-till-cancel one comes back tomorrow."""
    assert (in_force == "DAY") is an_order(status=status, time_in_force=in_force).is_ended


@given(
    st.text() | st.sampled_from(["", "canceled", "CANCELLED", *sorted(KNOWN - {"DONE_FOR_DAY", "CALCULATED"})]),
    st.sampled_from(["DAY", "GOOD_TILL_CANCEL", ""]),
)
def test_an_unknown_status_is_open(status: str, in_force: str):
    """Only a word that is known to mean ended ends an order, and does so however long it was in force."""
    ended = {"FILLED", "CANCELED", "REJECTED", "EXPIRED"}

    assert (status in ended) == an_order(status=status, time_in_force=in_force).is_ended


def test_every_known_status_is_either_ended_for_good_or_on_the_list():
    """Each is asked for once, one way or the other."""
    assert sorted(KNOWN) == sorted([*ENDED_STATUSES, *OPEN_STATUSES])
    assert set(OPEN_STATUSES) - set(OPEN_STATUSES_BEFORE) == {"QUEUED", "PENDING_TRIGGER"}


def test_an_order_is_read_field_by_field():
    """Each name of the broker has its place."""
    raw: dict[str, Any] = {name: name for name in FIELDS} | {"account_id": 7}

    expected = {"type" if name == "order_type" else name: value for name, value in raw.items()}

    assert expected == order(raw)._asdict()


@pytest.mark.parametrize(
    ("notional", "fields"),
    [
        ("1500.00", {"leaves_quantity": "10", "limit_price": "150.00", "stop_price": "1"}),
        ("52", {"leaves_quantity": "1", "stop_price": "52"}),
        ("250.00", {"leaves_quantity": "1", "limit_price": "2.50", "symbol": "AAPL261218C00190000"}),
        ("5", {"leaves_quantity": "1", "limit_price": "-0.05", "instrument_type": "OPTION"}),
        (None, {"leaves_quantity": "10"}),
        (None, {"leaves_quantity": "", "limit_price": "150.00"}),
        (None, {"leaves_quantity": "10", "limit_price": "nan"}),
    ],
)
def test_notional_is_told_where_quantity_and_price_are_known(notional: str | None, fields: dict[str, str]):
    """A contract of an option is for a hundred shares; nothing is guessed."""
    assert (notional and Decimal(notional)) == an_order(**{"leaves_quantity": "", **fields}).notional


def filled(quantity: object, average: object) -> Order:
    """An order that is filled so far."""
    return an_order(filled_quantity=str(quantity), average_fill_price=str(average))


def average(executions: list[tuple[int, int]], decimals: int) -> tuple[int, Decimal]:
    """What filled, and its average price, as a broker that rounds to so many decimals tells it."""
    shares = sum(quantity for quantity, _ in executions)
    paid = sum((quantity * Decimal(cents) / 100 for quantity, cents in executions), Decimal())
    return shares, round(paid / shares, decimals) if shares else Decimal()


executions = st.lists(st.tuples(st.integers(1, 10_000), st.integers(1, 100_000)), max_size=4)


@settings(max_examples=300)
@given(executions, executions.filter(bool), st.integers(2, 6))
def test_the_price_of_what_filled_between_two_sights_follows_from_their_averages(
    before: list[tuple[int, int]], since: list[tuple[int, int]], decimals: int
):
    """To a hundredth, or it is not told; it is told wherever rounding cannot matter."""
    first, last = average(before, decimals), average([*before, *since], decimals)
    shares, true = average(since, 12)
    found = filled(*last).price_since(filled(*first))
    slack = (first[0] + last[0]) * Decimal("0.5") / 10**decimals / shares

    assert found is not None or slack > true / 102
    assert found is None or abs(found - true) <= min(slack, true / 99) + Decimal("0.00005")


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (("", "1"), ("5", "1")),
        (("2", ""), ("5", "1")),
        (("0", ""), ("5", "")),
        (("0", ""), ("5", "nan")),
        (("0", ""), ("", "1")),
        (("5", "1"), ("5", "1")),
        (("5", "1"), ("4", "1")),
        (("-1", "1"), ("4", "1")),
        (("5", "9"), ("6", "1")),
        (("0", ""), ("1e18", "1e18")),
    ],
)
def test_the_price_of_what_filled_is_not_told_where_it_is_not_known(first: tuple[str, str], last: tuple[str, str]):
    """Nothing is guessed: a number is missing, nothing filled, or no price makes sense."""
    assert filled(*last).price_since(filled(*first)) is None


@settings(max_examples=40)
@given(json_values | st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_any_json_is_read_as_an_order(raw: Any):
    """Nothing a broker sends becomes an exception, and what is not understood is open."""
    read = order(raw)

    assert all(isinstance(getattr(read, name), str) for name in Order._fields if name != "account_id")
    assert read.filled.is_finite()
    assert read.is_ended in {True, False}
    assert Filters().matches(read)


@pytest.mark.parametrize("raw", [None, [], "x", 5, True, [{}], {}, {"id": None}, {"id": {"a": 1}}])
def test_what_is_no_order_becomes_a_blank_one_that_is_open(raw: Any):
    """It is counted, and it is not clear."""
    assert Order() == order(raw)
    assert not order(raw).is_ended


WHOLE = {7: 7, "7": 7, " 07 ": 7, 2**63 - 1: 2**63 - 1, str(2**63 - 1): 2**63 - 1}
NO_ACCOUNT = (True, 7.5, "7.0", "-7", "\u0667", "9" * 20, "", None, [7])


@pytest.mark.parametrize(("raw", "account"), [*WHOLE.items(), (7.0, None), *((raw, None) for raw in NO_ACCOUNT)])
def test_the_account_of_an_order_is_a_whole_number_or_not_known(raw: Any, account: int | None):
    """A guess would make another account's order ours."""
    assert account == order({"account_id": raw}).account_id


@pytest.mark.parametrize(
    ("raw", "filled"),
    [("12.5", "12.5"), (12, "12"), (12.5, "12.5"), ("1e3", "1E+3"), *((x, "0") for x in (None, "", "x", "NaN"))],
)
def test_a_filled_quantity_is_a_decimal(raw: Any, filled: str):
    """What cannot be read has not filled."""
    assert Decimal(filled) == order({"filled_quantity": raw}).filled


def test_no_filters_match_everything():
    """They are also false, so that a caller can say that there are none."""
    assert Filters().matches(Order())
    assert not Filters()
    assert all([Filters(side="BUY"), Filters(type="LIMIT"), Filters(instrument_type="CASH")])
    assert Filters(instrument_ids=("A",))


@pytest.mark.parametrize(
    ("wanted", "field", "known"),
    [("side", "side", SIDES), ("type", "type", TYPES), ("instrument_type", "instrument_type", INSTRUMENT_TYPES)],
)
def test_a_filter_spares_only_an_order_of_another_known_kind(wanted: str, field: str, known: tuple[str, ...]):
    """Missing, OTHER and unheard-of values may be anything, so they match."""
    filters = Filters(**{wanted: known[0]})  # type: ignore[arg-type]
    shown = {value: Order(**{field: value}) for value in (*known, "OTHER", "", "buy", "X")}  # type: ignore[arg-type]
    matched = {value: filters.matches(order_) for value, order_ in shown.items()}

    assert {known[0], "OTHER", "", "buy", "X"} == {value for value, match in matched.items() if match}


@pytest.mark.parametrize(
    ("side", "shown", "match"),
    [("SELL", "SELL_SHORT", True), ("BUY", "SELL_SHORT", False), ("BUY", "SELL", False), ("SELL", "SELL", True)],
)
def test_a_sale_is_short_or_not_and_either_way_a_sale(side: str, shown: str, match: bool):
    """Older releases show short sales by a side of their own; a cancel knows BUY and SELL."""
    assert match is Filters(side=side).matches(Order(side=shown))


def of(*instruments: str, **more: str) -> Filters:
    """Filters that name these instruments."""
    return Filters(instrument_ids=instruments, **more)


OPTION = "AAPL  260320C00200000"
MET: list[tuple[Filters, dict[str, str]]] = [
    (Filters(side="SELL"), {"side": "SELL_SHORT"}),
    (Filters(side="SELL", type="STOP"), {"side": "SELL", "type": "STOP"}),
    (of("aapl"), {"symbol": "AAPL"}),
    (of("AAPL", side="BUY"), {"symbol": "AAPL", "side": "SELL"}),
    (of("AAPL"), {"symbol": OPTION}),
    (of(UUID), {"instrument_id": UUID.upper()}),
]
UNMET: list[tuple[Filters, dict[str, str]]] = [
    (Filters(side="SELL"), {"side": "BUY"}),
    (Filters(side="SELL"), {}),
    (Filters(side="SELL", type="STOP"), {"side": "SELL", "type": "LIMIT"}),
    *((of("appl"), {"symbol": symbol}) for symbol in ("AAPL", "", OPTION)),
    (of(UUID), {"symbol": "AAPL"}),
]


@pytest.mark.parametrize(
    ("filters", "fields", "unmet"),
    [
        *((filters, fields, Filters()) for filters, fields in MET),
        *((filters, fields, filters) for filters, fields in UNMET),
        (of("AAPL", "appl"), {"symbol": "AAPL"}, of("appl")),
    ],
)
def test_what_no_order_is_an_example_of_stays_unmet(filters: Filters, fields: dict[str, str], unmet: Filters):
    """Here doubt does not help: a misspelt symbol must not pass for one that nobody trades."""
    assert unmet.query() == filters.unmet_by(Order(**fields)).query()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "fields", "match"),
    [
        (UUID, {"instrument_id": UUID}, True),
        (UUID, {"instrument_id": UUID.upper()}, True),
        (UUID.upper(), {"instrument_id": UUID}, True),
        (UUID, {"instrument_id": OTHER_UUID}, False),
        (UUID, {"symbol": "AAPL"}, True),
        (UUID, {}, True),
        ("AAPL", {"symbol": "AAPL"}, True),
        ("aapl", {"symbol": "AAPL"}, True),
        ("AAPL", {"symbol": "MSFT"}, False),
        ("AAPL", {"symbol": "AAPLW"}, False),
        ("AAPL", {"instrument_id": UUID}, True),
        ("AAPL", {"symbol": "AAPL  260320C00200000", "instrument_type": "OPTION"}, True),
        ("AAPL", {"symbol": "AAPL260320C00200000"}, True),
        ("AAPL", {"symbol": "MSFT260320C00200000", "instrument_type": "OPTION"}, True),
        ("AAPL", {"symbol": "MSFT", "instrument_type": "OPTION"}, False),
        ("AAPL260320C00200000", {"symbol": "AAPL260320P00200000", "instrument_type": "OPTION"}, False),
        ("BRK.B", {"symbol": "BRK/B", "instrument_type": "COMMON_STOCK"}, True),
        ("BRK.B", {"symbol": "brk b ", "instrument_type": "COMMON_STOCK"}, True),
        ("BRK.B", {"symbol": "BRK.A", "instrument_type": "COMMON_STOCK"}, False),
        ("AAPL260320C00200000", {"symbol": "AAPL  260320C00200000", "instrument_type": "OPTION"}, True),
        ("AAPL260320C00200000", {"symbol": "AAPL", "instrument_type": "OPTION"}, True),
        ("AAPL260320C00200000", {"symbol": "AAPL", "instrument_type": "COMMON_STOCK"}, False),
        ("AAPL260320C00200000", {"symbol": "AAPL", "instrument_type": "INDEX"}, False),
        ("AAPL260320C00200000", {"symbol": "AAPL"}, True),
        ("^SPX", {"symbol": "^SPX"}, True),
        ("^SPX", {"symbol": "^NDX"}, False),
    ],
)
def test_an_instrument_is_named_by_uuid_symbol_or_osi_symbol(wanted: str, fields: dict[str, str], match: bool):
    """When an answer does not say enough to tell, the order is one of them."""
    assert match is Filters(instrument_ids=(wanted,)).matches(Order(**fields))  # type: ignore[arg-type]


def test_all_filters_have_to_match():
    """As they do at the broker."""
    filters = Filters(side="BUY", type="LIMIT", instrument_type="OPTION", instrument_ids=("AAPL",))
    order_ = Order(side="BUY", type="LIMIT", instrument_type="OPTION", symbol="AAPL")

    assert filters.matches(order_)
    for other in ({"side": "SELL"}, {"type": "MARKET"}, {"instrument_type": "CASH"}, {"symbol": "MSFT"}):
        assert not filters.matches(order_._replace(**other))  # type: ignore[arg-type]
