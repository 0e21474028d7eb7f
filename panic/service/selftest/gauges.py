"""The last self-test for Prometheus."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from panic.run.check import State
from panic.service.selftest.last import Last


def gauges(last: Last, now: datetime) -> Iterator[Metric]:
    """Tell how old it is, whether all was well, and what was found."""
    age_s, is_ok = last.age_s(now), float(last.ok)
    yield GaugeMetricFamily("panic_self_test_age_seconds", "Since the last one ended.", value=age_s)
    yield GaugeMetricFamily("panic_self_test_ok", "Whether a press would work everywhere.", value=is_ok)
    accounts = GaugeMetricFamily("panic_self_test_accounts", "Accounts by what was found.", labels=["state"])
    for state in State:
        accounts.add_metric([state], last.states.get(state, 0))
    yield accounts
    findings = GaugeMetricFamily("panic_self_test_findings", "What stands in the way of a press.", labels=["code"])
    for code, count in sorted(Counter(one.code for one in last.findings).items()):
        findings.add_metric([code], count)
    yield findings
