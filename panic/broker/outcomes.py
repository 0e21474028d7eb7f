"""What became of an account: outcomes, standings, verdicts and exit codes, each from one table.

`TABLE` defines the outcomes: `classify` walks it top to bottom, the documentation prints it and the
tests enumerate it. Nothing here waits, sends or remembers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import NamedTuple


class Outcome(StrEnum):
    """What became of an account's cancel request."""

    ACCEPTED = "accepted"
    NOTHING_TO_CANCEL = "nothing_to_cancel"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    REJECTED = "rejected"
    RATE_LIMITED = "rate_limited"
    BROKER_ERROR = "broker_error"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"
    NOT_ATTEMPTED = "not_attempted"


class Body(StrEnum):
    """What kind of body an answer had."""

    OBJECT = "a JSON object"
    EMPTY = "empty"
    OVERLONG = "longer than we read"
    INVALID = "cut short or not a JSON object"
    FOREIGN = "another account's orders"


class Evidence(NamedTuple):
    """What is known about one request, as far as its outcome depends on it.

    Attributes:
        sent: Whether the request left or may have left this machine.
        status: The HTTP status; None when no valid status line came back.
        body: What the body was; None when no answer came back.
    """

    sent: bool
    status: int | None = None
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the outcome table; the first row whose `holds` is true names the outcome."""

    came_back: str
    outcome: Outcome
    again: bool
    holds: Callable[[Evidence], bool]


_MEANS_LATER = frozenset({408, 409, 425})
_GOOD_BODIES = frozenset({Body.OBJECT, Body.EMPTY, Body.OVERLONG})


def _status(evidence: Evidence, low: int, high: int) -> bool:
    return evidence.status is not None and low <= evidence.status <= high


TABLE: tuple[Rule, ...] = (
    Rule(
        "proof that nothing was sent (DNS, connect, TLS, queue, file descriptors)",
        Outcome.UNREACHABLE,
        again=True,
        holds=lambda e: not e.sent,
    ),
    Rule(
        "2xx with a JSON object, 204, an empty body, or a body longer than we read (noted)",
        Outcome.ACCEPTED,
        again=False,
        holds=lambda e: e.status == 204 or (_status(e, 200, 299) and e.body in _GOOD_BODIES),  # noqa: PLR2004
    ),
    Rule(
        "404, any body (noted when it is not the broker's own envelope)",
        Outcome.NOTHING_TO_CANCEL,
        again=False,
        holds=lambda e: e.status == 404,  # noqa: PLR2004
    ),
    Rule("401", Outcome.UNAUTHENTICATED, again=False, holds=lambda e: e.status == 401),  # noqa: PLR2004
    Rule("403", Outcome.FORBIDDEN, again=False, holds=lambda e: e.status == 403),  # noqa: PLR2004
    Rule("429", Outcome.RATE_LIMITED, again=True, holds=lambda e: e.status == 429),  # noqa: PLR2004
    Rule(
        "5xx, 408, 409, 425",
        Outcome.BROKER_ERROR,
        again=True,
        holds=lambda e: _status(e, 500, 599) or e.status in _MEANS_LATER,
    ),
    Rule("any other 4xx", Outcome.REJECTED, again=False, holds=lambda e: _status(e, 400, 499)),
    Rule(
        "sent or maybe sent, no valid answer (timeout, reset, truncated, not JSON, 3xx, another account's orders)",
        Outcome.UNKNOWN,
        again=True,
        holds=lambda _: True,
    ),
)

TRY_AGAIN = frozenset(rule.outcome for rule in TABLE if rule.again)
REFUSED = frozenset({Outcome.UNAUTHENTICATED, Outcome.FORBIDDEN, Outcome.REJECTED})
NEVER_LEFT = frozenset({Outcome.NOT_ATTEMPTED, Outcome.UNREACHABLE})
_UNANSWERED = (Outcome.NOT_ATTEMPTED, Outcome.UNREACHABLE, Outcome.UNKNOWN)  # the later ones say more


@cache
def classify(evidence: Evidence) -> Outcome:
    """Name the outcome of one request by the first row of `TABLE` that holds."""
    return next(rule.outcome for rule in TABLE if rule.holds(evidence))


def succeed(before: Outcome, latest: Outcome) -> Outcome:
    """Fold one more DELETE into an account's outcome.

    Accepted stays accepted; otherwise the last answered DELETE names the outcome, and an unanswered one
    never replaces an answered one.
    """
    if before is Outcome.ACCEPTED:
        return before
    if latest not in _UNANSWERED:
        return latest
    if before not in _UNANSWERED:
        return before
    return max(before, latest, key=_UNANSWERED.index)


class Standing(StrEnum):
    """What the last conclusive read begun after the account's last DELETE ended showed."""

    CLEAR = "clear"
    PENDING = "pending"
    OPEN = "open"
    UNREAD = "unread"


class Verdict(StrEnum):
    """The one word for an account and for a run."""

    CLEAR = "clear"
    UNVERIFIED = "unverified"
    OPEN = "open"
    UNKNOWN = "unknown"
    REFUSED = "refused"


WORST_FIRST = (Verdict.REFUSED, Verdict.UNKNOWN, Verdict.OPEN, Verdict.UNVERIFIED, Verdict.CLEAR)

EXIT_CODES = {
    Verdict.CLEAR: 0,
    Verdict.UNVERIFIED: 10,
    Verdict.OPEN: 20,
    Verdict.UNKNOWN: 30,
    Verdict.REFUSED: 40,
}


def judge(outcome: Outcome, standing: Standing, *, own_envelope: bool) -> Verdict:
    """Give an account's verdict; `own_envelope` is of the answer that named the outcome."""
    if standing is Standing.CLEAR:
        return Verdict.CLEAR
    if outcome in REFUSED:
        return Verdict.REFUSED
    if standing in {Standing.OPEN, Standing.PENDING}:
        return Verdict.OPEN
    if outcome is Outcome.ACCEPTED or (outcome is Outcome.NOTHING_TO_CANCEL and own_envelope):
        return Verdict.UNVERIFIED
    return Verdict.UNKNOWN


def worst(*verdicts: Verdict) -> Verdict:
    """Give the worst of one or more verdicts."""
    return min(verdicts, key=WORST_FIRST.index)
