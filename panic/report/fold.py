"""The fold: plan, cases and circumstances in, the report out. Pure, at any moment of a run."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from panic.accounts.plan import Unsent
from panic.broker.outcomes import EXIT_CODES, WORST_FIRST, Standing, Verdict, worst
from panic.broker.questions import LOOKBACK
from panic.engine.case import Case
from panic.report.account import Circumstances, Wall, account_of, unsent_of
from panic.report.document import (
    NEVER_CLEAR,
    SCHEMA,
    AccountReport,
    Coverage,
    Flag,
    Orders,
    Report,
    Totals,
)
from panic.report.order_list import fills_of, still_open

_RANKS = {verdict: rank for rank, verdict in enumerate(WORST_FIRST)}


def fold(cases: Iterable[Case], unsent: Iterable[Unsent], facts: Circumstances, wall: Wall) -> Report:
    """Make the report of a run from what is known at this moment."""
    cases = list(cases)
    accounts = [account_of(case, facts, wall) for case in cases]
    accounts += [unsent_of(one, facts.contact) for one in unsent]
    accounts.sort(key=lambda a: (_RANKS[a.verdict], a.id is None, a.id or 0))
    return assemble(facts, accounts, _totals(accounts), coverage_of(facts, accounts, cases))


def assemble(
    facts: Circumstances, accounts: Sequence[AccountReport], totals: Totals, coverage: Coverage
) -> Report:
    """Assemble a report; `accounts` may be only some of those that the totals count."""
    verdict = worst(*totals.verdicts)
    doubted = facts.is_damaged or not facts.finished or any(flag.code in NEVER_CLEAR for flag in facts.flags)
    if facts.unlisted or doubted:
        verdict = worst(verdict, Verdict.UNVERIFIED)
    as_they_are = {one.name: getattr(facts, one.name) for one in fields(Report) if hasattr(facts, one.name)}
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "verdict": verdict,
        "exit_code": EXIT_CODES[verdict],
        "totals": totals,
        "coverage": coverage,
        "flags": _loudest_first(facts),
        "ledger_head": None,
        "accounts": tuple(accounts),
    }
    return Report(**{**as_they_are, **found})


def coverage_of(facts: Circumstances, accounts: Iterable[AccountReport], cases: Iterable[Case]) -> Coverage:
    """Say what "clear" rests on."""
    cases = list(cases)
    tracked = [one for case in cases for one in case.tally.orders.values()]
    counted = sum(case.proof.is_counted and case.standing is Standing.CLEAR for case in cases)
    return Coverage(
        lookback_s=LOOKBACK.total_seconds() if facts.scope.verify else 0.0,
        accounts_clear=sum(account.verdict is Verdict.CLEAR for account in accounts),
        accounts_counted=0 if facts.is_damaged else counted,
        named_orders=len(tracked),
        named_seen_ended=sum(one.seen_ended for one in tracked),
        roster_checked=facts.roster_checked,
        unlisted_accounts=facts.unlisted,
    )


def _loudest_first(facts: Circumstances) -> tuple[Flag, ...]:
    """Put first the flag that strategies were to be stopped but were not."""
    is_quiet = facts.latch is None or facts.latch.engaged
    return tuple(sorted(facts.flags, key=lambda flag: is_quiet or flag.code != "latch"))


def _totals(accounts: list[AccountReport]) -> Totals:
    counts = [account.orders for account in accounts]
    bad = [account for account in accounts if account.verdict is not Verdict.CLEAR]
    return Totals(
        accounts=len(accounts),
        verdicts=dict(Counter(account.verdict for account in accounts)),
        outcomes=dict(Counter(account.outcome for account in accounts)),
        standings=dict(Counter(account.standing for account in accounts)),
        attempts=sum(len(account.attempts) for account in accounts),
        orders=Orders(
            accepted=sum(c.accepted for c in counts),
            canceled=sum(c.canceled for c in counts),
            filled=sum(c.filled for c in counts),
            open=sum(c.open for c in counts),
        ),
        fills=fills_of(order for account in accounts for order in account.order_list),
        still_open=still_open((account.order_list, account.read_whole) for account in bad),
    )
