"""The alert rules that ship: they can be read, they ask for metrics that there are, and they say what to do."""

import importlib
import re
from typing import Any

import pytest

from tests import ROOT
from tests.service.test_metrics import PROMISED

FILE = ROOT / "config" / "alerts.yml"


def rules() -> list[dict[str, Any]]:
    """The rules of the file."""
    yaml: Any = importlib.import_module("yaml")
    return [rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]]


def test_what_must_wake_somebody_has_a_rule():
    """By metric: not clear, out of reach, off the record, refused, untold, engaged, stale, about to end."""
    used = {name for rule in rules() for name in re.findall(r"\bpanic_\w+", rule["expr"])}

    assert {
        "panic_runs_finished_total",
        "panic_last_contact_age_seconds",
        "panic_ledger_troubles_total",
        "panic_hook_refused_total",
        "panic_notifications_failed_total",
        "panic_latch_engaged",
        "panic_roster_age_seconds",
        "panic_self_test_ok",
        "panic_self_test_findings",
        "panic_self_test_accounts",
        "panic_self_test_age_seconds",
    } == used
    assert 'absent(up{job="panic"} == 1)' in [rule["expr"] for rule in rules()]
    assert len(rules()) == len({rule["alert"] for rule in rules()})
    assert used <= PROMISED


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_rule_says_what_it_means_and_what_to_do(rule: dict[str, Any]):
    """In sentences, with a severity to route by; a counter with labels appears at 1, which is no increase."""
    assert {"alert", "expr", "labels", "annotations"} == rule.keys() - {"for"}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert {"summary", "description", "remedy"} == rule["annotations"].keys()
    assert all(text.strip().endswith(".") for text in rule["annotations"].values())
    assert rule["expr"].count("(") == rule["expr"].count(")")
    assert rule["expr"].count("{") == rule["expr"].count("}")
    for counter in re.findall(r"increase\((panic_\w+(?:\{[^}]*\})?)", rule["expr"]):
        if counter != "panic_notifications_failed_total":  # told from nought on
            assert f"({counter} unless {counter} offset 10m)" in rule["expr"]
