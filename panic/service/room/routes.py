"""The room's read-only routes: the current state, boards, evidence and schedules."""

import asyncio
from datetime import UTC, datetime

from aiohttp import web

from panic.config import LedgerFiles
from panic.kit.background import Aside
from panic.ledger import history
from panic.ledger.evidence.export import Asked, export
from panic.service.api.answers import document, on_thread
from panic.service.api.lookup import Lookup, until_swept
from panic.service.api.views import RUN
from panic.service.auth import Identity
from panic.service.desk import Desk
from panic.service.operations import Operation
from panic.service.problems import ProblemError
from panic.service.room.hub import Hub
from panic.service.room.views import Board, Room
from panic.service.schedule.outlook import Schedules, outlook
from panic.service.standby import Standby

_RUNS_MOST = 3
_EVIDENCE_S = 60.0
_LINES = "application/x-ndjson"


class Looks:
    """What is only looked at."""

    def __init__(self, desk: Desk, standby: Standby, lookup: Lookup, threads: Aside, hub: Hub) -> None:
        self._desk, self._standby, self._lookup, self._threads, self._hub = desk, standby, lookup, threads, hub
        self._exporting = asyncio.Lock()

    @Operation("GET", "/v1/room", "viewer", {200: Room})
    async def room(self, _: web.Request, __: Identity) -> web.Response:
        """The current state, as the room shows it."""
        return document(await self._hub.room())

    @Operation("GET", f"{RUN}/board", "viewer", {200: Board}, (504,))
    async def board(self, request: web.Request, _: Identity) -> web.Response:
        """The run account by account, a letter for each, as the room shows it."""
        return document(await self._hub.board_text(await self._lookup.find(request.match_info["id"])))

    @Operation("GET", f"{RUN}/evidence", "viewer", {200: _LINES}, (504,))
    async def evidence(self, request: web.Request, identity: Identity) -> web.Response:
        """The evidence of a run, as `panic evidence export` writes it."""
        ledger, by = self._standby.settings.ledger, self._standby.scrub(identity.name)
        found = await self._lookup.find(request.match_info["id"])
        run = found if isinstance(found, str) else found.run.id
        if ledger.file is None:
            raise ProblemError("not_found", "the settings name no [ledger] file")
        async with self._exporting:  # it reads the whole ledger: one at a time, never while first cancels leave
            for live in [live for live in self._desk.live.values() if not live.is_over]:
                await until_swept(live)
            body = await on_thread(
                self._threads,
                lambda: _exported(ledger, run, by),
                "evidence",
                usage="not_found",
                most_s=_EVIDENCE_S,
            )
        disposition = f'attachment; filename="panic-evidence-{run}.jsonl"'
        headers = {"Content-Type": _LINES, "Content-Disposition": disposition}
        return web.Response(body=body, headers=headers)

    @Operation("GET", "/v1/schedule", "viewer", {200: Schedules}, (504,))
    async def schedule(self, _: web.Request, __: Identity) -> web.Response:
        """The next scheduled runs, as `panic schedule --format json`."""
        settings = self._standby.settings
        look = lambda: outlook(settings, datetime.now(UTC), _RUNS_MOST)  # noqa: E731  (on a thread)
        return document(await on_thread(self._threads, look, "schedule", usage="not_found"))


def _exported(ledger: LedgerFiles, run: str, by: str) -> bytes:
    _, lines = export(history.read(ledger, whole=True), Asked(run), by=by, at=datetime.now(UTC))
    return b"".join(lines)
