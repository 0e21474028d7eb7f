"""`panic orders`: every open order of a scope, for people, programs and spreadsheets."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from panic.simulator import Fault, SimAccount, SimOrder, Simulator
from tests.cli.inside import beside, typed
from tests.cli.support import KEY, Firm, account, panic, simulate
from tests.cli.test_press import COLUMNS, ROWS

OPEN = SimAccount(
    1,
    orders=(
        SimOrder(
            symbol="MSFT", side="SELL_SHORT", quantity=1000, time_in_force="GOOD_TILL_CANCEL", age_s=90 * 86_400
        ),
        SimOrder(symbol="MSFT", side="SELL", order_type="MARKET", time_in_force="AT_CLOSE"),
        SimOrder(status="FILLED"),
    ),
)


def firm_of(tmp_path: Path, simulator: Simulator) -> Firm:
    return Firm(tmp_path, simulator.base_url, ROWS, COLUMNS)


def test_every_open_order_in_each_format(tmp_path: Path):
    """The first line says how many; the table sums up, JSON and CSV have every order; it only reads."""
    with beside(simulate(OPEN, account(2), account(3, orders=0), account(4), account(5))) as simulator:
        firm, output = firm_of(tmp_path, simulator), tmp_path / "orders.json"
        table = typed(*firm.lines("orders", "--all", "--format", "table"))
        document = typed(*firm.lines("orders", "--all", "--output", str(output)))
        rows = typed(*firm.lines("orders", "--all", "--format", "csv"))
    found: dict[str, Any] = json.loads(document.out)
    listed = list(csv.DictReader(io.StringIO(rows.out)))

    assert [0, 0, 0] == [table.code, document.code, rows.code]
    assert "panic-orders/1" == found["schema"]
    assert found["headline"] == table.out.splitlines()[0]
    assert f"panic: {found['headline']}" == rows.last_line
    assert found["headline"].startswith("4 open orders, about $")
    assert found["headline"].endswith(
        "(of 3 with a known price), in 3 of 4 accounts; 1 good-till-cancel, 1 on close"
    )
    assert {"orders", "panic-orders/1"} <= {
        *json.loads(output.read_text()),
        json.loads(output.read_text())["schema"],
    }
    assert [one["id"] for one in found["orders"]] == [one["id"] for one in listed]
    assert [("equities", 3), ("arb", 1)] == [(one["group"], one["orders"]) for one in found["groups"]]
    for words in ("desk ", "equities", "symbol and side", "MSFT SELL", "largest", "oldest", "90 days ago"):
        assert words in table.out
    assert {"GET"} == {one.method for one in simulator.requests}
    assert KEY not in table.out + document.out + rows.out


def test_a_scope_and_its_filters_are_those_of_a_press(tmp_path: Path):
    """A desk's sells alone; a scope is required, and a group has to exist."""
    with beside(simulate(OPEN, account(2), account(3), account(5))) as simulator:
        firm = firm_of(tmp_path, simulator)
        sells = typed(*firm.lines("orders", "--group", "equities", "--side", "SELL", "--format", "csv"))
        refused = [
            typed(*firm.lines("orders", *words)) for words in ((), ("--group", "fx"), ("--all", "--side", "S"))
        ]

    assert (0, ["MSFT", "MSFT"]) == (sells.code, [one["symbol"] for one in csv.DictReader(io.StringIO(sells.out))])
    assert [64, 64, 64] == [one.code for one in refused]


def test_what_could_not_be_read_comes_first(tmp_path: Path):
    """Exit 10: what is said is the least there is."""
    with beside(
        simulate(OPEN, account(2, Fault("status", on="GET", status=403)), account(3), account(5))
    ) as broker:
        table = typed(*firm_of(tmp_path, broker).lines("orders", "--all", "--format", "table"))

    assert 10 == table.code
    assert table.out.startswith("1 of 4 accounts could not be read whole; at least 4 open orders")
    assert "NOT KNOWN  2 Also fast: Simulated 403" in table.out.splitlines()


async def test_a_real_process_shows_what_is_open(tmp_path: Path):
    """JSON in a pipe."""
    async with simulate(OPEN) as simulator:
        done = await panic(
            *Firm(tmp_path, simulator.base_url, [1]).lines("orders", "--account", "1"), cwd=tmp_path
        )

    assert (0, 2) == (done.code, len(json.loads(done.out)["orders"]))


@pytest.mark.parametrize("width", [40, 72, 80])
def test_a_small_terminal_shows_what_every_row_is_of(tmp_path: Path, width: int):
    """What there is no room for is left out, and never the desk, symbol, quantity or account."""
    with beside(simulate(OPEN, account(2), account(3), account(5))) as simulator:
        table = typed(
            *firm_of(tmp_path, simulator).lines("orders", "--all", "--format", "table"),
            env={"COLUMNS": str(width)},
        )
    lines = [" ".join(line.split()[:5]) for line in table.out.splitlines()]

    assert "SELL MSFT LIMIT 1,000 1" in lines
    assert any(line.startswith("MSFT SELL 2 $") for line in lines)
    assert "…" not in table.out
    assert width >= max(map(len, table.out.splitlines()))


def test_accounts_that_one_cause_hides_are_one_line(tmp_path: Path):
    """A key that may read none of a desk is told once."""
    hidden = [account(n, Fault("status", on="GET", status=403)) for n in (1, 2, 3)]
    with beside(simulate(*hidden, account(5))) as broker:
        table = typed(*firm_of(tmp_path, broker).lines("orders", "--all", "--format", "table"))

    assert 1 == table.out.count("NOT KNOWN  3 accounts: Simulated 403: ")
