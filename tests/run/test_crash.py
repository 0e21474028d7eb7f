"""A run that dies at any event or moment and is taken up again: nothing lost, nothing falsely clear."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from panic.broker.outcomes import Outcome, Standing, Verdict
from panic.ledger.replay import UNFINISHED, report_of
from panic.report.document import Report, to_json
from panic.run import drill
from panic.run.press import Prepared
from panic.run.run import Run
from panic.simulator import Fault, SimAccount, SimOrder, Simulator
from tests.kit.tape import Tape, take_up
from tests.kit.virtual import virtually

FAULTS: tuple[tuple[Fault, ...], ...] = (
    (),
    (Fault("latency", seconds=0.3),),
    (Fault("status", status=503, times=1),),
    (Fault("executed_unanswered", times=1),),
    (Fault("fills"),),
)


@dataclass
class Outcomes:
    """What a run that died and its second life left behind."""

    before: Report
    after: Report
    again: Report
    simulator: Simulator
    sent_before: set[int]


def firm(*faults: tuple[Fault, ...]) -> drill.Firm:
    """One account with two orders for each set of faults."""
    made_up = drill.firm(len(faults), 1, "none")
    simulated = tuple(
        SimAccount(one.id, one.name, (SimOrder(), SimOrder(symbol="MSFT")), its)
        for one, its in zip(made_up.simulated, faults, strict=True)
    )
    return replace(made_up, simulated=simulated)


def prepared(made_up: drill.Firm, base_url: str) -> Prepared:
    """The press of a made-up firm, two requests at a time."""
    ready = drill.prepare(made_up, base_url, watch_s=1.0)
    return replace(ready, press=replace(ready.press, deadline_s=60.0, concurrency=2))


def die(
    made_up: drill.Firm, die_when: Callable[[Tape], Coroutine[Any, Any, Any]], most: int = 1 << 30
) -> Outcomes | None:
    """Press, die, take up again; None where the run came to its end before it was to die."""

    async def work() -> Outcomes | None:
        async with drill.simulator(made_up, seed=1, latency_s=0.01) as simulator:
            ready = prepared(made_up, simulator.base_url)
            tape = Tape(most)
            first = asyncio.create_task(Run(ready, ledger=tape.writer, drill=True, rng=random.Random(1)).go())
            dying = asyncio.create_task(die_when(tape))
            await asyncio.wait([first, dying], return_when=asyncio.FIRST_COMPLETED)
            ended = first.done()
            dying.cancel()
            first.cancel()
            await asyncio.wait([first, dying])
            if ended:
                return None
            sent = {one.account_id or 0 for one in simulator.requests if one.method == "DELETE"}
            before = tape.replay()
            if not before.cases:
                return None
            unfinished = report_of(before)
            after, later = await take_up(ready, tape, random.Random(2))
            return Outcomes(unfinished, after, report_of(later.replay(), later.head), simulator, sent)

    return virtually(work())


def hold_against_truth(found: Outcomes, ids: list[int]) -> None:
    """Every account once, clear only where nothing is open and a read showed it, and the same by the ledger."""
    before, after = found.before, found.after
    assert [ids, ids] == [sorted(one.id or 0 for one in report.accounts) for report in (before, after)]
    assert (Verdict.CLEAR, to_json(after)) == (after.verdict, to_json(found.again))
    assert not any(found.simulator.truth(id_).open for id_ in ids)
    assert (False, UNFINISHED) == (before.finished, before.flags[0].code)
    assert Verdict.CLEAR is not before.verdict
    for account in before.accounts:
        if account.outcome not in {Outcome.NOT_ATTEMPTED, Outcome.UNKNOWN}:
            assert account.id in found.sent_before
        if account.standing is Standing.CLEAR:
            assert any(attempt.method == "GET" and attempt.status == 200 for attempt in account.attempts)


def test_a_run_that_dies_after_any_of_its_events_completes_when_it_is_taken_up() -> None:
    """The process is gone after every other event of the record in turn."""
    made_up = firm(*FAULTS)
    died = 0
    for most in range(2, 200, 2):
        found = die(made_up, lambda tape: tape.full.wait(), most)
        if found is None:
            break
        died += 1
        hold_against_truth(found, [account.id for account in made_up.simulated])

    assert died > 8


def test_what_is_proven_clear_is_read_again_and_not_sent_again() -> None:
    """A resume takes no clear on trust, and does not cancel what it has no reason to."""
    made_up = firm((), (Fault("latency", on="ANY", seconds=2.0),))
    found = die(made_up, lambda _: asyncio.sleep(1.5))

    assert found is not None
    first, second = made_up.simulated[0].id, made_up.simulated[1].id
    assert Standing.CLEAR is next(a.standing for a in found.before.accounts if a.id == first)
    sent = [one.account_id for one in found.simulator.requests if one.method == "DELETE"]
    assert 1 == sent.count(first)
    assert 2 == sent.count(second)
    reads = [one for one in found.simulator.requests if one.method == "GET" and one.account_id == first]
    assert any(one.at > 1.5 for one in reads)
