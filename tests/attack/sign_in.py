"""Strangers who begin sign-ins without end, and redeem codes that they made up at a provider that hangs."""

import asyncio
from contextlib import suppress
from typing import Final
from urllib.parse import parse_qs, urlsplit

import aiohttp
from aiohttp import web

from tests.attack.frame import Attack, Target, alone

STRANGERS: Final = 200
PORT: Final = 48_711
ISSUER: Final = f"http://127.0.0.1:{PORT}"
SETTINGS: Final = f"""
[identity]
issuer = "{ISSUER}"
client_id = "panic"
[identity.grants]
desk = {{ roles = ["presser"] }}
"""


async def go(target: Target) -> None:
    """Be the provider as well."""
    counts = {"begun": 0, "redeemed": 0, "reached": 0}

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("openid-configuration"):
            named = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
            return web.json_response({"issuer": ISSUER, **{key: ISSUER + path for key, path in named.items()}})
        counts["reached"] += 1
        await asyncio.sleep(60)
        raise web.HTTPNotFound

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", PORT).start()

    async def one(session: aiohttp.ClientSession) -> None:
        begin = f"{target.url}/v1/sign-in/begin"
        while True:
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with session.get(begin, allow_redirects=False) as begun:
                    counts["begun"] += 1
                    cookie = begun.headers["Set-Cookie"].partition(";")[0]
                    state = parse_qs(urlsplit(begun.headers["Location"]).query)["state"][0]
                done = f"{target.url}/v1/sign-in/done?code=x&state={state}"
                async with session.get(done, headers={"Cookie": cookie}, allow_redirects=False):
                    counts["redeemed"] += 1
            await asyncio.sleep(0)

    connector = aiohttp.TCPConnector(limit=0, ssl=target.context or True)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        try:
            await target.crowd((one(session) for _ in range(STRANGERS)), 2)
        finally:
            await runner.cleanup()
            print(", ".join(f"{value:,} {what}" for what, value in counts.items()))


ATTACK = Attack(
    "sign_in", f"{STRANGERS} strangers who sign in without end, at a provider that hangs", go, SETTINGS
)

if __name__ == "__main__":
    alone(ATTACK)
