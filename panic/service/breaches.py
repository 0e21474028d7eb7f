"""POST /v1/hooks/{name}: a breached limit presses by itself.

Everything that is decided is decided in panic.hooks; here a call is read, a press is made, and everybody who
must know is told. An authentic breach is pressed before anything else is waited for.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from aiohttp import web
from pydantic import TypeAdapter

from panic.background import begin
from panic.config import Hook
from panic.errors import ConfigurationError, UsageError
from panic.hooks.bodies import Meaning, Understood, odd, understand
from panic.hooks.decisions import NOT_LET_IN, Act, Decision, Earlier, decide
from panic.hooks.keyring import Keyring
from panic.hooks.replays import Replays
from panic.hooks.signatures import Kind, Verified, verify
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
_PAGE_MOST = 1500
_NO_TOLERANCE_S = 0.0
_LEDGER_S = 1.0
"""So long a repeated call waits to learn whether its run finished; then it presses."""

_PROBLEM: TypeAdapter[problems.Problem] = TypeAdapter(problems.Problem)
_CHALLENGE = {"WWW-Authenticate": "Bearer"}
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

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class _Call:
    """An authentic or refused call, and what is known of it."""

    name: str
    verified: Verified
    said: Understood
    digest: str
    remote: str


class _Breaches:
    """Answers the calls."""

    def __init__(
        self,
        desk: Presses,
        settings: Callable[[], Mapping[str, Hook]],
        tell: Callable[[Notice], None],
        record: Record,
        replays: Replays,
        keyring: Keyring,
        now: Callable[[], float],
        has_finished: Callable[[str], bool],
        scrub: Callable[[str], str],
        pressable: Callable[[Scope], Scope | None],
    ) -> None:
        self._desk, self._settings, self._tell, self._record = desk, settings, tell, record
        self._replays, self._keyring, self._now = replays, keyring, now
        self._has_finished, self._scrub, self._pressable = has_finished, scrub, pressable
        self._strangers, self._copies = Sparse(), Sparse()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a call: whoever cannot prove where it comes from learns nothing and changes nothing."""
        name = request.match_info["name"]
        body = await read(request)
        hooks = self._settings()  # as they are now: a hook that was removed while its body came presses nothing
        hook = hooks.get(name)
        secrets = await self._keyring.of(hooks, name)
        tolerance_s = hook.tolerance_s if hook else _NO_TOLERANCE_S
        verified = verify(secrets, headers_of(request), body.data, self._now(), tolerance_s)
        if hook is None or verified.kind is Kind.FORGED:
            return self._not_let_in(request, name, body)
        said = odd(body.why) if body.data is None else understand(body.data, self._scrub)
        digest = hashlib.sha256(body.data or b"").hexdigest()
        call = _Call(name, verified, said, digest, request.remote or "")
        is_signed = bool(verified.id) and verified.kind is Kind.AUTHENTIC
        flags = [] if not is_signed or await self._replays.ready() else [self._unprotected()]
        over = await self._over(call) if is_signed else ""
        return await self._answer(request, call, hook, flags, is_signed=is_signed, over=over)

    async def _over(self, call: _Call) -> str:
        """Give the run of an earlier call that the desk does not know, if it is on record that it finished."""
        earlier = self._replays.earlier(call.name, call.verified.id)
        if earlier is None or not earlier.run or _is_known(self._desk.find(earlier.run)):
            return ""
        run = earlier.run
        try:
            async with asyncio.timeout(_LEDGER_S):
                return run if await begin(lambda: self._has_finished(run), "hook-run") else ""
        except Exception:  # noqa: BLE001  (nobody knows, and so it has not)
            return ""

    async def _answer(
        self, request: web.Request, call: _Call, hook: Hook, flags: list[str], *, is_signed: bool, over: str
    ) -> web.StreamResponse:
        """Decide and act. Up to where a call is taken nothing is awaited, so that no two copies of it cross."""
        earlier = self._replays.earlier(call.name, call.verified.id) if is_signed else None
        live = self._desk.find(earlier.run) if earlier and earlier.run else None
        decision = decide(
            call.name,
            call.verified,
            call.said,
            on_odd=hook.on_odd,
            earlier=earlier,
            digest=call.digest,
            is_live=live is not None and not live.is_over,
            is_known=_is_known(live) or bool(earlier and earlier.run == over),
        )
        run, is_joined = decision.joins, bool(decision.joins)
        if decision.act is Act.PRESS:
            try:
                pressing = self._desk.press(_press(call.name, hook, decision.reason), automated=True)
                run, is_joined = pressing.live.run.id, pressing.joined
            except Exception as error:  # noqa: BLE001  (whatever it was: a breach was not acted on)
                return self._could_not(request, call, hook, error)
        is_taken = is_signed and decision.act is not Act.REFUSE and not decision.is_copy
        if is_taken:
            taken = Earlier(call.digest, call.verified.timestamp, run)
            self._replays.take(call.name, call.verified.id, taken, hook.tolerance_s)
        self._page(call, hook, decision, run)
        if is_taken and not flags and await self._replays.kept():
            flags.append(self._unprotected())
        for flag in flags:
            self._tell(Notice("flag", run, f"hook {call.name}: {_GUARD} is out of order", flag, f"hook-{_GUARD}"))
        is_copy = decision.act is Act.REFUSE or decision.is_copy  # whoever has one signed call can send many
        left_out = self._copies.take() if is_copy else 0
        if left_out is not None:
            facts: dict[str, Any] = {
                "run_id": run,
                "joined": is_joined,
                "flags": list(flags),
                "unrecorded": left_out,
            }
            self._put_on_record(decision, call, **facts)
        if decision.act is Act.REFUSE:
            return _problem(request, decision)
        if call.said.meaning is Meaning.ODD and not decision.is_copy:
            flags.append(f"not understood: {call.said.text}")
        return web.json_response(
            {
                "hook": call.name,
                "act": decision.code,
                "meaning": call.said.meaning,
                "title": decision.title,
                "detail": decision.detail,
                "run_id": run or None,
                "joined": is_joined,
                "flags": flags,
            },
            status=decision.status,
            headers={"Location": f"/v1/runs/{run}"} if run else {},
        )

    def _not_let_in(self, request: web.Request, name: str, body: Body) -> web.StreamResponse:
        decision = NOT_LET_IN
        if body.data is None:
            what = f"Nothing was done: {body.why}."
            decision = Decision(Act.REFUSE, body.status, body.code, "The body did not arrive", what, "Send less.")
        nobody = _Call(clip(name, _NAME_MOST), Verified(Kind.FORGED), odd(""), "", request.remote or "")
        left_out = self._strangers.take()
        if left_out is not None:
            self._put_on_record(decision, nobody, unrecorded=left_out)
        return _problem(request, decision)

    def _could_not(self, request: web.Request, call: _Call, hook: Hook, error: Exception) -> web.StreamResponse:
        """Answer a breach that could not be acted on, so that its caller tries again; and page."""
        if not isinstance(error, UsageError | ConfigurationError) and structlog.is_configured():
            log.error("hook_press_failed", hook=call.name, error=type(error).__name__)
        why = clip(str(error), _PAGE_MOST) or "the service is stopping, or panic itself failed"
        decision = Decision(
            Act.REFUSE,
            503,
            "not_pressed",
            "NOTHING was pressed",
            f"The call is authentic, but no run could be started: {why}",
            f"Send it again. If it matters now, {self._by_hand(hook)}",
            f"a breach came in through hook {call.name} and NOTHING was pressed: {why}",
        )
        self._page(call, hook, decision, "")
        self._put_on_record(decision, call, kind="hook_failed")
        return _problem(request, decision, {"Retry-After": "1"})

    def _page(self, call: _Call, hook: Hook, decision: Decision, run: str) -> None:
        if decision.page:
            title = f"hook {call.name}: {decision.title}"
            text = decision.page if run else f"{decision.page}. If this was a breach, {self._by_hand(hook)}"
            self._tell(Notice("page", run, title, text, f"hook {call.name} {decision.code}"))

    def _by_hand(self, hook: Hook) -> str:
        scope = scope_of(hook)
        return by_hand(scope, self._pressable(scope), latch=hook.latch, reason="breach")

    def _put_on_record(self, decision: Decision, call: _Call, kind: str = "", **more: Any) -> None:
        facts = {
            "hook": call.name,
            "act": decision.code,
            "status": decision.status,
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

    def _unprotected(self) -> str:
        return f"a repeated call might press again: {self._replays.wrong or 'what was taken before is not known'}"


_PAST = {Act.PRESS: "pressed", Act.RECORD: "recorded", Act.PAGE: "paged", Act.REFUSE: "refused"}


def breach_handler(
    desk: Presses,
    settings: Callable[[], Mapping[str, Hook]],
    tell: Callable[[Notice], None],
    record: Record,
    *,
    replays: Replays,
    keyring: Keyring,
    now: Callable[[], float] = time.time,
    has_finished: Callable[[str], bool] = lambda _: False,
    scrub: Callable[[str], str] = str,
    pressable: Callable[[Scope], Scope | None] = lambda scope: scope,
) -> Handler:
    """Make the handler of POST /v1/hooks/{name}.

    Args:
        desk: Where presses become runs.
        settings: Gives the hooks as they are set now.
        tell: Told of pages and flags; must neither block nor raise.
        record: Told of every call; must neither block nor raise.
        replays: Which signed calls were taken before.
        keyring: The secrets of the hooks.
        now: Our clock, seconds since 1970.
        has_finished: Whether it is on record that a run came to its end. Called on a thread; may hang.
        scrub: Takes keys out of what callers say.
        pressable: Gives the scope nearest to one that a press by hand would take now.
    """
    return _Breaches(desk, settings, tell, record, replays, keyring, now, has_finished, scrub, pressable).handle


def _press(name: str, hook: Hook, reason: str) -> Press:
    return Press(
        scope_of(hook),
        reason,
        by=f"hook {name}",
        source=Source.HOOK,
        watch_s=hook.watch_s,
        deadline_s=hook.deadline_s,
        latch=hook.latch,
    )


def _is_known(live: _Live | None) -> bool:
    """Whether a run is under way, or came to its end and did not break off."""
    return live is not None and (not live.is_over or live.failure is None)


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
    challenge = _CHALLENGE if decision is NOT_LET_IN else {}
    return web.Response(
        body=_PROBLEM.dump_json(found, indent=2),
        status=found.status,
        headers={**challenge, **(headers or {})},
        content_type=problems.MEDIA_TYPE,
    )
