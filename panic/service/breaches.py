"""POST /v1/hooks/{name}: a breached limit presses by itself.

Everything that is decided is decided in panic.hooks; here a call is read, a press is made, and everybody who
must know is told. An authentic breach is pressed before anything else is waited for.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from aiohttp import web
from pydantic import TypeAdapter

from panic.config import Hook
from panic.errors import ConfigurationError, UsageError
from panic.hooks.bodies import Meaning, Understood, odd, understand
from panic.hooks.decisions import NOT_LET_IN, Act, Decision, Earlier, decide, not_pressed, unreadable
from panic.hooks.keyring import Keyring
from panic.hooks.signatures import Kind, Verified, verify
from panic.hooks.taken import Taken
from panic.notify import Notice
from panic.plan import Scope, scope_of
from panic.report import Source
from panic.run.press import Press
from panic.service.api import problems
from panic.service.by_hand import by_hand
from panic.service.calls import Body, Sparse, headers_of, read
from panic.words import clip

log = structlog.get_logger()

_NAME_MOST = 64
_WHY_MOST = 1500
_PROBLEM: TypeAdapter[problems.Problem] = TypeAdapter(problems.Problem)
_GUARD = "replay protection"


class _Run(Protocol):
    @property
    def id(self) -> str: ...


class _Live(Protocol):
    @property
    def run(self) -> _Run: ...
    @property
    def is_over(self) -> bool: ...
    @property
    def failure(self) -> BaseException | None: ...


class _Pressing(Protocol):
    @property
    def live(self) -> _Live: ...
    @property
    def joined(self) -> bool: ...


class Presses(Protocol):
    """The part of the desk that a hook needs."""

    def press(self, press: Press, *, automated: bool = False) -> _Pressing:
        """Press, at once; raises what keeps it from it."""

    def find(self, run_id: str) -> _Live | None:
        """Give a run that is under way or was lately."""


Record = Callable[[str, dict[str, Any]], None]
"""Told of each call: hook_pressed, hook_recorded, hook_paged, hook_refused or hook_failed, and its facts."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of a hook, and what is known of it."""

    name: str
    hook: Hook
    verified: Verified
    said: Understood
    digest: str
    remote: str

    @property
    def has_id(self) -> bool:
        """Whether copies of it can be told from new ones."""
        return bool(self.verified.id) and self.verified.kind is Kind.AUTHENTIC

    def decision(self, earlier: Earlier | None, *, is_live: bool) -> Decision:
        """Say what is done about it."""
        how: dict[str, Any] = {"earlier": earlier, "digest": self.digest, "is_live": is_live}
        return decide(self.name, self.verified, self.said, on_odd=self.hook.on_odd, **how)

    def press(self, reason: str) -> Press:
        """Give what its hook presses."""
        hook = self.hook
        return Press(
            scope_of(hook),
            reason,
            by=f"hook {self.name}",
            source=Source.HOOK,
            watch_s=hook.watch_s,
            deadline_s=hook.deadline_s,
            latch=hook.latch,
        )


class Breaches:
    """Answers the calls; `handle` is the handler of POST /v1/hooks/{name}.

    Args:
        desk: Where presses become runs; hand `observe` to it.
        settings: Gives the hooks as they are set now.
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
        desk: Presses,
        settings: Callable[[], Mapping[str, Hook]],
        tell: Callable[[Notice], None],
        record: Record,
        *,
        taken: Taken,
        keyring: Keyring,
        now: Callable[[], float] = time.time,
        scrub: Callable[[str], str] = str,
        pressable: Callable[[Scope], Scope | None] = lambda scope: scope,
    ) -> None:
        self._desk, self._settings, self._tell, self._record = desk, settings, tell, record
        self._taken, self._keyring, self._now = taken, keyring, now
        self._scrub, self._pressable = scrub, pressable
        self._strangers, self._copies = Sparse(), Sparse()

    def observe(self, what: str, live: _Live) -> None:
        """Take what the desk tells of a run; one that broke off is not remembered as over."""
        if what == "finished" and live.failure is None:
            self._taken.finished(live.run.id)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a call: whoever cannot prove where it comes from learns nothing and changes nothing."""
        name = request.match_info["name"]
        body = await read(request)
        hooks = self._settings()  # as they are now: a hook that was removed while its body came presses nothing
        hook = hooks.get(name)
        secrets = await self._keyring.of(hooks, name)
        tolerance_s = hook.tolerance_s if hook else 0.0
        verified = verify(secrets, headers_of(request), body.data, self._now(), tolerance_s)
        if hook is None or verified.kind is Kind.FORGED:
            return self._not_let_in(request, name, body)
        said = odd(body.why) if body.data is None else understand(body.data, self._scrub)
        digest = hashlib.sha256(body.data or b"").hexdigest()
        call = _Call(name, hook, verified, said, digest, request.remote or "")
        is_guarded = not call.has_id or await self._taken.ready()
        return self._answer(request, call, [] if is_guarded else [self._unguarded()])

    def _answer(self, request: web.Request, call: _Call, flags: list[str]) -> web.StreamResponse:
        """Decide and act. Nothing is awaited, so that no two copies of a call cross."""
        earlier = self._taken.find(call.name, call.verified.id) if call.has_id else None
        live = self._desk.find(earlier.run) if earlier and earlier.run else None
        decision = call.decision(earlier, is_live=live is not None and not live.is_over)
        run, is_joined = decision.joins, bool(decision.joins)
        if decision.act is Act.PRESS:
            try:
                pressing = self._desk.press(call.press(decision.reason), automated=True)
                run, is_joined = pressing.live.run.id, pressing.joined
            except Exception as error:  # noqa: BLE001  (whatever it was: a breach was not acted on)
                return self._could_not(request, call, error)
        if call.has_id and decision.act is not Act.REFUSE and not decision.is_copy:
            earlier = Earlier(call.digest, call.verified.timestamp, run)
            self._taken.take(call.name, call.verified.id, earlier, call.hook.tolerance_s)
        self._page(call, decision, run)
        for flag in flags:
            self._tell(Notice("flag", run, f"hook {call.name}: {_GUARD} is out of order", flag, f"hook-{_GUARD}"))
        is_copy = decision.act is Act.REFUSE or decision.is_copy  # whoever has one signed call can send many
        left_out = self._copies.take() if is_copy else 0
        if left_out is not None:
            facts: dict[str, Any] = {"run_id": run, "joined": is_joined, "flags": [*flags], "unrecorded": left_out}
            self._put_on_record(decision, call, **facts)
        if decision.act is Act.REFUSE:
            return _problem(request, decision)
        if call.said.meaning is Meaning.ODD and not decision.is_copy:
            flags.append(f"not understood: {call.said.text}")
        answer = {
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
        return web.json_response(answer, status=decision.status, headers=headers)

    def _not_let_in(self, request: web.Request, name: str, body: Body) -> web.StreamResponse:
        decision = NOT_LET_IN if body.data is not None else unreadable(body.status, body.code, body.why)
        left_out = self._strangers.take()
        if left_out is not None:
            facts = {"hook": clip(name, _NAME_MOST), "sender": Kind.FORGED, "remote": request.remote or ""}
            self._record("hook_refused", {**facts, **_facts(decision), "unrecorded": left_out})
        return _problem(request, decision)

    def _could_not(self, request: web.Request, call: _Call, error: Exception) -> web.StreamResponse:
        if not isinstance(error, UsageError | ConfigurationError) and structlog.is_configured():
            log.error("hook_press_failed", hook=call.name, error=type(error).__name__)
        why = clip(str(error), _WHY_MOST) or "the service is stopping, or panic itself failed"
        decision = not_pressed(call.name, why, self._by_hand(call.hook))
        self._page(call, decision, "")
        self._put_on_record(decision, call, kind="hook_failed")
        return _problem(request, decision, {"Retry-After": "1"})

    def _page(self, call: _Call, decision: Decision, run: str) -> None:
        if decision.page:
            title = f"hook {call.name}: {decision.title}"
            text = decision.page if run else f"{decision.page}. If this was a breach, {self._by_hand(call.hook)}"
            self._tell(Notice("page", run, title, text, f"hook {call.name} {decision.code}"))

    def _by_hand(self, hook: Hook) -> str:
        scope = scope_of(hook)
        return by_hand(scope, self._pressable(scope), latch=hook.latch, reason="breach")

    def _put_on_record(self, decision: Decision, call: _Call, kind: str = "", **more: Any) -> None:
        facts = {
            "hook": call.name,
            **_facts(decision),
            "sender": call.verified.kind,
            "wrong": call.verified.wrong,
            "meaning": call.said.meaning,
            "text": call.said.text,
            "id": call.verified.id,
            "timestamp": call.verified.timestamp,
            "digest": call.digest,
            "remote": call.remote,
            **more,
        }
        self._record(kind or f"hook_{_PAST[decision.act]}", facts)

    def _unguarded(self) -> str:
        return f"a repeated call might press again: {self._taken.wrong}"


_PAST = {Act.PRESS: "pressed", Act.RECORD: "recorded", Act.PAGE: "paged", Act.REFUSE: "refused"}


def _facts(decision: Decision) -> dict[str, Any]:
    return {"act": decision.code, "status": decision.status}


def _problem(
    request: web.Request, decision: Decision, headers: Mapping[str, str] | None = None
) -> web.StreamResponse:
    found = problems.Problem(
        type=f"urn:panic:problem:{decision.code}",
        title=decision.title,
        status=decision.status,
        detail=decision.detail,
        code=decision.code,
        remedy=decision.remedy,
        errors=(),
        request_id=problems.request_id(request),
    )
    challenge = {"WWW-Authenticate": "Bearer"} if decision is NOT_LET_IN else {}
    return web.Response(
        body=_PROBLEM.dump_json(found, indent=2),
        status=found.status,
        headers={**challenge, **(headers or {})},
        content_type=problems.MEDIA_TYPE,
    )
