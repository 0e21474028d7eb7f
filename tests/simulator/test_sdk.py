"""The simulator seen by a client that nobody here wrote: the broker's own SDK."""

import asyncio
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


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    accounts = [
        SimAccount(100345, name="Alpha Fund", orders=SEEDS),
        SimAccount(100567, name="Beta Fund"),
        SimAccount(200001, name="Gamma", status="CLOSED"),
    ]
    keys = {"sim.key": None, "narrow.key": [100345]}
    async with Simulator(accounts, keys=keys, settle_s=0.0) as running:
        yield running


@pytest.fixture
async def sdk(simulator: Simulator) -> AsyncIterator[AsyncClearStreet]:
    async with AsyncClearStreet(api_key="sim.key", base_url=simulator.base_url, max_retries=0) as client:
        yield client


async def test_cancel_all(simulator: Simulator, sdk: AsyncClearStreet):
    """The SDK reads the cancelled orders as PENDING_CANCEL, and then they are gone."""
    answer = await sdk.v1.orders.cancel_all_open_orders(100345)

    assert ["PENDING_CANCEL"] * 4 == [order.status for order in answer.data]
    assert {100345} == {order.account_id for order in answer.data}
    assert ["0", "0", "40", "0"] == [order.filled_quantity for order in answer.data]
    assert ["100", "100", "60", "100"] == [order.leaves_quantity for order in answer.data]
    assert simulator.requests[-1].headers["user-agent"].startswith("AsyncClearStreet")
    assert () == simulator.truth(100345).open
    assert tuple(order.id for order in answer.data) == simulator.truth(100345).canceled


@pytest.mark.parametrize(
    ("filters", "symbols"),
    [
        ({"side": "BUY"}, ["AAPL", OSI]),
        ({"side": "SELL"}, ["MSFT", "TSLA"]),
        ({"type": "MARKET"}, ["MSFT"]),
        ({"type": "STOP"}, ["TSLA"]),
        ({"instrument_type": "OPTION"}, [OSI]),
        ({"instrument_type": "COMMON_STOCK", "side": "BUY"}, ["AAPL"]),
        ({"instrument_ids": ["aapl", "MSFT"]}, ["AAPL", "MSFT"]),
        ({"instrument_ids": [OSI]}, [OSI]),
    ],
)
async def test_cancel_with_filters(
    simulator: Simulator, sdk: AsyncClearStreet, filters: dict[str, Any], symbols: list[str]
):
    """Every filter cancels what it names and nothing else."""
    answer = await sdk.v1.orders.cancel_all_open_orders(100345, **filters)

    assert symbols == [order.symbol for order in answer.data]
    assert 4 - len(symbols) == len(simulator.truth(100345).open)


async def test_cancel_by_instrument_id(sdk: AsyncClearStreet):
    """An instrument's UUID names it as its symbol does."""
    orders = await sdk.v1.orders.get_orders(100345, symbol="MSFT")
    name = str(orders.data[0].instrument_id)

    answer = await sdk.v1.orders.cancel_all_open_orders(100345, instrument_ids=[name])

    assert ["MSFT"] == [order.symbol for order in answer.data]


async def test_nothing_to_cancel(sdk: AsyncClearStreet):
    """Where no order is open the answer is 404, in the envelope."""
    with pytest.raises(clearstreet.NotFoundError) as caught:
        await sdk.v1.orders.cancel_all_open_orders(100567)

    assert {"code": 404, "message": "No orders match the specified filters"} == _error(caught.value)


@pytest.mark.parametrize("side", ["LONG", "SELL_SHORT", "OTHER"])
async def test_unknown_filter_value(sdk: AsyncClearStreet, side: str):
    """A value that is in no enumeration is a 400, and so is a side of an older release."""
    with pytest.raises(clearstreet.BadRequestError):
        await sdk.v1.orders.cancel_all_open_orders(100345, extra_query={"side": side})


async def test_wrong_key(simulator: Simulator, sdk: AsyncClearStreet):
    """A key that is not known is a 401 in the envelope."""
    with pytest.raises(clearstreet.AuthenticationError) as caught:
        await sdk.with_options(api_key="other.key").v1.orders.cancel_all_open_orders(100345)

    assert 401 == _error(caught.value)["code"]
    assert not simulator.requests[-1].authorized
    assert (1, 0) == (simulator.truth(100345).deletes, simulator.truth(100345).executed)


async def test_narrow_key(sdk: AsyncClearStreet):
    """A key that may not use an account is a 403, and does not see it in the list."""
    narrow = sdk.with_options(api_key="narrow.key")

    with pytest.raises(clearstreet.PermissionDeniedError):
        await narrow.v1.orders.cancel_all_open_orders(100567)
    assert [100345] == [account.id for account in (await narrow.v1.accounts.get_accounts()).data]


async def test_unknown_account(sdk: AsyncClearStreet):
    """An account that is not there is a 404 in the envelope, with other words than an empty one."""
    with pytest.raises(clearstreet.NotFoundError) as caught:
        await sdk.v1.orders.cancel_all_open_orders(7)

    assert "There is no such account" == _error(caught.value)["message"]


async def test_pages(sdk: AsyncClearStreet):
    """Following the tokens shows every order once, and the metadata count them."""
    seen: list[str] = []
    numbers: list[int | None] = []
    token: str | None = None
    while token or not seen:
        options: dict[str, Any] = {"page_token": token} if token else {"page_size": 2}
        answer = await sdk.v1.orders.get_orders(100345, **options)
        seen += [order.id for order in answer.data]
        numbers.append(answer.metadata.page_number)
        token = answer.metadata.next_page_token

    assert (5, 3) == (answer.metadata.total_items, answer.metadata.total_pages)
    assert [1, 2, 3] == numbers
    assert 5 == len(set(seen))


async def test_page_forgets_filters(sdk: AsyncClearStreet):
    """A token carries the offset only: whoever does not repeat the filters reads another list."""
    first = await sdk.v1.orders.get_orders(100345, page_size=1, status=["NEW"])

    answer = await sdk.v1.orders.get_orders(100345, page_token=str(first.metadata.next_page_token))

    assert (3, 5) == (first.metadata.total_items, answer.metadata.total_items)


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"status": ["NEW", "PARTIALLY_FILLED"]}, 4),
        ({"status": ["QUEUED"]}, 0),
        ({"symbol": "aapl"}, 2),
        ({"instrument_type": "OPTION"}, 1),
        ({"instrument_ids": ["TSLA", OSI]}, 2),
        ({"underlying_instrument_ids": ["TSLA"]}, 1),
        ({"order_ids": ["sim-100345-1"]}, 1),
        ({"from_": "2025-01-01", "to": "2025-01-02T00:00:00"}, 0),
    ],
)
async def test_list_with_filters(sdk: AsyncClearStreet, filters: dict[str, Any], count: int):
    """Every filter of the list shows what it names."""
    answer = await sdk.v1.orders.get_orders(100345, **filters)

    assert count == len(answer.data)


async def test_period(sdk: AsyncClearStreet):
    """`from` and `to` include the moment that they name, down to the last decimal."""
    everything = await sdk.v1.orders.with_raw_response.get_orders(100345)
    body: Any = await everything.json()
    stamps = [order["created_at"] for order in body["data"]]

    since = await sdk.v1.orders.get_orders(100345, from_=stamps[2])
    until = await sdk.v1.orders.get_orders(100345, to=datetime.now(UTC) - timedelta(seconds=250))

    assert len("2025-10-31T13:30:00.000000000Z") == len(stamps[0])
    assert 3 == len(since.data)
    assert 2 == len(until.data)


@pytest.mark.parametrize(
    ("bounds", "count"),
    [
        ({"gte": 2}, 3),
        ({"gt": 2}, 2),
        ({"lte": 2}, 3),
        ({"lt": 2}, 2),
        ({"gt": 1, "lte": 3}, 2),
        ({"gte": "2025-01-01", "lte": "2125-01-01"}, 5),
        ({"lte": "2025-01-01"}, 0),
    ],
)
async def test_updated_at(sdk: AsyncClearStreet, bounds: dict[str, Any], count: int):
    """Each bound counts to the last decimal, here by the number of an order; a bare date is a whole day."""
    everything = await sdk.v1.orders.with_raw_response.get_orders(100345)
    body: Any = await everything.json()
    stamps = [order["updated_at"] for order in body["data"]]
    named: Any = {word: stamps[at] if isinstance(at, int) else at for word, at in bounds.items()}

    assert count == len((await sdk.v1.orders.get_orders(100345, updated_at=named)).data)


@pytest.mark.parametrize("day", ["2025-01-01", "2025-01-01T12:00:00Z"])
async def test_updated_at_of_a_day(sdk: AsyncClearStreet, day: str):
    """From a moment of a day to the day's end is a range; from the end of a day to that day's start is none."""
    await sdk.v1.orders.get_orders(100345, updated_at={"gte": day, "lte": "2025-01-01"})

    with pytest.raises(clearstreet.BadRequestError):
        await sdk.v1.orders.get_orders(100345, updated_at={"gt": day, "lt": "2025-01-01"})


async def test_words_of_the_newest_release():
    """A client that believes nothing but its own enumerations reads the new words; several legs have no symbol."""
    orders = (
        SimOrder(status="QUEUED", time_in_force="AT_OPEN", strategy="VWAP", queue_state="AWAITING_RELEASE"),
        SimOrder(symbol="", status="PENDING_TRIGGER", time_in_force="AT_CLOSE", side="SELL", filled=20),
    )
    async with (
        Simulator([SimAccount(1, orders=orders)]) as simulator,
        AsyncClearStreet(
            api_key="sim.key", base_url=simulator.base_url, _strict_response_validation=True
        ) as strict,
    ):
        plain, legs = (await strict.v1.orders.get_orders(1)).data
        fill = (await strict.v1.orders.get_executions(1)).data[0]

    assert plain.strategy is not None
    assert ("QUEUED", "AT_OPEN", "VWAP") == (plain.status, plain.time_in_force, plain.strategy.type)
    assert ("PENDING_TRIGGER", "AT_CLOSE", None) == (legs.status, legs.time_in_force, legs.strategy)
    assert (None, None, None) == (legs.symbol, legs.instrument_id, legs.instrument_type)
    assert (legs.id, "20", None, None) == (fill.order_id, fill.quantity, fill.symbol, fill.price)


async def test_executions(simulator: Simulator, sdk: AsyncClearStreet):
    """Each fill has its price, its venue and its order; they come page by page, latest first, and filtered."""
    first = await sdk.v1.orders.get_executions(100345, page_size=1)
    rest = await sdk.v1.orders.get_executions(100345, page_token=str(first.metadata.next_page_token))
    filled, stop = first.data[0], rest.data[0]

    assert ("40", "149.95", "XNAS", "TSLA") == (stop.quantity, stop.price, stop.venue, stop.symbol)
    assert ("100", "AAPL", 2) == (filled.quantity, filled.symbol, rest.metadata.total_items)
    assert stop.order_id in simulator.truth(100345).open
    asked: list[dict[str, Any]] = [
        {"order_ids": [filled.order_id]},
        {"from_": filled.transaction_time},
        {"to": datetime.now(UTC) - timedelta(seconds=100)},
        {"instrument_ids": ["aapl"]},
    ]
    shown = [(await sdk.v1.orders.get_executions(100345, **filters)).data for filters in asked]
    assert [[filled.id], [filled.id], [stop.id], [filled.id]] == [[one.id for one in page] for page in shown]


async def test_one_order(simulator: Simulator, sdk: AsyncClearStreet):
    """One order can be read and cancelled by itself; an unknown one is a 404."""
    first = simulator.truth(100345).open[0]

    answer = await sdk.v1.orders.cancel_open_order(first, account_id=100345)
    after = await sdk.v1.orders.get_order_by_id(first, account_id=100345)

    assert ("PENDING_CANCEL", "CANCELED") == (answer.data.status, after.data.status)
    with pytest.raises(clearstreet.NotFoundError):
        await sdk.v1.orders.get_order_by_id("nobody", account_id=100345)
    with pytest.raises(clearstreet.NotFoundError):
        await sdk.v1.orders.cancel_open_order(first, account_id=100345)


async def test_submit(simulator: Simulator, sdk: AsyncClearStreet):
    """A submitted order is PENDING_NEW, then NEW, and then the DELETE finds it."""
    order: Any = {"id": "mine-1", "side": "BUY", "quantity": "7", "symbol": "IBM"}
    order |= {"order_type": "MARKET", "time_in_force": "DAY"}

    answer = await sdk.v1.orders.submit_orders(100567, orders=[order])
    later = await sdk.v1.orders.get_order_by_id(answer.data[0].id, account_id=100567)

    assert ("PENDING_NEW", "NEW") == (answer.data[0].status, later.data.status)
    assert "mine-1" == answer.data[0].client_order_id
    assert (answer.data[0].id,) == simulator.truth(100567).open
    with pytest.raises(clearstreet.UnprocessableEntityError):
        await sdk.v1.orders.submit_orders(100567, orders=[order | {"quantity": "many"}])


async def test_accounts(sdk: AsyncClearStreet):
    """The list pages and filters by the start of the id and by a part of the name."""
    everything = await sdk.v1.accounts.get_accounts(page_size=2)
    rest = await sdk.v1.accounts.get_accounts(page_token=str(everything.metadata.next_page_token))
    by_id = await sdk.v1.accounts.get_accounts(account_id="100")
    by_name = await sdk.v1.accounts.get_accounts(account_name="ALPHA")

    assert [100345, 100567, 200001] == [account.id for account in everything.data + rest.data]
    assert "CLOSED" == rest.data[0].status
    assert [100345, 100567] == [account.id for account in by_id.data]
    assert [100345] == [account.id for account in by_name.data]


async def test_one_account(sdk: AsyncClearStreet):
    """An account can be read by its id."""
    answer = await sdk.v1.accounts.get_account_by_id(100345)

    assert ("Alpha Fund", "ACTIVE") == (answer.data.full_name, answer.data.status)


async def test_clock_version_and_calendar(sdk: AsyncClearStreet):
    """The small endpoints satisfy the SDK's models."""
    clock = await sdk.v1.calendar.get_clock()
    version = await sdk.v1.api_version.get_version()
    days = await sdk.v1.calendar.get_market_hours_calendar(date="2025-10-18")

    assert abs(datetime.now(UTC) - clock.data.clock) < timedelta(seconds=30)
    assert "2025-10-31" == version.data.version
    assert ["us_equities", "us_options"] == [day.market for day in days.data]
    assert ("WEEKEND", False) == (days.data[0].status.day_type, days.data[0].status.is_open)


async def test_many_at_once(simulator: Simulator, sdk: AsyncClearStreet):
    """Calls in parallel do not mix up their answers."""
    answers = await asyncio.gather(*(sdk.v1.accounts.get_account_by_id(100345) for _ in range(20)))

    assert 20 == len({answer.metadata.request_id for answer in answers})
    assert 0 == simulator.in_flight


def _error(caught: clearstreet.APIStatusError) -> dict[str, Any]:
    body: Any = caught.body
    assert {"error", "metadata"} == set(body)
    assert body["metadata"]["request_id"]
    error: dict[str, Any] = body["error"]
    return error
