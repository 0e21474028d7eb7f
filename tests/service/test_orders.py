"""GET /v1/orders: what is open, for who may see it, at the price of one sweep, and never in a press's way."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from panic.service.api import orders
from panic.simulator import Fault
from tests.cli.support import account, sent, until
from tests.service.house import QUICK, house

STAYS = {**QUICK, "watch_s": 60}


async def test_whoever_may_look_sees_what_is_open(tmp_path: Path):
    """The sums are of all orders, however many are listed; filters are those of a press."""
    async with house(tmp_path, account(1, orders=3), account(2)) as it:
        found = (await it.ask("GET", "/v1/orders?all=true&limit=2", token="viewer")).fits("OpenOrders")
        sells = (await it.ask("GET", "/v1/orders?groups=East,West&side=SELL", token="viewer")).fits("OpenOrders")

        assert (4, 2, 2) == (found["total"]["orders"], len(found["orders"]), found["more"])
        assert [("East", 3), ("West", 1)] == [(one["group"], one["orders"]) for one in found["groups"]]
        assert "no open order in 2 accounts" == sells["headline"]
        assert {"GET"} == {one.method for one in it.simulator.requests}


async def test_a_limited_token_sees_its_groups_alone(tmp_path: Path):
    """Neither all accounts nor those of others, and nobody without a token anything."""
    async with house(tmp_path) as it:
        own = (await it.ask("GET", "/v1/orders?groups=East", token="east")).fits("OpenOrders")
        asked = [await it.ask("GET", f"/v1/orders?{scope}", token="east") for scope in ("all=1", "accounts=1,2")]

        assert [1] == [one["account"] for one in own["orders"]]
        assert {1} == {*sent(it.simulator, "GET")}
        for one in asked:
            one.problem("forbidden")
        (await it.ask("GET", "/v1/orders?all=true", token="")).problem("unauthenticated")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "unprocessable"),
        ("groups=South", "unprocessable"),
        ("accounts=one", "malformed"),
        ("x=1", "malformed"),
    ],
)
async def test_a_scope_that_makes_no_sense_is_refused(tmp_path: Path, query: str, code: str):
    """There is no default scope here either."""
    async with house(tmp_path) as it:
        (await it.ask("GET", f"/v1/orders?{query}", token="viewer")).problem(code)


async def test_many_viewers_cost_one_sweep(tmp_path: Path):
    """Those who ask at once, and within two seconds."""
    async with house(tmp_path) as it:
        looks = [it.ask("GET", "/v1/orders?all=true", token="viewer") for _ in range(5)]
        codes = {one.status for one in await asyncio.gather(*looks)}

        assert ({200}, [1, 2]) == (codes, sorted(sent(it.simulator, "GET")))


async def test_a_press_drops_the_sweep_and_nothing_is_read_while_a_run_is_under_way(tmp_path: Path):
    """The press is answered as ever."""
    slow = Fault("latency", on="GET", seconds=30.0, times=1)
    async with house(tmp_path, account(1, slow), account(2)) as it:
        look = asyncio.create_task(it.ask("GET", "/v1/orders?all=true", token="viewer"))
        await until(lambda: 1 in sent(it.simulator, "GET"))
        run = (await it.press(STAYS)).json["run_id"]
        dropped, refused = await look, await it.ask("GET", "/v1/orders?all=true", token="viewer")
        it.live(run).run.stop()
        await it.over(run)

        assert "a run began, which goes first" == dropped.problem("conflict")["detail"]
        assert "a run is under way, which goes first" == refused.problem("conflict")["detail"]
        assert 200 == (await it.ask("GET", "/v1/orders?all=true", token="viewer")).status


async def test_that_no_account_could_be_read_is_a_problem(tmp_path: Path):
    """Where one of them could, it is an answer that says so."""
    fault = Fault("status", on="GET", status=403)
    async with house(tmp_path, account(1, fault), account(2)) as it:
        part = (await it.ask("GET", "/v1/orders?all=true", token="viewer")).fits("OpenOrders")
        none = await it.ask("GET", "/v1/orders?groups=East", token="viewer")

        assert (10, [1]) == (part["exit_code"], [one["account"] for one in part["not_known"]])
        assert "no account could be read: Simulated 403" == none.problem("unreachable")["detail"]


async def test_only_so_many_wait(tmp_path: Path, monkeypatch: Any):
    """Whoever asks for ever other orders keeps nobody from looking at anything else."""
    monkeypatch.setattr(orders, "WAITING_MOST", 1)
    async with house(tmp_path, account(1, Fault("latency", on="GET", seconds=0.3)), account(2)) as it:
        look = asyncio.create_task(it.ask("GET", "/v1/orders?all=true", token="viewer"))
        await until(lambda: 1 in sent(it.simulator, "GET"))
        (await it.ask("GET", "/v1/orders?groups=East", token="viewer")).problem("busy")

        assert 200 == (await look).status
