"""The routes, beside presses: runs, reports and events, plan and check."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from panic import check as checking
from panic import history
from panic.check import CheckReport
from panic.config import LedgerFiles, Settings
from panic.errors import ConfigurationError, UsageError
from panic.plan import Scope
from panic.readiness import read_setup
from panic.report import plan_json
from panic.run import press as preparing
from panic.run import resume
from panic.run.press import Press
from panic.service import standing
from panic.service.api import models, views
from panic.service.api.answers import aside, document, find, on_record, read_body, report_of, require
from panic.service.api.models import ByAsked, PlanAsked, RunsQuery
from panic.service.api.press import press
from panic.service.api.problems import ProblemError
from panic.service.auth import Identity, may_press
from panic.service.desk import Refused
from panic.service.parts import Parts, name_of
from panic.service.room import routes, signing, stream

NOBODY: Final = Identity("nobody", frozenset())
"""Who asks where no token is needed."""

Handler = Callable[[Parts, web.Request, Identity], Awaitable[web.StreamResponse]]

_CHECK_MORE_S = 15.0
_PLAN_S = 5.0


def query_of(request: web.Request) -> dict[str, list[str]]:
    """Give what stands behind the question mark."""
    return {name: request.query.getall(name) for name in request.query}


# ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────


async def runs(parts: Parts, request: web.Request, _: Identity) -> web.Response:
    """List runs, unfinished ones first; those that are here and on no record come before."""
    limit = models.read_query(RunsQuery, query_of(request)).limit
    ledger = parts.settings.ledger
    found: list[history.Summary] = []
    damage: list[str] = []
    if ledger.file is not None:
        found, damage = await aside(parts, lambda: history.runs(ledger, limit), "runs", usage="not_found")
    now = datetime.now(UTC)
    recorded = {one.run for one in found}
    unrecorded = [live for run, live in parts.desk.live.items() if run not in recorded]
    here = [await views.live_row(live) for live in reversed(unrecorded)]
    here.sort(key=lambda row: row.finished_at is not None)
    shown = (*here[:limit], *(views.row(one, now) for one in found[: max(limit - len(here), 0)]))
    more = len(found) + len(here) - len(shown)
    return document(views.to_json(views.Runs("panic-runs/1", shown, more, tuple(damage))))


async def run(parts: Parts, request: web.Request, _: Identity) -> web.Response:
    """Sum one run up."""
    found = await find(parts, request.match_info["id"])
    if isinstance(found, str):
        ledger = parts.settings.ledger
        row = await aside(parts, lambda: _row(ledger, found), "run", usage="not_found")
        name, is_live = found, False
    else:
        row, name, is_live = await views.live_row(found), found.run.id, not found.is_over
    return document(views.to_json(views.RunFound("panic-run-summary/1", is_live, row, views.links(name))))


def _row(ledger: LedgerFiles, name: str) -> views.RunRow:
    for one in history.runs(ledger)[0]:
        if one.run == name:
            return views.row(history.checked(ledger, [one], retold=True)[0], datetime.now(UTC))
    raise UsageError(f"run {name} is not on record any more")


async def report(parts: Parts, request: web.Request, _: Identity) -> web.Response:
    """Give the report as it is known now."""
    return document(await report_of(parts, request.match_info["id"]))


async def resume_run(parts: Parts, request: web.Request, identity: Identity) -> web.Response:
    """Complete a run that a process left unfinished."""
    asked = models.read(ByAsked, await read_body(request, needed=False))
    name, by, settings = request.match_info["id"], name_of(identity, asked.by), parts.settings
    found = await find(parts, name)
    if not isinstance(found, str):
        state = "came to its end" if found.is_over else "is under way"
        raise ProblemError(
            "conflict", f"run {found.run.id} {state}", remedy="Press again: that is always possible."
        )
    scope = await aside(parts, lambda: _scope_of(settings, found), "resume", usage="not_found")
    if identity.groups is not None:
        roster = parts.standby.prepare(Press(Scope(all=True), "who may resume")).roster
        require(may_press(identity, scope, roster))
    prepared = await aside(
        parts,
        lambda: resume.prepare(settings, parts.standby.ledger, found, by, parts.env),
        "resume",
        usage="conflict",
    )
    try:
        live = parts.desk.start(prepared, automated=not identity.person)
    except Refused:
        raise ProblemError("stopping", headers={"Retry-After": "5"}) from None
    on_record(parts, request, identity, "resume", run_id=live.run.id, by=live.run.scrub(by))
    started = views.Started(
        "panic-started/1", live.run.id, joined=False, resent=True, links=views.links(live.run.id)
    )
    return document(views.to_json(started), 202, {"Location": started.links.self})


def _scope_of(settings: Settings, name: str) -> Scope:
    return history.recall(settings.ledger, name).replay.scope


# ── plan and check ──────────────────────────────────────────────────────────────────────────────────────────


async def plan(parts: Parts, request: web.Request, _: Identity) -> web.Response:
    """Say what a press would do; everything is read anew, aside."""
    asked = models.read(PlanAsked, await read_body(request))
    how, settings = Press(asked.to_scope(), "a plan"), parts.settings
    found = await aside(
        parts, lambda: preparing.prepare(settings, how, parts.env), "plan", usage="unprocessable", most_s=_PLAN_S
    )
    return document(plan_json(found.plan, settings.broker.base_url))


async def check(parts: Parts, _: web.Request, __: Identity) -> web.Response:
    """Try the whole path for every account, in a loop of its own: presses share this one with nobody."""
    if parts.checking.locked():
        raise ProblemError(
            "conflict", "a check is under way", remedy="Wait for its end.", headers={"Retry-After": "5"}
        )
    settings = parts.settings
    async with parts.checking:
        found = await aside(
            parts,
            lambda: asyncio.run(_checked(parts, settings)),
            "check",
            usage="unprocessable",
            most_s=settings.run.deadline_s + _CHECK_MORE_S,
        )
    return document(checking.to_json(found))


async def last_check(parts: Parts, _: web.Request, __: Identity) -> web.Response:
    """Tell what the last self-test found; the broker is not asked."""
    last = parts.proving.last if parts.proving is not None else None
    if last is None:
        what, remedy = "no self-test has come to its end", "Wait for it, or ask with POST /v1/check."
        raise ProblemError("not_found", what, remedy=remedy)
    return document(views.to_json(last))


async def _checked(parts: Parts, settings: Settings) -> CheckReport:
    setup = read_setup(settings, parts.env)
    if setup.problems:
        raise ConfigurationError(setup.problems)
    return await checking.check(settings, setup)


HANDLERS: Final[Mapping[str, Handler]] = {
    "sign_in": signing.sign_in,
    "session": signing.who_is_in,
    "seen": signing.who_is_in,
    "sign_out": signing.sign_out,
    "press": press,
    "runs": runs,
    "run": run,
    "report": report,
    "room": routes.room,
    "board": routes.board,
    "evidence": routes.evidence,
    "schedule": routes.schedule,
    "events": stream.events,
    "resume": resume_run,
    "plan": plan,
    "check": check,
    "last_check": last_check,
    "latch": standing.get_latch,
    "reset": standing.end_engaged,
    "status": standing.status,
    "metrics": standing.tell_metrics,
    "healthz": standing.healthz,
    "readyz": standing.readyz,
}
"""What carries out which operation of the document."""
