"""Calls as senders make them, signed by the reference signer, and hooks that answer them without a connection."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request
from standardwebhooks import Webhook

from panic.config import Credential, Hook
from panic.run.press import Press
from panic.service.body import HOOK_MOST
from panic.service.desk import Desk
from panic.service.hooks.breaches import Breaches
from panic.service.hooks.keyring import Keyring
from panic.service.hooks.replays import Call, Earlier, Replays
from panic.service.notify import Notice

NOW = 1_800_000_000
SECRET = "whsec_bm90LWEtcmVhbC1rZXktb25seS1mb3ItdGVzdHM="
OTHER = "whsec_YW5vdGhlci1rZXktd2hpY2gtaXMtbm90LXJlYWw="
CAREFUL = "whsec_b25lLW1vcmUta2V5LWZvci1hbm90aGVyLWhvb2s="
TOKEN = "a-bearer-secret-for-tests-only"

BREACH = b'{"type":"risk.limit.breached","timestamp":"2026-11-24T10:00:00Z","data":{"message":"desk A lost 2m"}}'
_SUMMARY = {"summary": "Desk A is below its daily loss limit"}


def sign(body: bytes, id_: str = "msg_1", at: int = NOW, *secrets: str) -> dict[str, str]:
    """The headers that the reference signer gives a message, with a signature for each secret."""
    moment = datetime.fromtimestamp(at, UTC)
    signatures = [Webhook(secret).sign(id_, moment, body.decode()) for secret in secrets or (SECRET,)]
    return {"webhook-id": id_, "webhook-timestamp": str(at), "webhook-signature": " ".join(signatures)}


def lists(headers: dict[str, str]) -> dict[str, list[str]]:
    """Headers, each of which came once."""
    return {name: [value] for name, value in headers.items()}


def alertmanager(*statuses: str, **more: Any) -> bytes:
    """What Alertmanager 0.27 posts to a webhook, with an alert of each status; the group is firing if one is."""
    labels = {"alertname": "DrawdownLimit", "desk": "A", "severity": "critical"}
    alerts = [
        {"status": one, "labels": labels, "annotations": _SUMMARY, "startsAt": "2026-11-24T10:00:00.123Z"}
        for one in statuses
    ]
    group = {
        "version": "4",
        "receiver": "panic",
        "status": "firing" if "firing" in statuses else "resolved",
        "alerts": alerts,
        "groupLabels": {"alertname": "DrawdownLimit"},
        "commonLabels": labels,
        "commonAnnotations": _SUMMARY,
        "groupKey": '{}:{alertname="DrawdownLimit"}',
        "truncatedAlerts": 0,
    }
    return json.dumps(group | more).encode()


def grafana(*statuses: str, **more: Any) -> bytes:
    """What Grafana's alerting posts to a webhook contact point: the same, and its own words."""
    state = "alerting" if "firing" in statuses else "ok"
    own = {"orgId": 1, "title": "[FIRING:1] DrawdownLimit", "state": state, "message": "**Firing**"}
    return alertmanager(*statuses, **(own | more))


def legacy(state: str) -> bytes:
    """What Grafana's alerting posted to a webhook before version 9."""
    rule = {"ruleId": 1, "ruleName": "Drawdown", "evalMatches": [{"value": -44.2}], "tags": {}}
    return json.dumps({**rule, "state": state, "title": f"[{state}] Drawdown"}).encode()


BEARER = {"Authorization": f"Bearer {TOKEN}"}
ENV = {"SECRET": SECRET, "OTHER": OTHER, "CAREFUL": CAREFUL, "TOKEN": TOKEN}
_PLACES = (Credential(env="SECRET"), Credential(env="OTHER"))
HOOKS = {
    "desk": Hook(secrets=_PLACES, groups=("arbitrage",), side="BUY", watch_s=3, deadline_s=60, latch=True),
    "careful": Hook(secrets=(Credential(env="CAREFUL"),), all=True, on_odd="page"),
    "alerts": Hook(secrets=(Credential(env="TOKEN"),), scheme="bearer", accounts=(100019,)),
    "unset": Hook(secrets=(Credential(env="NOT_SET"),), all=True),
}


@dataclass
class FakeDesk:
    """Counts presses; identical ones are one while their run is under way, as at the real one."""

    presses: list[Press] = field(default_factory=list)
    lives: list[Any] = field(default_factory=list)
    error: Exception | None = None
    observers: list[Any] = field(default_factory=list)

    def press(self, press: Press, *, automated: bool = False) -> Any:
        assert automated
        if self.error is not None:
            raise self.error
        self.presses.append(press)
        for live, earlier in zip(self.lives, self.presses, strict=False):
            if not live.is_over and earlier.scope == press.scope:
                return SimpleNamespace(live=live, joined=True)
        run = SimpleNamespace(id=f"run-{len(self.lives) + 1}")
        self.lives.append(SimpleNamespace(run=run, is_over=False, failure=None))
        return SimpleNamespace(live=self.lives[-1], joined=False)

    def find(self, run_id: str) -> Any:
        return next((live for live in self.lives if live.run.id == run_id), None)


def said(answer: web.Response) -> Any:
    """The document that came back."""
    return json.loads(answer.body)  # type: ignore[arg-type]


class Service:
    """The hooks, and what they did; the clock stands still at NOW."""

    def __init__(
        self,
        recall: Callable[[], Mapping[Call, Earlier]] = dict,
        hooks: Mapping[str, Hook] = HOOKS,
        patience_s: float = 5.0,
    ) -> None:
        self.desk, self.notices = FakeDesk(), list[Notice]()
        self.records: list[tuple[str, dict[str, Any], bool]] = []
        self.replays = Replays(recall, now=lambda: NOW, patience_s=patience_s, doubt_s=patience_s)
        self.replays.began = NOW - 60
        self.breaches = Breaches(
            cast("Desk", self.desk),
            lambda: hooks,
            self.notices.append,
            lambda *told: self.records.append(told),
            replays=self.replays,
            keyring=Keyring(ENV, every_s=60, patience_s=5),
            scrub=lambda text: text.replace(TOKEN, "[key]"),
            pressable=lambda scope: scope,
            now=lambda: NOW,
        )

    async def call(self, name: str, body: bytes, headers: Mapping[str, str]) -> web.Response:
        """Call a hook."""
        request, content = self.request(name, headers)
        content.feed_data(body)
        content.feed_eof()
        return await self.take(request)

    def request(self, name: str, headers: Mapping[str, str]) -> tuple[web.Request, StreamReader]:
        """A request, and its body that is still to come."""
        loop = asyncio.get_running_loop()
        protocol = BaseProtocol(loop)
        protocol.transport = asyncio.Transport()
        content = StreamReader(protocol, HOOK_MOST, loop=loop)
        return make_mocked_request("POST", "/", headers, match_info={"name": name}, payload=content), content

    async def take(self, request: web.Request) -> web.Response:
        """Let a request be handled, and check what holds for every answer."""
        answer = await self.breaches.handle(request)
        assert isinstance(answer, web.Response)
        if answer.status >= 400:
            assert "application/problem+json" == answer.content_type
            assert all(value for key, value in said(answer).items() if key not in {"errors", "request_id"})
            assert answer.status == said(answer)["status"]
        return answer

    def end(self, failure: BaseException | None = None) -> None:
        """Let the first run come to its end."""
        live = self.desk.lives[0]
        live.is_over, live.failure = True, failure
        self.breaches.observe("finished", live)

    @property
    def pages(self) -> list[Notice]:
        return [notice for notice in self.notices if notice.kind == "page"]

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.records]
