"""What the report says about one account: what became of it, and what to do next. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from panic._version import VERSION
from panic.accounts.plan import Unsent
from panic.accounts.roster import Account, BadRow
from panic.broker.outcomes import Outcome, Standing, Verdict, judge, worst
from panic.engine.case import Attempt, Case
from panic.kit.words import clip
from panic.report.document import (
    AccountReport,
    AttemptReport,
    Flag,
    Joining,
    LatchReport,
    Orders,
    Resumption,
    RosterFacts,
    ScopeReport,
    Timings,
    Trigger,
)
from panic.report.order_list import NAMING, OrderReport, fills_of, largest_open, orders_of

_NOTE_MOST = 300
_IDS_MOST = _NAMED_MOST = 2
_NO_ORDERS = Orders()

Wall = Callable[[float], datetime]
"""Gives the time of day of a loop time."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Everything a report says that is not about one account, by the names that it has in a `Report`.

    A record that `is_damaged` proves no account clear; `scrub` takes secrets out of foreign words.
    """

    run_id: str
    drill: bool
    base_url: str
    contact: str
    roster: RosterFacts
    trigger: Trigger
    scope: ScopeReport
    timings: Timings
    started_at: datetime
    finished_at: datetime
    version: str = VERSION
    finished: bool = True
    joined: tuple[Joining, ...] = ()
    resumed: tuple[Resumption, ...] = ()
    latch: LatchReport | None = None
    flags: Sequence[Flag] = ()
    roster_checked: bool = False
    unlisted: tuple[int, ...] = ()
    is_damaged: bool = False
    scrub: Callable[[str], str] = field(default=lambda text: text)


def account_of(case: Case, facts: Circumstances, wall: Wall) -> AccountReport:
    """Report on an account; if that fails, say less: one odd account never costs the others their report."""
    try:
        return _account(case, facts, wall)
    except Exception as error:  # noqa: BLE001  (see above)
        step = f"Panic could not report on it. Take its orders as open. {_call(facts.contact)}."
        failed = f"panic itself failed on this account: {type(error).__name__}"
        return _unread(case.account, case.outcome, Verdict.UNKNOWN, step, failed)


def _unread(
    account: Account | None, outcome: Outcome, verdict: Verdict, step: str, note: str, row: BadRow | None = None
) -> AccountReport:
    return AccountReport(
        id=account.id if account else row.id if row else None,
        name=account.name if account else row.text if row else "",
        group=account.group if account else "",
        owner=account.owner if account else "",
        outcome=outcome,
        standing=Standing.UNREAD,
        as_of=None,
        verdict=verdict,
        next_step=step,
        notes=(note,),
        orders=_NO_ORDERS,
        attempts=(),
    )


def _account(case: Case, facts: Circumstances, wall: Callable[[float], datetime]) -> AccountReport:
    orders = orders_of(case.tally, facts.scrub)
    notes = [clip(facts.scrub(note), _NOTE_MOST) for note in _notes(case, orders, facts.scrub)]
    verdict = worst(case.verdict, Verdict.UNVERIFIED) if facts.is_damaged else case.verdict
    return AccountReport(
        id=case.account.id,
        name=case.account.name,
        group=case.account.group,
        owner=case.account.owner,
        outcome=case.outcome,
        standing=case.standing,
        as_of=case.proof.as_of,
        verdict=verdict,
        next_step=next_step(case, verdict, facts.contact) + _naming(verdict, orders),
        notes=tuple(notes),
        orders=_orders(case, orders),
        attempts=tuple(_attempt(attempt, wall) for attempt in case.attempts),
        order_list=orders,
        read_whole=case.proof.is_whole and case.standing is not Standing.UNREAD,
    )


def _attempt(attempt: Attempt, wall: Callable[[float], datetime]) -> AttemptReport:
    return AttemptReport(
        method=attempt.method,
        at=attempt.at or wall(attempt.began),
        status=attempt.status,
        request_id=attempt.request_id or None,
        error=attempt.error or None,
        elapsed_ms=round(attempt.elapsed * 1000, 1),
    )


def _orders(case: Case, orders: Sequence[OrderReport]) -> Orders:
    if not orders:
        return _NO_ORDERS
    still_open = case.standing in {Standing.OPEN, Standing.PENDING}
    return Orders(
        accepted=len(case.tally.accepted),
        canceled=sum(one.status == "CANCELED" for one in orders),
        filled=sum(bool(one.filled) for one in orders),
        open=case.proof.open if still_open else 0,
    )


def _notes(case: Case, orders: Iterable[OrderReport], scrub: Callable[[str], str]) -> Iterable[str]:
    yield from case.notes
    if case.standing is Standing.UNREAD and case.seen_open is not None:
        count, moment = case.seen_open
        yield f"{count} open orders were seen at {moment:%H:%M:%S} UTC, before the last cancel, and nothing since"
    if fills := fills_of(orders):
        yield f"filled during the cancel: {', '.join(fill.words for fill in fills)}"
    if case.tally.reappeared:
        count, prefix = len(case.tally.reappeared), clip(case.tally.reappeared_prefix(scrub), 40)
        whose = f"; their client order ids begin with {prefix!r}" if prefix else ""
        new = "new order" if count == 1 else "new orders"
        yield f"{count} {new} appeared after the cancel: something is still trading{whose}"


def unsent_of(one: Unsent, contact: str) -> AccountReport:
    """Report on an account that could not be sent."""
    nothing = Outcome.NOT_ATTEMPTED
    verdict = judge(nothing, Standing.UNREAD, own_envelope=False)
    step = f"Nothing was sent: cancel its orders by hand. {_call(contact)}. Then mend roster or key."
    return _unread(one.account, nothing, verdict, step, clip(one.why, _NOTE_MOST), one.row)


def next_step(case: Case, verdict: Verdict, contact: str) -> str:
    """Say in a sentence or two what to do about an account that is not clear."""
    if verdict is Verdict.CLEAR:
        return ""
    ids = [attempt.request_id for attempt in case.attempts if attempt.request_id][-_IDS_MOST:]
    quoting = f", quoting {' or '.join(reversed(ids))}" if ids else ""
    return f"{_advice(case, verdict)} {_call(contact)}{quoting}."


def _naming(verdict: Verdict, orders: Iterable[OrderReport]) -> str:
    """Name the largest of the orders to speak of; what many accounts share stands before it."""
    found = largest_open(orders) if verdict is not Verdict.CLEAR else []
    named = ", ".join(order.words for order in found[:_NAMED_MOST])
    more = f" and {len(found) - _NAMED_MOST:,} more" if len(found) > _NAMED_MOST else ""
    return f"{NAMING}{named}{more}." if found else ""


def _call(contact: str) -> str:
    return f"Call {contact or 'the Clear Street desk (set [broker] contact to name it here)'}"


_REFUSED_ADVICE = {
    Outcome.UNAUTHENTICATED: "The broker does not know the key. Put a valid key in place and press again.",
    Outcome.FORBIDDEN: "The key may not cancel in this account. Use a key that may, and press again.",
    Outcome.REJECTED: "The broker rejected the request itself. Check the filters and press again.",
}
_UNKNOWN_ADVICE = {
    Outcome.UNREACHABLE: "Nothing was sent: the broker is out of reach. Mend network or base_url; press again.",
    Outcome.NOT_ATTEMPTED: "No cancel of it was sent. Press again.",
    Outcome.NOTHING_TO_CANCEL: "It answered 404, and not in the broker's words. Check the id and base_url.",
}


def _advice(case: Case, verdict: Verdict) -> str:
    match verdict:
        case Verdict.REFUSED:
            return _REFUSED_ADVICE[case.outcome]
        case Verdict.OPEN if case.standing is Standing.PENDING:
            return "The broker accepted the cancel but has not finished it: these orders may still fill."
        case Verdict.OPEN:
            return "Orders are still open. Stop what is trading, and press again."
        case Verdict.UNVERIFIED if case.standing is Standing.CLEAR:
            return "The record that shows it clear was edited or is damaged. Look, or press again."
        case Verdict.UNVERIFIED:
            return "The broker answered the cancel, but nobody saw that nothing is open. Look, or press again."
    otherwise = "No answer says what became of the cancel: take its orders as open, and press again."
    return _UNKNOWN_ADVICE.get(case.outcome, otherwise)
