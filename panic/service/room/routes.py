"""The routes of the room that only look: how things stand, boards, evidence and what comes by the clock."""

from datetime import UTC, datetime

from aiohttp import web

from panic.config import LedgerFiles, Settings
from panic.ledger import history
from panic.ledger.evidence.export import Asked, export
from panic.service.api import views
from panic.service.api.answers import document, on_thread
from panic.service.api.lookup import until_swept
from panic.service.auth import Identity
from panic.service.parts import Parts
from panic.service.problems import ProblemError
from panic.service.room.hub import Hub
from panic.service.room.views import Schedules
from panic.service.schedule.outlook import outlook

NDJSON = "application/x-ndjson"
_RUNS_MOST = 3
_EVIDENCE_S = 60.0


async def room(hub: Hub, _: web.Request, __: Identity) -> web.Response:
    """Say how things stand."""
    return document(await hub.room())


async def board(parts: Parts, hub: Hub, request: web.Request, _: Identity) -> web.Response:
    """Give the board of a run, wherever it is."""
    found = await parts.lookup.find(request.match_info["id"])
    return document(await hub.boards.text(found))


async def evidence(parts: Parts, request: web.Request, identity: Identity) -> web.Response:
    """Give what the ledger tells of a run as `panic evidence export` writes it, to be kept as a file."""
    ledger = parts.settings.ledger
    found = await parts.lookup.find(request.match_info["id"])
    run = found if isinstance(found, str) else found.run.id
    if ledger.file is None:
        raise ProblemError("not_found", "the settings name no [ledger] file")
    by = parts.scrub(identity.name)
    async with parts.exporting:  # it reads the whole ledger: one at a time, and never while first cancels leave
        for live in [live for live in parts.desk.live.values() if not live.is_over]:
            await until_swept(live)
        body = await on_thread(
            parts.threads, lambda: _exported(ledger, run, by), "evidence", usage="not_found", most_s=_EVIDENCE_S
        )
    disposition = f'attachment; filename="panic-evidence-{run}.jsonl"'
    return web.Response(body=body, content_type=NDJSON, headers={"Content-Disposition": disposition})


def _exported(ledger: LedgerFiles, run: str, by: str) -> bytes:
    _, lines = export(history.read(ledger, whole=True), Asked(run), by=by, at=datetime.now(UTC))
    return b"".join(lines)


async def schedule(parts: Parts, _: web.Request, __: Identity) -> web.Response:
    """Say what comes by the clock."""
    settings = parts.settings
    return document(await on_thread(parts.threads, lambda: _scheduled(settings), "schedule", usage="not_found"))


def _scheduled(settings: Settings) -> bytes:
    return views.to_json(Schedules(**outlook(settings, datetime.now(UTC), _RUNS_MOST).document()))
