"""Wraps every route: checks who may do what, and turns exceptions into problems, on record."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog
from aiohttp import web

from panic.service import body, problems
from panic.service.api.tokens import Tokens
from panic.service.api.views import RUNS
from panic.service.audit import Audit
from panic.service.auth import AGAIN, CHALLENGE, ROLE, Identity, caller, host_is_allowed, identify, require_role
from panic.service.metrics import Metrics
from panic.service.operations import Operation
from panic.service.problems import CALLER, REQUEST_ID, ProblemError
from panic.service.quota import Quota
from panic.service.room.signing import Signing
from panic.service.standby import Standby
from panic.service.tls import lacks_certificate

log = structlog.get_logger()

_NOBODY: Final = Identity("nobody", frozenset())
"""Who asks where no token is needed."""

Next = Callable[[web.Request], Awaitable[web.StreamResponse]]
Handler = Callable[[web.Request, Identity], Awaitable[web.StreamResponse]]

_PROBES: Final = ("/healthz", "/readyz")
"""Probes use the address, bring no certificate, and learn nothing worth a DNS rebinding attack."""

_JSON: Final = ("application/json", problems.MEDIA_TYPE)
_ECHO_MOST: Final = 64 << 10
"""Bytes: what repeats a caller is a problem or a few lines, and those are bounded; a report is longer."""

_TAKEN_S: Final = 30.0
"""How long somebody may take to receive a long answer, which fills memory until then."""

_RECORDED: Final = (401, 403, 421, 429)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_WHO: Final = web.RequestKey("who", str)


class Guard:
    """Stands before every route of the service that listens at `host`."""

    def __init__(
        self, standby: Standby, host: str, audit: Audit, metrics: Metrics, signing: Signing, tokens: Tokens
    ) -> None:
        self._standby, self._host = standby, host
        self._audit, self._metrics, self._signing, self._tokens = audit, metrics, signing, tokens
        self._quota = Quota()

    def before(self, one: Operation, handler: Handler) -> Next:
        """Let only authorised callers reach a handler."""

        async def handle(request: web.Request) -> web.StreamResponse:
            who: Callable[[], Identity] = partial(self._identify, request, one)
            identity, request[AGAIN] = who(), who
            self._tokens.note(identity)
            if one.query is None and request.query:
                raise ProblemError("malformed", "nothing can be asked here behind a question mark")
            if one.body is not None:
                await body.arrival(request)
                identity = who()  # rights may have been taken away while it came
            if not one.is_look:
                return await handler(request, identity)
            async with self._quota.of(identity):
                return await _sent(request, await handler(request, identity))

        return handle

    def _identify(self, request: web.Request, one: Operation) -> Identity:
        """Authorise the caller; a token in the request counts alone: a cookie cannot make up for a bad one."""
        if not one.role:
            return _NOBODY
        given = request.headers.getall("Authorization", [])
        who = None if given else self._signing.who(request)
        identity = who.identity if who else self._bearer(given)
        if identity is None:
            raise ProblemError("unauthenticated", headers=CHALLENGE)
        request[_WHO] = identity.name
        if who is not None:
            self._signing.require_ours(request, who)
        require_role(identity, one.role)
        if one.person and not identity.person:
            what = f"{identity.called} is a program's, and this is a person's deliberate act"
            raise ProblemError("forbidden", what, remedy="Use the token of a person.")
        if who is not None:
            self._signing.require_awake(request, who, one.role)
            if one.person:
                self._signing.require_fresh(who)
        request[ROLE] = one.role
        return identity.in_role(one.role)

    def _bearer(self, given: Sequence[str]) -> Identity | None:
        tokens = self._standby.settings.tokens
        return identify(tokens, given[0], datetime.now(UTC)) if len(given) == 1 else None

    @web.middleware
    async def answer(self, request: web.Request, handler: Next) -> web.StreamResponse:
        """Answer under our names alone, turn any exception into a problem, and never reveal a key."""
        trusted = self._standby.settings.service.trusted_proxies
        request[CALLER] = caller(request.remote or "", request.headers.getall("X-Forwarded-For", []), trusted)
        theirs = self._standby.scrub(request.headers.get("X-Request-Id", ""))
        request[REQUEST_ID] = theirs if _REQUEST_ID.fullmatch(theirs) else secrets.token_hex(8)
        try:
            self._require_our_caller(request)
            response = self._without_keys(await handler(request))
        except Exception as error:
            if isinstance(error, web.HTTPException) and error.status < 400:  # noqa: PLR2004
                raise
            response = self._without_keys(self._refused(request, error))
        if ROLE not in request:  # whoever proves nothing has one answer, and no place to ask on without end
            response.force_close()
        return response

    def _require_our_caller(self, request: web.Request) -> None:
        given = request.headers.getall("Host", [])
        names = (self._host, *self._standby.settings.service.allowed_hosts)
        ours = len(given) == 1 and host_is_allowed(given[0], names)
        if not ours and request.path not in _PROBES:
            raise ProblemError("wrong_host")
        if request.path not in _PROBES and lacks_certificate(request):
            raise ProblemError("no_certificate")

    def _without_keys(self, response: web.StreamResponse) -> web.StreamResponse:
        """Remove keys from an answer that may echo its caller; reports hold none."""
        is_packed = "Content-Encoding" in response.headers  # boards, which hold none either
        if isinstance(response, web.Response) and response.content_type in _JSON and not is_packed:
            body = response.body
            if isinstance(body, bytes) and len(body) <= _ECHO_MOST:
                is_echo = response.content_type == problems.MEDIA_TYPE
                scrub = self._standby.scrub if is_echo else self._standby.without_keys
                response.body = scrub(body.decode()).encode()
        return response

    def _refused(self, request: web.Request, error: Exception) -> web.Response:
        problem = problems.of(error)
        if problem.code == "internal":
            problems.report_failure(error, request)
        asked = (request.method, request.path, problem.code)
        opens_the_page = asked == ("GET", "/v1/session", "unauthenticated")  # ours, before anybody is in
        presses = asked[:2] == ("POST", RUNS)
        path = self._standby.scrub(request.path)[:100]
        what = {"code": problem.code, "method": request.method[:16], "path": path}
        who = {"token": request.get(_WHO, ""), "from": request[CALLER], "request_id": request[REQUEST_ID]}
        if problem.status in _RECORDED and (not opens_the_page or "Authorization" in request.headers):
            self._audit.record_some("refused", {**what, **who})
        elif presses and structlog.is_configured():  # of somebody who may press: the ledger has what was pressed
            log.info("refused", **what, **who)
        if presses:
            self._metrics.press_refused(problem.code)
        return problem.response(request[REQUEST_ID])


async def _sent(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Send a long answer while it still counts as under way; drop whoever does not take it."""
    body = response.body if isinstance(response, web.Response) else None
    if isinstance(body, bytes) and len(body) > _ECHO_MOST:
        try:
            async with asyncio.timeout(_TAKEN_S):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
    return response
