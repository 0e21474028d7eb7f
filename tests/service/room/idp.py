"""A small identity provider on loopback, as OpenID Connect has it, and a browser that signs in with it.

It is strict: a code is good once, for the client, the address and the proof (PKCE) that it was asked with.
"""

import base64
import hashlib
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from tests.service.room.page import Browser

CLIENT, SECRET = "panic", "the-clients-secret"
KEY = RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256", "use": "sig"})
OTHER = RSAKey.generate_key(2048, {"kid": "two"})
CURVE = ECKey.generate_key("P-256", {"kid": "three"})


@dataclass
class Idp:
    """The provider.

    Attributes:
        claims: What a token says beside what it must.
        keys: What it publishes.
        sign: Makes a token of its claims.
        way: How the client proves itself, as OpenID Connect calls it.
        is_down: Whether it hangs up at whatever is asked.
        asked: Every path that was asked for.
    """

    url: str = ""
    claims: dict[str, Any] = field(
        default_factory=lambda: {"preferred_username": "jane", "sub": "u-1", "groups": ["desk"]}
    )
    keys: list[Any] = field(default_factory=lambda: [KEY.as_dict(private=False)])
    sign: Callable[[dict[str, Any]], str] = lambda claims: jwt.encode({"alg": "RS256", "kid": "one"}, claims, KEY)
    configuration: dict[str, Any] = field(default_factory=dict)
    way: str = "client_secret_basic"
    is_down: bool = False
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def settings(self, more: str = "") -> str:
        """The section of the settings; `boss` may do everything, `desk` presses, `east` and `ends` a part."""
        return f"""
[identity]
issuer = "{self.url}"
client_id = "{CLIENT}"
client_secret = {{ file = "client.secret" }}
{more}
[identity.grants]
desk = {{ roles = ["presser"] }}
east = {{ roles = ["presser"], groups = ["East"] }}
ends = {{ roles = ["resetter"] }}
boss = {{ roles = ["presser", "resetter"] }}
"""

    async def answer(self, request: web.Request) -> web.Response:
        """Answer whatever is asked."""
        self.asked.append(request.path)
        if self.is_down and request.transport is not None:
            request.transport.abort()
        match request.path:
            case "/.well-known/openid-configuration":
                named = {
                    "authorization_endpoint": "/authorize?p=x",
                    "token_endpoint": "/token",
                    "jwks_uri": "/keys",
                }
                found = {"issuer": self.url, **{key: self.url + path for key, path in named.items()}}
                methods = {"token_endpoint_auth_methods_supported": [self.way]}
                return web.json_response(found | methods | self.configuration)
            case "/keys":
                return web.json_response({"keys": self.keys})
            case "/authorize":
                code = secrets.token_hex(8)
                self.codes[code] = dict(request.query)
                back = (
                    f"{request.query['redirect_uri']}?code={code}&state={request.query['state']}&session_state=x"
                )
                return web.Response(status=302, headers={"Location": back})
            case "/moved":
                return web.Response(status=307, headers={"Location": f"{self.url}/keys"})
            case "/token":
                return await self._token(request)
        raise web.HTTPNotFound

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        asked = self.codes.pop(str(form["code"]), {})
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        is_right = (
            asked.get("code_challenge") == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            and asked["code_challenge_method"] == "S256"
            and asked["redirect_uri"] == form["redirect_uri"]
            and self._is_the_client(request, dict(form))
        )
        if not is_right:
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        must = {"iss": self.url, "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": asked["nonce"]}
        must |= {"auth_time": now} if "max_age" in asked else {}
        claims = {key: value for key, value in {**must, **self.claims}.items() if value is not None}
        return web.json_response({"access_token": "x", "token_type": "Bearer", "id_token": self.sign(claims)})

    def _is_the_client(self, request: web.Request, form: dict[str, Any]) -> bool:
        basic, given = request.headers.get("Authorization"), (form.get("client_id"), form.get("client_secret"))
        if self.way == "client_secret_basic":
            return (aiohttp.encode_basic_auth(CLIENT, SECRET), (None, None)) == (basic, given)
        return (None, (CLIENT, None if self.way == "none" else SECRET)) == (basic, given)


@asynccontextmanager
async def provider() -> AsyncIterator[Idp]:
    """Serve one."""
    idp = Idp()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", idp.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        idp.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield idp
    finally:
        await runner.cleanup()


@dataclass
class Person(Browser):
    """A browser, and whoever sits before it.

    Attributes:
        kept: The cookie of the sign-in under way.
        location: Where the last answer sent it.
        query: What the provider was asked with, last.
    """

    kept: str = ""
    location: str = ""
    query: dict[str, str] = field(default_factory=dict)

    async def begin(self, query: str = "") -> int:
        """Go to the provider, as far as its address."""
        status = await self.visit(f"/v1/sign-in/begin{query}", strict=True)
        self.query = {key: values[0] for key, values in parse_qs(urlsplit(self.location).query).items()}
        return status

    async def prove(self) -> str:
        """Sign in at the provider, and give the path of the way back."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(self.location, allow_redirects=False) as response,
        ):
            back = response.headers["Location"]
        assert back.startswith(f"{self.origin}/v1/sign-in/done?")
        return back.removeprefix(self.origin)

    async def arrive(self, query: str = "") -> str:
        """Sign in with the provider, and say where on the page that ends."""
        await self.begin(query)
        await self.visit(await self.prove())
        if self.cookie:
            self.session = (await self.ask("GET", "/v1/session")).json
        return self.location

    async def visit(self, path: str, *, strict: bool = False) -> int:
        """Follow a link: from another site, only the cookie of the sign-in comes along."""
        cookies = [self.kept, self.cookie if strict else ""]
        headers = {
            "Cookie": "; ".join(filter(None, cookies)),
            "Sec-Fetch-Site": "none" if strict else "cross-site",
        }
        async with self.it.client.get(path, headers=headers, allow_redirects=False) as response:
            for cookie in response.headers.getall("Set-Cookie", []):
                pair, name = cookie.partition(";")[0], cookie.partition("=")[0]
                if name.endswith("-sign-in"):
                    assert re.search("; HttpOnly; (Max-Age=600; )?Path=/; SameSite=Lax$", cookie) or "=0" in cookie
                    self.kept = pair
                else:
                    assert cookie.endswith("; HttpOnly; Path=/; SameSite=Strict")
                    self.cookie = pair
            self.location = response.headers.get("Location", "")
            self.it.client.session.cookie_jar.clear()
            return response.status
