"""The broker's JSON: its envelope, its orders and its accounts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from panic.simulator.book import Clock, Order, SimAccount, instrument_id

Json = dict[str, Any]

_FAR = 10
"""Dollars below its price at which a stop waits."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer before it is put on the wire. A body that is not bytes is written as JSON."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def encoded(self) -> bytes:
        """The body's bytes."""
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body, separators=(",", ":")).encode()

    def response(self) -> web.Response:
        """The answer as a well-behaved server sends it."""
        body, kind = self.encoded(), self.content_type
        return web.Response(status=self.status, body=body, content_type=kind, headers=self.headers)


def success(data: Any, request_id: str, pagination: Json | None = None) -> Answer:
    """The envelope of a 200."""
    metadata = {"request_id": request_id, **(pagination or {})}
    return Answer(200, {"data": data, "error": None, "metadata": metadata})


def failure(status: int, message: str, request_id: str) -> Answer:
    """The envelope of an error; it has no `data`."""
    return Answer(status, {"error": {"code": status, "message": message}, "metadata": {"request_id": request_id}})


def order_json(order: Order, clock: Clock) -> Json:
    """An order as the specification has it."""
    seed, price = order.seed, order.price
    return {
        "account_id": order.account_id,
        "average_fill_price": f"{order.average:.4f}" if order.filled else None,
        "client_order_id": order.client_order_id,
        "created_at": clock.stamp(order.created),
        "details": [],
        "expires_at": None,
        "extended_hours": False,
        "filled_quantity": str(order.filled),
        "id": order.id,
        "leaves_quantity": str(order.leaves),
        "instrument_id": instrument_id(seed.symbol) if seed.symbol else None,
        "instrument_type": seed.instrument_type if seed.symbol else None,
        "limit_price": f"{price:.2f}" if seed.order_type in {"LIMIT", "STOP_LIMIT"} else None,
        "order_type": seed.order_type,
        "quantity": str(seed.quantity),
        "queue_state": None,
        "side": seed.side,
        "status": order.status,
        "stop_price": f"{price - _FAR:.2f}" if seed.order_type in {"STOP", "STOP_LIMIT"} else None,
        "strategy": None,
        "symbol": seed.symbol or None,
        "time_in_force": seed.time_in_force,
        "updated_at": clock.stamp(order.updated),
        "venue": "XNAS",
    }


def account_json(account: SimAccount) -> Json:
    """An account as the list has it."""
    return {
        "account_holder_entity_id": 900_000_000 + account.id,
        "close_date": "2026-01-15" if account.status == "CLOSED" else None,
        "full_name": account.name or f"Simulated Account {account.id}",
        "id": account.id,
        "open_date": "2023-01-15",
        "options_level": 1,
        "short_name": f"SIM-{account.id}",
        "status": account.status,
        "subtype": "MARGIN",
        "type": "CUSTOMER",
    }
