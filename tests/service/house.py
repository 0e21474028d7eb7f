"""The service in this process, on loopback beside a simulated broker: everything is real but the broker."""

import hashlib
import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator

from panic import config
from panic.service.app import LOOKS, OPERATIONS, RUNNER, make_app
from panic.service.audit import Audit
from panic.service.desk import Desk
from panic.service.live import Live
from panic.service.metrics import Metrics
from panic.service.notify import Notifier
from panic.service.openapi import document
from panic.service.problems import Problem
from panic.service.room.hub import Hub
from panic.service.schedule.calendar import fallback
from panic.service.sessions import Sessions
from panic.service.standby import Standby
from panic.simulator import SimAccount, Simulator
from tests.cli.support import Firm, account, simulate

EVERYTHING = {"scope": {"all": True}, "reason": "runaway algo"}
QUICK = {**EVERYTHING, "watch_s": 0}
JOE = "joe"

TOKENS = {
    "viewer": (["viewer"], True),
    "joe": (["presser"], True),
    "risk": (["presser"], False),
    "boss": (["presser", "resetter"], True),
    "robot": (["presser", "resetter"], False),
    "east": (["presser", "resetter"], True),
}
"""Name to roles, and whether it is a person's. The token itself is the name and -secret-token."""

DOCUMENT = document(OPERATIONS)


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}-secret-token"} if name else {}


def sections() -> str:
    """The tokens as settings have them; `east` is good for the group East."""
    found = []
    for name, (roles, person) in TOKENS.items():
        digest = hashlib.sha256(f"{name}-secret-token".encode()).hexdigest()
        groups = 'groups = ["East"]\n' if name == "east" else ""
        words = f'[tokens.{name}]\ndigest = "sha256:{digest}"\nroles = {json.dumps(roles)}\n'
        found.append(f"{words}person = {str(person).lower()}\n{groups}")
    return "\n".join(found)


@dataclass
class Answer:
    """What came back."""

    response: ClientResponse
    body: bytes

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self.response.headers

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def fits(self, name: str) -> dict[str, Any]:
        """The document, which must be what the OpenAPI document calls so."""
        schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
        Draft202012Validator(schema).validate(self.json)
        return self.json

    def problem(self, code: str) -> dict[str, Any]:
        """The problem that came back, which must be this one and name a remedy."""
        found = self.fits(Problem.__name__)
        assert (self.status, code) == (found["status"], found["code"])
        assert "application/problem+json" == self.response.content_type
        assert found["remedy"]
        return found


@dataclass
class House:
    """The service, and who may look behind it."""

    client: "TestClient[Any, Any]"
    simulator: Simulator
    standby: Standby
    desk: Desk
    notifier: Notifier
    metrics: Metrics
    firm: Firm
    hub: Hub
    sessions: Sessions
    readers: Collection[object]
    audit: Audit
    recorded: list[dict[str, Any]]

    async def ask(self, method: str, path: str, body: Any = None, *, token: str = JOE, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        how: dict[str, Any] = {} if body is None else {"json": body}
        async with self.client.request(method, path, headers={**bearer(token), **named}, **how) as response:
            return Answer(response, await response.read())

    async def press(self, body: Mapping[str, Any] = QUICK, *, token: str = JOE, **headers: str) -> Answer:
        return await self.ask("POST", "/v1/runs", dict(body), token=token, **headers)

    def live(self, run_id: str) -> Live:
        live = self.desk.find(run_id)
        assert live is not None
        return live

    async def over(self, run_id: str) -> None:
        await self.live(run_id).finished()

    def forget(self) -> None:
        """Let the desk know of no run any more, as after a restart."""
        self.desk.live.clear()

    @property
    def told(self) -> list[tuple[str, dict[str, Any]]]:
        self.audit.flush()
        return [(one["what"], one) for one in self.recorded]

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.told]

    def counted(self, name: str, **labels: str) -> float | None:
        found: float | None = self.metrics.registry.get_sample_value(name, labels)
        return found


@asynccontextmanager
async def house(
    folder: Path,
    *accounts: SimAccount,
    more: str = "",
    ledger: bool = True,
    rows: Sequence[str] = (),
    columns: str = "id,group",
    desk: type[Desk] = Desk,
    **how: Any,
) -> AsyncIterator[House]:
    """Serve; accounts 1 (East) and 2 (West) unless told otherwise."""
    accounts = accounts or (account(1), account(2))
    async with simulate(*accounts) as simulator:
        groups = ("East", "West")
        firm = Firm(
            folder,
            simulator.base_url,
            rows=rows or [f"{one.id},{groups[n % 2]}" for n, one in enumerate(accounts)],
            columns=columns,
            more=f"[service]\nwarm_connections = 0\n{more}\n{sections()}",
        )
        settings = config.load(firm.settings, {})
        if not ledger:
            settings = settings.model_copy(update={"ledger": config.LedgerFiles()})
        standby = Standby(settings, {})
        await standby.start()
        await standby.judged()
        the_desk, notifier, metrics = desk(standby), Notifier({}, {}), Metrics()
        recorded: list[dict[str, Any]] = []
        audit = Audit(lambda _at, body: recorded.append(body), standby.scrub)
        how = {"env": {}, "calendar": fallback, **how}
        app = make_app(the_desk, standby, audit, notifier, metrics, **how)
        server = TestServer(app)
        await server.start_server(**RUNNER)
        try:
            async with TestClient(server) as client:
                looks = app[LOOKS]
                parts = (client, simulator, standby, the_desk, notifier, metrics, firm, looks.hub)
                yield House(*parts, looks.signing.sessions, looks.readers, audit, recorded)
        finally:
            await the_desk.close()
            await standby.close()
            await notifier.close(0.0)
