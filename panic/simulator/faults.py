"""The fault vocabulary: what can go wrong, how often, and what it makes of a cancel.

Of several faults that hit one request, the first decisive one says what is sent (`spoils.INSTEAD`,
`wire.PLAYS`). All others compose: those that spoil the true answer (`spoils.MADE`) and those that bend
what becomes of the orders (`course_of`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

_NOT_EXECUTED: Mapping[str, str] = {
    # Sound HTTP that is not the truth.
    "status": "any status in the broker's error envelope; a 2xx is executed and tells the truth",
    "lying_404": "404 in the broker's envelope although orders are open",
    "bare_404": "404 with an HTML body",
    "error_in_200": "200 whose data is null and whose error is set",
    "empty_list": "200 with an empty list",
    "hidden_orders": "an empty list on GET although orders are open",
    "wrong_account": "200 with `count` orders of another account",
    "not_json": "200 with an HTML page",
    "redirect": "3xx (302 unless `status` is one) to `location`",
    "big_headers": "200 with a header line of 64 kB",
    "gzip_bomb": "200 that inflates from some 260 kB to 256 MB",
    # The wire.
    "hang": "never answered",
    "rst": "the connection is reset before an answer",
    "fin": "the connection is closed cleanly before an answer",
    "garbage": "bytes that are not HTTP, then the end",
    "endless": "200 whose body never ends: 64 kB every `seconds` (at least every millisecond)",
}
_EXECUTED_ON_THE_WIRE: Mapping[str, str] = {
    "executed_late": "never answered, and carried out only `seconds` after it arrived",
    "executed_unanswered": "the connection is closed cleanly without an answer",
    "rst_after": "the connection is reset without an answer",
    "truncated": "half of the promised body, then the end",
    "drip": "the head, then the body a byte every `seconds`",
    "second_answer": "the true answer and at once an unasked 200 with an empty list",
    "late_second_answer": "the same, the unasked answer `seconds` later",
}
_EXECUTED: Mapping[str, str] = {
    # The true answer, spoilt.
    "latency": "the answer travels `seconds` longer",
    "empty": "200 with an empty body",
    "huge": "200 with an answer of 32 MB, in which orders repeat",
    "schema_drift": "unknown fields and statuses, missing and null fields, numbers for strings",
    "paged": "pages of `count` orders",
    "paged_lies": "total_items says `count` too many",
    "page_loop": "next_page_token never ends",
    "no_counts": "total_items, total_pages and page_number are absent",
    "counts_page": "total_items counts this page only",
    "counts_unfiltered": "total_items ignores the status filter",
    "counts_capped": "total_items is never over `count`",
    "ignores_status": "the list ignores the status filter",
    "refuses_status": "400 for a status filter that names a status newer than the specification of 2025-10-31",
    # What becomes of the orders.
    "stuck": "they stay PENDING_CANCEL for ever, unless a later DELETE without this fault frees them",
    "slow_settle": "the cancel takes `seconds`",
    "fills": "they fill wholly instead of being cancelled",
    "part_fills": "`count` shares of each fill before the rest is cancelled",
    "replaced": "they turn REPLACED with leaves above 0, keep their id, and are cancelled later",
    "reappears": "`count` new orders named requote-… appear `seconds` after the DELETE",
}
FAULTS: Mapping[str, str] = MappingProxyType(
    {kind: f"{text} (not executed)" for kind, text in _NOT_EXECUTED.items()}
    | {kind: f"{text} (executed)" for kind, text in _EXECUTED_ON_THE_WIRE.items()}
    | {kind: f"{text} (executed)" for kind, text in _EXECUTED.items()}
)

_ON_GET = frozenset(
    {
        *("hidden_orders", "paged", "paged_lies", "page_loop"),
        *("no_counts", "counts_page", "counts_unfiltered", "counts_capped", "ignores_status", "refuses_status"),
    }
)
_ON = frozenset({"DELETE", "GET", "ANY", "OTHER"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong with some requests about one account; `FAULTS` says what each kind heeds.

    `on` is DELETE, GET (the account's orders), ANY (both), or OTHER (every request that is about no
    account's orders; only in `fault_all`); by default GET for the kinds that are about reading, else DELETE.
    """

    kind: str
    on: str = ""
    times: int | None = None  # how many matching requests it hits, after `skip`; None for all
    skip: int = 0  # how many matching requests go by first; every fault counts for itself
    status: int = 503
    retry_after: str | None = None  # a header, verbatim, on `status` and `lying_404`
    seconds: float = 0.0
    count: int = 1
    location: str = "/login"  # where a `redirect` points

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ValueError(f"unknown fault {self.kind!r}; known: {', '.join(sorted(FAULTS))}")
        if not self.on:
            object.__setattr__(self, "on", "GET" if self.kind in _ON_GET else "DELETE")
        if self.on not in _ON:
            raise ValueError(f"fault {self.kind!r} on {self.on!r}; known: {', '.join(sorted(_ON))}")

    @property
    def executed(self) -> bool:
        """Whether the request is carried out all the same."""
        return self.kind not in _NOT_EXECUTED or (self.kind == "status" and 200 <= self.status < 300)  # noqa: PLR2004  # any 2xx

    @property
    def decisive(self) -> bool:
        """Whether it alone says what is sent; of several the first wins."""
        return not self.executed or self.kind in _EXECUTED_ON_THE_WIRE


class Script:
    """The faults of one account, and how many requests each has seen."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._faults = tuple(faults)
        self._seen = [0] * len(self._faults)

    def next(self, method: str) -> tuple[Fault, ...]:
        """Count one request of this method (or `OTHER`) and return the faults that hit it."""
        hits = []
        for index, fault in enumerate(self._faults):
            if fault.on != method and (fault.on != "ANY" or method == "OTHER"):
                continue
            turn = self._seen[index] - fault.skip
            self._seen[index] += 1
            if turn >= 0 and (fault.times is None or turn < fault.times):
                hits.append(fault)
        return tuple(hits)


@dataclass(frozen=True, slots=True)
class Course:
    """How a cancel goes once the book has taken it."""

    settle_s: float | None  # until it ends; None for never
    first: str = "PENDING_CANCEL"  # the status that the orders take at once
    last: str = "CANCELED"
    fill: int | None = 0  # shares of each order that fill before it ends; None for all
    starts_in: float = 0.0  # until the book takes it
    reappear: tuple[tuple[float, int], ...] = ()  # batches of new orders: in how many seconds, how many


_BENDS: Mapping[str, Callable[[Course, Fault], Course]] = {
    "stuck": lambda course, _: replace(course, settle_s=None),
    "slow_settle": lambda course, fault: replace(course, settle_s=fault.seconds),
    "fills": lambda course, _: replace(course, last="FILLED", fill=None),
    "part_fills": lambda course, fault: replace(course, fill=fault.count),
    "replaced": lambda course, _: replace(course, first="REPLACED"),
    "executed_late": lambda course, fault: replace(course, starts_in=fault.seconds),
    "reappears": lambda course, fault: replace(course, reappear=(*course.reappear, (fault.seconds, fault.count))),
}


def course_of(faults: Iterable[Fault], settle_s: float) -> Course:
    """Fold the faults that hit a DELETE into the course of its cancel."""
    course = Course(settle_s)
    for fault in faults:
        if fault.kind in _BENDS:
            course = _BENDS[fault.kind](course, fault)
    return course
