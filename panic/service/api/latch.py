"""The routes about what is engaged, and its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from panic.accounts.plan import Scope
from panic.run import reset
from panic.run.asked import Person
from panic.run.engagement import LatchView, look
from panic.run.reset import ResetView
from panic.service.api import models
from panic.service.api.answers import Threads, document
from panic.service.api.models import ResetAsked
from panic.service.audit import Audit
from panic.service.auth import Identity, again, require_scope
from panic.service.body import read_json
from panic.service.operations import Operation
from panic.service.problems import ProblemError
from panic.service.standby import Standby

_RESET_S = 30.0
_ANSWERS = {200: ResetView, 202: ResetView}


@dataclass
class Latching:
    """What is engaged, and its end; what a reset is judged by is read beside what is only looked at."""

    _standby: Standby
    _audit: Audit
    _threads: Threads
    _reading: Threads
    _judging: Threads
    _env: Mapping[str, str]

    @Operation("GET", "/v1/latch", "viewer", {200: LatchView}, (404, 504))
    async def latch(self, _: web.Request, __: Identity) -> web.Response:
        """What is engaged."""
        settings = self._standby.settings
        found = await self._reading.ask(partial(look, settings), "latch")
        return document(found.view(str(settings.latch.file)))

    @Operation("POST", "/v1/reset", "resetter", _ANSWERS, (409, 503, 504), person=True, body=ResetAsked)
    async def reset(self, request: web.Request, identity: Identity) -> web.Response:
        """End the engaged state, or ask another person to (202): a person's deliberate act."""
        asked = models.read(ResetAsked, await read_json(request))
        settings, by = self._standby.settings, identity.acting_for(asked.by)
        scope = Scope.of(asked.scope.all, asked.scope.groups, asked.scope.accounts)
        named = scope if scope.groups or scope.accounts or scope.all else Scope(all=True)
        require_scope(identity, named, self._standby.roster)
        reset.require_reason(asked.reason)
        found = await self._judging.ask(partial(look, settings, walk=True), "reset", _RESET_S, usage="conflict")
        prepared = await self._threads.ask(
            lambda: reset.prepare(
                settings,
                scope,
                found,
                person=Person(*identity.key),
                by=by,
                reason=asked.reason,
                force=asked.force,
                env=self._env,
            ),
            "reset",
            usage="conflict",
        )
        if asked.dry_run:
            return document(prepared.view(None))
        require_scope(again(request), named, self._standby.roster)  # rights may have gone while it was judged
        told = {"by": prepared.document.by, "reason": prepared.document.reason, "ends": str(prepared)}
        awaits = prepared.document.awaits_another
        self._audit.record_request(request, identity, "reset_asked" if awaits else "reset", **told)
        try:
            carry_out = partial(reset.carry_out, settings, prepared)
            state = await self._threads.ask(carry_out, "reset", usage="conflict", most_s=_RESET_S)
        except TimeoutError:
            remedy = "Look at GET /v1/latch before you try again: it may still be carried out."
            raise ProblemError("too_slow", remedy=remedy) from None
        return document(prepared.view(state), 202 if awaits else 200)
