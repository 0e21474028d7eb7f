"""The server: its door, its witness, its clock and its end."""

import asyncio
from datetime import date, datetime

import pytest

from panic.simulator import Fault
from tests.kit.virtual import virtually
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
    ("day", "day_type", "closes", "next_day"),
    [
        ("2025-10-18", "WEEKEND", None, "2025-10-20"),
        ("2025-10-17", "TRADING_DAY", "2025-10-17T16:00:00-04:00", "2025-10-20"),
        ("2025-11-27", "HOLIDAY", None, "2025-11-28"),
        ("2025-11-28", "EARLY_CLOSE", "2025-11-28T13:00:00-05:00", "2025-12-01"),
    ],
)
async def test_days(day: str, day_type: str, closes: str | None, next_day: str):
    """Weekends and holidays have no sessions, a short day ends at one, and the next day is a trading day."""
    special = {date(2025, 11, 27): "HOLIDAY", date(2025, 11, 28): "EARLY_CLOSE"}
    async with simulate(special_days=special) as simulator:
        hours = (await ask(simulator, "GET", f"{HOURS}?date={day}&market=us_equities")).json["data"][0]
    regular = hours["today_sessions"].get("regular")

    assert (day_type, closes) == (hours["status"]["day_type"], regular and regular["close"])
    assert hours["next_sessions"]["regular"]["open"].startswith(next_day)


# ── beginning and end ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "fault", [Fault("hang"), Fault("latency", seconds=60), Fault("drip", seconds=60), Fault("endless")]
)
def test_stopping_is_quick(fault: Fault):
    """Whatever is under way, stopping ends it at once, leaves no task behind, and the truth stays."""

    async def stop() -> None:
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

    virtually(stop())


# ── time, and beginning anew ────────────────────────────────────────────────────────────────────────────────


def test_restocked():
    """Orders and faults are those of the start again, as old and under other ids; an open connection stays so."""

    async def hour() -> None:
        async with simulate(Fault("status", times=1), orders=2) as simulator:
            line = await Line.to(simulator)
            before, statuses = (await ask(simulator, "GET")).json["data"], []
            for _ in range(2):
                line.send()
                statuses.append((await line.reply()).status)
            emptied = simulator.truth(ACCOUNT).open
            await asyncio.sleep(3600.0)
            simulator.restock()
            truth, seen = simulator.truth(ACCOUNT), list(simulator.requests)
            line.send()
            again = await line.reply()
            await line.close()
            after = (await ask(simulator, "GET")).json["data"]

            assert ([503, 200], ()) == (statuses, emptied)
            assert (2, 0, 0, []) == (len(truth.open), truth.deletes, truth.executed, seen)
            assert {one["id"] for one in before}.isdisjoint(truth.open)
            assert 503 == again.status
            passed = _time(after[0]["created_at"]) - _time(before[0]["created_at"])
            assert 3600 == pytest.approx(passed.total_seconds(), abs=5)

    virtually(hour())


def _time(text: str) -> datetime:
    return datetime.fromisoformat(f"{text[:26].rstrip('Z')}+00:00")
