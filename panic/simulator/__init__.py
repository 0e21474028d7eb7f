"""A simulated Clear Street that knows the true state of every order, with scripted faults.

    async with Simulator([SimAccount(1, orders=(SimOrder(),))]) as simulator:
        ...  # a client at simulator.base_url with the key "sim.key"
        assert not simulator.truth(1).open

It imports nothing else of panic, so that it cannot share panic's misunderstandings.
"""

from panic.simulator.app import SeenRequest, Simulator
from panic.simulator.book import SimAccount, SimOrder, Truth
from panic.simulator.faults import FAULTS, Fault
from panic.simulator.limits import RateLimit

__all__ = ["FAULTS", "Fault", "RateLimit", "SeenRequest", "SimAccount", "SimOrder", "Simulator", "Truth"]
