"""GET /v1/events: one stream for pages and programs. A reader that takes nothing for ten seconds is dropped."""

import asyncio
from contextlib import suppress
from typing import Any, Final

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from panic.service.api.lookup import Lookup
from panic.service.api.models import EventsQuery, read_query
from panic.service.auth import Identity
from panic.service.descriptors import held_most
from panic.service.operations import Operation
from panic.service.problems import ProblemError
from panic.service.room.hub import Hub
from panic.service.room.signing import Signing

SSE: Final = "text/event-stream"
STREAMS_MOST: Final = 200
"""Readers at once, where there are descriptors for them."""

STALLED_S: Final = 10.0
RETRY_MS: Final = 3000
"""How long a browser waits before it reconnects to a stream that ended."""


class Stream:
    """Tells whoever listens; `readers` are the tasks that do."""

    def __init__(self, hub: Hub, lookup: Lookup, signing: Signing) -> None:
        self._hub, self._lookup, self._signing = hub, lookup, signing
        self.readers: set[asyncio.Task[Any]] = set()

    @Operation("GET", "/v1/events", "viewer", {200: SSE}, (404, 429, 504), query=EventsQuery)
    async def events(self, request: web.Request, _: Identity) -> web.StreamResponse:
        """Follow the current state, and the board of one run."""
        name = read_query(EventsQuery, request).run
        found = await self._lookup.find(name) if name else None
        if isinstance(found, str):
            run, board = found, await self._hub.board_text(found)
        else:
            run, board = found.run.id if found else "", b""
        if len(self.readers) >= (most := held_most(STREAMS_MOST)):
            raise ProblemError("throttled", f"{most} readers listen already", headers={"Retry-After": "10"})
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (a handler runs in one)
        self.readers.add(task)
        response = EventSourceResponse(send_timeout=STALLED_S)
        try:
            await response.prepare(request)
            async with response:
                with suppress(ConnectionError, TimeoutError):  # it went away, or took nothing
                    await self._tell(request, response, run, board)
        finally:
            self.readers.discard(task)
        return response

    async def _tell(self, request: web.Request, response: EventSourceResponse, run: str, board: bytes) -> None:
        await response.write(f"retry: {RETRY_MS}\r\n\r\n".encode())
        with self._hub.joined(run, board) as mailbox:
            while response.is_connected():
                await mailbox.filled.wait()  # it is told every two seconds, so this is never long
                if not self._signing.is_signed_in(request):
                    break
                await _send(request, response, mailbox.take())


async def _send(request: web.Request, response: web.StreamResponse, words: bytes) -> None:
    """Send pending events at once; drop a reader that takes nothing."""
    try:
        async with asyncio.timeout(STALLED_S):
            await response.write(words)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise
