"""The only door to the broker, and the only user of the aiohttp client; its exceptions stop here."""

from panic.broker.client import Broker
from panic.broker.connections import connections_possible

__all__ = ["Broker", "connections_possible"]
