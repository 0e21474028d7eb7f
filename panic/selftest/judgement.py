"""What a self-test comes to: pure, from what a check found and what was seen of this machine.

The words of a finding stay the same while nothing changes: whoever acknowledged them is not told again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from panic.broker.answers import Cause
from panic.broker.outcomes import EXIT_CODES, WORST_FIRST, Verdict
from panic.check import AccountCheck, CheckReport, State
from panic.errors import ConfigurationError, Problem
from panic.selftest.machine import Disk, Machine
from panic.words import clip

SOON_DAYS: Final = 14
"""A certificate that ends within so many days is told of."""

SKEW_MOST_S: Final = 2.0
FREE_LEAST: Final = 100 * 10**6
"""Bytes: less than this, or than a hundredth of the disk, is as good as full."""

_FREE_SHARE = 100
_NAMED_MOST = 5
_PROBLEMS_MOST = 10
_DAY_S = 86_400.0
_UNAUTHENTICATED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that stands in the way of the next press, or might.

    Attributes:
        code: Its name for programs.
        text: What it is, a sentence without a full stop.
        remedy: What to do about it, a sentence.
        worst: What a press now could come to because of it, at best; clear where it does not touch the press.
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


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a self-test knows beside the check.

    Attributes:
        now: When it is, UTC.
        machine: This machine.
        problems: Mistakes in settings, roster and credentials.
        covered: The accounts that a press for all would reach by the roster; None where it cannot be read.
        covered_before: The same when all was last well; None if it never was.
        excluded: The accounts that the roster excludes.
        pages_told: Whether a channel tells of pages; None where nobody would page.
        round_s: How long one round takes at its pace, seconds.
        every_s: How often there should be one, seconds; 0 where there is no pace.
    """

    now: datetime
    machine: Machine = Machine()  # noqa: RUF009  (frozen)
    problems: tuple[Problem, ...] = ()
    covered: frozenset[int] | None = None
    covered_before: frozenset[int] | None = None
    excluded: frozenset[int] = field(default_factory=frozenset)
    pages_told: bool | None = None
    round_s: float = 0.0
    every_s: float = 0.0


def findings(report: CheckReport | None, circumstances: Circumstances) -> tuple[Finding, ...]:
    """Say what stands in the way of the next press, worst first.

    Args:
        report: What the check found; None where it could not begin.
        circumstances: What is known beside it.
    """
    found = [
        *_of_problems(circumstances.problems),
        *(() if report is None else _of_accounts(report)),
        *(() if report is None else _of_roster(report, circumstances)),
        *(() if report is None else _of_broker(report)),
        *machine_findings(report, circumstances),
        *_of_pace(circumstances),
    ]
    return tuple(sorted(found, key=lambda one: WORST_FIRST.index(one.worst)))


def exit_code(found: Iterable[Finding], problems: Sequence[Problem] = ()) -> int:
    """Give the exit code of a self-test: that of a check, with this machine counted in."""
    if problems:
        return ConfigurationError.exit_code
    return max((EXIT_CODES[one.worst] for one in found), default=0)


def machine_findings(report: CheckReport | None, circumstances: Circumstances) -> Iterator[Finding]:
    """Say what a check does not: what is wrong with this machine, and that the certificate ends soon."""
    machine, now = circumstances.machine, circumstances.now
    for disk in machine.disks:
        yield from _of_disk(disk)
    if machine.ledger:
        remedy = "Mend it, or name another in [ledger] file: a press goes on without it, and proves less."
        yield Finding("ledger", f"the ledger is in trouble: {clip(machine.ledger)}", remedy, Verdict.UNVERIFIED)
    yield from _of_latch(machine)
    ends = None if report is None else report.certificate_ends
    if ends is not None and (days := (ends - now).total_seconds() / _DAY_S) < SOON_DAYS:
        yield _of_certificate(days)


# ── the accounts ────────────────────────────────────────────────────────────────────────────────────────────


class _Kind(NamedTuple):
    """A kind of account that cannot be pressed as it should, in words."""

    code: str
    is_it: Callable[[AccountCheck], bool]
    text: str
    remedy: str
    worst: Verdict


_KINDS: Final = (  # an account counts for the first that fits
    _Kind(
        "key_refused",
        lambda one: one.state is State.REFUSED and one.status in {None, _UNAUTHENTICATED},
        "the key is missing, wrong, expired or revoked for",
        "Get a new key from the broker and put it in place of the old one; nothing has to be restarted.",
        Verdict.REFUSED,
    ),
    _Kind(
        "read_refused",
        lambda one: one.state is State.REFUSED and one.status == _FORBIDDEN,
        "the key may not read the orders of",
        "Have the broker give the key access again, or name another credential in the roster.",
        Verdict.REFUSED,
    ),
    _Kind(
        "account_unknown",
        lambda one: one.state is State.REFUSED and one.status == _NOT_FOUND,
        "the broker answers 404 for",
        "Correct base_url, or the ids in the roster.",
        Verdict.REFUSED,
    ),
    _Kind(
        "request_refused",
        lambda one: one.state is State.REFUSED,
        "the broker refuses to show the orders of",
        "Type panic check: it shows each answer with its request id. Call the broker.",
        Verdict.REFUSED,
    ),
    _Kind(
        "dns",
        lambda one: one.cause is Cause.NAME,
        "the broker's name could not be resolved for",
        "Look at the resolver of this machine (/etc/resolv.conf) and at base_url.",
        Verdict.UNKNOWN,
    ),
    _Kind(
        "tls",
        lambda one: one.cause is Cause.TLS,
        "no trusted TLS connection was possible for",
        "Look at the broker's certificate, ca_file in [broker], and what opens TLS on the way.",
        Verdict.UNKNOWN,
    ),
    _Kind(
        "unreachable",
        lambda one: one.state is State.UNREACHABLE,
        "no valid answer came for",
        "Look at the network, the proxy and the broker's status page; type panic check for each answer.",
        Verdict.UNKNOWN,
    ),
    _Kind(
        "account_missing",
        lambda one: one.state is State.MISSING,
        "the broker does not list",
        "Correct the ids in the roster, or take them out.",
        Verdict.UNVERIFIED,
    ),
    _Kind(
        "account_closed",
        lambda one: one.state is State.CLOSED,
        "the broker says that they are closed:",
        "Take them out of the roster, or mark them excluded.",
        Verdict.UNVERIFIED,
    ),
)


def _of_accounts(report: CheckReport) -> Iterator[Finding]:
    ids: dict[str, list[int]] = {}
    for one in report.accounts:
        if one.state is State.OK:
            continue
        kind = next(kind for kind in _KINDS if kind.is_it(one))
        ids.setdefault(kind.code, []).append(one.id)
    for kind in _KINDS:
        if kind.code in ids:
            yield Finding(kind.code, f"{kind.text} {_accounts(ids[kind.code])}", kind.remedy, kind.worst)


def _accounts(ids: Sequence[int]) -> str:
    """Name accounts: how many, and the first few."""
    named = ", ".join(map(str, sorted(ids)[:_NAMED_MOST]))
    return f"{len(ids):,} account{'s' if len(ids) > 1 else ''}: {named}{', …' if len(ids) > _NAMED_MOST else ''}"


# ── the roster ──────────────────────────────────────────────────────────────────────────────────────────────


def _of_problems(problems: Sequence[Problem]) -> Iterator[Finding]:
    for problem in problems[:_PROBLEMS_MOST]:
        place = str(problem).removesuffix(f". {problem.remedy}")
        yield Finding("configuration", clip(place), problem.remedy, Verdict.UNKNOWN)
    if len(problems) > _PROBLEMS_MOST:
        text = f"and {len(problems) - _PROBLEMS_MOST:,} mistakes more in the files"
        yield Finding("configuration", text, "Type panic check: it lists them all.", Verdict.UNKNOWN)


def _of_roster(report: CheckReport, circumstances: Circumstances) -> Iterator[Finding]:
    unlisted = report.unlisted_accounts
    if unlisted:
        text = f"active at the broker, and not in the roster: {_accounts(unlisted)}"
        yield Finding("unlisted", text, "Add them, or list them as excluded.", Verdict.UNVERIFIED)
    now, before = circumstances.covered, circumstances.covered_before
    lost = (before or frozenset()) - now if now is not None else frozenset()
    alarming = {id_ for id_ in lost - circumstances.excluded if id_ in unlisted or not report.drift_checked}
    if alarming:
        text = f"the roster shrank since all was last well, by {_accounts(tuple(alarming))}"
        remedy = "Put them back; or list them as excluded, if no press shall reach them."
        yield Finding("roster_shrank", text, remedy, Verdict.UNVERIFIED)
    if quiet := lost - alarming:
        text = f"a press for all reaches them no more since all was last well: {_accounts(tuple(quiet))}"
        remedy = "Put them back if that was no intention; they are excluded, or closed at the broker."
        yield Finding("roster_changed", text, remedy, Verdict.CLEAR)


# ── the broker ──────────────────────────────────────────────────────────────────────────────────────────────


def _of_broker(report: CheckReport) -> Iterator[Finding]:
    skew_s = report.clock_skew_s
    if skew_s is None:
        text = "the broker did not tell its time, so the clock of this machine was not checked"
        yield Finding("clock_unchecked", text, "Type panic check and see why.", Verdict.UNVERIFIED)
    elif abs(skew_s) > SKEW_MOST_S:
        side = "ahead of" if skew_s > 0 else "behind"
        text = f"the clock of this machine is {side} the broker's by {abs(skew_s):.0f} s"
        yield Finding(
            "clock_skew", text, "Set it: look at the time service (chronyc tracking).", Verdict.UNVERIFIED
        )
    if not report.drift_checked:
        text = "the broker did not list its accounts, so the roster was not compared with them"
        yield Finding("drift_unchecked", text, "Type panic check and see why.", Verdict.UNVERIFIED)


def _of_certificate(days: float) -> Finding:
    ends = "has ended" if days <= 0 else "ends today" if days < 1 else f"ends in {days:.0f} days"
    remedy = "Ask the broker whether it will be renewed in time; from then on no press gets through."
    return Finding("broker_certificate", f"the broker's certificate {ends}", remedy, Verdict.UNVERIFIED)


# ── this machine ────────────────────────────────────────────────────────────────────────────────────────────


def _of_disk(disk: Disk) -> Iterator[Finding]:
    where = clip(str(disk.folder))
    if disk.trouble:
        text = f"the disk of {disk.what}, {where}, cannot be used: {disk.trouble}"
        yield Finding("disk", text, "Mend the path, or mount what is missing.", Verdict.UNVERIFIED)
    elif disk.free < FREE_LEAST or disk.free * _FREE_SHARE < disk.size:
        remedy = "Free some space there: a press goes on, and cannot be put on record."
        yield Finding("disk", f"the disk of {disk.what}, {where}, is full or nearly", remedy, Verdict.UNVERIFIED)


def _of_latch(machine: Machine) -> Iterator[Finding]:
    if machine.latch is None or not machine.latch.problem:
        return
    if machine.latch_is_missing:
        text = "there is no latch, which means engaged to every strategy that looks at it"
        yield Finding("latch_missing", text, "Set it up once: panic latch --create.", Verdict.CLEAR)
        return
    text = f"the latch {machine.latch.problem}, which means engaged to every strategy that looks at it"
    yield Finding(
        "latch", text, "Type panic latch, and end it with panic reset when it is safe.", Verdict.UNVERIFIED
    )


def _of_pace(circumstances: Circumstances) -> Iterator[Finding]:
    if circumstances.pages_told is False:
        text = "no channel of [notify] is told of pages: of what goes wrong here nobody hears"
        yield Finding("no_pager", text, 'Add a [notify.NAME] whose tells has "page".', Verdict.CLEAR)
    if circumstances.every_s and circumstances.round_s > circumstances.every_s:
        text = (
            f"a round of all accounts takes {circumstances.round_s / 60:.0f} minutes, "
            f"and one is wanted every {circumstances.every_s / 60:.0f}"
        )
        yield Finding("slow_round", text, "Raise share, rate or every_s in [self_test].", Verdict.CLEAR)
