"""Who is told what a self-test found: people what is new or over, Prometheus how it stands. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from panic.run.check import State
from panic.service.notify import Notice
from panic.service.selftest.finding import Finding
from panic.service.selftest.last import Last

KEY: Final = "selftest"
"""Of the page: there is one at a time."""

_TOLD_MOST = 6


class Alarm:
    """What people were told, and still have to see to."""

    def __init__(self) -> None:
        self._codes: frozenset[str] = frozenset()
        self._text = ""

    def partly(self, found: Iterable[Finding]) -> Notice | None:
        """Give the page for what a round found so far: only of a new kind, for the rest is not known yet."""
        alarming = [one for one in found if one.is_alarming]
        return self._page(alarming) if {one.code for one in alarming} - self._codes else None

    def whole(self, last: Last) -> Notice | None:
        """Give the page for what a whole round found, if it says something new; or the end of the one before."""
        alarming = [one for one in last.findings if one.is_alarming]
        if alarming:
            before, page = self._text, self._page(alarming)
            return None if page.text == before else page
        was_told, self._codes, self._text = bool(self._text), frozenset(), ""
        if not was_told:
            return None
        title = f"A press would work everywhere again: {last.good:,} of {last.accounts:,}"
        return Notice("page", "", title, "The self-test found nothing wrong.", KEY, closes=True)

    def _page(self, alarming: list[Finding]) -> Notice:
        more = f"\nand {len(alarming) - _TOLD_MOST} more" if len(alarming) > _TOLD_MOST else ""
        text = "\n".join(f"{one.worst.upper()}  {one}" for one in alarming[:_TOLD_MOST]) + more
        self._codes = frozenset(one.code for one in alarming)
        self._text = f"{text}\nType: panic check"
        return Notice("page", "", "A press would not work everywhere, or not provably", self._text, KEY)


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
