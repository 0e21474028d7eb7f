"""The server: its door, its witness, its clock and its end."""

import asyncio
import ssl
from datetime import date, datetime

import aiohttp
import pytest
import trustme

from panic.simulator import Fault, SimAccount, SimOrder, Simulator
from tests.simulator.support import ACCOUNT, ORDERS, Line, ask, simulate, until, virtually


@pytest.mark.parametrize(
    ("query", "method", "part"),
    [
        ("side=LONG", "DELETE", "side"),
        ("type=STOPP", "DELETE", "type"),
        ("instrument_type=BOND", "DELETE", "instrument_type"),
        ("status=NEW,OPEN", "GET", "status"),
        ("from=yesterday", "GET", "from"),
        ("page_size=0", "GET", "page_size"),
        ("page_size=1001", "GET", "page_size"),
        ("page_size=many", "GET", "page_size"),
        ("page_token=AAAA", "GET", "page_token"),
        ("page_token=!", "GET", "page_token"),
        ("page_token=eyJvZmZzZXQiOi0xLCJsaW1pdCI6MX0=", "GET", "page_token"),
    ],
)
async def test_bad_parameters(query: str, method: str, part: str):
    """A parameter that cannot be read is a 400 that names it, and nothing is cancelled."""
    async with simulate() as simulator:
        reply = await ask(simulator, method, f"{ORDERS}?{query}")

        assert (400, 400) == (reply.status, reply.json["error"]["code"])
        assert part in reply.json["error"]["message"]
        assert 0 == simulator.truth(ACCOUNT).executed


@pytest.mark.parametrize(
    ("path", "status"),
    [("?market=us_bonds", 400), ("?date=tomorrow", 400), ("?market=us_options", 200), ("", 200)],
)
async def test_calendar_parameters(path: str, status: int):
    """The calendar knows two markets and reads one format of date."""
    async with simulate() as simulator:
        reply = await ask(simulator, "GET", f"/v1/calendars/market-hours{path}")

    assert status == reply.status


async def test_special_days():
    """The house can be told of holidays."""
    async with simulate(special_days={date(2025, 12, 25): "HOLIDAY"}) as simulator:
        reply = await ask(simulator, "GET", "/v1/calendars/market-hours?date=2025-12-25&market=us_equities")

    assert "HOLIDAY" == reply.json["data"][0]["status"]["day_type"]


@pytest.mark.parametrize(("path", "status"), [("/v2/accounts", 404), ("/v1/accounts/1/orders/2/3", 404)])
async def test_unknown_route(path: str, status: int):
    """A route that does not exist is a plain 404 outside the envelope, and is witnessed."""
    async with simulate() as simulator:
        reply = await ask(simulator, "GET", path)

        assert status == reply.status
        assert reply.headers["content-type"].startswith("text/plain")
        assert [path] == [seen.path for seen in simulator.requests]


async def test_account_that_is_no_number():
    """An account id that is no number is a 400 in the envelope."""
    async with simulate() as simulator:
        reply = await ask(simulator, "DELETE", "/v1/accounts/me/orders")

        assert (400, "account_id: no integer") == (reply.status, reply.json["error"]["message"])
        assert simulator.requests[0].account_id is None


@pytest.mark.parametrize(("body", "status"), [("{", 400), ("[1]", 422), ('[{"side": "BUY"}]', 422), ("7", 422)])
async def test_bad_orders(body: str, status: int):
    """What is no list of orders is refused."""
    async with simulate() as simulator:
        reply = await ask(simulator, "POST", body=body)

    assert status == reply.status


async def test_witness():
    """Everything that arrives is kept, in order, as it was on the wire."""
    async with simulate() as simulator:
        await ask(simulator, "DELETE", f"{ORDERS}?side=BUY")
        await ask(simulator, "GET", key="wrong")
        first, second = simulator.requests

    assert ("DELETE", ORDERS, {"side": "BUY"}) == (first.method, first.path, first.query)
    assert (ACCOUNT, True) == (first.account_id, first.authorized)
    assert "Bearer sim.key" == first.headers["authorization"]
    assert ("GET", False) == (second.method, second.authorized)
    assert first.at <= second.at


async def test_in_flight():
    """Requests that are being handled are counted, and so is the most at a time."""
    async with simulate(latency_s=0.02) as simulator:
        asking = [asyncio.create_task(ask(simulator, "GET")) for _ in range(3)]
        await until(lambda: simulator.in_flight == 3)
        await asyncio.gather(*asking)

        assert (0, 3) == (simulator.in_flight, simulator.max_in_flight)


def test_rate_limit():
    """A key has so many requests a second; more are 429, and the next second is a new one."""

    async def press() -> None:
        async with simulate(rate_limit=2, keys={"sim.key": None, "other.key": None}) as simulator:
            replies = [await ask(simulator) for _ in range(3)]
            other = await ask(simulator, "GET", key="other.key")
            await asyncio.sleep(1)
            later = await ask(simulator, "GET")

            assert [200, 404, 429] == [reply.status for reply in replies]
            assert "1" == replies[2].headers["retry-after"]
            assert (200, 200) == (other.status, later.status)
            assert (3, 2) == (simulator.truth(ACCOUNT).deletes, simulator.truth(ACCOUNT).executed)

    virtually(press())


async def test_truth_by_http():
    """Whoever runs the simulator in another process can ask it for the truth, without a key."""
    async with simulate() as simulator:
        await ask(simulator)
        truth = await ask(simulator, "GET", f"/_simulator/truth/{ACCOUNT}", key="")
        nobody = await ask(simulator, "GET", "/_simulator/truth/7", key="")

        assert (1, 1, []) == (truth.json["deletes"], truth.json["executed"], truth.json["open"])
        assert 404 == nobody.status
        assert 1 == len(simulator.requests)


async def test_added_order():
    """An order that is added while the simulator runs is open at once."""
    async with simulate(orders=0) as simulator:
        added = simulator.add_order(ACCOUNT, SimOrder(symbol="IBM"))
        listed = await ask(simulator, "GET")

        assert (added,) == simulator.truth(ACCOUNT).open
        assert [added] == [order["id"] for order in listed.json["data"]]


async def test_same_seed_same_ids():
    """Two simulators with one seed give out the same ids; another seed gives others."""
    answers = []
    for seed in (1, 1, 2):
        async with simulate(seed=seed) as simulator:
            answer = (await ask(simulator)).json
            answers.append((answer["data"][0]["id"], answer["metadata"]["request_id"]))

    assert answers[0] == answers[1]
    assert not set(answers[0]) & set(answers[2])


async def test_tls():
    """With a certificate the same is served over https, resets included."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    headers = {"Authorization": "Bearer sim.key"}
    async with simulate(Fault("rst", on="ANY", times=1), ssl_context=server) as simulator:
        async with aiohttp.ClientSession(simulator.base_url, headers=headers) as session:
            with pytest.raises(aiohttp.ClientConnectionError):
                # POST is not resent by itself, as a GET or DELETE would be.
                await session.post(ORDERS, json=[], ssl=client)
            async with session.delete(ORDERS, ssl=client) as answer:
                status = answer.status

        assert simulator.base_url.startswith("https://127.0.0.1:")
        assert (200, 1) == (status, simulator.truth(ACCOUNT).executed)


@pytest.mark.parametrize(
    "fault", [Fault("hang"), Fault("latency", seconds=60), Fault("drip", seconds=60), Fault("endless")]
)
async def test_stopping_is_quick(fault: Fault):
    """Whatever is under way, stopping ends it at once and leaves no task behind."""
    before = asyncio.all_tasks()
    simulator = simulate(fault)
    await simulator.start()
    line = await Line.to(simulator)
    line.send()
    await until(lambda: bool(simulator.in_flight))

    started = asyncio.get_running_loop().time()
    await simulator.stop()

    assert asyncio.get_running_loop().time() - started < 0.1
    assert 0 == simulator.in_flight
    assert before == asyncio.all_tasks()
    await line.close()


async def test_stopping_with_idle_connections():
    """Connections that are kept alive end with the simulator."""
    async with simulate() as simulator:
        line = await Line.to(simulator)
        line.send("GET")
        await line.reply()

    assert b"" == await line.rest()
    await line.close()


async def test_truth_outlives_the_server():
    """After the end the truth can still be asked for, but no address."""
    async with simulate() as simulator:
        await ask(simulator)
    await simulator.stop()

    assert 1 == simulator.truth(ACCOUNT).executed
    with pytest.raises(RuntimeError, match="not running"):
        _ = simulator.base_url


async def test_port_in_use():
    """A port that is taken is an error, and leaves nothing half open."""
    async with simulate() as simulator:
        port = int(simulator.base_url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match="address already in use"):
            await simulate(port=port).start()


async def test_restocked():
    """Orders and faults are those of the start again, under other ids, and a connection that is open stays so."""
    async with simulate(Fault("status", times=1), orders=2, settle_s=0.0) as simulator:
        line = await Line.to(simulator)
        before = simulator.truth(ACCOUNT).open
        statuses = []
        for _ in range(2):
            line.send()
            statuses.append((await line.reply()).status)
        emptied = simulator.truth(ACCOUNT).open
        simulator.restock()
        after = simulator.truth(ACCOUNT)
        seen = list(simulator.requests)
        line.send()
        again = await line.reply()
        await line.close()

    assert [503, 200] == statuses
    assert () == emptied
    assert 2 == len(after.open)
    assert set(before).isdisjoint(after.open)
    assert (0, 0, []) == (after.deletes, after.executed, seen)
    assert 503 == again.status


def test_restocked_orders_are_no_older_than_those_of_the_start():
    """The house's time goes on, and what a new order says of its age is counted from now."""

    async def hour() -> None:
        async with simulate() as simulator:
            first = (await ask(simulator, "GET")).json["data"][0]["created_at"]
            await asyncio.sleep(3600.0)
            simulator.restock()
            second = (await ask(simulator, "GET")).json["data"][0]["created_at"]
            clock = (await ask(simulator, "GET", "/v1/clock")).json["data"]["clock"]

        assert 3600 == pytest.approx((_time(second) - _time(first)).total_seconds(), abs=5)
        assert 60 == pytest.approx((_time(clock) - _time(second)).total_seconds(), abs=5)

    virtually(hour())


def _time(text: str) -> datetime:
    return datetime.fromisoformat(f"{text[:26].rstrip('Z')}+00:00")


def test_not_started():
    """Before the start there is neither an address nor a truth."""
    with pytest.raises(RuntimeError, match="not running"):
        _ = simulate().base_url
    with pytest.raises(RuntimeError, match="has not been started"):
        simulate().truth(ACCOUNT)


def test_mistakes_in_the_accounts():
    """An account that is given twice, or whose script is about other endpoints, is refused."""
    with pytest.raises(ValueError, match="account 1 is given twice"):
        Simulator([SimAccount(1), SimAccount(1)])
    with pytest.raises(ValueError, match="put it into fault_all"):
        Simulator([SimAccount(1, faults=(Fault("rst", on="OTHER"),))])


def test_virtual_time():
    """On a loop that jumps over its waits, an hour of settling takes no time and the clocks agree."""

    async def hour() -> None:
        async with simulate(settle_s=3600.0) as simulator:
            await ask(simulator)
            early = simulator.truth(ACCOUNT)
            before = (await ask(simulator, "GET", "/v1/clock")).json["data"]["clock"]
            await asyncio.sleep(3600.0)
            after = (await ask(simulator, "GET", "/v1/clock")).json["data"]["clock"]

            assert 1 == len(early.pending)
            assert 1 == len(simulator.truth(ACCOUNT).canceled)
            assert before[11:13] != after[11:13]

    passed = virtually(hour())

    assert 3600 < passed < 3700


def test_virtual_time_and_an_endless_body():
    """A body that never ends does not stop a virtual clock."""

    async def wait() -> None:
        async with simulate(Fault("endless")) as simulator:
            line = await Line.to(simulator)
            line.send()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(_read_for_ever(line), 5)
            await line.close()
            await until(lambda: not simulator.in_flight)

    assert 5 <= virtually(wait()) < 6


async def _read_for_ever(line: Line) -> None:
    while True:
        await line.reader.readexactly(1 << 16)
