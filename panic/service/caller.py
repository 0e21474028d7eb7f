"""One connection of the service, as aiohttp serves it, and what it may cost.

What is no HTTP is neither logged nor echoed, as it may hold a token; a head without end, and silence, are cut.
"""

import secrets
from asyncio import sslproto
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web, web_protocol
from aiohttp.web_request import BaseRequest

from panic.service import problems
from panic.service.app import HEADERS
from panic.service.auth import ROLE
from panic.service.problems import ProblemError

HEAD_MOST: Final = 32 << 10
"""Bytes before a request is whole."""

sslproto.SSLProtocol.max_size = 32 << 10
"""What asyncio reads each TLS connection into: its 256 KiB are 256 MiB for a thousand strangers."""

web_protocol.MAX_MSG_QUEUE_SIZE = 2
"""Requests that are parsed ahead: with 32, whoever asks on and on costs ten times as much."""


class Caller(web.RequestHandler):
    """One connection; anything it sends that is not HTTP is neither logged nor echoed, as it may hold a token."""

    def __init__(self, *args: Any, gone: Callable[[], None], **how: Any) -> None:
        super().__init__(*args, **how)
        self._gone = gone
        self._unread = 0

    @property
    def has_asked(self) -> bool:
        """Whether a whole request ever came."""
        return self._request_count > 0

    @property
    def waits(self) -> bool:
        """Whether it waits for its caller to ask, or to finish asking."""
        return not self.has_asked or (self._waiter is not None and not self._waiter.done())

    @property
    def may_go(self) -> bool:
        """Whether it gives way to a new one: it waits, looks, takes no answer, or nobody knows who it is."""
        request = self._current_request
        role: str = "viewer" if request is None else request.get(ROLE, "viewer")
        return role == "viewer"

    def data_received(self, data: bytes) -> None:
        """Take what comes, but no head of a request without end."""
        before = self._request_count
        super().data_received(data)
        self._unread = self._unread + len(data) if self.waits and before == self._request_count else 0
        if self._unread > HEAD_MOST:
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        self._gone()
        super().connection_lost(exc)

    async def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Answer; what a stranger goes on sending is not read to be thrown away."""
        if ROLE not in request:
            self._lingering_time = 0.0
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  (it quotes what came)
    ) -> web.StreamResponse:
        """Answer an invalid request, or an unexpected failure."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way")
        if status < 500:  # noqa: PLR2004
            name = type(exc).__name__
            problem = ProblemError("malformed", f"this is no HTTP request that can be read ({name})")
        else:
            error = exc if isinstance(exc, Exception) else TimeoutError()
            problem = problems.of(error)
            problems.report_failure(error, request)
        id_ = secrets.token_hex(8)
        response = problem.response(id_)
        response.headers.update({**HEADERS, "X-Request-Id": id_})
        response.force_close()
        return response
