"""The server: its door, its witness, its clock and its end."""

import asyncio
from datetime import datetime

import pytest

from panic.simulator import Fault, RateLimit, SimAccount, Simulator
from panic.simulator.limits import Meter
from tests.simulator.support import ACCOUNT, ORDERS, Line, ask, simulate, until

HOURS = "/v1/calendars/market-hours"


async def test_bad_parameters():
    """A parameter that cannot be read is a 400 that names it, and nothing is cancelled."""
    bad = [
        ("DELETE", f"{ORDERS}?side=LONG", "side"),
        ("DELETE", f"{ORDERS}?type=STOPP", "type"),
        ("DELETE", f"{ORDERS}?instrument_type=BOND", "instrument_type"),
        ("DELETE", "/v1/accounts/me/orders", "account_id"),
        ("GET", f"{ORDERS}?status=NEW,OPEN", "status"),
        ("GET", f"{ORDERS}?from=yesterday", "from"),
        *(("GET", f"{ORDERS}?page_size={size}", "page_size") for size in ("0", "1001", "many")),
        *(("GET", f"{ORDERS}?page_token={token}", "page_token")
          for token in ("AAAA", "!", "eyJvZmZzZXQiOi0xLCJsaW1pdCI6MX0=")),
        ("GET", f"{HOURS}?market=us_bonds", "market"),
        ("GET", f"{HOURS}?date=tomorrow", "date"),
    ]  # fmt: skip
    async with simulate() as simulator:
        for method, path, part in bad:
            reply = await ask(simulator, method, path)

            assert (path, 400, 400) == (path, reply.status, reply.json["error"]["code"])
            assert part in reply.json["error"]["message"]
        assert 0 == simulator.truth(ACCOUNT).executed


@pytest.mark.parametrize(
    ("limit", "served"),
    [
        (RateLimit(4, burst=2), "yyn y ynyyyn"),
        (RateLimit(4, burst=2, shared=True), "yyn n ynyyyn"),
        (RateLimit(4, burst=2, counts_refused=True), "yyn y ynnyyn"),
        (RateLimit(2, window=1), "yyn y nnnyyn"),
        (RateLimit(2, window=0.5), "ynn y nnyynn"),
    ],
    ids=["a bucket", "shared", "refused ones count", "a window", "a short window"],
)
def test_a_limit_serves(limit: RateLimit, served: str):
    """Three of a key at once, one of another key, and then the first again: a bucket fills, a window ends."""
    meter, later = Meter(limit), (0.25, 0.375, 0.5, 1.0, 1.0, 1.0)
    asked = [*[("a", 0.0)] * 3, ("b", 0.0), *(("a", at) for at in later)]

    assert served.replace(" ", "") == "".join("y" if meter.admits(*one) else "n" for one in asked)


@pytest.mark.parametrize("retry_after", ["1", None])
@pytest.mark.virtual_time
async def test_rate_limit(retry_after: str | None):
    """What comes too fast is answered 429 and not carried out; who waits is served."""
    async with simulate(rate_limit=RateLimit(2, 2, retry_after=retry_after)) as simulator:
        replies = [await ask(simulator) for _ in range(3)]
        await asyncio.sleep(0.5)
        later = await ask(simulator, "GET")

        assert [200, 404, 429, 200] == [reply.status for reply in (*replies, later)]
        assert retry_after == replies[2].headers.get("retry-after")
        assert (3, 2) == (simulator.truth(ACCOUNT).deletes, simulator.truth(ACCOUNT).executed)


@pytest.mark.parametrize(
    "fault", [Fault("hang"), Fault("latency", seconds=60), Fault("drip", seconds=60), Fault("endless")]
)
@pytest.mark.virtual_time
async def test_stopping_is_quick(fault: Fault):
    """Whatever is under way, stopping ends it at once, leaves no task behind, and the truth stays."""
    before, simulator = asyncio.all_tasks(), simulate(fault)
    await simulator.start()
    line = await Line.to(simulator)
    line.send()
    await until(lambda: bool(simulator.in_flight))
    started = asyncio.get_running_loop().time()
    await simulator.stop()

    assert asyncio.get_running_loop().time() - started < 1
    assert 0 == simulator.in_flight
    assert before == asyncio.all_tasks()
    assert 1 == simulator.truth(ACCOUNT).deletes
    with pytest.raises(RuntimeError, match="not running"):
        _ = simulator.base_url
    await line.close()


def test_mistakes_in_the_accounts():
    """An account that is given twice, or whose script is about other endpoints, is refused."""
    with pytest.raises(ValueError, match="account 1 is given twice"):
        Simulator([SimAccount(1), SimAccount(1)])
    with pytest.raises(ValueError, match="put it into fault_all"):
        Simulator([SimAccount(1, faults=(Fault("rst", on="OTHER"),))])


@pytest.mark.virtual_time
async def test_restocked():
    """Orders and faults are those of the start again, as old and under other ids; an open connection stays so."""
    async with simulate(Fault("status", times=1), orders=2) as simulator:
        line = await Line.to(simulator)
        before, statuses, clocks = (await ask(simulator, "GET")).json["data"], [], [await _clock(simulator)]
        for _ in range(2):
            line.send()
            statuses.append((await line.reply()).status)
        emptied = simulator.truth(ACCOUNT).open
        await asyncio.sleep(3600.0)
        simulator.restock()
        clocks.append(await _clock(simulator))
        truth, seen = simulator.truth(ACCOUNT), len(simulator.requests)
        line.send()
        again = await line.reply()
        await line.close()
        after = (await ask(simulator, "GET")).json["data"]

        assert ([503, 200], ()) == (statuses, emptied)
        assert (2, 0, 0, 1) == (len(truth.open), truth.deletes, truth.executed, seen)
        assert {one["id"] for one in before}.isdisjoint(truth.open)
        assert 503 == again.status
        born = [_time(orders[0]["created_at"]) for orders in (before, after)]
        for earlier, later in (born, clocks):
            assert 3600 == pytest.approx((later - earlier).total_seconds(), abs=5)


async def _clock(simulator: Simulator) -> datetime:
    return _time((await ask(simulator, "GET", "/v1/clock")).json["data"]["clock"])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(f"{text[:26].rstrip('Z')}+00:00")
