"""What the simulator remembers of each request that arrives on the wire."""

import asyncio
import re
from collections.abc import Container
from dataclasses import dataclass

from aiohttp import web

_ACCOUNT = re.compile(r"/v1/accounts/(\d+)")


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request that arrived on the wire.

    Attributes:
        at: The loop's time.
        account_id: The account in the path; None where there is none.
        headers: By lower-case name.
        authorized: Whether it bore one of the keys.
    """

    at: float
    method: str
    path: str
    query: dict[str, str]
    account_id: int | None
    headers: dict[str, str]
    authorized: bool


def seen(request: web.Request, keys: Container[str]) -> SeenRequest:
    """Write a request down."""
    account = _ACCOUNT.match(request.path)
    return SeenRequest(
        at=asyncio.get_running_loop().time(),
        method=request.method,
        path=request.path,
        query=dict(request.query),
        account_id=int(account[1]) if account else None,
        headers={name.lower(): value for name, value in request.headers.items()},
        authorized=key_of(request) in keys,
    )


def key_of(request: web.Request) -> str:
    """The bearer key; empty where there is none."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
