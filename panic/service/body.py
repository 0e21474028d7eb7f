"""The body of a request, bounded in size and time."""

import asyncio
from typing import Final

from aiohttp import web
from aiohttp.client_exceptions import ClientError

from panic.service.auth import ROLE
from panic.service.problems import ProblemError

MOST: Final = 64 << 10
HOOK_MOST: Final = 256 << 10
"""A thousand alerts."""

STRANGERS_MOST: Final = 16 << 20
"""Bytes of all bodies under way whose senders have proved nothing yet."""

WITHIN_S: Final = 10.0

_JSON: Final = "application/json"


class Budget:
    """What bodies may hold together: where they come to hold more, the oldest is waited for no longer."""

    def __init__(self, most: int) -> None:
        self._most, self.held = most, 0
        self._bodies: dict[asyncio.Timeout, int] = {}

    def hold(self, body: asyncio.Timeout, size: int) -> None:
        """Count what a body holds by now."""
        self.held += size - self._bodies.get(body, 0)
        self._bodies[body] = size
        while self.held > self._most:
            oldest = next(iter(self._bodies))
            self.let_go(oldest)
            oldest.reschedule(asyncio.get_running_loop().time())

    def let_go(self, body: asyncio.Timeout) -> None:
        """Count a body no more."""
        self.held -= self._bodies.pop(body, 0)


STRANGERS: Final = Budget(STRANGERS_MOST)
_ARRIVED: Final = web.RequestKey("arrived", bytes)


async def arrival(request: web.Request) -> None:
    """Wait for the body, and keep it for `read`."""
    request[_ARRIVED] = await read(request)


async def read(request: web.Request, most: int = MOST) -> bytes:
    """Read a body; a problem if it is longer than `most` bytes, takes too long, or breaks off."""
    if _ARRIVED in request:
        return request[_ARRIVED]
    too_large = ProblemError("too_large", f"the body is larger than {most:,} bytes")
    if (request.content_length or 0) > most:
        raise too_large
    body, leash = bytearray(), asyncio.timeout(WITHIN_S)
    try:
        async with leash:
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > most:
                    raise too_large
                if ROLE not in request:
                    STRANGERS.hold(leash, len(body))
    except TimeoutError:
        raise ProblemError("too_slow_a_request", f"the body did not arrive within {WITHIN_S:g} s") from None
    except (ClientError, ValueError, web.RequestPayloadError) as error:
        raise ProblemError("malformed", f"the body broke off ({type(error).__name__})") from None
    finally:
        STRANGERS.let_go(leash)
    return bytes(body)


async def read_json(request: web.Request, *, needed: bool = True) -> bytes:
    """Read the body of a JSON request; an empty object where there is none and none is needed."""
    if not needed and not (request.get(_ARRIVED) or request.can_read_body):  # one that has arrived cannot be read
        return b"{}"
    if request.content_type != _JSON or request.headers.get("Content-Encoding", "identity") != "identity":
        raise ProblemError("unsupported_type", headers={"Accept": _JSON})
    body = await read(request)
    return body if body or needed else b"{}"
