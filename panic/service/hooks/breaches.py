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

from panic.accounts.plan import Scope, scope_of
from panic.config import Hook
from panic.kit.errors import ConfigurationError, UsageError
from panic.kit.words import clip
from panic.report.document import Source
from panic.run.press import Press
from panic.service import body
from panic.service.auth import ROLE
from panic.service.desk import Desk
from panic.service.hooks.bodies import Meaning, Understood, odd, understand
from panic.service.hooks.decisions import Act, Decision, decide
from panic.service.hooks.keyring import Keyring
from panic.service.hooks.replays import Call, Replays
from panic.service.hooks.signatures import BEARER, Kind, Verified, may_be_authentic, verify
from panic.service.live import Live
from panic.service.notify import Notice
from panic.service.press_command import press_command
from panic.service.problems import CALLER, ProblemError, request_id

log = structlog.get_logger()

_NAME_MOST = 64
_WHY_MOST = 1500

Record = Callable[[str, dict[str, Any], bool], None]
"""Puts a kind of call and its facts on record, and where anybody can send many only some of them; never blocks."""


@dataclass(frozen=True, slots=True)
class _Received:
    """A call of a hook that there is, from somebody who knows its secret."""

    name: str
    hook: Hook
    verified: Verified
    said: Understood
    digest: str
    remote: str

    @property
    def signed(self) -> Call | None:
        """What a copy of it is known by; None where it bears no id, or an old one."""
        has_id = self.verified.id and self.verified.kind is Kind.AUTHENTIC
        return Call(self.name, self.verified.id, self.digest) if has_id else None

    def press(self, reason: str) -> Press:
        hook = self.hook
        return Press(
            scope_of(hook),
            reason,
            by=f"hook {self.name}",
            source=Source.HOOK,
            watch_s=hook.watch_s,
            deadline_s=hook.deadline_s,
            latch=hook.latch,
            key=str(self.signed or ""),
        )


class _DoubtError(Exception):
    """A call may be a copy of one that an earlier process answered."""

    def __init__(self, trouble: str) -> None:
        super().__init__(f"it was signed before this service began, and may be a copy: {trouble}")


@dataclass
class Breaches:
    """Answers the calls; `tell` must neither block nor raise."""

    desk: Desk
    hooks: Callable[[], Mapping[str, Hook]]
    tell: Callable[[Notice], None]
    record: Record
    replays: Replays
    keyring: Keyring
    scrub: Callable[[str], str]
    pressable: Callable[[Scope], Scope | None]
    now: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.desk.observers.append(self.observe)

    def observe(self, what: str, live: Live) -> None:
        """Take what the desk tells of a run; one that broke off is not remembered as over."""
        if what == "finished" and live.failure is None:
            self.replays.finished(live.run.id)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a call: callers that cannot prove their identity learn nothing and change nothing."""
        name, data, failure = request.match_info["name"], None, None
        headers = {one.lower(): request.headers.getall(one) for one in request.headers}
        secrets = await self.keyring.of(self.hooks(), name)
        if not may_be_authentic(secrets, headers):
            return self._not_let_in(request, name, None)
        if secrets.scheme == BEARER:  # borne; a signature needs the body
            request[ROLE] = "presser"
        try:
            data = await body.read(request, body.HOOK_MOST)
        except ProblemError as error:
            failure = error
        hooks = self.hooks()  # as they are now: one removed while its body came presses nothing
        hook = hooks.get(name)
        secrets = await self.keyring.of(hooks, name)
        verified = verify(secrets, headers, data, self.now(), hook.tolerance_s if hook else 0.0)
        if hook is None or verified.kind is Kind.FORGED:
            return self._not_let_in(request, name, failure)
        request[ROLE] = "presser"
        said = odd(failure.detail) if failure else understand(data or b"", self.scrub)
        digest = hashlib.sha256(data or b"").hexdigest()
        call = _Received(name, hook, verified, said, digest, request.get(CALLER, ""))
        if call.signed and not await self.replays.ready(verified.timestamp) and self._may_press(call):
            return self._could_not(request, call, _DoubtError(self.replays.trouble))
        if self.hooks().get(name) != hook:  # it was removed or changed meanwhile
            return self._not_let_in(request, name, failure)
        return self._answer(request, call)

    def _may_press(self, call: _Received) -> bool:
        is_known = call.signed is not None and self.replays.find(call.signed) is not None
        return not is_known and call.said.meaning not in {Meaning.RESOLVED, Meaning.TEST}

    def _answer(self, request: web.Request, call: _Received) -> web.StreamResponse:
        """Decide and act. Nothing is awaited, so that two copies of a call cannot interleave."""
        signed = call.verified.timestamp
        repeats = self.replays.repeats(call.signed, signed, self._is_live) if call.signed else None
        decision = decide(call.name, call.verified, call.said, on_odd=call.hook.on_odd, repeats=repeats)
        run, joined = repeats or "", bool(repeats)
        if decision.act is Act.PRESS:
            try:
                pressing = self.desk.press(call.press(decision.reason), automated=True)
            except Exception as error:  # noqa: BLE001  (whatever it was: a breach was not acted on)
                return self._could_not(request, call, error)
            run, joined = pressing.live.run.id, pressing.joined
        if call.signed and repeats is None:
            self.replays.add(call.signed, run, call.hook.tolerance_s, signed)
        self._page(call, decision, run)
        flags = self._flags(call, run)
        facts = {"run_id": run, "joined": joined, "flags": flags}
        is_refused = decision.act is Act.REFUSE
        is_repeatable = is_refused or repeats is not None  # whoever has one signed call can send many
        self.record(f"hook_{decision.act}", _facts(call, decision) | facts, is_repeatable)
        if is_refused:
            return _refused(request, decision)
        if call.said.meaning is Meaning.ODD and repeats is None:
            flags = [*flags, f"not understood: {call.said.text}"]
        told = {"hook": call.name, "act": decision.code, "meaning": call.said.meaning, "title": decision.title}
        more = {"detail": decision.detail, "run_id": run or None, "joined": joined, "flags": flags}
        headers = {"Location": f"/v1/runs/{run}"} if run else {}
        return web.json_response(told | more, status=decision.status, headers=headers)

    def _is_live(self, run: str) -> bool:
        live = self.desk.find(run)
        return live is not None and not live.is_over

    def _flags(self, call: _Received, run: str) -> list[str]:
        if not call.signed or not self.replays.trouble:
            return []
        flag = f"a repeated call might press again: {self.replays.trouble}"
        title = f"hook {call.name}: replay protection is out of order"
        self.tell(Notice("flag", run, title, flag, "hook-replay protection"))
        return [flag]

    def _not_let_in(self, request: web.Request, name: str, failure: ProblemError | None) -> web.StreamResponse:
        """Refuse an unknown hook and a call that proves nothing alike, so that nobody learns which it was."""
        refused = failure or ProblemError("not_let_in", headers={"WWW-Authenticate": "Bearer"})
        facts = {"hook": clip(name, _NAME_MOST), "act": refused.code, "status": refused.status}
        self.record("hook_forged", {**facts, "remote": request.get(CALLER, ""), "sender": Kind.FORGED}, True)
        return refused.response(request_id(request))

    def _could_not(self, request: web.Request, call: _Received, error: Exception) -> web.StreamResponse:
        if not isinstance(error, UsageError | ConfigurationError | _DoubtError) and structlog.is_configured():
            log.error("hook_press_failed", hook=call.name, error=type(error).__name__)
        why = clip(str(error), _WHY_MOST) or "the service is stopping, or panic itself failed"
        detail = f"The call is authentic, but no run could be started: {why}"
        page = f"a breach came in through hook {call.name} and NOTHING was pressed: {why}"
        decision = Decision(Act.REFUSE, 503, "not_pressed", "NOTHING was pressed", detail, page)
        self._page(call, decision, "")
        self.record("hook_failed", _facts(call, decision), False)
        remedy = f"Send it again. If it matters now, {press_command(call.hook, self.pressable, 'breach')}"
        return _refused(request, decision, remedy=remedy, headers={"Retry-After": "1"})

    def _page(self, call: _Received, decision: Decision, run: str) -> None:
        if decision.page:
            title, text = f"hook {call.name}: {decision.title}", decision.page
            if not run:
                text += f". If this was a breach, {press_command(call.hook, self.pressable, 'breach')}"
            self.tell(Notice("page", run, title, text, f"hook {call.name} {decision.code}"))


def _facts(call: _Received, decision: Decision) -> dict[str, Any]:
    sender, said = call.verified, call.said
    done = {"hook": call.name, "act": decision.code, "status": decision.status, "sender": sender.kind}
    told = {"wrong": sender.wrong, "meaning": said.meaning, "text": said.text, "remote": call.remote}
    return {**done, **told, "id": sender.id, "timestamp": sender.timestamp, "digest": call.digest}


def _refused(
    request: web.Request, decision: Decision, remedy: str = "", headers: Mapping[str, str] | None = None
) -> web.StreamResponse:
    problem = ProblemError(decision.code, decision.detail, remedy=remedy, headers=headers)
    return problem.response(request_id(request))
