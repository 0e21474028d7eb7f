"""POST /v1/hooks/{name}: a breached limit presses by itself.

Everything is decided in the files beside this one; here a call is read, a press is made, and everybody who
must know is told. An authentic breach is pressed before anything else is waited for.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from aiohttp import web
from pydantic import TypeAdapter

from panic.accounts.plan import Scope, scope_of
from panic.config import Hook
from panic.kit.errors import ConfigurationError, UsageError
from panic.kit.words import clip
from panic.service import body, problems
from panic.service.by_hand import by_hand
from panic.service.desk import Desk
from panic.service.hooks.bodies import Meaning, odd, understand
from panic.service.hooks.calls import Call, Sparse, headers_of
from panic.service.hooks.decisions import NOT_LET_IN, Act, Decision, Earlier, not_pressed
from panic.service.hooks.keyring import Keyring
from panic.service.hooks.signatures import Kind, verify
from panic.service.hooks.taken import Taken
from panic.service.live import Live
from panic.service.notify import Notice
from panic.service.problems import ProblemError, request_id

log = structlog.get_logger()

Record = Callable[[str, dict[str, Any]], None]
"""Told of each call: hook_pressed, hook_recorded, hook_paged, hook_refused or hook_failed, and its facts."""

_NAME_MOST = 64
_WHY_MOST = 1500
_PAST = {Act.PRESS: "pressed", Act.RECORD: "recorded", Act.PAGE: "paged", Act.REFUSE: "refused"}
_PROBLEM: TypeAdapter[problems.Problem] = TypeAdapter(problems.Problem)
_GUARD = "replay protection"


class Breaches:
    """Answers the calls; `handle` is the handler of POST /v1/hooks/{name}.

    Args:
        desk: Where presses become runs; `observe` is added to its observers.
        hooks: Gives the hooks as they are set now.
        tell: Told of pages and flags; must neither block nor raise.
        record: Told of every call; must neither block nor raise.
        taken: Which signed calls were taken before.
        keyring: The secrets of the hooks.
        now: Our clock, seconds since 1970.
        scrub: Takes keys out of what callers say.
        pressable: Gives the scope nearest to one that a press by hand would take now.
    """

    def __init__(
        self,
        desk: Desk,
        hooks: Callable[[], Mapping[str, Hook]],
        tell: Callable[[Notice], None],
        record: Record,
        *,
        taken: Taken,
        keyring: Keyring,
        now: Callable[[], float] = time.time,
        scrub: Callable[[str], str] = str,
        pressable: Callable[[Scope], Scope | None] = lambda scope: scope,
    ) -> None:
        self._desk, self._hooks, self._tell, self._record = desk, hooks, tell, record
        self._taken, self._keyring, self._now = taken, keyring, now
        self._scrub, self._pressable = scrub, pressable
        self._strangers, self._copies = Sparse(), Sparse()
        desk.observers.append(self.observe)

    def observe(self, what: str, live: Live) -> None:
        """Take what the desk tells of a run; one that broke off is not remembered as over."""
        if what == "finished" and live.failure is None:
            self._taken.finished(live.run.id)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a call: whoever cannot prove where it comes from learns nothing and changes nothing."""
        name, data, failure = request.match_info["name"], None, None
        try:
            data = await body.read(request, body.HOOK_MOST)
        except ProblemError as error:
            failure = error
        hooks = self._hooks()  # as they are now: a hook that was removed while its body came presses nothing
        hook = hooks.get(name)
        secrets = await self._keyring.of(hooks, name)
        verified = verify(secrets, headers_of(request), data, self._now(), hook.tolerance_s if hook else 0.0)
        if hook is None or verified.kind is Kind.FORGED:
            return self._not_let_in(request, name, failure)
        said = odd(failure.detail) if failure else understand(data or b"", self._scrub)
        call = Call(name, hook, verified, said, data or b"", request.remote or "")
        is_guarded = not call.has_id or await self._taken.ready()
        flags = [] if is_guarded else [f"a repeated call might press again: {self._taken.wrong}"]
        return self._answer(request, call, flags)

    def _answer(self, request: web.Request, call: Call, flags: list[str]) -> web.StreamResponse:
        """Decide and act. Nothing is awaited, so that no two copies of a call cross."""
        earlier = self._taken.find(call.name, call.verified.id) if call.has_id else None
        live = self._desk.find(earlier.run) if earlier and earlier.run else None
        decision = call.decision(earlier, is_live=live is not None and not live.is_over)
        run, is_joined = decision.joins, bool(decision.joins)
        if decision.act is Act.PRESS:
            try:
                pressing = self._desk.press(call.press(decision.reason), automated=True)
            except Exception as error:  # noqa: BLE001  (whatever it was: a breach was not acted on)
                return self._could_not(request, call, error)
            run, is_joined = pressing.live.run.id, pressing.joined
        if call.has_id and decision.act is not Act.REFUSE and not decision.is_copy:
            earlier = Earlier(call.digest, call.verified.timestamp, run)
            self._taken.take(call.name, call.verified.id, earlier, call.hook.tolerance_s)
        self._page(call, decision, run)
        for flag in flags:
            self._tell(Notice("flag", run, f"hook {call.name}: {_GUARD} is out of order", flag, f"hook-{_GUARD}"))
        is_copy = decision.act is Act.REFUSE or decision.is_copy  # whoever has one signed call can send many
        left_out = self._copies.take() if is_copy else 0
        if left_out is not None:
            facts = {"run_id": run, "joined": is_joined, "flags": [*flags], "unrecorded": left_out}
            self._put_on_record(f"hook_{_PAST[decision.act]}", call, decision, facts)
        if decision.act is Act.REFUSE:
            return _problem(request, decision)
        if call.said.meaning is Meaning.ODD and not decision.is_copy:
            flags.append(f"not understood: {call.said.text}")
        return _taken(call, decision, run, is_joined=is_joined, flags=flags)

    def _not_let_in(self, request: web.Request, name: str, failure: ProblemError | None) -> web.StreamResponse:
        code, status = (failure.code, failure.status) if failure else (NOT_LET_IN.code, NOT_LET_IN.status)
        left_out = self._strangers.take()
        if left_out is not None:
            facts = {"hook": clip(name, _NAME_MOST), "act": code, "status": status, "remote": request.remote or ""}
            self._record("hook_refused", {**facts, "sender": Kind.FORGED, "unrecorded": left_out})
        return failure.response(request_id(request)) if failure else _problem(request, NOT_LET_IN)

    def _could_not(self, request: web.Request, call: Call, error: Exception) -> web.StreamResponse:
        if not isinstance(error, UsageError | ConfigurationError) and structlog.is_configured():
            log.error("hook_press_failed", hook=call.name, error=type(error).__name__)
        why = clip(str(error), _WHY_MOST) or "the service is stopping, or panic itself failed"
        decision = not_pressed(call.name, why, self._by_hand(call.hook))
        self._page(call, decision, "")
        self._put_on_record("hook_failed", call, decision, {})
        return _problem(request, decision, {"Retry-After": "1"})

    def _page(self, call: Call, decision: Decision, run: str) -> None:
        if decision.page:
            title = f"hook {call.name}: {decision.title}"
            text = decision.page if run else f"{decision.page}. If this was a breach, {self._by_hand(call.hook)}"
            self._tell(Notice("page", run, title, text, f"hook {call.name} {decision.code}"))

    def _by_hand(self, hook: Hook) -> str:
        scope = scope_of(hook)
        return by_hand(scope, self._pressable(scope), latch=hook.latch, reason="breach")

    def _put_on_record(self, kind: str, call: Call, decision: Decision, more: dict[str, Any]) -> None:
        done = {"act": decision.code, "status": decision.status, "sender": call.verified.kind}
        self._record(kind, {"hook": call.name, **done, **call.facts(), "remote": call.remote, **more})


def _taken(call: Call, decision: Decision, run: str, *, is_joined: bool, flags: list[str]) -> web.Response:
    said = {
        "hook": call.name,
        "act": decision.code,
        "meaning": call.said.meaning,
        "title": decision.title,
        "detail": decision.detail,
        "run_id": run or None,
        "joined": is_joined,
        "flags": flags,
    }
    headers = {"Location": f"/v1/runs/{run}"} if run else {}
    return web.json_response(said, status=decision.status, headers=headers)


def _problem(request: web.Request, decision: Decision, headers: Mapping[str, str] | None = None) -> web.Response:
    found = problems.Problem(
        type=f"urn:panic:problem:{decision.code}",
        title=decision.title,
        status=decision.status,
        detail=decision.detail,
        code=decision.code,
        remedy=decision.remedy,
        errors=(),
        request_id=request_id(request),
    )
    challenge = {"WWW-Authenticate": "Bearer"} if decision is NOT_LET_IN else {}
    return web.Response(
        body=_PROBLEM.dump_json(found, indent=2),
        status=found.status,
        headers={**challenge, **(headers or {})},
        content_type=problems.MEDIA_TYPE,
    )
