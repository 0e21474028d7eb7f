"""How a check asks, behind a broker that is slow: it comes to its end."""

import asyncio
from typing import cast

from panic.accounts.roster import Account
from panic.broker.answers import Answer
from panic.broker.client import Broker
from panic.broker.pages import Parameters
from panic.config.sections import Run
from panic.engine.lanes import Lanes
from panic.kit.clock import Clock
from panic.run.asking import Asking
from tests.kit.builders import a_read
from tests.kit.virtual import without_sockets


class Served:
    """A broker that answers each read at once."""

    async def read(self, _account: Account, _query: Parameters, _leash: asyncio.Timeout) -> Answer:
        """Show no order."""
        now = asyncio.get_running_loop().time()
        return a_read(began=now, ended=now)


@without_sockets
async def test_a_check_whose_lane_is_too_slow_for_it_ends_at_its_bound():
    """What had no turn by then could not be asked."""
    run = Run(deadline_s=20.0, longest_s=65.0)
    asking = Asking(cast(Broker, Served()), Clock(), run, None, 50, Lanes(most=0.1))
    answers = await asyncio.gather(*(asking.orders(Account(number)) for number in range(1, 51)))
    asking.close()

    assert 65.0 == asyncio.get_running_loop().time()
    assert 7 == sum(answer.is_answered for answer in answers)
