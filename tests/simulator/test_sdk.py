"""The simulator seen by a client that nobody here wrote: the broker's own SDK."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import clearstreet
import pytest
from clearstreet import AsyncClearStreet

from panic.simulator import SimAccount, SimOrder, Simulator

OSI = "TSLA  250117C00190000"
SEEDS = (
    SimOrder(symbol="AAPL", side="BUY", order_type="LIMIT", age_s=400),
    SimOrder(symbol="MSFT", side="SELL", order_type="MARKET", age_s=300),
    SimOrder(symbol="TSLA", side="SELL_SHORT", order_type="STOP", filled=40, status="PARTIALLY_FILLED", age_s=200),
    SimOrder(symbol=OSI, instrument_type="OPTION", time_in_force="GOOD_TILL_CANCEL", age_s=100),
    SimOrder(symbol="AAPL", status="FILLED", age_s=50),
)
ALPHA, BETA = 100345, 100567


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    accounts = [
        SimAccount(ALPHA, name="Alpha Fund", orders=SEEDS),
        SimAccount(BETA, name="Beta Fund"),
        SimAccount(200001, name="Gamma", status="CLOSED"),
    ]
    async with Simulator(accounts, keys={"sim.key": None, "narrow.key": [ALPHA]}, settle_s=0.0) as running:
        yield running


@pytest.fixture
async def sdk(simulator: Simulator) -> AsyncIterator[AsyncClearStreet]:
    async with AsyncClearStreet(api_key="sim.key", base_url=simulator.base_url, max_retries=0) as client:
        yield client


def error_of(caught: clearstreet.APIStatusError) -> tuple[int, str]:
    """The broker's own envelope of an error."""
    body: Any = caught.body
    assert {"error", "metadata"} == set(body)
    assert body["metadata"]["request_id"]
    return body["error"]["code"], body["error"]["message"]


async def test_cancel_all(simulator: Simulator, sdk: AsyncClearStreet):
    """The SDK reads the cancelled orders as PENDING_CANCEL, and then they are gone."""
    answer = await sdk.v1.orders.cancel_all_open_orders(ALPHA)

    assert [("PENDING_CANCEL", ALPHA)] * 4 == [(order.status, order.account_id) for order in answer.data]
    assert ["0", "0", "40", "0"] == [order.filled_quantity for order in answer.data]
    assert ["100", "100", "60", "100"] == [order.leaves_quantity for order in answer.data]
    assert simulator.requests[-1].headers["user-agent"].startswith("AsyncClearStreet")
    assert () == simulator.truth(ALPHA).open
    assert tuple(order.id for order in answer.data) == simulator.truth(ALPHA).canceled


async def test_cancel_with_filters(simulator: Simulator, sdk: AsyncClearStreet):
    """Every filter cancels what it names and nothing else; an instrument's UUID names it as its symbol does."""
    msft = str((await sdk.v1.orders.get_orders(ALPHA, instrument_ids=["MSFT"])).data[0].instrument_id)
    table: list[tuple[dict[str, Any], list[str]]] = [
        ({"side": "BUY"}, ["AAPL", OSI]),
        ({"side": "SELL"}, ["MSFT", "TSLA"]),
        ({"type": "MARKET"}, ["MSFT"]),
        ({"type": "STOP"}, ["TSLA"]),
        ({"instrument_type": "OPTION"}, [OSI]),
        ({"instrument_type": "COMMON_STOCK", "side": "BUY"}, ["AAPL"]),
        ({"instrument_ids": ["aapl", "MSFT"]}, ["AAPL", "MSFT"]),
        ({"instrument_ids": [OSI]}, [OSI]),
        ({"instrument_ids": [msft]}, ["MSFT"]),
    ]
    for filters, symbols in table:
        simulator.restock()
        answer = await sdk.v1.orders.cancel_all_open_orders(ALPHA, **filters)

        assert symbols == [order.symbol for order in answer.data]
        assert 4 - len(symbols) == len(simulator.truth(ALPHA).open)


async def test_refusals(simulator: Simulator, sdk: AsyncClearStreet):
    """Nothing to cancel, no such account, a wrong key, a narrow one, a side that there is not or no longer."""
    unread = "Failed to deserialize query string: side: unknown variant"
    refused: list[tuple[type[clearstreet.APIStatusError], str, int, Any, int, str]] = [
        (clearstreet.NotFoundError, "sim.key", BETA, None, 404, "No orders match the specified filters"),
        (clearstreet.NotFoundError, "sim.key", 7, None, 404, "There is no such account"),
        (clearstreet.AuthenticationError, "other.key", ALPHA, None, 401, "The caller is not authenticated"),
        (clearstreet.PermissionDeniedError, "narrow.key", BETA, None, 403, "The caller may not use this account"),
        *(
            (clearstreet.BadRequestError, "sim.key", ALPHA, {"side": side}, 400, f"{unread} `{side}`")
            for side in ("LONG", "SELL_SHORT", "OTHER")
        ),
    ]
    for kind, key, account, query, code, message in refused:
        with pytest.raises(kind) as caught:
            await sdk.with_options(api_key=key).v1.orders.cancel_all_open_orders(account, extra_query=query)

        assert (code, message) == error_of(caught.value)
        assert (key != "other.key") == simulator.requests[-1].authorized
    assert (4, 0) == (simulator.truth(ALPHA).deletes, simulator.truth(ALPHA).executed)


async def test_pages(sdk: AsyncClearStreet):
    """Following the tokens shows every order once; a token carries the offset only, and forgets the filters."""
    seen, numbers, token = list[str](), list[int | None](), None
    while token or not seen:
        options: dict[str, Any] = {"page_token": token} if token else {"page_size": 2}
        answer = await sdk.v1.orders.get_orders(ALPHA, **options)
        seen += [order.id for order in answer.data]
        numbers.append(answer.metadata.page_number)
        token = answer.metadata.next_page_token
    new = await sdk.v1.orders.get_orders(ALPHA, page_size=1, status=["NEW"])
    forgot = await sdk.v1.orders.get_orders(ALPHA, page_token=str(new.metadata.next_page_token))

    assert (5, 3) == (answer.metadata.total_items, answer.metadata.total_pages)
    assert ([1, 2, 3], 5) == (numbers, len(set(seen)))
    assert (3, 5) == (new.metadata.total_items, forgot.metadata.total_items)


async def test_list_with_filters(sdk: AsyncClearStreet):
    """Every filter shows what it names; a bound counts to the last decimal."""
    raw: Any = await (await sdk.v1.orders.with_raw_response.get_orders(ALPHA)).json()
    born = [order["created_at"] for order in raw["data"]]
    table: list[tuple[dict[str, Any], int]] = [
        ({"status": ["NEW", "PARTIALLY_FILLED"]}, 4),
        ({"status": ["QUEUED"]}, 0),
        ({"instrument_type": "OPTION"}, 1),
        ({"instrument_ids": ["TSLA", OSI]}, 2),
        ({"order_ids": ["sim-100345-1"]}, 1),
        ({"from_": "2025-01-01", "to": "2025-01-02T00:00:00"}, 0),
        ({"from_": born[2]}, 3),
        ({"to": datetime.now(UTC) - timedelta(seconds=250)}, 2),
    ]
    for filters, count in table:
        answer = await sdk.v1.orders.get_orders(ALPHA, **filters)

        assert (filters, count) == (filters, len(answer.data))
    assert len("2025-10-31T13:30:00.000000000Z") == len(born[0])


async def test_words_of_the_newest_release():
    """A client that believes nothing but its own enumerations reads the new words; several legs have no symbol."""
    orders = (
        SimOrder(status="QUEUED", time_in_force="AT_OPEN"),
        SimOrder(symbol="", status="PENDING_TRIGGER", time_in_force="AT_CLOSE", side="SELL", filled=20),
    )
    how: dict[str, Any] = {"api_key": "sim.key", "_strict_response_validation": True}
    async with (
        Simulator([SimAccount(1, orders=orders)]) as simulator,
        AsyncClearStreet(base_url=simulator.base_url, **how) as strict,
    ):
        plain, legs = (await strict.v1.orders.get_orders(1)).data

    assert ("QUEUED", "AT_OPEN") == (plain.status, plain.time_in_force)
    assert ("PENDING_TRIGGER", "AT_CLOSE") == (legs.status, legs.time_in_force)
    assert (None, None, None) == (legs.symbol, legs.instrument_id, legs.instrument_type)


async def test_accounts(sdk: AsyncClearStreet):
    """The list pages; a narrow key sees its own."""
    pages = await sdk.v1.accounts.get_accounts(page_size=2)
    rest = await sdk.v1.accounts.get_accounts(page_token=str(pages.metadata.next_page_token))
    narrow = sdk.with_options(api_key="narrow.key")
    own = await narrow.v1.accounts.get_accounts()

    assert [ALPHA, BETA, 200001] == [account.id for account in pages.data + rest.data]
    assert [("Alpha Fund", "ACTIVE")] == [(account.full_name, account.status) for account in own.data]
    assert "CLOSED" == rest.data[0].status


async def test_clock_and_calendar(sdk: AsyncClearStreet):
    """The small endpoints satisfy the SDK's models."""
    clock = await sdk.v1.calendar.get_clock()
    days = await sdk.v1.calendar.get_market_hours_calendar(date="2025-10-18")

    assert abs(datetime.now(UTC) - clock.data.clock) < timedelta(seconds=30)
    assert ["us_equities", "us_options"] == [day.market for day in days.data]
    assert ("WEEKEND", False) == (days.data[0].status.day_type, days.data[0].status.is_open)
