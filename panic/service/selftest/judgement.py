"""What a self-test comes to: pure, from what a check found and what is known beside it."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from panic.broker.answers import Cause
from panic.broker.outcomes import WORST_FIRST, Verdict
from panic.kit.errors import Problem
from panic.kit.words import clip
from panic.report.flags import SKEW_MOST_S
from panic.run.check import AccountCheck, CheckReport, State
from panic.service.selftest.finding import KINDS, Finding, found

SOON_DAYS: Final = 14
"""A certificate that expires within this many days is reported."""

_NAMED_MOST = 5
_PROBLEMS_MOST = 10
_DAY_S = 86_400.0
_SKEWS_S = (86_400.0, 3600.0, 60.0, 10.0, SKEW_MOST_S)
"""A skew is told by the largest of these that it exceeds: it wavers, and each change of the words is news."""

_REFUSALS = {None: "key_refused", 401: "key_refused", 403: "read_refused", 404: "account_unknown"}
_CAUSES: dict[Cause | None, str] = {Cause.NAME: "dns", Cause.TLS: "tls"}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a self-test knows beside the check.

    Attributes:
        machine: What is wrong with this machine.
        problems: Mistakes in settings, roster and credentials.
        covered: The accounts that a press for all would reach by the roster; None where it cannot be read.
        covered_before: The same when all was last well; None if it never was.
        excluded: The accounts that the roster excludes.
        pages_told: Whether a channel delivers pages.
        round_s: How long one round takes at its pace, seconds.
        every_s: How often there should be one, seconds; 0 where there is no pace.
    """

    now: datetime
    machine: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()
    covered: frozenset[int] | None = None
    covered_before: frozenset[int] | None = None
    excluded: frozenset[int] = frozenset()
    pages_told: bool = True
    round_s: float = 0.0
    every_s: float = 0.0


def findings(report: CheckReport | None, around: Circumstances) -> tuple[Finding, ...]:
    """Say what stands in the way of the next press, worst first; no report where the check could not begin."""
    everything = [*_of_problems(around.problems)]
    if report is not None:
        everything += [*_of_accounts(report), *_of_roster(report, around), *_of_broker(report)]
    everything += [*around.machine, *certificate(report, around.now)]
    if not around.pages_told:
        everything.append(found("no_pager"))
    if around.every_s and around.round_s > around.every_s:
        everything.append(found("slow_round", takes=around.round_s / 60, wanted=around.every_s / 60))
    return tuple(sorted(everything, key=lambda one: WORST_FIRST.index(one.worst)))


def certificate(report: CheckReport | None, now: datetime) -> Iterator[Finding]:
    """Say that the broker's certificate ends soon."""
    if report is not None and report.certificate_ends is not None:
        days = (report.certificate_ends - now).total_seconds() / _DAY_S
        ends = "has ended" if days <= 0 else "ends today" if days < 1 else f"ends in {days:.0f} days"
        if days < SOON_DAYS:
            yield found("broker_certificate", ends=ends)


def _of_accounts(report: CheckReport) -> Iterator[Finding]:
    ids: defaultdict[str, list[int]] = defaultdict(list)
    for one in report.accounts:
        if one.state is not State.OK:
            ids[_code(one)].append(one.id)
    yield from (found(code, accounts=_accounts(ids[code])) for code in KINDS if code in ids)


def _code(one: AccountCheck) -> str:
    if one.state is State.REFUSED:
        return _REFUSALS.get(one.status, "request_refused")
    if one.state is State.UNREACHABLE:
        return _CAUSES.get(one.cause, "unreachable")
    return "account_missing" if one.state is State.MISSING else "account_closed"


def _accounts(ids: Collection[int]) -> str:
    """Name accounts: how many, and the first few."""
    named = ", ".join(map(str, sorted(ids)[:_NAMED_MOST]))
    return f"{len(ids):,} account{'s' if len(ids) > 1 else ''}: {named}{', …' if len(ids) > _NAMED_MOST else ''}"


def _of_problems(problems: Sequence[Problem]) -> Iterator[Finding]:
    for problem in problems[:_PROBLEMS_MOST]:
        text = str(problem).removesuffix(f". {problem.remedy}")
        yield Finding("configuration", clip(text), problem.remedy, Verdict.UNKNOWN)
    if len(problems) > _PROBLEMS_MOST:
        text = f"and {len(problems) - _PROBLEMS_MOST:,} mistakes more in the files"
        yield Finding("configuration", text, "Type panic check: it lists them all.", Verdict.UNKNOWN)


def _of_roster(report: CheckReport, around: Circumstances) -> Iterator[Finding]:
    unlisted = report.unlisted_accounts
    if unlisted:
        yield found("unlisted", accounts=_accounts(unlisted))
    now, before = around.covered, around.covered_before or frozenset()
    lost = before - now if now is not None else frozenset()
    alarming = {id_ for id_ in lost - around.excluded if id_ in unlisted or not report.drift_checked}
    if alarming:
        yield found("roster_shrank", accounts=_accounts(alarming))
    if quiet := lost - alarming:
        yield found("roster_changed", accounts=_accounts(quiet))


def _of_broker(report: CheckReport) -> Iterator[Finding]:
    skew_s = report.clock_skew_s
    if skew_s is None:
        yield found("clock_unchecked")
    elif abs(skew_s) > SKEW_MOST_S:
        by_s = next(one for one in _SKEWS_S if abs(skew_s) > one)
        yield found("clock_skew", side="ahead of" if skew_s > 0 else "behind", seconds=by_s)
    if not report.drift_checked:
        yield found("drift_unchecked")
