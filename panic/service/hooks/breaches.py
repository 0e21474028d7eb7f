"""POST /v1/hooks/{name}: a breached limit triggers a press.

Everything that is decided is decided in `decisions`; here a call is read, a press is made, and everybody who
must know is told. An authentic breach is pressed before anything else is waited for.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web
from pydantic import TypeAdapter

from panic.accounts.plan import Scope, scope_of
from panic.config import Hook
from panic.kit.errors import ConfigurationError, UsageError
from panic.kit.words import clip
from panic.report.document import Source
from panic.run.press import Press
from panic.service import body, problems
from panic.service.by_hand import by_hand
from panic.service.desk import Desk
from panic.service.hooks.bodies import Meaning, Understood, odd, understand
from panic.service.hooks.decisions import NOT_LET_IN, Act, Decision, Earlier, decide, not_pressed
from panic.service.hooks.keyring import Keyring
from panic.service.hooks.signatures import Kind, Verified, verify
from panic.service.hooks.taken import Taken, key_of
from panic.service.live import Live
from panic.service.notify import Notice
from panic.service.problems import ProblemError, request_id

log = structlog.get_logger()

FLOOD: int = 60
"""How many unproven calls a minute, and as many copies or refused ones, are still put on record."""

_NAME_MOST = 64
_WHY_MOST = 1500
_PAST = {Act.PRESS: "pressed", Act.RECORD: "recorded", Act.PAGE: "paged", Act.REFUSE: "refused"}
_PROBLEM: TypeAdapter[problems.Problem] = TypeAdapter(problems.Problem)
_GUARD = "replay protection"


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of a hook that there is, from somebody who knows its secret."""

    name: str
    hook: Hook
    verified: Verified
    said: Understood
    digest: str
    remote: str

    @property
    def has_id(self) -> bool:
        return bool(self.verified.id) and self.verified.kind is Kind.AUTHENTIC

    def taken(self, run: str = "") -> Earlier:
        return Earlier(self.digest, self.verified.timestamp, run)

    def press(self, reason: str) -> Press:
        return Press(
            scope_of(self.hook),
            reason,
            by=f"hook {self.name}",
            source=Source.HOOK,
            watch_s=self.hook.watch_s,
            deadline_s=self.hook.deadline_s,
            latch=self.hook.latch,
            key=key_of(self.name, self.verified.id, self.taken()) if self.has_id else "",
        )


class Breaches:
    """Answers the calls; `tell` and `record` must neither block nor raise.

    `pressable` gives the scope nearest to one that a press by hand would take now.
    """

    def __init__(
        self,
        desk: Desk,
        hooks: Callable[[], Mapping[str, Hook]],
        tell: Callable[[Notice], None],
        record: Callable[[str, dict[str, Any]], None],
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
        """Answer a call: callers that cannot prove their identity learn nothing and change nothing."""
        name, data, failure = request.match_info["name"], None, None
        try:
            data = await body.read(request, body.HOOK_MOST)
        except ProblemError as error:
            failure = error
        hooks = self._hooks()  # as they are now: a hook that was removed while its body came presses nothing
        hook = hooks.get(name)
        secrets = await self._keyring.of(hooks, name)
        headers = {one.lower(): request.headers.getall(one) for one in request.headers}
        verified = verify(secrets, headers, data, self._now(), hook.tolerance_s if hook else 0.0)
        if hook is None or verified.kind is Kind.FORGED:
            return self._not_let_in(request, name, failure)
        said = odd(failure.detail) if failure else understand(data or b"", self._scrub)
        call = _Call(name, hook, verified, said, hashlib.sha256(data or b"").hexdigest(), request.remote or "")
        is_guarded = not call.has_id or await self._taken.ready()
        flags = [] if is_guarded else [f"a repeated call might press again: {self._taken.wrong}"]
        return self._answer(request, call, flags)

    def _answer(self, request: web.Request, call: _Call, flags: list[str]) -> web.StreamResponse:
        """Decide and act. Nothing is awaited, so that two copies of a call cannot interleave."""
        earlier = self._taken.find(call.name, call.verified.id) if call.has_id else None
        live = self._desk.find(earlier.run) if earlier and earlier.run else None
        decision = decide(
            call.name,
            call.verified,
            call.said,
            on_odd=call.hook.on_odd,
            earlier=earlier,
            digest=call.digest,
            is_live=live is not None and not live.is_over,
        )
        run, is_joined = decision.joins, bool(decision.joins)
        if decision.act is Act.PRESS:
            try:
                pressing = self._desk.press(call.press(decision.reason), automated=True)
            except Exception as error:  # noqa: BLE001  (whatever it was: a breach was not acted on)
                return self._could_not(request, call, error)
            run, is_joined = pressing.live.run.id, pressing.joined
        is_refused = decision.act is Act.REFUSE
        if call.has_id and not is_refused and not decision.is_copy:
            self._taken.take(call.name, call.verified.id, call.taken(run), call.hook.tolerance_s)
        self._page(call, decision, run)
        for flag in flags:
            self._tell(Notice("flag", run, f"hook {call.name}: {_GUARD} is out of order", flag, f"hook-{_GUARD}"))
        is_of_many = is_refused or decision.is_copy  # whoever has one signed call can send many
        left_out = self._copies.take() if is_of_many else 0
        if left_out is not None:
            facts = {"run_id": run, "joined": is_joined, "flags": [*flags], "unrecorded": left_out}
            self._put_on_record(f"hook_{_PAST[decision.act]}", call, decision, facts)
        if is_refused:
            return _problem(request, decision)
        if call.said.meaning is Meaning.ODD and not decision.is_copy:
            flags.append(f"not understood: {call.said.text}")
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

    def _not_let_in(self, request: web.Request, name: str, failure: ProblemError | None) -> web.StreamResponse:
        refused = failure or NOT_LET_IN
        left_out = self._strangers.take()
        if left_out is not None:
            facts = {"hook": clip(name, _NAME_MOST), "act": refused.code, "status": refused.status}
            more = {"remote": request.remote or "", "sender": Kind.FORGED, "unrecorded": left_out}
            self._record("hook_refused", {**facts, **more})
        if failure:
            return failure.response(request_id(request))
        return _problem(request, NOT_LET_IN, {"WWW-Authenticate": "Bearer"})

    def _could_not(self, request: web.Request, call: _Call, error: Exception) -> web.StreamResponse:
        if not isinstance(error, UsageError | ConfigurationError) and structlog.is_configured():
            log.error("hook_press_failed", hook=call.name, error=type(error).__name__)
        why = clip(str(error), _WHY_MOST) or "the service is stopping, or panic itself failed"
        decision = not_pressed(call.name, why, self._by_hand(call.hook))
        self._page(call, decision, "")
        self._put_on_record("hook_failed", call, decision, {})
        return _problem(request, decision, {"Retry-After": "1"})

    def _page(self, call: _Call, decision: Decision, run: str) -> None:
        if decision.page:
            title = f"hook {call.name}: {decision.title}"
            text = decision.page if run else f"{decision.page}. If this was a breach, {self._by_hand(call.hook)}"
            self._tell(Notice("page", run, title, text, f"hook {call.name} {decision.code}"))

    def _by_hand(self, hook: Hook) -> str:
        scope = scope_of(hook)
        return by_hand(scope, self._pressable(scope), latch=hook.latch, reason="breach")

    def _put_on_record(self, kind: str, call: _Call, decision: Decision, more: dict[str, Any]) -> None:
        sender, said = call.verified, call.said
        done = {"hook": call.name, "act": decision.code, "status": decision.status, "sender": sender.kind}
        told = {"wrong": sender.wrong, "meaning": said.meaning, "text": said.text, "remote": call.remote}
        known = {"id": sender.id, "timestamp": sender.timestamp, "digest": call.digest}
        self._record(kind, {**done, **told, **known, **more})


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
    text = _PROBLEM.dump_json(found, indent=2)
    return web.Response(body=text, status=found.status, headers=headers, content_type=problems.MEDIA_TYPE)


class Sparse:
    """Records a limited number a minute, and counts the rest: a flood from outside must not fill a disk."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic, self._minute = monotonic, -1.0
        self._taken = self._left_out = 0

    def take(self) -> int | None:
        """Give how many were left out since the last one that was not; None if this one is left out, too."""
        minute = self._monotonic() // 60
        if minute != self._minute:
            self._minute, self._taken = minute, 0
        if self._taken >= FLOOD:
            self._left_out += 1
            return None
        self._taken += 1
        left_out, self._left_out = self._left_out, 0
        return left_out
