"""A call of a hook as it comes in: its body within bounds, its headers, and how much of a flood goes on record."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

BODY_MOST = 1 << 20
BODY_S = 10.0
STRANGERS_MOST = 60
"""Calls a minute that prove nothing, and as many that are copies or refused, are put on record all the same."""


@dataclass(frozen=True, slots=True)
class Body:
    """What came of a body: its bytes; or None, what answer that deserves, and why, in the middle of a sentence."""

    data: bytes | None
    status: int = 200
    code: str = ""
    why: str = ""


async def read(request: web.Request) -> Body:
    """Read a body, for so long and so far at most."""
    too_large = Body(None, 413, "too_large", f"its body is larger than {BODY_MOST:,} bytes")
    if (request.content_length or 0) > BODY_MOST:
        return too_large
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            while chunk := await request.content.readany():
                data += chunk
                if len(data) > BODY_MOST:
                    return too_large
    except TimeoutError:
        return Body(None, 408, "too_slow", f"its body did not arrive within {BODY_S:g} s")
    except Exception as error:  # noqa: BLE001  (what a parser or a decompressor makes of bytes from anywhere)
        return Body(None, 400, "broken", f"its body broke off or cannot be decoded ({type(error).__name__})")
    return Body(bytes(data))


def headers_of(request: web.Request) -> dict[str, list[str]]:
    """Give the values of each header by its name in lower case, as they came."""
    found: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        found.setdefault(name.lower(), []).append(value)
    return found


class Sparse:
    """Lets so many a minute onto the record, and counts the others: a flood from outside must not fill a disk."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._minute = -1.0
        self._taken = 0
        self._left_out = 0

    def take(self) -> int | None:
        """Give how many were left out since the last one that was not; None if this one is left out, too."""
        minute = self._monotonic() // 60
        if minute != self._minute:
            self._minute, self._taken = minute, 0
        if self._taken >= STRANGERS_MOST:
            self._left_out += 1
            return None
        self._taken += 1
        left_out, self._left_out = self._left_out, 0
        return left_out
