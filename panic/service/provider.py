"""The firm's identity provider, as OpenID Connect has it: where it is, its keys, and a code for a token.

Nothing here stands in the way of a press: it is asked when somebody signs in, and by nobody else. Whatever it
answers is bounded in time and size, and no redirect is followed.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import aiohttp
from pydantic_core import from_json

from panic.config import Provider
from panic.config.address import is_safe_address

WITHIN_S: Final = 5.0
"""How long it may take to answer one request."""

AT_ONCE_MOST: Final = 16
"""Codes that are redeemed at once: strangers can send some, too."""

_FRESH_S: Final = 600.0
"""How long its addresses and keys are kept: a key that it withdraws counts no longer."""

_FAILED_S: Final = 2.0
_KEYS_S: Final = 30.0
"""How often its keys are read anew for a token whose key is unknown: anybody can name one."""

_MOST: Final = 256 << 10
_OK: Final = 200
_DISCOVERY: Final = "/.well-known/openid-configuration"


class ProviderError(Exception):
    """The provider does not answer, or not as it should; the message says what, without what it said."""


class BusyError(Exception):
    """Too many sign in at once."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the provider says that it is; `basic` is whether it takes the client's secret in a header."""

    authorization: str
    token: str
    keys: str
    basic: bool


class ProviderClient:
    """Asks one provider. Use it in one loop."""

    def __init__(self, provider: Provider, *, proxy: bool) -> None:
        self.provider, self._proxy = provider, proxy
        self._asking = asyncio.Lock()
        self._found: tuple[float, Endpoints] | None = None
        self._failed: tuple[float, ProviderError] | None = None
        self._keys: tuple[float, Mapping[str, Any]] | None = None
        self._redeeming = 0

    async def endpoints(self) -> Endpoints:
        """Say where it is; a failure is remembered for a moment, so that nobody floods it through us."""
        async with self._asking:
            now = monotonic()
            if self._found and now - self._found[0] < _FRESH_S:
                return self._found[1]
            if self._failed and now - self._failed[0] < _FAILED_S:
                raise self._failed[1]
            try:
                found = self._endpoints(await self._ask("GET", self.provider.issuer.rstrip("/") + _DISCOVERY))
            except ProviderError as error:
                self._failed = (monotonic(), error)
                raise
            self._found = (monotonic(), found)
            return found

    async def keys(self, *, anew: bool = False) -> Mapping[str, Any]:
        """Give its JWK set; `anew` reads it again, if that was not done just now."""
        endpoints = await self.endpoints()
        async with self._asking:
            if self._keys and monotonic() - self._keys[0] < (_KEYS_S if anew else _FRESH_S):
                return self._keys[1]
            found = await self._ask("GET", endpoints.keys)
            self._keys = (monotonic(), found)
            return found

    async def redeem(self, code: str, verifier: str, back: str, secret: str) -> str:
        """Give the identity token for a code; `back` is the address to which the code was sent."""
        endpoints, provider = await self.endpoints(), self.provider
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
        headers = {}
        if secret and endpoints.basic:
            name, word = quote_plus(provider.client_id), quote_plus(secret)
            headers["Authorization"] = aiohttp.encode_basic_auth(name, word)
        else:
            form |= {"client_id": provider.client_id, **({"client_secret": secret} if secret else {})}
        if self._redeeming >= AT_ONCE_MOST:
            raise BusyError
        self._redeeming += 1
        try:
            answer = await self._ask("POST", endpoints.token, data=form, headers=headers)
        finally:
            self._redeeming -= 1
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderError("it gave no identity token")
        return token

    def _endpoints(self, said: Mapping[str, Any]) -> Endpoints:
        if said.get("issuer") != self.provider.issuer:
            raise ProviderError("it calls itself otherwise than the settings' issuer")
        methods = said.get("token_endpoint_auth_methods_supported")
        return Endpoints(
            _address(said, "authorization_endpoint"),
            _address(said, "token_endpoint"),
            _address(said, "jwks_uri"),
            basic=not isinstance(methods, list) or "client_secret_basic" in methods,
        )

    async def _ask(self, method: str, url: str, **how: Any) -> Mapping[str, Any]:
        timeout, jar = aiohttp.ClientTimeout(total=WITHIN_S), aiohttp.DummyCookieJar()
        headers = {"Accept": "application/json", **how.pop("headers", {})}
        what = url.partition("?")[0]
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, cookie_jar=jar, trust_env=self._proxy) as session,
                session.request(method, url, allow_redirects=False, headers=headers, **how) as response,
            ):
                body = await response.content.read(_MOST + 1)
                while len(body) <= _MOST and (more := await response.content.read(_MOST + 1 - len(body))):
                    body += more
                status = response.status
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise ProviderError(f"{what} does not answer ({type(error).__name__})") from None
        try:
            said = from_json(body)
        except ValueError:
            said = None
        if status != _OK or len(body) > _MOST or not isinstance(said, dict):
            raise ProviderError(f"{what} answered {status}, not as OpenID Connect has it")
        return said


def _address(said: Mapping[str, Any], key: str) -> str:
    found = said.get(key)
    if not isinstance(found, str) or not is_safe_address(found):
        raise ProviderError(f"its {key} is no https address")
    return found


def authorization(endpoints: Endpoints, asked: Mapping[str, str]) -> str:
    """Give the address at which somebody signs in."""
    return f"{endpoints.authorization}{'&' if '?' in endpoints.authorization else '?'}{urlencode(asked)}"
