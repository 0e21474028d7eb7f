"""The room's read-only routes: the current state, boards, evidence and schedules."""

import asyncio
from datetime import UTC, datetime

from aiohttp import web

from panic.config import LedgerFiles, Settings
from panic.kit.background import Aside
from panic.ledger import history
from panic.ledger.evidence.export import Asked, export
from panic.service.api.answers import document, on_thread
from panic.service.api.lookup import Lookup, until_swept
from panic.service.api.views import to_json
from panic.service.auth import Identity
from panic.service.desk import Desk
from panic.service.problems import ProblemError
from panic.service.room.hub import Hub
from panic.service.room.views import Schedules
from panic.service.schedule.outlook import outlook
from panic.service.standby import Standby

_RUNS_MOST = 3
_EVIDENCE_S = 60.0


class Looks:
    """What is only looked at."""

    def __init__(self, desk: Desk, standby: Standby, lookup: Lookup, threads: Aside, hub: Hub) -> None:
        self._desk, self._standby, self._lookup, self._threads, self._hub = desk, standby, lookup, threads, hub
        self._exporting = asyncio.Lock()

    async def room(self, _: web.Request, __: Identity) -> web.Response:
        """Say how things stand."""
        return document(await self._hub.room())

    async def board(self, request: web.Request, _: Identity) -> web.Response:
        """Give the board of a run, wherever it is."""
        return document(await self._hub.board_text(await self._lookup.find(request.match_info["id"])))

    async def evidence(self, request: web.Request, identity: Identity) -> web.Response:
        """Give a run's evidence as `panic evidence export` writes it, as a download."""
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
        headers = {"Content-Type": "application/x-ndjson", "Content-Disposition": disposition}
        return web.Response(body=body, headers=headers)

    async def schedule(self, _: web.Request, __: Identity) -> web.Response:
        """Give the next scheduled runs."""
        settings = self._standby.settings
        return document(
            await on_thread(self._threads, lambda: _scheduled(settings), "schedule", usage="not_found")
        )


def _exported(ledger: LedgerFiles, run: str, by: str) -> bytes:
    _, lines = export(history.read(ledger, whole=True), Asked(run), by=by, at=datetime.now(UTC))
    return b"".join(lines)


def _scheduled(settings: Settings) -> bytes:
    return to_json(Schedules(**outlook(settings, datetime.now(UTC), _RUNS_MOST).document()))
