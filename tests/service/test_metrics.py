"""What Prometheus is told: the promised names, counted right, and no account among the labels."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from panic import latch
from panic.engine.lanes import Lanes
from panic.service.metrics import GAUGES, Metrics
from panic.simulator import Fault
from tests.cli.support import account
from tests.service.house import QUICK, House, house


async def scraped(it: House) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample, by name and labels."""
    answer = await it.ask("GET", "/metrics", token="viewer")
    assert (200, "text/plain") == (answer.status, answer.response.content_type)
    families = text_string_to_metric_families(answer.body.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


async def test_a_run_is_counted(tmp_path: Path):
    """Once at its start and once at its end, its accounts by verdict, and how soon the first DELETE left."""
    async with house(tmp_path, account(1), account(2, Fault("status", on="ANY", status=403))) as it:
        await it.press({**QUICK, "deadline_s": 2, "wait": 30})
        found = await scraped(it)

        assert 1 == found["panic_runs_started_total", (("source", "api"),)]
        assert 1 == found["panic_runs_finished_total", (("source", "api"), ("verdict", "refused"))]
        assert 1 == found["panic_accounts_total", (("verdict", "clear"),)]
        assert 1 == found["panic_accounts_total", (("verdict", "refused"),)]
        assert 1 == found["panic_run_seconds_count", ()] == found["panic_first_delete_seconds_count", ()]
        assert 0 < found["panic_first_delete_seconds_sum", ()] < 1


async def test_the_brokers_pace_is_told(tmp_path: Path):
    """What each credential is let through, how many requests were refused, and how long others waited."""
    async with house(tmp_path, account(1, Fault("status", status=429, times=2)), account(2)) as it:
        unlimited = await scraped(it)
        it.standby.lanes = Lanes(most=5.0)
        await it.press({**QUICK, "wait": 30})
        found = await scraped(it)

        assert not [name for name, _ in unlimited if name == "panic_requests_per_second"]
        assert it.standby.lanes.rates() == {
            "default": found["panic_requests_per_second", (("credential", "default"),)]
        }
        assert 2 == found["panic_requests_refused_total", ()]
        assert 0.2 < found["panic_waited_seconds_total", ()] < 10


async def test_what_is_ready_engaged_and_refused_is_told(tmp_path: Path):
    """The latch, the roster's age, why presses did not start; what nobody knows is left out."""
    async with house(tmp_path) as it:
        unread = await scraped(it)
        latch.create(tmp_path / "panic.latch")
        await it.press({})
        await it.press(token="viewer")
        await it.press(token="")
        await it.press(Host="evil.example")
        found = await scraped(it)
    why = {dict(labels)["why"] for name, labels in found if name == "panic_presses_refused_total"}

    assert (1, 0) == (unread["panic_latch_engaged", ()], found["panic_latch_engaged", ()])
    assert 0 <= found["panic_roster_age_seconds", ()] < 10
    assert ("panic_last_contact_age_seconds", ()) not in found
    assert {"malformed", "forbidden", "unauthenticated", "wrong_host"} == why


PROMISED = {
    "panic_runs_started_total",
    "panic_runs_finished_total",
    "panic_run_seconds",
    "panic_accounts_total",
    "panic_first_delete_seconds",
    "panic_presses_refused_total",
    "panic_hook_calls_total",
    "panic_hook_refused_total",
    "panic_notifications_failed_total",
    "panic_ledger_troubles_total",
    "panic_requests_refused_total",
    "panic_waited_seconds_total",
    *GAUGES,
}


def test_every_promised_metric_is_told() -> None:
    """Under exactly the names that alert rules and dashboards use; no label names one of thousands of accounts."""
    metrics = Metrics()
    text = metrics.render(dict.fromkeys(GAUGES, 1.0), {"pager": 2}).decode()
    told = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    labels = {name for metric in vars(metrics).values() for name in getattr(metric, "_labelnames", ())}

    assert PROMISED == told
    assert 'panic_notifications_failed_total{channel="pager"} 2.0' in text
    assert {"source", "verdict", "why", "hook", "act", "code"} == labels


def test_calls_of_hooks_are_counted_from_what_goes_on_record() -> None:
    """Under the hook's name, unless whoever called proved nothing: anybody can make names up."""
    metrics = Metrics()
    metrics.recorded("hook_pressed", {"hook": "risk", "act": "pressed", "sender": "authentic"})
    metrics.recorded("hook_refused", {"hook": "made-up", "act": "forged", "sender": "forged"})
    metrics.recorded("hook_refused", {"hook": "risk", "act": "late", "sender": "late"})
    metrics.recorded("press", {})
    text = metrics.render({}, {}).decode()

    assert 'panic_hook_calls_total{act="pressed",hook="risk"} 1.0' in text
    assert 'panic_hook_refused_total{hook="",why="forged"} 1.0' in text
    assert 'panic_hook_refused_total{hook="risk",why="late"} 1.0' in text
    assert "made-up" not in text
