"""The routes about runs, beside the press: listed, summed up, reported and resumed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from aiohttp import web
from pydantic_core import to_json

from panic.config import LedgerFiles
from panic.kit.errors import UsageError
from panic.ledger import history
from panic.ledger.summary import Summary
from panic.report.document import Report
from panic.run import resume
from panic.service import body
from panic.service.api import models, views
from panic.service.api.answers import Lookup, Threads, document
from panic.service.api.models import ByAsked
from panic.service.audit import Audit
from panic.service.auth import Identity, Reach, again, covers, reach_of, require_scope
from panic.service.desk import Desk
from panic.service.live import Live
from panic.service.operations import Operation
from panic.service.problems import ProblemError
from panic.service.standby import Standby

_JUDGED_MOST: Final = 1000
_JUDGED_S: Final = 5.0
"""How long the records of listed runs may be looked at: whoever asks does not wait for ever."""


@dataclass
class Runs:
    """Answers about runs."""

    _desk: Desk
    _standby: Standby
    _lookup: Lookup
    _threads: Threads
    _reading: Threads
    _audit: Audit
    _env: Mapping[str, str]

    @Operation("GET", views.RUNS, "viewer", {200: views.Runs}, (504,), query=models.RunsQuery)
    async def runs(self, request: web.Request, identity: Identity) -> web.Response:
        """List runs, unfinished ones first."""
        limit = models.read_query(models.RunsQuery, request).limit
        ledger = self._standby.settings.ledger
        reach = reach_of(identity, self._standby.roster)
        here = [_live_row(live) for live in reversed(self._desk.live.values()) if covers(reach, live.scope)]
        return document(await self._reading.ask(partial(_listed, ledger, here, limit, reach), "runs"))

    @Operation("GET", views.RUN, "viewer", {200: views.RunFound}, (504,))
    async def run(self, request: web.Request, identity: Identity) -> web.Response:
        """Summarise one run."""
        found = await self._lookup.find(request.match_info["id"], identity)
        if isinstance(found, str):
            ledger = self._standby.settings.ledger
            row = await self._reading.ask(partial(_row, ledger, found), "run")
        else:
            row = _live_row(found)
        told = views.RunFound("panic-run-summary/1", live=False, run=row, links=views.links(row.run_id))
        if not isinstance(found, str) and not found.is_over:
            ends_s, forecast = found.run.reporter.ends_s, found.run.engine.forecast
            told = replace(told, live=True, deadline_s=ends_s, forecast=forecast)
        return document(told)

    @Operation("GET", f"{views.RUN}/report", "viewer", {200: Report}, (504,))
    async def report(self, request: web.Request, identity: Identity) -> web.Response:
        """The report, as far as it is known now."""
        return document(await self._lookup.report(request.match_info["id"], identity))

    @Operation("POST", f"{views.RUN}/resume", "presser", {202: views.Started}, (409, 503, 504), body=ByAsked)
    async def resume(self, request: web.Request, identity: Identity) -> web.Response:
        """Complete a run that a process left unfinished."""
        asked = models.read(ByAsked, await body.read_json(request, needed=False))
        by, settings, ledger = identity.acting_for(asked.by), self._standby.settings, self._standby.ledger
        found = await self._lookup.find(request.match_info["id"], identity)
        if not isinstance(found, str):
            state = "came to its end" if found.is_over else "is under way"
            remedy = "Press again: that is always possible."
            raise ProblemError("conflict", f"run {found.run.id} {state}", remedy=remedy)
        prepare = lambda: resume.prepare(settings, ledger, found, by, self._env)  # noqa: E731  (on a thread)
        prepared = await self._threads.ask(prepare, "resume", usage="conflict")
        require_scope(again(request), prepared.press.scope, self._standby.roster)  # it took a while
        live = self._desk.start(prepared, automated=not identity.person)
        self._audit.record_request(request, identity, "resume", run_id=live.run.id, by=by)
        started = views.started(live.run.id)
        return document(started, 202, {"Location": started.links.self})


def _listed(ledger: LedgerFiles, here: Sequence[views.RunRow], limit: int, reach: Reach | None) -> bytes:
    found, damage, looked_in = list[Summary](), list[str](), list[str]()
    if ledger.file is not None:
        judged = limit if reach is None else _JUDGED_MOST  # theirs may stand far down
        (found, damage), looked_in = history.runs(ledger, judged, _JUDGED_S), history.looked(ledger)
        found = [one for one in found if covers(reach, one.pressed.scope)]
    now, recorded = datetime.now(UTC), {one.run for one in found}
    rows = sorted((one for one in here if one.run_id not in recorded), key=lambda row: row.finished_at is not None)
    shown = (*rows[:limit], *(views.row(one, now) for one in found[: max(limit - len(rows), 0)]))
    more = len(found) + len(rows) - len(shown)
    return to_json(views.Runs("panic-runs/1", shown, more, tuple(damage), tuple(looked_in)), indent=2)


def _row(ledger: LedgerFiles, name: str) -> views.RunRow:
    for one in history.runs(ledger)[0]:
        if one.run == name:
            return views.row(history.checked(ledger, one, retold=True), datetime.now(UTC))
    raise UsageError(f"run {name} is not on record any more")


def _live_row(live: Live) -> views.RunRow:
    report = live.report
    state = str(report.verdict) if report else "failed" if live.is_over else "under way"
    summary = Summary(live.run.id, live.run.story.pressed, None)
    return views.row(summary, datetime.now(UTC), state=state, report=report)
