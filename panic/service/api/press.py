"""POST /v1/runs: a press, at once. Nothing waits between the request's last byte and the desk.

Repeats of one Idempotency-Key never press again.
"""

import asyncio
import hashlib
import re
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from aiohttp import web

from panic.report.document import PlanReport, Report, Source, plan_json, to_json
from panic.run.press import Press
from panic.service import body
from panic.service.api import models, views
from panic.service.api.answers import document
from panic.service.api.lookup import Lookup
from panic.service.api.models import PressAsked
from panic.service.audit import Audit
from panic.service.auth import Identity, may_press
from panic.service.descriptors import held_most
from panic.service.desk import Desk
from panic.service.operations import Operation, Parameter
from panic.service.problems import ProblemError, require
from panic.service.sessions import SIGNED
from panic.service.standby import Standby

WAITING_MOST: Final = 100
"""How many callers at once may wait for a report; others are told where to find it."""

KEPT_S: Final = 86_400.0
KEPT_MOST: Final = 1000
"""Keys of one token: a token that floods the service with keys forgets its own."""

KEY: Final = r"[!-~]{1,255}"
_KEY = Parameter(
    "Idempotency-Key",
    "Repeats of one trigger: the same key with the same body is the same run, for 24 hours.",
    {"type": "string", "pattern": f"^{KEY}$"},
)


class Answered(NamedTuple):
    """The result of a press, for its repeats; `what` is the digest of its body."""

    what: str
    run_id: str
    joined: bool
    resent: bool


class Keys:
    """Which Idempotency-Keys stand for which runs, for each token by itself.

    They are kept in memory: a key stands for a caller's repeats of one trigger, and a service that was started
    anew has had no trigger yet.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._of: defaultdict[str, dict[str, tuple[float, Answered]]] = defaultdict(dict)

    def find(self, token: str, key: str) -> Answered | None:
        """Give what this token's key stands for."""
        at, answered = self._of[token].get(key, (0.0, None))
        return answered if answered is not None and at > self._now() - KEPT_S else None

    def keep(self, token: str, key: str, answered: Answered) -> None:
        """Record what an unused key stands for."""
        keys = self._of[token]
        keys.pop(key, None)
        keys[key] = self._now(), answered
        if len(keys) > KEPT_MOST:
            del keys[next(iter(keys))]


class Presses:
    """Takes presses over HTTP."""

    def __init__(self, desk: Desk, standby: Standby, lookup: Lookup, audit: Audit, keys: Keys) -> None:
        self._desk, self._standby, self._lookup = desk, standby, lookup
        self._audit, self._keys = audit, keys
        self._waiting = 0

    @Operation(
        "POST",
        views.RUNS,
        "presser",
        {200: Report | PlanReport, 202: views.Started},
        (422, 429, 503),
        body=PressAsked,
        headers=(_KEY,),
    )
    async def press(self, request: web.Request, identity: Identity) -> web.StreamResponse:
        """Cancel every open order of a scope, now."""
        asked = models.read(PressAsked, await body.read_json(request))
        source = Source.ROOM if SIGNED in request else Source.API  # with a cookie it is from the page
        press, key = _press_of(asked, identity, source), _key_of(request)
        if asked.dry_run:
            self._require_theirs(press, identity)
            prepared = self._standby.prepare(press)
            return document(plan_json(prepared.plan, prepared.settings.broker.base_url))
        answered = self._answered(request, identity, asked, press, key)
        if asked.wait and (report := await self._report_within(answered.run_id, asked.wait)) is not None:
            return report
        found = views.started(answered.run_id, joined=answered.joined, resent=answered.resent)
        return document(found, 202, {"Location": found.links.self})

    def _answered(
        self, request: web.Request, identity: Identity, asked: PressAsked, press: Press, key: str | None
    ) -> Answered:
        """Press, unless that was done already; from here to the desk nothing else can come in between."""
        digest = hashlib.sha256(asked.model_dump_json(exclude={"wait"}).encode()).hexdigest()
        earlier = None if key is None else self._keys.find(identity.name, key)
        if earlier is not None and earlier.what != digest:
            raise ProblemError("key_reused", f"this key stands for run {earlier.run_id}")
        if earlier is not None:
            return earlier
        self._require_theirs(press, identity)
        found = self._desk.press(press, automated=not identity.person)
        answered = Answered(digest, found.live.run.id, found.joined, found.resent)
        said = {"by": press.by, "reason": press.reason.strip(), "scope": str(press.scope)}
        how = {"run_id": answered.run_id, "joined": found.joined, "resent": found.resent}
        self._audit.record_request(request, identity, "press", **said, **how)
        if key is not None:
            self._keys.keep(identity.name, key, answered)
        return answered

    def _require_theirs(self, press: Press, identity: Identity) -> None:
        if identity.groups is not None:
            require(may_press(identity, press.scope, self._standby.prepare(press).roster))

    async def _report_within(self, run_id: str, wait_s: float) -> web.Response | None:
        live = self._desk.find(run_id)
        if live is None:  # it ended a while ago, and is only in the ledger
            with suppress(ProblemError):
                return document(await self._lookup.report(run_id))
            return None
        if self._waiting >= held_most(WAITING_MOST):
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


def _press_of(asked: PressAsked, identity: Identity, source: Source) -> Press:
    same = ("reason", "deadline_s", "concurrency", "watch_s", "verify", "latch")
    more = {name: getattr(asked, name) for name in same}
    return Press(scope=asked.to_scope(), by=identity.acting_for(asked.by), source=source, **more)


def _key_of(request: web.Request) -> str | None:
    given = request.headers.getall("Idempotency-Key", [])
    if not given:
        return None
    if len(given) > 1 or not re.fullmatch(KEY, given[0]):
        raise ProblemError("malformed", "the Idempotency-Key is not one of 1 to 255 visible ASCII characters")
    return given[0]
