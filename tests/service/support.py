"""A service in a process of its own, beside an in-test broker, and a client that has its token."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from panic.simulator import Simulator
from tests.cli.ledgers import SETTINGS
from tests.cli.support import Firm, Process, started

TOKEN = "token-of-the-desk-4711"
QUICK = "poll_first_s = 0.05\npoll_max_s = 0.2\nwatch_s = 0\n"


def sections(more: str = "", ledger: str = SETTINGS) -> str:
    """The settings of a service on any port, with a token that may do everything, and a ledger."""
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    roles = 'roles = ["presser", "resetter"]\nperson = true'
    return f'{ledger}\n[service]\nport = 0\n[tokens.desk]\ndigest = "sha256:{digest}"\n{roles}\n{more}'


def firm(
    folder: Path,
    simulator: Simulator,
    ids: Sequence[int],
    *,
    run: str = QUICK,
    more: str = "",
    ledger: str = SETTINGS,
) -> Firm:
    """A firm whose settings have a service."""
    return Firm(folder, simulator.base_url, ids, run=run, more=sections(more, ledger))


@dataclass
class Answer:
    """What the service answered."""

    status: int
    headers: dict[str, str]
    text: str
    body: Any


@dataclass
class Service:
    """A service that listens."""

    process: Process
    url: str
    session: aiohttp.ClientSession

    async def ask(
        self, method: str, path: str, body: object = None, *, who: str = "desk", **headers: str
    ) -> Answer:
        """Ask with the token; "" asks as nobody."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if who:
            sent["Authorization"] = f"Bearer {TOKEN}"
        async with self.session.request(method, self.url + path, json=body, headers=sent) as response:
            text = await response.text()
            body = json.loads(text) if "json" in response.content_type else None
            return Answer(response.status, dict(response.headers), text, body)

    async def press(self, *, reason: str = "a test", **more: Any) -> Answer:
        """Press for all accounts."""
        return await self.ask("POST", "/v1/runs", {"scope": {"all": True}, "reason": reason, **more})

    async def report(self, run: str) -> Any:
        """Wait for a run's report."""
        async with asyncio.timeout(20):
            while True:
                found = await self.ask("GET", f"/v1/runs/{run}/report")
                if found.status == 200 and found.body["finished"]:
                    return found.body
                await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(one: Firm, words: Sequence[str] = (), **how: Any) -> AsyncIterator[Service]:
    """Start `panic serve`, or with other words, and end it whatever happens."""
    async with started(*(words or one.lines("serve")), cwd=one.folder, **how) as process:
        said = await process.says("serving on")
        found = re.search(r"https?://\S+(?=;)", said)
        assert found is not None, said
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
            yield Service(process, found[0], session)


@asynccontextmanager
async def listening(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Listen for whatever is posted, and give the address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()
