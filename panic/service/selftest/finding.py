"""A finding of the self-test, and the table of all that there are: words, remedy, and what it would cost a press.

The text of a finding stays the same while nothing changes, so that nobody is told twice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from panic.broker.outcomes import EXIT_CODES, Verdict
from panic.kit.errors import ConfigurationError, Problem


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that stands in the way of the next press, or might.

    Attributes:
        text: What it is, a sentence without a full stop.
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


def exit_code(found: Iterable[Finding], problems: Sequence[Problem] = ()) -> int:
    """Give the exit code of a self-test: that of a check, with this machine counted in."""
    if problems:
        return ConfigurationError.exit_code
    return max((EXIT_CODES[one.worst] for one in found), default=0)


class _Kind(NamedTuple):
    worst: Verdict
    text: str
    remedy: str


_TABLE: Final = {
    Verdict.REFUSED: {
        "key_refused": (
            "the key is missing, wrong, expired or revoked for {accounts}",
            "Get a new key from the broker and put it in place of the old one; nothing has to be restarted.",
        ),
        "read_refused": (
            "the key may not read the orders of {accounts}",
            "Have the broker give the key access again, or name another credential in the roster.",
        ),
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
        "account_missing": (
            "the broker does not list {accounts}",
            "Correct the ids in the roster, or take them out.",
        ),
        "account_closed": (
            "the broker says that they are closed: {accounts}",
            "Take them out of the roster, or mark them excluded.",
        ),
        "unlisted": (
            "active at the broker, and not in the roster: {accounts}",
            "Add them, or list them as excluded.",
        ),
        "roster_shrank": (
            "the roster shrank since all was last well, by {accounts}",
            "Put them back; or list them as excluded, if no press should reach them.",
        ),
        "clock_unchecked": (
            "the broker did not tell its time, so the clock of this machine was not checked",
            "Type panic check and see why.",
        ),
        "clock_skew": (
            "the clock of this machine is {side} the broker's by more than {seconds:,.0f} s",
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
            "the disk of {what}, {where}, is full or nearly",
            "Free some space there: a press still works, but cannot be put on record.",
        ),
        "disk_trouble": (
            "the disk of {what}, {where}, cannot be used: {trouble}",
            "Correct the path, or mount what is missing.",
        ),
        "ledger": (
            "the ledger is in trouble: {trouble}",
            "Mend it, or name another in [ledger] file: a press goes on without it, and proves less.",
        ),
        "latch": (
            "the latch {trouble}, which means engaged to every strategy that looks at it",
            "Type panic latch, and end it with panic reset when it is safe.",
        ),
        "hangs": (
            "{what} could not be looked at within {seconds:.0f} s",
            "Put them on a file system that answers.",
        ),
        "self_test_failed": (
            "the self-test itself failed ({error}): nothing is known",
            "Type panic check, and read the service's log.",
        ),
    },
    Verdict.CLEAR: {
        "roster_changed": (
            "a press for all reaches them no more since all was last well: {accounts}",
            "Put them back if that was unintended; they are excluded, or closed at the broker.",
        ),
        "latch_missing": (
            "there is no latch, which means engaged to every strategy that looks at it",
            "Set it up once: panic latch --create.",
        ),
        "no_pager": (
            "no channel of [notify] gets pages: nobody would hear of a failure",
            'Add a [notify.NAME] whose tells has "page".',
        ),
        "slow_round": (
            "a round of all accounts takes {takes:.0f} minutes, and one is wanted every {wanted:.0f}",
            "Raise share, rate or every_s in [self_test].",
        ),
    },
}
"""Code, text and remedy, by what a press now could come to at best; clear where it does not touch the press."""

KINDS: Final = {code: _Kind(worst, *words) for worst, kinds in _TABLE.items() for code, words in kinds.items()}


def found(code: str, **facts: object) -> Finding:
    """Make a finding of the table."""
    kind = KINDS[code]
    return Finding(code.removesuffix("_trouble"), kind.text.format(**facts), kind.remedy, kind.worst)
