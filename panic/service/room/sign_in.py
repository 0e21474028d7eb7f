"""/v1/sign-in: signing in with the firm's identity provider, by an authorisation code with PKCE, state and nonce.

What a sign-in is about travels in a cookie of its own, sealed by this process: nothing is kept here for strangers,
and only the browser that began one can complete it. That cookie comes along from the provider's page, as the
session's does not. The way back is a part of our own page, never an address.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

from aiohttp import web

from panic.config import Provider, secret
from panic.service import id_token, sessions
from panic.service.api.answers import Threads, document
from panic.service.api.models import BeginQuery, DoneQuery, read_query
from panic.service.audit import Audit
from panic.service.auth import Identity
from panic.service.id_token import Proof, TokenError, UnknownKeyError
from panic.service.operations import Operation
from panic.service.problems import CALLER, ProblemError, request_id
from panic.service.provider import BusyError, ProviderClient, ProviderError, authorization
from panic.service.room.begun import Begun, base64url, opened, sealed
from panic.service.room.signing import Signing
from panic.service.sessions import Signed
from panic.service.standby import Standby

SIGN_IN: Final = "/v1/sign-in"
WITHIN_S: Final = 600.0
"""How long somebody may take at the provider."""

Refused = Literal["down", "expired", "refused", "invalid", "nobody", "stale"]
"""Why a sign-in failed, for the page to tell: the provider does not answer; it was begun long ago, or in another
browser; the provider said no; its token proves nothing; nothing is granted; nobody proved anew who they are."""


class RefusedError(Exception):
    """A sign-in failed: why, and what the audit says of it."""

    def __init__(self, why: Refused, detail: str = "") -> None:
        super().__init__(detail or why)
        self.why = why


@dataclass(frozen=True, slots=True)
class SignInView:
    """Where people can sign in; `issuer` is null where only tokens are taken."""

    schema: Literal["panic-sign-in/1"]
    issuer: str | None


class SignIn:
    """Signs people in with the identity provider, where the settings have one."""

    def __init__(self, standby: Standby, audit: Audit, signing: Signing, env: Mapping[str, str]) -> None:
        self._standby, self._audit, self._signing, self._env = standby, audit, signing, env
        self._threads = Threads(2)  # of its own: nobody who looks waits for it
        self._seal = secrets.token_bytes(32)
        self._last: ProviderClient | None = None

    @Operation("GET", SIGN_IN, "", {200: SignInView})
    async def where(self, _: web.Request, __: Identity) -> web.Response:
        """Where people can sign in beside giving a token."""
        provider = self._standby.settings.identity
        return document(SignInView("panic-sign-in/1", provider.issuer if provider else None))

    @Operation("GET", f"{SIGN_IN}/begin", "", {303: None}, (404,), query=BeginQuery)
    async def begin(self, request: web.Request, _: Identity) -> web.Response:
        """Go to the identity provider, to sign in there."""
        asked, client = read_query(BeginQuery, request), self._client()
        provider = client.provider
        try:
            endpoints = await client.endpoints()
        except ProviderError as error:
            return self._refused(request, RefusedError("down", str(error)))
        cookies = self._signing.cookies(request)
        begun = Begun(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            back=f"{self._origin(request)}{SIGN_IN}/done",
            page=asked.page,
            fresh=asked.fresh,
            at=time.time(),
            before=sessions.digest_of(cookies[0]) if cookies else "",
        )
        words = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": begun.back,
            "scope": " ".join(dict.fromkeys(("openid", *provider.scopes))),
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": base64url(hashlib.sha256(begun.verifier.encode()).digest()),
            "code_challenge_method": "S256",
            **({"prompt": "login", "max_age": "0"} if begun.fresh else {}),
        }
        response = _redirect(authorization(endpoints, words))
        self._remember(request, response, sealed(begun, self._seal), max_age=int(WITHIN_S))
        return response

    @Operation("GET", f"{SIGN_IN}/done", "", {303: None}, (404,), query=DoneQuery)
    async def done(self, request: web.Request, _: Identity) -> web.Response:
        """Come back from the identity provider: a session, or why not."""
        asked, client = read_query(DoneQuery, request), self._client()
        try:
            begun = self._begun(request, asked, client.provider)
            proof = await self._proof(client, begun, asked)
            who = self._admitted(proof, begun, request.get(CALLER, ""))
        except RefusedError as error:
            return self._refused(request, error)
        self._signing.sessions.forget(begun.before)
        self._audit.record_request(request, who.identity, "sign_in")
        response = _redirect(f"/#/{begun.page}")
        self._remember(request, response, "", max_age=0)
        self._signing.set_cookie(request, response, who.cookie)
        return response

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────

    def _client(self) -> ProviderClient:
        settings = self._standby.settings
        if settings.identity is None:
            raise ProblemError("not_found", "the settings name no [identity]", remedy="Sign in with a token.")
        if self._last is None or self._last.provider != settings.identity:
            self._last = ProviderClient(settings.identity, proxy=settings.broker.environment_proxy)
        return self._last

    def _begun(self, request: web.Request, asked: DoneQuery, provider: Provider) -> Begun:
        """Give the sign-in that this browser began and that this answers."""
        found = sessions.cookies(request.headers.getall("Cookie", []), self._name(request))
        begun = opened(found[0], self._seal) if len(found) == 1 else None
        if begun is None or not hmac.compare_digest(begun.state.encode(), asked.state.encode()):
            raise RefusedError("expired", "its state is not of this browser")
        if not 0 <= time.time() - begun.at <= WITHIN_S:
            raise RefusedError("expired", "it was begun too long ago")
        if asked.iss not in {"", provider.issuer}:
            raise RefusedError("invalid", "the answer is of another provider (iss)")
        if asked.error or not asked.code:
            raise RefusedError("refused", "the provider did not let them in")
        return begun

    async def _proof(self, client: ProviderClient, begun: Begun, asked: DoneQuery) -> Proof:
        """Redeem the code, and check the token that comes for it."""
        provider = client.provider
        try:
            word = await self._threads.ask(lambda: self._secret(provider), "sign-in")
            token = await client.redeem(asked.code, begun.verifier, begun.back, word)
            for anew in (False, True):
                keys = await client.keys(anew=anew)
                with suppress(UnknownKeyError):
                    return id_token.prove(token, keys, provider, begun.nonce, time.time())
            raise RefusedError("invalid", "its key is not among the provider's")
        except (ProviderError, TimeoutError) as error:
            raise RefusedError("down", str(error)) from None
        except BusyError:
            raise RefusedError("down", "too many sign in at once") from None
        except TokenError as error:
            raise RefusedError("invalid", f"the identity token: {error}") from None

    def _secret(self, provider: Provider) -> str:
        if provider.client_secret is None:
            return ""
        key, problems = secret.read("identity", provider.client_secret, self._env)
        if key is None:
            raise ProviderError(f"the client's secret: {problems[0].what}")
        return key.reveal()

    def _admitted(self, proof: Proof, begun: Begun, address: str) -> Signed:
        """Begin a session; where the provider does not say when they proved who they are, that was never."""
        at = proof.proved_at
        if begun.fresh and (at is None or at < begun.at - id_token.SKEW_S):
            raise RefusedError("stale", "the provider did not ask them anew (auth_time)")
        proved_s = float("inf") if at is None else max(time.time() - at, 0.0)
        who = self._signing.sessions.admit(proof.member, proved_s, address)
        if who is None:
            raise RefusedError("nobody", f"nothing is granted to the groups of {proof.member.subject}")
        return who

    def _refused(self, request: web.Request, error: RefusedError) -> web.Response:
        """Put on record that somebody was not let in, and let the page tell why."""
        told = {"code": f"sign_in_{error.why}", "why": self._standby.scrub(str(error))}
        where = {"path": request.path, "from": request.get(CALLER, ""), "request_id": request_id(request)}
        self._audit.record_some("refused", {**told, **where})
        response = _redirect(f"/#/sign-in/{error.why}")
        if error.why != "expired":  # anybody can send somebody here who is just signing in
            self._remember(request, response, "", max_age=0)
        return response

    def _origin(self, request: web.Request) -> str:
        return sessions.origin_of(request.headers["Host"], secure=self._signing.is_secure(request))

    def _name(self, request: web.Request) -> str:
        return f"{self._signing.cookie_name(request)}-sign-in"

    def _remember(self, request: web.Request, response: web.Response, words: str, max_age: int) -> None:
        how: dict[str, Any] = {"httponly": True, "samesite": "Lax", "secure": self._signing.is_secure(request)}
        response.set_cookie(self._name(request), words, max_age=max_age, **how)


def _redirect(address: str) -> web.Response:
    return web.Response(status=303, headers={"Location": address})
