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
)


@pytest.mark.parametrize("status", ["FILLED", "CANCELED", "REJECTED", "EXPIRED"])
@pytest.mark.parametrize("in_force", ["DAY", "GOOD_TILL_CANCEL", ""])
def test_an_ended_order_is_ended_however_long_it_was_in_force(status: str, in_force: str):
    """Nothing of it can trade any more."""
    assert an_order(status=status, time_in_force=in_force).is_ended


@pytest.mark.parametrize(
    ("leaves", "ended"),
    [
        ("0", True),
        ("0.000", True),
        ("0E+3", True),
        ("1", False),
        ("0.0001", False),
        ("0." + "0" * 45 + "1", False),
        ("", False),
        ("none", False),
        ("nan", False),
        ("-inf", False),
    ],
)
def test_a_replaced_order_has_ended_only_with_nothing_left(leaves: str, ended: bool):
    """It keeps its id and may live on; what cannot be read is not nothing."""
    assert ended is an_order(status="REPLACED", leaves_quantity=leaves).is_ended


@pytest.mark.parametrize("status", ["DONE_FOR_DAY", "CALCULATED"])
@pytest.mark.parametrize(
    ("in_force", "ended"), [("DAY", True), ("GOOD_TILL_CANCEL", False), ("", False), ("day", False)]
)
def test_done_for_the_day_has_ended_only_for_a_day_order(status: str, in_force: str, ended: bool):
    """A good-till-cancel one comes back tomorrow."""
    assert ended is an_order(status=status, time_in_force=in_force).is_ended


@given(st.text() | st.sampled_from(["", "canceled", "CANCELLED", "NEW", "PENDING_CANCEL", "HELD"]))
def test_an_unknown_status_is_open(status: str):
    """Only a word that is known to mean ended ends an order."""
    ended = {"FILLED", "CANCELED", "REJECTED", "EXPIRED"}

    assert (status in ended) == an_order(status=status, time_in_force="GOOD_TILL_CANCEL").is_ended


def test_every_known_status_is_either_ended_for_good_or_on_the_list():
    """Each is asked for once, one way or the other."""
    assert sorted(KNOWN) == sorted([*ENDED_STATUSES, *OPEN_STATUSES])
    assert set(OPEN_STATUSES) - set(OPEN_STATUSES_BEFORE) == {"QUEUED", "PENDING_TRIGGER"}


def test_an_order_is_read_field_by_field():
    """Each name of the broker has its place."""
    raw: dict[str, Any] = {name: name for name in FIELDS} | {"account_id": 7}

    expected = Order(
        id="id",
        account_id=7,
        client_order_id="client_order_id",
        symbol="symbol",
        side="side",
        type="order_type",
        instrument_type="instrument_type",
        instrument_id="instrument_id",
        time_in_force="time_in_force",
        status="status",
        filled_quantity="filled_quantity",
        leaves_quantity="leaves_quantity",
    )
    assert expected == order(raw)


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


@pytest.mark.parametrize(
    ("raw", "account"),
    [
        (7, 7),
        ("7", 7),
        (" 07 ", 7),
        (2**63 - 1, 2**63 - 1),
        (str(2**63 - 1), 2**63 - 1),
        (True, None),
        (7.0, None),
        ("7.0", None),
        ("-7", None),
        ("\u0667", None),
        ("9" * 20, None),
        ("", None),
        (None, None),
        ([7], None),
    ],
)
def test_the_account_of_an_order_is_a_whole_number_or_not_known(raw: Any, account: int | None):
    """A guess would make another account's order ours."""
    assert account == order({"account_id": raw}).account_id


@pytest.mark.parametrize(
    ("raw", "filled"),
    [
        ("12.5", "12.5"),
        (12, "12"),
        (12.5, "12.5"),
        (None, "0"),
        ("", "0"),
        ("x", "0"),
        ("NaN", "0"),
        ("1e3", "1E+3"),
    ],
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


@pytest.mark.parametrize(
    ("filters", "fields", "unmet"),
    [
        (Filters(side="SELL"), {"side": "SELL_SHORT"}, Filters()),
        (Filters(side="SELL"), {"side": "BUY"}, Filters(side="SELL")),
        (Filters(side="SELL"), {}, Filters(side="SELL")),
        (Filters(side="SELL", type="STOP"), {"side": "SELL", "type": "LIMIT"}, Filters(side="SELL", type="STOP")),
        (Filters(side="SELL", type="STOP"), {"side": "SELL", "type": "STOP"}, Filters()),
        (Filters(instrument_ids=("appl",)), {"symbol": "AAPL"}, Filters(instrument_ids=("appl",))),
        (Filters(instrument_ids=("appl",)), {"symbol": ""}, Filters(instrument_ids=("appl",))),
        (Filters(instrument_ids=("aapl",)), {"symbol": "AAPL"}, Filters()),
        (Filters(instrument_ids=("AAPL", "appl")), {"symbol": "AAPL"}, Filters(instrument_ids=("appl",))),
        (Filters(side="BUY", instrument_ids=("AAPL",)), {"symbol": "AAPL", "side": "SELL"}, Filters()),
        (Filters(instrument_ids=("AAPL",)), {"symbol": "AAPL  260320C00200000"}, Filters()),
        (
            Filters(instrument_ids=("APPL",)),
            {"symbol": "AAPL  260320C00200000"},
            Filters(instrument_ids=("APPL",)),
        ),
        (Filters(instrument_ids=(UUID,)), {"instrument_id": UUID.upper()}, Filters()),
        (Filters(instrument_ids=(UUID,)), {"symbol": "AAPL"}, Filters(instrument_ids=(UUID,))),
    ],
)
def test_what_no_order_is_an_example_of_stays_unmet(filters: Filters, fields: dict[str, str], unmet: Filters):
    """Here doubt does not help: a misspelt symbol must not pass for one that nobody trades."""
    left = filters.unmet_by(Order(**fields))  # type: ignore[arg-type]

    assert (unmet.query() or {}) == left.query()


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
    assert not filters.matches(order_._replace(side="SELL"))
    assert not filters.matches(order_._replace(type="MARKET"))
    assert not filters.matches(order_._replace(instrument_type="CASH"))
    assert not filters.matches(order_._replace(symbol="MSFT"))
