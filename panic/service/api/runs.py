"""The routes about runs, beside the press: listed, summed up, reported, followed and resumed."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from aiohttp import web

from panic.accounts.plan import Scope
from panic.config import LedgerFiles
from panic.kit.background import Aside
from panic.kit.errors import UsageError
from panic.kit.process import here
from panic.kit.words import clip
from panic.ledger import history
from panic.ledger.summary import RESUMABLE_S, Summary
from panic.run import resume
from panic.run.press import Press
from panic.service import body
from panic.service.api import models, views
from panic.service.api.answers import document, on_thread
from panic.service.api.lookup import Lookup
from panic.service.api.models import ByAsked, RunsQuery
from panic.service.audit import Audit
from panic.service.auth import Identity, may_press
from panic.service.desk import Desk, Refused
from panic.service.live import Live
from panic.service.problems import ProblemError, require
from panic.service.standby import Standby


class Runs:
    """Answers about runs."""

    def __init__(
        self,
        desk: Desk,
        standby: Standby,
        lookup: Lookup,
        threads: Aside,
        audit: Audit,
        env: Mapping[str, str],
    ) -> None:
        self._desk, self._standby, self._lookup = desk, standby, lookup
        self._threads, self._audit, self._env = threads, audit, env

    async def listing(self, request: web.Request, _: Identity) -> web.Response:
        """List runs, unfinished ones first; those that are here and on no record come before."""
        limit = models.read_query(RunsQuery, request).limit
        ledger = self._standby.settings.ledger
        found: list[Summary] = []
        damage: list[str] = []
        looked_in: list[str] = []
        if ledger.file is not None:
            found, damage = await on_thread(
                self._threads, lambda: history.runs(ledger, limit), "runs", usage="not_found"
            )
            looked_in = history.looked(ledger)
        now = datetime.now(UTC)
        recorded = {one.run for one in found}
        unrecorded = [live for run, live in self._desk.live.items() if run not in recorded]
        here = [await _live_row(live) for live in reversed(unrecorded)]
        here.sort(key=lambda row: row.finished_at is not None)
        shown = (*here[:limit], *(views.row(one, now) for one in found[: max(limit - len(here), 0)]))
        more = len(found) + len(here) - len(shown)
        return document(views.Runs("panic-runs/1", shown, more, tuple(damage), tuple(looked_in)))

    async def one(self, request: web.Request, _: Identity) -> web.Response:
        """Sum one run up."""
        found = await self._lookup.find(request.match_info["id"])
        if isinstance(found, str):
            ledger = self._standby.settings.ledger
            row = await on_thread(self._threads, lambda: _row(ledger, found), "run", usage="not_found")
            is_live = False
        else:
            row, is_live = await _live_row(found), not found.is_over
        return document(views.RunFound("panic-run-summary/1", is_live, row, views.links(row.run_id)))

    async def report(self, request: web.Request, _: Identity) -> web.Response:
        """Give the report as it is known now."""
        return document(await self._lookup.report(request.match_info["id"]))

    async def resume(self, request: web.Request, identity: Identity) -> web.Response:
        """Complete a run that a process left unfinished."""
        asked = models.read(ByAsked, await body.read_json(request, needed=False))
        by, settings, ledger = identity.acting_for(asked.by), self._standby.settings, self._standby.ledger
        found = await self._lookup.find(request.match_info["id"])
        if not isinstance(found, str):
            state = "came to its end" if found.is_over else "is under way"
            remedy = "Press again: that is always possible."
            raise ProblemError("conflict", f"run {found.run.id} {state}", remedy=remedy)
        scope = await on_thread(
            self._threads,
            lambda: history.recall(settings.ledger, found).replay.scope,
            "resume",
            usage="not_found",
        )
        if identity.groups is not None:
            roster = self._standby.prepare(Press(Scope(all=True), "who may resume")).roster
            require(may_press(identity, scope, roster))
        prepared = await on_thread(
            self._threads,
            lambda: resume.prepare(settings, ledger, found, by, self._env),
            "resume",
            usage="conflict",
        )
        try:
            live = self._desk.start(prepared, automated=not identity.person)
        except Refused:
            raise ProblemError("stopping", headers={"Retry-After": "5"}) from None
        self._audit.record_request(request, identity, "resume", run_id=live.run.id, by=live.run.scrub(by))
        started = views.started(live.run.id)
        return document(started, 202, {"Location": started.links.self})


def _row(ledger: LedgerFiles, name: str) -> views.RunRow:
    for one in history.runs(ledger)[0]:
        if one.run == name:
            return views.row(history.checked(ledger, [one], retold=True)[0], datetime.now(UTC))
    raise UsageError(f"run {name} is not on record any more")


async def _live_row(live: Live) -> views.RunRow:
    """Tell of a run that is here; it waits for nothing."""
    run = live.run
    report = await live.finished() if live.is_over and live.failure is None else None
    press = run.prepared.press
    until = run.started_at + timedelta(seconds=run.deadline_s + RESUMABLE_S)
    return views.RunRow(
        run_id=run.id,
        state=str(report.verdict) if report else "failed" if live.is_over else "under way",
        verdict=report.verdict if report else None,
        exit_code=report.exit_code if report else None,
        drill=run.drill,
        started_at=run.started_at,
        finished_at=report.finished_at if report else None,
        resumable_until=None if report else until,
        process=str(here()),
        base_url=run.prepared.settings.broker.base_url,
        source=press.source,
        by=clip(run.scrub(press.by)),
        reason=clip(run.scrub(press.reason.strip()), 1000),
    )
