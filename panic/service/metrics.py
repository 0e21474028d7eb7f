"""What Prometheus is told: counts of runs and refusals, and how ready the service is. Nothing by account."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from panic.report.document import Report
from panic.service.live import Live

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

GAUGES: Final = {
    "panic_latch_engaged": "Whether anything is engaged.",
    "panic_roster_age_seconds": "Since the roster was seen to be as loaded.",
    "panic_last_contact_age_seconds": "Since the broker last answered.",
    "panic_warm_connections": "Open connections to the broker, ready for a press.",
    "panic_self_test_age_seconds": "Since the last one ended.",
    "panic_self_test_ok": "Whether a press would work everywhere.",
    "panic_self_test_accounts": "Accounts by what was found.",
    "panic_self_test_findings": "What stands in the way of a press.",
    "panic_requests_per_second": "What the broker lets through, where it limits a credential.",
}
LABELS: Final = {
    "panic_self_test_accounts": "state",
    "panic_self_test_findings": "code",
    "panic_requests_per_second": "credential",
}

Value: TypeAlias = float | Mapping[str, float] | None
"""What a gauge stands at: None is not known and not told; by the value of its label where it has one."""

_FIRST_DELETE_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_RUN_S = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)


class Metrics:
    """The metrics of one service. Hand `observe` to the desk."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they double what is told, and nobody asks for them
        self.registry = registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(name, text, buckets=buckets, registry=registry)

        self._started = counter("panic_runs_started", "Runs that began.", "source")
        self._finished = counter("panic_runs_finished", "Runs that ended.", "source", "verdict")
        self._accounts = counter("panic_accounts", "Accounts of runs that ended.", "verdict")
        self._refused = counter("panic_presses_refused", "Presses that started nothing.", "why")
        self._hook_calls = counter("panic_hook_calls", "Calls of hooks that were authentic.", "hook", "act")
        self._hook_refused = counter("panic_hook_refused", "Calls of hooks that were refused.", "hook", "why")
        self._ledger = counter("panic_ledger_troubles", "Troubles of the ledger, by runs that ended.", "code")
        self._limited = counter("panic_requests_refused", "Requests of runs that ended, refused for their pace.")
        self._waited = counter(
            "panic_waited_seconds", "For which requests of runs that ended waited for the pace."
        )
        self._seconds = histogram("panic_run_seconds", "From the press to the end.", _RUN_S)
        self._first_delete = histogram(
            "panic_first_delete_seconds", "From the press to the first DELETE.", _FIRST_DELETE_S
        )

    def press_refused(self, why: str) -> None:
        """Count a press that started nothing; `why` is a problem's code."""
        self._refused.labels(why).inc()

    def recorded(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Count a hook's call; the name in an unproven call never becomes a label."""
        act, hook = str(facts.get("act", "")), str(facts.get("hook", ""))
        if kind in {"hook_pressed", "hook_recorded", "hook_paged"}:
            self._hook_calls.labels(hook, act).inc()
        elif kind.startswith("hook_"):
            name = "" if facts.get("sender") == "forged" else hook
            self._hook_refused.labels(name, act).inc()

    def observe(self, what: str, live: Live) -> None:
        """Take what the desk tells of a run."""
        if what == "started":
            self._started.labels(live.source).inc()
        elif what == "finished" and (report := live.report):
            self._finished.labels(live.source, str(report.verdict)).inc()
            self._count(report)
            self._limited.inc(live.run.engine.slots.refused.total())
        elif what == "finished":
            self._finished.labels(live.source, "failed").inc()

    def _count(self, report: Report) -> None:
        self._seconds.observe(report.timings.total_s)
        self._waited.inc(report.timings.waited_s)
        for verdict, count in report.totals.verdicts.items():
            self._accounts.labels(str(verdict)).inc(count)
        for flag in report.flags:
            if flag.code.startswith("ledger_"):
                self._ledger.labels(flag.code).inc()
        left = [one.at for account in report.accounts for one in account.attempts[:1] if one.method == "DELETE"]
        if left and not report.resumed:
            self._first_delete.observe((min(left) - report.started_at).total_seconds())

    def render(self, gauges: Mapping[str, Value], failures: Mapping[str, int]) -> bytes:
        """Write them for Prometheus: the counts, these gauges, and each channel's failed deliveries."""
        now = CollectorRegistry()
        for name, value in gauges.items():
            if isinstance(value, Mapping):
                labelled = Gauge(name, GAUGES[name], [LABELS[name]], registry=now)
                for label, count in value.items():
                    labelled.labels(label).set(count)
            elif value is not None:
                Gauge(name, GAUGES[name], registry=now).set(value)
        failed = Counter("panic_notifications_failed", "Deliveries that failed.", ["channel"], registry=now)
        for channel, count in failures.items():
            failed.labels(channel).inc(count)
        return generate_latest(self.registry) + generate_latest(now)
