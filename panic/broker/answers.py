"""What one HTTP request brought back, as a value: the only thing that crosses from the broker to the engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from panic.broker.outcomes import Evidence, Outcome, classify
from panic.broker.pages import Page
from panic.orders import Order

HOLD_MOST_S = 20.0
"""The longest a Retry-After may silence an account: an absurd value must not outlast the run."""


@dataclass(slots=True, eq=False)
class Receipt:
    """How far an answer's connection is to be trusted; it may be revoked later.

    Attributes:
        fresh: It had carried nothing before.
        revoked: After the answer it brought something that nobody had asked for.
    """

    fresh: bool = False
    revoked: bool = False


class Cause(StrEnum):
    """What kept a request from being sent, if that needs a remedy of its own."""

    NAME = "name"
    TLS = "tls"


class Answer(NamedTuple):
    """One attempt and its result, whatever it is; nothing that the network does raises an exception.

    Attributes:
        began: Loop time at which the attempt began, seconds.
        ended: Loop time at which it was over, seconds.
        evidence: Status and body, as far as the outcome depends on them.
        outcome: What the table makes of the evidence.
        request_id: The broker's id of the request, to read out over the phone; may be empty.
        error: What went wrong, in a few words; empty if nothing did.
        retry_after: How long the broker asks us to wait, seconds, already clamped; None if it does not. Once its
            lane has learned from it: how long the account waits by itself.
        own_envelope: Whether an error came in the broker's own envelope.
        orders: The orders that it named, whatever its status, unless they are another account's.
        page: What a read's answer showed; None unless it counts as a read.
        receipt: How far the connection that it came over is to be trusted; None for not at all.
        note: Something odd that belongs in the report; empty if nothing was.
        document: The answer as it is, if the request was not about an account's orders.
        cause: Why nothing was sent, if known well enough to say what to do.
    """

    began: float
    ended: float
    evidence: Evidence
    outcome: Outcome
    request_id: str = ""
    error: str = ""
    retry_after: float | None = None
    own_envelope: bool = False
    orders: tuple[Order, ...] = ()
    page: Page | None = None
    receipt: Receipt | None = None
    note: str = ""
    document: Mapping[str, Any] | None = None
    cause: Cause | None = None

    @property
    def is_limited(self) -> bool:
        """Whether the broker asked us to slow down."""
        return self.outcome is Outcome.RATE_LIMITED

    @property
    def waits_for_lane(self) -> bool:
        """Whether it may be asked again as soon as its lane admits it."""
        return self.is_limited and self.retry_after == 0.0

    @property
    def is_answered(self) -> bool:
        """Whether a valid status line came back."""
        return self.evidence.status is not None


def too_late(now: float) -> Answer:
    """Give the answer to a request that was not made, because its run was over."""
    evidence = Evidence(sent=False)
    return Answer(now, now, evidence, classify(evidence), error="the broker did not answer in time")
