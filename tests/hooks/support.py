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


def sign(body: bytes, id_: str = "msg_1", at: int = NOW, *secrets: str) -> dict[str, str]:
    """The headers that the reference signer gives a message, with a signature for each secret."""
    moment = datetime.fromtimestamp(at, UTC)
    signatures = [Webhook(secret).sign(id_, moment, body.decode()) for secret in secrets or (SECRET,)]
    return {"webhook-id": id_, "webhook-timestamp": str(at), "webhook-signature": " ".join(signatures)}


def lists(headers: dict[str, str]) -> dict[str, list[str]]:
    """Headers, each of which came once."""
    return {name: [value] for name, value in headers.items()}


def alertmanager(*statuses: str, status: str = "", **more: Any) -> bytes:
    """What Alertmanager 0.27 posts to a webhook, with an alert of each status; the group is firing if one is."""
    alerts = [
        {
            "status": one,
            "labels": {"alertname": "DrawdownLimit", "desk": "A", "severity": "critical"},
            "annotations": {"summary": "Desk A is below its daily loss limit", "runbook_url": "http://x/y"},
            "startsAt": "2026-11-24T10:00:00.123Z",
            "endsAt": "0001-01-01T00:00:00Z" if one == "firing" else "2026-11-24T10:05:00.123Z",
            "generatorURL": "http://prometheus:9090/graph?g0.expr=pnl",
            "fingerprint": "b3f0a4d1c2e5f607",
        }
        for one in statuses
    ]
    group = {
        "receiver": "panic",
        "status": status or ("firing" if "firing" in statuses else "resolved"),
        "alerts": alerts,
        "groupLabels": {"alertname": "DrawdownLimit"},
        "commonLabels": {"alertname": "DrawdownLimit", "desk": "A", "severity": "critical"},
        "commonAnnotations": {"summary": "Desk A is below its daily loss limit"},
        "externalURL": "http://alertmanager:9093",
        "version": "4",
        "groupKey": '{}:{alertname="DrawdownLimit"}',
        "truncatedAlerts": 0,
    }
    return json.dumps(group | more).encode()


def grafana(*statuses: str, name: str = "DrawdownLimit", instance: str = "", **more: Any) -> bytes:
    """What Grafana's alerting posts to a webhook contact point."""
    firing = "firing" in statuses
    labels = {"alertname": name, "grafana_folder": "risk"} | ({"instance": instance} if instance else {})
    alerts = [
        {
            "status": one,
            "labels": labels,
            "annotations": {"summary": "Desk A is below its daily loss limit"},
            "startsAt": "2026-11-24T10:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://grafana:3000/alerting/grafana/abc/view",
            "fingerprint": "c6eadffa33fcdf37",
            "silenceURL": "http://grafana:3000/alerting/silence/new",
            "dashboardURL": "",
            "panelURL": "",
            "values": {"B": -44.2, "C": 1},
            "valueString": "[ var='B' labels={} value=-44.2 ]",
        }
        for one in statuses
    ]
    group = {
        "receiver": "panic",
        "status": "firing" if firing else "resolved",
        "alerts": alerts,
        "groupLabels": {"alertname": name},
        "commonLabels": labels,
        "commonAnnotations": {"summary": "Desk A is below its daily loss limit"},
        "externalURL": "http://grafana:3000/",
        "version": "1",
        "groupKey": '{}:{alertname="DrawdownLimit"}',
        "truncatedAlerts": 0,
        "orgId": 1,
        "title": f"[{'FIRING:1' if firing else 'RESOLVED'}] {name} risk",
        "state": "alerting" if firing else "ok",
        "message": "**Firing**\n\nValue: B=-44.2",
    }
    return json.dumps(group | more).encode()


def legacy(state: str, **more: Any) -> bytes:
    """What Grafana's alerting posted to a webhook before version 9."""
    alert = {
        "dashboardId": 1,
        "evalMatches": [{"value": -44.2, "metric": "pnl", "tags": {}}],
        "message": "Desk A is below its daily loss limit",
        "orgId": 1,
        "panelId": 2,
        "ruleId": 1,
        "ruleName": "Drawdown",
        "ruleUrl": "http://grafana:3000/d/abc",
        "state": state,
        "tags": {},
        "title": f"[{state}] Drawdown",
    }
    return json.dumps(alert | more).encode()
