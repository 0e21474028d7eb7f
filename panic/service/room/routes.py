"""The room's read-only routes: the current state, boards, the stream of both, evidence and schedules."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from panic.config import LedgerFiles
from panic.ledger import history
from panic.ledger.evidence.export import Asked, export
from panic.report.document import AccountReport
from panic.service.api.answers import Lookup, Threads, document, until_swept
from panic.service.api.models import EventsQuery, read_query
from panic.service.api.views import RUN
from panic.service.auth import Identity, Reach, is_still, reach_of
from panic.service.descriptors import held_most
from panic.service.desk import Desk
from panic.service.operations import Operation
from panic.service.problems import ProblemError
from panic.service.room import assets
from panic.service.room.hub import Hub
from panic.service.room.mailbox import GZIP_HEAD, Message
from panic.service.room.signing import Signing
from panic.service.room.views import Accounts, Board, Room
from panic.service.schedule.outlook import Schedules, outlook
from panic.service.standby import Standby

STREAMS_MOST: Final = 200
"""Readers of the stream at once, where there are descriptors for them."""

KEPT: Final = 4
"""One of so many is kept for those who may press; one token has as many at most."""

STALLED_S: Final = 10.0
"""A reader that takes nothing for so long is dropped."""

RETRY_MS: Final = 3000
"""How long a browser waits before it reconnects to a stream that ended."""

_NEVER_S = 365.0 * 86400
"""A ping of the library's own would not be packed; somebody is told every two seconds anyway."""

_RUNS_MOST = 3
_EVIDENCE_S = 60.0
_LINES = "application/x-ndjson"


@dataclass
class Looks:
    """What is only looked at; `readers` are the tasks that follow the stream, and for whom."""

    _desk: Desk
    _standby: Standby
    _lookup: Lookup
    _threads: Threads
    _exports: Threads
    hub: Hub
    signing: Signing
    readers: dict[asyncio.Task[Any], Identity] = field(default_factory=dict)
    _exporting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @Operation("GET", "/v1/room", "viewer", {200: Room})
    async def room(self, _: web.Request, identity: Identity) -> web.Response:
        """The current state, as the room shows it."""
        return document(await self.hub.room(self._reach(identity)))

    @Operation("GET", f"{RUN}/board", "viewer", {200: Board}, (504,))
    async def board(self, request: web.Request, identity: Identity) -> web.Response:
        """The run account by account, a letter for each, as the room shows it."""
        text = await self.hub.board_text(await self._lookup.find(request.match_info["id"], identity))
        return assets.give(assets.pack(assets.JSON, text), request, {})

    @Operation("GET", f"{RUN}/accounts", "viewer", {200: Accounts}, (504,))
    async def accounts(self, request: web.Request, identity: Identity) -> web.Response:
        """Who the accounts of a board are, in its order; once for each run."""
        asset = await self.hub.accounts(await self._lookup.find(request.match_info["id"], identity))
        return assets.give(asset, request, {"Cache-Control": "private, no-cache"})

    @Operation("GET", f"{RUN}/accounts/{{account}}", "viewer", {200: AccountReport}, (504,))
    async def account(self, request: web.Request, identity: Identity) -> web.Response:
        """One account of a run as its report tells it, as far as it is known now."""
        found = await self._lookup.find(request.match_info["id"], identity)
        text = await self.hub.account(found, int(request.match_info["account"]))
        if text is None:
            raise ProblemError("not_found", f"the run has no account {request.match_info['account']}")
        return document(text)

    @Operation("GET", f"{RUN}/evidence", "viewer", {200: _LINES}, (504,))
    async def evidence(self, request: web.Request, identity: Identity) -> web.Response:
        """The evidence of a run, as `panic evidence export` writes it."""
        ledger, by = self._standby.settings.ledger, self._standby.scrub(identity.name)
        found = await self._lookup.find(request.match_info["id"], identity)
        run = found if isinstance(found, str) else found.run.id
        if identity.groups is not None:
            what = "evidence has no gap: it holds what others wrote meanwhile"
            raise ProblemError("forbidden", what, remedy="Ask somebody whose token is not limited.")
        if ledger.file is None:
            raise ProblemError("not_found", "the settings name no [ledger] file")
        async with self._exporting:  # it reads the whole ledger: one at a time, never while first cancels leave
            for live in [live for live in self._desk.live.values() if not live.is_over]:
                await until_swept(live)
            body = await self._exports.ask(partial(_exported, ledger, run, by), "evidence", _EVIDENCE_S)
        disposition = f'attachment; filename="panic-evidence-{run}.jsonl"'
        headers = {"Content-Type": _LINES, "Content-Disposition": disposition}
        return web.Response(body=body, headers=headers)

    @Operation("GET", "/v1/events", "viewer", {200: "text/event-stream"}, (404, 429, 504), query=EventsQuery)
    async def events(self, request: web.Request, identity: Identity) -> web.StreamResponse:
        """Follow the current state, and the board of one run."""
        name = read_query(EventsQuery, request).run
        found = await self._lookup.find(name, identity) if name else None
        run = found if isinstance(found, str) else found.run.id if found else ""
        board = await self.hub.board_text(found) if isinstance(found, str) else b""
        if refusal := refused([*self.readers.values()], identity, held_most(STREAMS_MOST)):
            raise ProblemError("throttled", refusal, headers={"Retry-After": "10"})
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (a handler runs in one)
        self.readers[task] = identity
        headers = {"Content-Encoding": "gzip"} if assets.takes_gzip(request) else {}
        response = EventSourceResponse(headers=headers, send_timeout=STALLED_S, ping_interval=_NEVER_S)
        try:
            await response.prepare(request)
            async with response:
                with suppress(ConnectionError, TimeoutError):  # it went away, or took nothing
                    await self._tell(request, response, identity, run, board)
        finally:
            self.readers.pop(task, None)
        return response

    def _reach(self, identity: Identity) -> Reach | None:
        return reach_of(identity, self._standby.roster)

    async def _tell(
        self, request: web.Request, response: EventSourceResponse, identity: Identity, run: str, board: bytes
    ) -> None:
        is_packed = assets.takes_gzip(request)

        async def send(*messages: Message, head: bytes = b"") -> None:
            words = b"".join(one.packed if is_packed else one.text for one in messages)
            await _send(request, response, head + words)

        await send(Message(f"retry: {RETRY_MS}\r\n\r\n".encode()), head=GZIP_HEAD if is_packed else b"")
        with self.hub.joined(run, board, self._reach(identity)) as mailbox:
            while response.is_connected():
                await mailbox.filled.wait()  # it is told every two seconds, so this is never long
                if not is_still(request, identity):
                    break
                await send(*mailbox.take())

    async def end_streams(self, _: web.Application) -> None:
        """Close event streams, so that the end of the service does not wait for them."""
        for task in list(self.readers):
            with suppress(RuntimeError):
                task.cancel()

    @Operation("GET", "/v1/schedule", "viewer", {200: Schedules}, (504,))
    async def schedule(self, _: web.Request, __: Identity) -> web.Response:
        """The next scheduled runs, as `panic schedule --format json`."""
        settings = self._standby.settings
        look = lambda: outlook(settings, datetime.now(UTC), _RUNS_MOST)  # noqa: E731  (on a thread)
        return document(await self._threads.ask(look, "schedule"))


def refused(readers: Sequence[Identity], one: Identity, most: int) -> str:
    """Say why somebody may not follow the stream as well, in the middle of a sentence; empty where they may."""
    kept = most // KEPT
    each = max(kept, 1)
    if len(readers) >= most:
        return f"{most} readers listen already"
    if sum(map(one.is_same, readers)) >= each:
        return f"{one.called} listens {each} times already"
    if "presser" not in one.roles and sum("presser" not in other.roles for other in readers) >= most - kept:
        return f"{most - kept} readers listen already who may not press"
    return ""


async def _send(request: web.Request, response: web.StreamResponse, words: bytes) -> None:
    """Send pending events at once; drop a reader that takes nothing."""
    try:
        async with asyncio.timeout(STALLED_S):
            await response.write(words)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise


def _exported(ledger: LedgerFiles, run: str, by: str) -> bytes:
    _, lines = export(history.read(ledger, whole=True), Asked(run), by=by, at=datetime.now(UTC))
    return b"".join(lines)
