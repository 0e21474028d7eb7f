"""Calls as senders make them: signed by the reference signer, and as Alertmanager and Grafana document them."""

import json
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

NOW = 1_800_000_000
SECRET = "whsec_bm90LWEtcmVhbC1rZXktb25seS1mb3ItdGVzdHM="
OTHER = "whsec_YW5vdGhlci1rZXktd2hpY2gtaXMtbm90LXJlYWw="
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


def _group(statuses: tuple[str, ...], labels: dict[str, str], **more: Any) -> dict[str, Any]:
    alerts = [
        {
            "status": one,
            "labels": labels,
            "annotations": _SUMMARY | {"runbook_url": "http://x/y"},
            "startsAt": "2026-11-24T10:00:00.123Z",
            "endsAt": "0001-01-01T00:00:00Z" if one == "firing" else "2026-11-24T10:05:00.123Z",
            "generatorURL": "http://prometheus:9090/graph?g0.expr=pnl",
            "fingerprint": "b3f0a4d1c2e5f607",
        }
        for one in statuses
    ]
    return {
        "receiver": "panic",
        "status": "firing" if "firing" in statuses else "resolved",
        "alerts": alerts,
        "groupLabels": {"alertname": labels["alertname"]},
        "commonLabels": labels,
        "commonAnnotations": _SUMMARY,
        "groupKey": '{}:{alertname="DrawdownLimit"}',
        "truncatedAlerts": 0,
        **more,
    }


def alertmanager(*statuses: str, **more: Any) -> bytes:
    """What Alertmanager 0.27 posts to a webhook, with an alert of each status; the group is firing if one is."""
    labels = {"alertname": "DrawdownLimit", "desk": "A", "severity": "critical"}
    return json.dumps(
        _group(statuses, labels, version="4", externalURL="http://alertmanager:9093") | more
    ).encode()


def grafana(*statuses: str, name: str = "DrawdownLimit", instance: str = "", **more: Any) -> bytes:
    """What Grafana's alerting posts to a webhook contact point."""
    labels = {"alertname": name, "grafana_folder": "risk"} | ({"instance": instance} if instance else {})
    firing = "firing" in statuses
    own = {
        "version": "1",
        "orgId": 1,
        "title": f"[{'FIRING:1' if firing else 'RESOLVED'}] {name} risk",
        "state": "alerting" if firing else "ok",
        "message": "**Firing**\n\nValue: B=-44.2",
    }
    return json.dumps(_group(statuses, labels, **own) | more).encode()


def legacy(state: str, **more: Any) -> bytes:
    """What Grafana's alerting posted to a webhook before version 9."""
    alert = {
        "evalMatches": [{"value": -44.2, "metric": "pnl", "tags": {}}],
        "message": _SUMMARY["summary"],
        "ruleId": 1,
        "ruleName": "Drawdown",
        "state": state,
        "tags": {},
        "title": f"[{state}] Drawdown",
    }
    return json.dumps(alert | more).encode()
