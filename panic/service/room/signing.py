"""/v1/session: signing in with a token, and identifying callers by cookie."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from aiohttp import web

from panic.service import sessions
from panic.service.api.answers import document
from panic.service.api.models import TokenAsked, read
from panic.service.audit import Audit
from panic.service.auth import CHALLENGE, Identity, identify
from panic.service.body import read_json
from panic.service.operations import Operation
from panic.service.problems import CALLER, ProblemError
from panic.service.sessions import SIGNED, Sessions, Signed
from panic.service.standby import Standby

CSRF: Final = "X-CSRF-Token"
SESSION: Final = "/v1/session"
SEEN: Final = f"{SESSION}/seen"

_AGAIN: Final[dict[str, Any]] = {"remedy": "Sign in again with your token.", "headers": CHALLENGE}
_SEVERAL = "several cookies of its name came with it: another page of this host set one"
_CLEAR: Final = "Delete the cookies of this host in the browser, and sign in again."


@dataclass(frozen=True, slots=True)
class SessionView:
    """Who is signed in, and what they may do.

    Attributes:
        groups: Whose accounts it may press; null for every account.
        may_act: Whether it may do more than look now; if not, give the token again.
        acts_for_s: Until it only looks, if nobody does anything.
        issuer: The identity provider that named them; empty for a token.
        fresh_for_s: Until a reset takes a new sign-in there; null for a token.
        csrf: What every request but GET and HEAD repeats as X-CSRF-Token.
    """

    schema: Literal["panic-session/1"]
    name: str
    person: bool
    roles: tuple[str, ...]
    groups: tuple[str, ...] | None
    may_act: bool
    acts_for_s: float
    issuer: str
    fresh_for_s: float | None
    csrf: str


class Signing:
    """Lets people in from a browser. What it refuses is a ProblemError."""

    def __init__(self, standby: Standby, audit: Audit) -> None:
        self._standby, self._audit = standby, audit
        self.sessions = Sessions(lambda: standby.settings)

    def who(self, request: web.Request) -> Signed | None:
        """Say who asks with a cookie, which does not yet mean that they may; None without one."""
        cookies = self.cookies(request)
        found = self.sessions.find(cookies[0]) if cookies else None
        if cookies and found is None:
            raise ProblemError("unauthenticated", "the session has ended", **_AGAIN)
        return found

    def require_ours(self, request: web.Request, who: Signed) -> None:
        """Go on if our own page sent this, and not an older copy of it."""
        self._require_origin(request)
        if request.method not in sessions.LOOKS and not sessions.is_csrf(
            request.headers.getall(CSRF, []), who.cookie
        ):
            raise ProblemError("csrf")

    def require_awake(self, request: web.Request, who: Signed, role: str) -> None:
        """Go on if this only looks, or if somebody was there lately.

        What takes more than a viewer is somebody's act, and so is their word that they are there. Nothing else is:
        a page asks for plans by itself.
        """
        if role != "viewer" and not self.sessions.acts_for_s(who.session):
            raise ProblemError("idle")
        if role != "viewer" or request.path == SEEN:
            self.sessions.act(who.session)
        request[SIGNED] = who

    def require_active(self, request: web.Request) -> None:
        """Go on if somebody was there lately, or gave a token."""
        who = request.get(SIGNED)
        if who is not None and not self.sessions.acts_for_s(who.session):
            raise ProblemError("idle")

    def require_fresh(self, who: Signed) -> None:
        """Go on if they proved who they are lately, or gave a token."""
        if self.sessions.fresh_for_s(who.session) == 0:
            raise ProblemError("stale_sign_in")

    def _require_origin(self, request: web.Request) -> None:
        service = self._standby.settings.service
        ours = {sessions.origin_of(request.headers.get("Host", ""), secure=self.is_secure(request))}
        if service.behind_proxy:  # it may call us by another name, and is itself asked with TLS at the usual port
            names = (f"[{name}]" if ":" in name else name for name in service.allowed_hosts)
            ours |= {sessions.origin_of(name, secure=True) for name in names}
        origins, sites = (request.headers.getall(name, []) for name in ("Origin", "Sec-Fetch-Site"))
        if why := sessions.refusal(request.method, ours, origins, sites):
            raise ProblemError("not_same_origin", why)

    def cookies(self, request: web.Request) -> list[str]:
        """Give our cookie, or none; another page of this host may have set one beside it."""
        found = sessions.cookies(request.headers.getall("Cookie", []), self.cookie_name(request))
        if len(found) > 1:
            raise ProblemError("not_same_origin", _SEVERAL, remedy=_CLEAR)
        return found

    def cookie_name(self, request: web.Request) -> str:
        """Give the name of our cookie."""
        return sessions.cookie_name(request.headers.get("Host", ""), secure=self.is_secure(request))

    def is_secure(self, request: web.Request) -> bool:
        """Whether the browser asks with TLS."""
        return request.secure or self._standby.settings.service.behind_proxy

    @Operation("POST", SESSION, "", {200: SessionView}, (401, 403), body=TokenAsked)
    async def sign_in(self, request: web.Request, _: Identity) -> web.Response:
        """Sign in from a browser: a token for a cookie."""
        self._require_origin(request)
        cookies = self.cookies(request)
        asked = read(TokenAsked, await read_json(request))
        identity = identify(self._standby.settings.tokens, f"Bearer {asked.token.strip()}", datetime.now(UTC))
        if identity is None:
            raise ProblemError("unauthenticated", "this token is nobody's", **_AGAIN)
        for one in cookies:  # so that none can be planted
            self.sessions.end(one)
        who = self.sessions.begin(identity, request.get(CALLER, ""))
        self._audit.record_request(request, identity, "sign_in")
        response = self._view(who)
        self.set_cookie(request, response, who.cookie)
        return response

    @Operation("GET", SESSION, "viewer", {200: SessionView}, (404,))
    async def session(self, request: web.Request, _: Identity) -> web.Response:
        """Who is signed in."""
        return self._view(_signed(request))

    @Operation("POST", SEEN, "viewer", {200: SessionView}, (404,))
    async def seen(self, request: web.Request, _: Identity) -> web.Response:
        """Keep an active session active: somebody is there."""
        return self._view(_signed(request))

    @Operation("DELETE", SESSION, "viewer", {204: None}, (404,))
    async def sign_out(self, request: web.Request, identity: Identity) -> web.Response:
        """Sign out."""
        self.sessions.end(_signed(request).cookie)
        self._audit.record_request(request, identity, "sign_out")
        response = web.Response(status=204)
        self.set_cookie(request, response, "", max_age=0)
        return response

    def set_cookie(self, request: web.Request, response: web.Response, cookie: str, **how: Any) -> None:
        """Give the browser its cookie."""
        how |= {"httponly": True, "samesite": "Strict", "secure": self.is_secure(request)}
        response.set_cookie(self.cookie_name(request), cookie, **how)

    def _view(self, who: Signed) -> web.Response:
        one, acts_for_s = who.identity, self.sessions.acts_for_s(who.session)
        view = SessionView(
            "panic-session/1",
            one.name,
            one.person,
            tuple(sorted(one.roles)),
            None if one.groups is None else tuple(sorted(one.groups)),
            may_act=acts_for_s > 0,
            acts_for_s=round(acts_for_s, 3),
            issuer=one.issuer,
            fresh_for_s=self.sessions.fresh_for_s(who.session),
            csrf=sessions.csrf_of(who.cookie),
        )
        return document(view)


def _signed(request: web.Request) -> Signed:
    who: Signed | None = request.get(SIGNED)
    if who is None:
        what = "a request with a token of its own has no session"
        raise ProblemError("not_found", what, remedy="A browser gets one with POST /v1/session.")
    return who
