"""What a self-test finds: the table of findings, each with its remedy, and which of them a check comes to. Pure.

The text of a finding stays the same while nothing changes, so that nobody is told twice.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from panic.broker.answers import Cause
from panic.broker.outcomes import EXIT_CODES, WORST_FIRST, Verdict
from panic.kit.errors import ConfigurationError, Problem, by_cause
from panic.kit.words import clip, counted
from panic.report.flags import ROSTER_REMEDY, SKEW_MOST_S
from panic.run.check import AccountCheck, CheckReport, State

SOON_DAYS: Final = 14
"""A certificate that expires within this many days is reported."""

_NAMED_MOST = 5
_PROBLEMS_MOST = 10
_DAY_S = 86_400.0

_REFUSALS = {None: "key_refused", 401: "key_refused", 403: "read_refused", 404: "account_unknown"}
_CAUSES: dict[Cause | None, str] = {Cause.NAME: "dns", Cause.TLS: "tls"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that stands in the way of the next press, or might: a sentence without a full stop, and a remedy.

    `worst` is what a press now could come to because of it, at best; clear where it does not touch the press.
    """

    code: str
    text: str
    remedy: str
    worst: Verdict

    @property
    def is_alarming(self) -> bool:
        """Whether a press would not work everywhere, or not provably."""
        return self.worst is not Verdict.CLEAR

    def __str__(self) -> str:
        return f"{self.text}. {self.remedy}"


_KINDS: Final = {
    Verdict.REFUSED: {
        "key_refused": (
            "the key is missing, wrong, expired or revoked for {accounts}",
            "Get a new key from the broker and put it in place of the old one; nothing has to be restarted.",
        ),
        "read_refused": ("the key may not read the orders of {accounts}", "Have the broker give it access again."),
        "account_unknown": (
            "the broker answers 404 for {accounts}",
            "Correct base_url, or the ids in the roster.",
        ),
        "request_refused": (
            "the broker refuses to show the orders of {accounts}",
            "Type panic check: it shows each answer with its request id. Call the broker.",
        ),
    },
    Verdict.UNKNOWN: {
        "dns": (
            "the broker's name could not be resolved for {accounts}",
            "Look at the resolver of this machine (/etc/resolv.conf) and at base_url.",
        ),
        "tls": (
            "no trusted TLS connection was possible for {accounts}",
            "Look at the broker's certificate, ca_file in [broker], and what opens TLS on the way.",
        ),
        "unreachable": (
            "no valid answer came for {accounts}",
            "Look at the network, the proxy and the broker's status page; type panic check for each answer.",
        ),
    },
    Verdict.UNVERIFIED: {
        "account_missing": ("the broker does not list {accounts}", "Correct the ids, or take them out."),
        "account_closed": ("closed at the broker: {accounts}", "Take them out of the roster, or exclude them."),
        "roster_shrank": ("{text}", ROSTER_REMEDY),
        "unlisted": ("active at the broker, not in the roster: {accounts}", "Add them, or exclude them."),
        "clock_unchecked": ("the broker did not tell its time", "Type panic check and see why."),
        "clock_skew": (
            "the clock of this machine is {side} the broker's by more than {seconds:g} s",
            "Set it: look at the time service (chronyc tracking).",
        ),
        "drift_unchecked": (
            "the broker did not list its accounts, so the roster was not compared with them",
            "Type panic check and see why.",
        ),
        "broker_certificate": (
            "the broker's certificate {ends}",
            "Ask the broker whether it will be renewed in time; from then on no press gets through.",
        ),
        "disk": (
            "the disk of {what}, {where}, {trouble}",
            "Free some space there, or correct the path: a press still works, but cannot be put on record.",
        ),
        "ledger": (
            "the ledger is in trouble: {trouble}",
            "Mend it, or name another in [ledger] file: a press goes on without it, and proves less.",
        ),
        "latch": (
            "the latch {trouble}, which means engaged to every strategy that looks at it",
            "Type panic latch, and end it with panic reset when it is safe.",
        ),
        "hangs": ("{what} could not be looked at in {seconds:.0f} s", "Put them on a file system that answers."),
        "self_test_failed": (
            "the self-test itself failed ({error})",
            "Type panic check, and read the service's log.",
        ),
    },
    Verdict.CLEAR: {
        "latch_missing": (
            "there is no latch, which means engaged to every strategy that looks at it",
            "Set it up once: panic latch --create.",
        ),
        "no_pager": ("no channel of [notify] gets pages", 'Add a [notify.NAME] whose tells has "page".'),
    },
}
"""Code, text and remedy, by what a press now could come to at best; clear where it does not touch the press."""

_VERDICTS: Final = {code: worst for worst, kinds in _KINDS.items() for code in kinds}


def found(code: str, **facts: object) -> Finding:
    """Make a finding of the table."""
    worst = _VERDICTS[code]
    text, remedy = _KINDS[worst][code]
    return Finding(code, text.format(**facts), remedy, worst)


def exit_code(found: Iterable[Finding], problems: Sequence[Problem] = ()) -> int:
    """Give the exit code of a self-test: that of a check, with this machine counted in."""
    if problems:
        return ConfigurationError.exit_code
    return max((EXIT_CODES[one.worst] for one in found), default=0)


def findings(
    report: CheckReport,
    now: datetime,
    problems: Sequence[Problem] = (),
    machine: Iterable[Finding] = (),
    *,
    is_paged: bool = True,
) -> tuple[Finding, ...]:
    """Say what stands in the way of the next press, worst first, by a check of all accounts or of some."""
    everything = [*_of_problems(problems), *_of_accounts(report), *_of_broker(report), *machine]
    everything += certificate(report, now)
    if not is_paged:
        everything.append(found("no_pager"))
    return tuple(sorted(everything, key=lambda one: WORST_FIRST.index(one.worst)))


def certificate(report: CheckReport, now: datetime) -> Iterator[Finding]:
    """Say that the broker's certificate ends soon."""
    if report.certificate_ends is not None:
        days = (report.certificate_ends - now).total_seconds() / _DAY_S
        ends = "has ended" if days <= 0 else "ends today" if days < 1 else f"ends in {days:.0f} days"
        if days < SOON_DAYS:
            yield found("broker_certificate", ends=ends)


def _of_problems(problems: Sequence[Problem]) -> Iterator[Finding]:
    problems = by_cause(problems)
    for problem in problems[:_PROBLEMS_MOST]:
        text = str(problem).removesuffix(f". {problem.remedy}")
        yield Finding("configuration", clip(text), problem.remedy, Verdict.UNKNOWN)
    if len(problems) > _PROBLEMS_MOST:
        text = f"and {len(problems) - _PROBLEMS_MOST:,} mistakes more in the files"
        yield Finding("configuration", text, "Type panic check: it lists them all.", Verdict.UNKNOWN)


def _of_accounts(report: CheckReport) -> Iterator[Finding]:
    ids: defaultdict[str, list[int]] = defaultdict(list)
    for one in report.accounts:
        if one.state is not State.OK:
            ids[_code(one)].append(one.id)
    yield from (found(code, accounts=_accounts(ids[code])) for code in _VERDICTS if code in ids)


def _code(one: AccountCheck) -> str:
    if one.state is State.REFUSED:
        return _REFUSALS.get(one.status, "request_refused")
    if one.state is State.UNREACHABLE:
        return _CAUSES.get(one.cause, "unreachable")
    return "account_missing" if one.state is State.MISSING else "account_closed"


def _accounts(ids: Collection[int]) -> str:
    """Name accounts: how many, and the first few."""
    named = ", ".join(map(str, sorted(ids)[:_NAMED_MOST]))
    return f"{counted(len(ids))}: {named}{', …' if len(ids) > _NAMED_MOST else ''}"


def _of_broker(report: CheckReport) -> Iterator[Finding]:
    skew_s = report.clock_skew_s
    if report.roster_doubt is not None:
        yield found("roster_shrank", text=report.roster_doubt.removesuffix(f". {ROSTER_REMEDY}"))
    if report.unlisted_accounts:
        yield found("unlisted", accounts=_accounts(report.unlisted_accounts))
    if skew_s is None:
        yield found("clock_unchecked")
    elif abs(skew_s) > SKEW_MOST_S:
        yield found("clock_skew", side="ahead of" if skew_s > 0 else "behind", seconds=SKEW_MOST_S)
    if not report.drift_checked:
        yield found("drift_unchecked")
