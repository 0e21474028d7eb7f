"""POST /v1/runs: a press, at once. Nothing is waited for between the request's last byte and the desk.

Repeats of one Idempotency-Key never press again.
"""

import asyncio
import hashlib
import re
from contextlib import suppress
from typing import Final

from aiohttp import web

from panic.report import Source, plan_json, to_json
from panic.run.press import Prepared, Press
from panic.service.api import models, views
from panic.service.api.answers import document, read_body, report_of, require
from panic.service.api.models import WAIT_MOST_S, PressAsked
from panic.service.api.problems import ProblemError, request_id
from panic.service.auth import Identity, may_press
from panic.service.desk import Refused
from panic.service.parts import WAITING_MOST, Parts, fitting, name_of
from panic.service.repeats import Answered, is_key
from panic.service.room.signing import SIGNED

ROOM: Final = Source.ROOM
"""The source of a press that came with a cookie: from the page, not from whoever has a token in a program."""

_WAIT = re.compile(r'(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})"?\s*(?:$|[,;])', re.IGNORECASE)


async def press(parts: Parts, request: web.Request, identity: Identity) -> web.StreamResponse:
    """Press, and answer with the run or its report."""
    asked = models.read(PressAsked, await read_body(request))
    how, key = _press_of(asked, identity, ROOM if SIGNED in request else Source.API), _key_of(request)
    if asked.dry_run:
        prepared = _allowed(parts, how, identity)
        return document(plan_json(prepared.plan, prepared.settings.broker.base_url))
    answered = _answered(parts, request, identity, asked, how, key)
    wait_s = _preferred_wait(request) if asked.wait is None else asked.wait
    if wait_s and (report := await _report_within(parts, answered.run_id, wait_s)) is not None:
        return report
    found = views.Started(
        "panic-started/1", answered.run_id, answered.joined, answered.resent, views.links(answered.run_id)
    )
    return document(views.to_json(found), status=202, headers={"Location": found.links.self})


def _press_of(asked: PressAsked, identity: Identity, source: str) -> Press:
    return Press(
        scope=asked.to_scope(),
        reason=asked.reason,
        by=name_of(identity, asked.by),
        source=source,
        deadline_s=asked.deadline_s,
        concurrency=asked.concurrency,
        watch_s=asked.watch_s,
        verify=asked.verify,
        latch=asked.latch,
    )


def _allowed(parts: Parts, how: Press, identity: Identity) -> Prepared:
    prepared = parts.standby.prepare(how)
    require(may_press(identity, how.scope, prepared.roster))
    return prepared


def _answered(
    parts: Parts, request: web.Request, identity: Identity, asked: PressAsked, how: Press, key: str | None
) -> Answered:
    """Press, unless that was done already; from here to the desk nothing else can come in between."""
    what = _digest(asked)
    if key is not None:
        earlier = parts.keys.find(identity.name, key)
        if earlier is not None and earlier.what != what:
            raise ProblemError("key_reused", f"this key stands for run {earlier.run_id}")
        if earlier is not None:
            return earlier
    if identity.groups is not None:
        _allowed(parts, how, identity)
    answered = _at_the_desk(parts, request, identity, how, what)
    if key is not None:
        parts.keys.keep(identity.name, key, answered)
    return answered


def _key_of(request: web.Request) -> str | None:
    given = request.headers.getall("Idempotency-Key", [])
    if not given:
        return None
    if len(given) > 1 or not is_key(given[0]):
        raise ProblemError("malformed", "the Idempotency-Key is not one of 1 to 255 visible ASCII characters")
    return given[0]


def _digest(asked: PressAsked) -> str:
    """Give what is pressed in a few bytes; how long the caller waits for the report is not part of it."""
    return hashlib.sha256(asked.model_dump_json(exclude={"wait"}).encode()).hexdigest()


def _at_the_desk(parts: Parts, request: web.Request, identity: Identity, how: Press, what: str) -> Answered:
    try:
        found = parts.desk.press(how, automated=not identity.person)
    except Refused:
        raise ProblemError("stopping", headers={"Retry-After": "5"}) from None
    run = found.live.run
    told = {
        "run_id": run.id,
        "token": identity.name,
        "by": run.scrub(how.by),
        "reason": run.scrub(how.reason.strip()),
        "scope": str(how.scope),
        "joined": found.joined,
        "resent": found.resent,
        "from": request.remote,
        "request_id": request_id(request),
    }
    parts.record.tell("press", told)
    return Answered(what, run.id, found.joined, found.resent)


def _preferred_wait(request: web.Request) -> float:
    """Give the seconds of `Prefer: wait=N`; a preference that is not understood is none."""
    found = _WAIT.search(",".join(request.headers.getall("Prefer", [])))
    return min(float(found[1]), WAIT_MOST_S) if found else 0.0


async def _report_within(parts: Parts, run_id: str, wait_s: float) -> web.Response | None:
    live = parts.desk.find(run_id)
    if live is None:  # it ended a while ago, and is on record if anything is
        with suppress(ProblemError):
            return document(await report_of(parts, run_id))
        return None
    if parts.waiting >= fitting(WAITING_MOST):
        return None
    parts.waiting += 1
    try:
        async with asyncio.timeout(wait_s):
            report = await live.finished()
    except TimeoutError:
        return None
    except Exception as error:
        raise ProblemError("internal", f"run {run_id} broke off: what is known is in its report") from error
    finally:
        parts.waiting -= 1
    return document(to_json(report), headers={"Preference-Applied": f"wait={int(wait_s)}"})
