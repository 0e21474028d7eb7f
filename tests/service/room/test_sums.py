"""Totals that are kept up to date account by account: at each moment those of the whole report."""

import asyncio
import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from panic import drill
from panic.broker.outcomes import Outcome, Standing, Verdict
from panic.engine.case import Case
from panic.engine.sweep import What
from panic.fold import fold
from panic.orders import Order
from panic.plan import Unsent
from panic.report import Fill, Orders
from panic.roster import Account
from panic.run.run import Join, Run
from panic.service.room.sums import Sums
from tests.builders import (
    a_case,
    a_pace,
    a_read,
    an_answer,
    an_order,
    circumstances,
    look,
    look_clear,
    no_answer,
    wall,
)
from tests.tape import Tape
from tests.test_seeds import _DEADLINE_S, _firm
from tests.virtual import virtually

PACE, ACCOUNTS = a_pace(), 4
UNSENT = (Unsent("its key is missing", account=Account(98)), Unsent("nobody can read it"))


def hold(sums: Sums, cases: list[Case], unsent: tuple[Unsent, ...] = ()) -> None:
    """They say what the fold of these cases does."""
    facts = circumstances()
    report = fold(cases, unsent, facts, wall)

    assert report.totals == sums.totals
    assert report.coverage == sums.coverage(facts)


# ── accounts that anything may happen to ────────────────────────────────────────────────────────────────────


def _filled(id_: str, quantity: str, status: str = "NEW", side: str = "BUY") -> Order:
    return an_order(id_, status, symbol="X" if id_ < "c" else "Y", side=side, filled_quantity=quantity)


STEPS: tuple[Callable[[Case], None], ...] = (
    lambda case: case.cancelled(an_answer(orders=(_filled("a", "0"), _filled("c", "5"))), PACE),
    lambda case: case.cancelled(an_answer(404, own_envelope=True), PACE),
    lambda case: case.cancelled(an_answer(403), PACE),
    lambda case: case.cancelled(no_answer(), PACE),
    lambda case: look(case, a_read(_filled("a", "10"), _filled("b", "0"), began=1.0)),
    lambda case: look(
        case, a_read(_filled("a", "30", "CANCELED"), _filled("c", "7", "PENDING_CANCEL"), began=2.0)
    ),
    lambda case: look(case, a_read(_filled("b", "20", "FILLED", "SELL"), began=3.0)),
    lambda case: look_clear(case, 4.0),
    lambda case: case.press_again(),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, ACCOUNTS - 1), st.sampled_from(STEPS), st.booleans()), max_size=25))
def test_after_any_looks_they_are_those_of_the_report_of_what_was_looked_at(
    played: list[tuple[int, Callable[[Case], None], bool]],
):
    """Whatever happens to which account, however often it is looked at, and whoever is not looked at again."""
    cases = [a_case(id_) for id_ in range(1, ACCOUNTS + 1)]
    seen, sums = deepcopy(cases), Sums(len(cases), len(UNSENT))
    for place, step, is_seen in played:
        step(cases[place])
        if is_seen:
            seen[place] = deepcopy(replace(cases[place], look=None))
            sums.look(place, cases[place], str)
    hold(sums, seen, UNSENT)
    for place, case in enumerate(cases):
        sums.look(place, case, str)
    hold(sums, cases, UNSENT)


# ── whole runs ──────────────────────────────────────────────────────────────────────────────────────────────


async def _run(seed: int) -> int:
    """Run a seed; hold the totals against the report's at many moments, and give at how many."""
    made_up, rng = _firm(seed), random.Random(seed)
    held = 0
    async with drill.simulator(made_up, seed=seed, latency_s=0.01) as simulator:
        prepared = drill.prepare(made_up, simulator.base_url, watch_s=rng.choice((0.0, 3.0)))
        prepared = replace(prepared, press=replace(prepared.press, deadline_s=_DEADLINE_S))
        sums, changed = Sums(len(made_up.simulated), 0), set[int]()

        def observe(_: What, case: Case | None) -> None:
            nonlocal held
            changed.update([] if case is None else [places[case.account.id]])
            if rng.random() < 0.1:
                for place in changed:
                    sums.look(place, run.cases[place], run.scrub)
                changed.clear()
                report = run.report()
                held += 1

                assert report.totals == sums.totals
                assert report.coverage.named_orders == sums.coverage(run.facts()).named_orders
                assert report.coverage.accounts_clear == sums.coverage(run.facts()).accounts_clear

        run = Run(prepared, observe, ledger=Tape().writer, drill=True, rng=random.Random(seed))
        places = {case.account.id: place for place, case in enumerate(run.cases)}
        work = asyncio.create_task(run.go())
        await asyncio.sleep(rng.choice((0.05, 0.5)))
        run.join(prepared, Join.SEND_AGAIN)
        report = await work
        for place, case in enumerate(run.cases):
            sums.look(place, case, run.scrub)

        assert report.totals == sums.totals
        assert report.coverage == sums.coverage(run.facts())
    return held


def test_in_the_middle_of_a_run_they_are_the_reports():
    """Looked at are only accounts that something was told of; others press meanwhile."""
    assert 5 < virtually(_run(403))


# ── one account ─────────────────────────────────────────────────────────────────────────────────────────────


def test_at_first_nothing_happened_to_anybody():
    """Those that could not be sent are counted as well."""
    totals = Sums(3, 2).totals

    assert (5, {Verdict.UNKNOWN: 5}, {Outcome.NOT_ATTEMPTED: 5}, {Standing.UNREAD: 5}) == (
        totals.accounts,
        totals.verdicts,
        totals.outcomes,
        totals.standings,
    )
    assert (0, Orders(), ()) == (totals.attempts, totals.orders, totals.fills)
    hold(Sums(0, 2), [], UNSENT)


def test_an_account_that_is_looked_at_again_counts_once():
    """What it added before is taken back: an order that was open is open no more, and a verdict is nobody's."""
    sums, case = Sums(1, 0), a_case()
    case.cancelled(an_answer(orders=(_filled("a", "0"),)), PACE)
    look(case, a_read(_filled("a", "0"), began=1.0))
    sums.look(0, case, str)
    before = sums.totals
    look(case, a_read(_filled("a", "10", "CANCELED"), began=2.0))
    look_clear(case, 3.0)
    for _ in range(3):
        sums.look(0, case, str)

    assert ({Verdict.OPEN: 1}, 1, ()) == (before.verdicts, before.orders.open, before.fills)
    assert {Verdict.CLEAR: 1} == sums.totals.verdicts
    assert (0, 1, 1) == tuple(getattr(sums.totals.orders, name) for name in ("open", "canceled", "filled"))
    assert (Fill("X", "BUY", Decimal(10)),) == sums.totals.fills
    hold(sums, [case])


def test_symbols_have_no_keys_in_them():
    """They come from outside; and those that become the same are one."""
    sums, case = Sums(1, 0), a_case()
    orders = [an_order(id_, symbol=symbol, side="BUY") for id_, symbol in (("a", "KEY1"), ("b", "KEY2"))]
    case.cancelled(an_answer(orders=tuple(orders)), PACE)
    filled = [order._replace(filled_quantity="10", status="FILLED") for order in orders]
    look(case, a_read(*filled, began=1.0), a_read(began=1.0))
    sums.look(0, case, lambda words: words[:3])

    assert (Fill("KEY", "BUY", Decimal(20)),) == sums.totals.fills
