"""The look at what is open: what it sees, what it makes of answers that fail, and when it ends."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from panic.accounts.plan import Scope, plan
from panic.accounts.roster import Account
from panic.config import Broker, RosterFile, Settings
from panic.config.secret import Key
from panic.engine.lanes import Lanes
from panic.orders import Filters
from panic.report.open_orders import OpenOrders
from panic.run import drill
from panic.run.open_orders import open_orders
from panic.run.press import Prepared, Press
from panic.simulator import Fault, SimAccount, SimOrder, Simulator
from tests.cli.support import KEY, account, sent, simulate
from tests.kit.builders import a_roster

pytestmark = pytest.mark.virtual_time


def prepared(simulator: Simulator, ids: Sequence[int], filters: Filters = Filters()) -> Prepared:  # noqa: B008
    """A press of these accounts, which will not be made."""
    scope, roster = Scope(all=True, filters=filters), a_roster(*map(Account, ids))
    settings = Settings(broker=Broker(base_url=simulator.base_url), roster=RosterFile(file=Path("r.csv")))
    keys = {"default": Key(KEY)}
    return Prepared(Press(scope, "a look"), settings, roster, keys, plan(roster, scope, keys))


async def looked(*accounts: SimAccount, within_s: float | None = None, **how: Any) -> tuple[OpenOrders, Simulator]:
    """What is open in these accounts, and the broker."""
    filters, lanes = how.pop("filters", Filters()), how.pop("lanes", None)
    async with simulate(*accounts, **how) as simulator:
        ready = prepared(simulator, [one.id for one in accounts], filters)
        return await open_orders(ready, lanes=lanes, within_s=within_s), simulator


async def test_what_it_shows_is_the_truth():
    """Of a whole firm, busy accounts and all: every order that has not ended, and nothing is sent but reads."""
    made_up = drill.firm(120, 3, "none")
    odd = SimOrder(status="AWAITING_MOONRISE", time_in_force="GOOD_TILL_CANCEL")
    past = (SimOrder(status="FILLED"),) * 1100
    simulated = [replace(made_up.simulated[0], orders=(*past, odd, SimOrder())), *made_up.simulated[1:]]
    async with Simulator(simulated, keys={drill._KEY: None}) as simulator:
        found = await open_orders(drill.prepare(made_up, simulator.base_url))
        truth = {id_ for one in made_up.accounts for id_ in simulator.truth(one.id).open}

    assert truth == {one.id for one in found.orders}
    assert (0, (), 120) == (found.exit_code, found.not_known, found.accounts)
    assert {"GET"} == {one.method for one in simulator.requests}


async def test_only_orders_that_the_filters_name_are_shown():
    """As a press with them would cancel."""
    orders = (SimOrder(side="SELL_SHORT"), SimOrder(), SimOrder(side="SELL", symbol="MSFT"))
    found, _ = await looked(SimAccount(1, orders=orders), filters=Filters(side="SELL"))

    assert ["AAPL", "MSFT"] == sorted(one.symbol for one in found.orders)


@pytest.mark.parametrize(
    ("fault", "why", "reads"),
    [
        (Fault("status", on="GET", status=403), "Simulated 403", 1),
        (Fault("status", on="GET", status=503), "Simulated 503", 3),
        (Fault("status", on="GET", status=503, times=2), "", 3),
        (Fault("paged_lies", on="GET", count=1, times=1), "", 2),
    ],
)
async def test_an_account_that_cannot_be_read_is_not_known(fault: Fault, why: str, reads: int):
    """It is asked again where that may help, and says in the end what is wrong; its neighbours are shown."""
    found, simulator = await looked(account(1), account(2, fault))

    assert ([why] if why else []) == [one.why for one in found.not_known]
    assert (1 if why else 2) == found.total.orders
    assert reads == sent(simulator, "GET").count(2)


async def test_it_ends_in_time_whatever_hangs():
    """What was seen by then is told; so is whom nobody could ask."""
    found, _ = await looked(*map(account, range(1, 40)), account(77, Fault("hang", on="GET")), within_s=2.0)

    assert (39, 2.0) == (found.total.orders, found.took_s)
    assert [(77, "the broker did not answer in time")] == [(one.account, one.why) for one in found.not_known]


async def test_it_takes_less_than_half_of_the_pace_that_the_broker_is_known_to_keep():
    """A press that begins meanwhile finds turns left; and nothing is learned of what was never tried."""
    lanes = Lanes(known={"default": 20.0})
    await asyncio.sleep(10)
    found, simulator = await looked(*map(account, range(1, 201)), lanes=lanes)

    assert 200 == len(sent(simulator, "GET"))
    assert 200 / (20 * 0.3) == pytest.approx(found.took_s, rel=0.1)
    assert {"default": 20.0} == lanes.rates()
