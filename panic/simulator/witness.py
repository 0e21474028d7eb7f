"""The witness of everything that arrives on the wire."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_ACCOUNT = re.compile(r"/v1/accounts/(\d+)")


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request that arrived on the wire."""

    at: float  # the loop's time
    method: str
    path: str
    query: dict[str, str]
    account_id: int | None  # the one in the path
    headers: dict[str, str]  # by lower-case name
    authorized: bool  # whether it bore one of the keys


class Witness:
    """Keeps the requests that arrive, in order, and counts those that are being answered."""

    def __init__(self, knows: Callable[[str], bool]) -> None:
        self.requests: list[SeenRequest] = []
        self.in_flight = 0
        self.max_in_flight = 0
        self._knows = knows

    async def watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request be answered."""
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            return await handler(request)
        finally:
            self.in_flight -= 1

    def see(self, request: web.Request) -> SeenRequest:
        """Keep a request."""
        account = _ACCOUNT.match(request.path)
        seen = SeenRequest(
            at=asyncio.get_running_loop().time(),
            method=request.method,
            path=request.path,
            query=dict(request.query),
            account_id=int(account[1]) if account else None,
            headers={name.lower(): value for name, value in request.headers.items()},
            authorized=self._knows(key_of(request)),
        )
        self.requests.append(seen)
        return seen


def key_of(request: web.Request) -> str:
    """The bearer key; empty where there is none."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
