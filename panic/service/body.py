"""The body of a request, bounded in size and time."""

import asyncio
from typing import Final

from aiohttp import web
from aiohttp.client_exceptions import ClientError

from panic.service.problems import ProblemError

MOST: Final = 64 << 10
HOOK_MOST: Final = 1 << 20
WITHIN_S: Final = 10.0

_JSON: Final = "application/json"


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
    body = bytearray()
    try:
        async with asyncio.timeout(WITHIN_S):
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > most:
                    raise too_large
    except TimeoutError:
        raise ProblemError("too_slow_a_request", f"the body did not arrive within {WITHIN_S:g} s") from None
    except (ClientError, ValueError, web.RequestPayloadError) as error:
        raise ProblemError("malformed", f"the body broke off ({type(error).__name__})") from None
    return bytes(body)


async def read_json(request: web.Request, *, needed: bool = True) -> bytes:
    """Read the body of a JSON request; an empty object where there is none and none is needed."""
    if not request.can_read_body and not needed:
        return b"{}"
    if request.content_type != _JSON or request.headers.get("Content-Encoding", "identity") != "identity":
        raise ProblemError("unsupported_type", headers={"Accept": _JSON})
    body = await read(request)
    return body if body or needed else b"{}"
