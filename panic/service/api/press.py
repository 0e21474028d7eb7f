"""A press, at once, and what it would do. Nothing waits between the request's last byte and the desk.

Repeats of one Idempotency-Key never press again.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Final, NamedTuple

from aiohttp import web

from panic.engine.forecast import planned
from panic.kit.background import Aside
from panic.ledger import history
from panic.report.document import PlanReport, Report, Source, plan_json, to_json
from panic.run.press import Press
from panic.service import body
from panic.service.api import models, views
from panic.service.api.answers import Threads, document
from panic.service.api.models import PlanAsked, PressAsked
from panic.service.audit import Audit
from panic.service.auth import Identity, covers, require_scope
from panic.service.descriptors import held_most
from panic.service.desk import Desk
from panic.service.live import Live
from panic.service.operations import Operation
from panic.service.problems import ProblemError
from panic.service.sessions import SIGNED
from panic.service.standby import Standby

WAITING_MOST: Final = 100
"""How many callers at once may wait for a report; others are told where to find it."""

KEPT_S: Final = 86_400.0
KEPT_MOST: Final = 10_000

_PLAN_S: Final = 5.0
_ARRIVAL_S: Final = 10.0

KEY: Final = r"[!-~]{1,255}"
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Repeats of one trigger: the same key with the same body is the same run, for 24 hours.",
    "schema": {"type": "string", "pattern": f"^{KEY}$"},
}

_ANSWERS = {200: Report | PlanReport, 202: views.Started}


class Kept(NamedTuple):
    """What a key stands for: the digest of a body, how it was answered, and when it came, by the clock."""

    at: float
    digest: str
    started: views.Started
    came: datetime


class Keys:
    """Which Idempotency-Keys stand for which runs, each with the `Identity.key` of who gave it.

    They are kept in memory, since no press waits for a disk: a service that was started anew presses again, which
    harms nobody, and finds in the ledger what an earlier process was asked.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._known: dict[tuple[tuple[str, str], str], Kept] = {}

    def find(self, who: tuple[str, str], key: str) -> Kept | None:
        """Give what somebody's key stands for."""
        kept = self._known.get((who, key))
        return kept if kept is not None and kept.at > self._now() - KEPT_S else None

    def keep(self, who: tuple[str, str], key: str, digest: str, started: views.Started) -> None:
        """Record what an unused key stands for."""
        self._known.pop((who, key), None)
        self._known[who, key] = Kept(self._now(), digest, started, datetime.now(UTC))
        if len(self._known) > KEPT_MOST:
            del self._known[next(iter(self._known))]


class Presses:
    """Takes presses over HTTP."""

    def __init__(self, desk: Desk, standby: Standby, audit: Audit, threads: Aside, reading: Threads) -> None:
        self._desk, self._standby, self._audit, self._threads = desk, standby, audit, threads
        self._reading, self._began = reading, monotonic()
        self._keys = Keys(monotonic)
        self._waiting = 0

    @Operation("POST", views.RUNS, "presser", _ANSWERS, (422, 429, 503), body=PressAsked, headers=(_KEY,))
    async def press(self, request: web.Request, identity: Identity) -> web.StreamResponse:
        """Cancel every open order of a scope, now."""
        asked = models.read(PressAsked, await body.read_json(request))
        key = _key_of(request)
        if asked.dry_run:
            return await self._planned(_press_of(asked, request, identity), identity)
        digest = hashlib.sha256(asked.model_dump_json(exclude={"wait"}).encode()).hexdigest()
        kept = self._keys.find(identity.key, key) if key else None
        if kept is not None and kept.digest != digest:
            raise ProblemError("key_reused", f"this key stands for run {kept.started.run_id}")
        started = kept.started if kept else self._pressed(asked, request, identity)
        if key and not kept:  # nothing was awaited since it was looked for
            self._keys.keep(identity.key, key, digest, started)
        if asked.wait and (report := await self._report_within(started.run_id, asked.wait)) is not None:
            return report
        return document(started, 202, {"Location": started.links.self})

    @Operation("GET", "/v1/press", "viewer", {200: views.Arrival}, (504,), headers=({**_KEY, "required": True},))
    async def arrival(self, request: web.Request, identity: Identity) -> web.Response:
        """Whether a press with this Idempotency-Key arrived, for whoever lost its answer."""
        key, ledger = _key_of(request), self._standby.settings.ledger
        if not key:
            raise ProblemError("malformed", "the press that is looked for has no Idempotency-Key")
        run, at = None, None
        if kept := self._keys.find(identity.key, key):
            run, at = kept.started.run_id, kept.came
        elif ledger.file is not None:
            look = partial(history.pressed_with, ledger, _mark(identity, key))
            run, at = await self._reading.ask(look, "arrival", _ARRIVAL_S) or (None, None)
        known_s = round(monotonic() - self._began, 3)
        return document(views.Arrival("panic-arrival/1", run, at, known_s))

    @Operation("POST", "/v1/plan", "viewer", {200: PlanReport}, (422, 503, 504), body=PlanAsked)
    async def plan(self, request: web.Request, identity: Identity) -> web.Response:
        """What a press of this scope would do; nothing is sent."""
        asked = models.read(PlanAsked, await body.read_json(request))
        return await self._planned(Press(asked.to_scope(), "a plan"), identity)

    async def _planned(self, press: Press, identity: Identity) -> web.Response:
        require_scope(identity, press.scope, self._standby.roster)
        found = await self._threads.do(lambda: self._standby.prepare(press), "plan", _PLAN_S)
        forecast = planned(found.plan.accounts, self._standby.lanes, verify=press.verify)
        return document(plan_json(found.plan, found.settings.broker.base_url, forecast))

    def _pressed(self, asked: PressAsked, request: web.Request, identity: Identity) -> views.Started:
        press = _press_of(asked, request, identity)
        reach = require_scope(identity, press.scope, self._standby.roster)
        may_see: Callable[[Live], bool] = lambda live: covers(reach, live.scope)  # noqa: E731
        found = self._desk.press(press, automated=not identity.person, may_see=may_see)
        run = found.live.run
        # a run that it joined was prepared earlier
        flags = tuple(dict.fromkeys([*self._standby.doubts, *run.prepared.flags]))
        started = views.started(run.id, flags, joined=found.joined, resent=found.resent)
        said = {"by": press.by, "reason": press.reason.strip(), "scope": str(press.scope)}
        how = {"run_id": started.run_id, "joined": found.joined, "resent": found.resent}
        self._audit.record_request(request, identity, "press", **said, **how)
        return started

    async def _report_within(self, run_id: str, wait_s: float) -> web.Response | None:
        live = self._desk.find(run_id)
        if live is None or self._waiting >= held_most(WAITING_MOST):
            return None
        self._waiting += 1
        try:
            async with asyncio.timeout(wait_s):
                report = await live.finished()
        except TimeoutError:
            return None
        except Exception as error:
            raise ProblemError("internal", f"run {run_id} broke off: what is known is in its report") from error
        finally:
            self._waiting -= 1
        return document(to_json(report))


def _press_of(asked: PressAsked, request: web.Request, identity: Identity) -> Press:
    return Press(
        asked.to_scope(),
        asked.reason,
        by=identity.acting_for(asked.by),
        source=Source.ROOM if SIGNED in request else Source.API,  # with a cookie it is from the page
        deadline_s=asked.deadline_s,
        concurrency=asked.concurrency,
        watch_s=asked.watch_s,
        verify=asked.verify,
        latch=asked.latch,
        key=_mark(identity, key) if (key := _key_of(request)) else "",
        program="" if identity.person else identity.name,
    )


def _mark(identity: Identity, key: str) -> str:
    """Give what a press is known by on record: a digest of whose key it is."""
    return f"request {hashlib.sha256(json.dumps([identity.key, key]).encode()).hexdigest()}"


def _key_of(request: web.Request) -> str:
    given = request.headers.getall("Idempotency-Key", [])
    if given and (len(given) > 1 or not re.fullmatch(KEY, given[0])):
        raise ProblemError("malformed", "the Idempotency-Key is not one of 1 to 255 visible ASCII characters")
    return given[0] if given else ""
