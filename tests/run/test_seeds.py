"""Whole runs on virtual time, over real sockets, with seeded faults: what the report says against what is true.

`make prove` runs hundreds of seeds and prints the figure of the scoreboard; here are enough for every day.
"""

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from panic.broker.outcomes import Outcome, Standing, Verdict
from panic.ledger.replay import report_of
from panic.report.document import AccountReport, Report, to_json
from panic.run import drill
from panic.run.press import Prepared
from panic.run.run import Run
from panic.simulator import FAULTS, Fault, SimAccount, SimOrder, Simulator
from tests.kit.tape import Tape, take_up
from tests.kit.virtual import virtually

ACCOUNTS = 20
_TOO_BIG = frozenset({"endless", "gzip_bomb", "huge"})
"""These cost seconds each and have tests of their own."""

_KINDS = sorted(set(FAULTS) - _TOO_BIG)
_LIES = frozenset({"empty_list", "hidden_orders"})
"""On a GET these are sound answers that hide orders: no client can tell."""

_STATUSES = (400, 401, 403, 404, 408, 409, 425, 429, 500, 502, 503, 504, 418, 302, 299)
_DEADLINE_S = 40.0


def _fault(rng: random.Random) -> Fault:
    kind = rng.choice(_KINDS)
    return Fault(
        kind,
        on="DELETE" if kind in _LIES else rng.choice(("", "DELETE", "GET", "ANY")),
        times=rng.choice((1, 2, 3, None)),
        skip=rng.choice((0, 0, 0, 1, 2)),
        status=rng.choice(_STATUSES),
        retry_after=rng.choice((None, None, "1", "3", "30", "soon")),
        seconds=rng.choice((0.0, 0.1, 0.7, 3.0, 6.0)),
        count=rng.choice((1, 2, 5)),
    )


def _firm(seed: int) -> drill.Firm:
    rng = random.Random(seed)
    made_up = drill.firm(ACCOUNTS, seed, "none")
    troubled = tuple(
        replace(account, faults=tuple(_fault(rng) for _ in range(rng.choice((0, 1, 1, 2, 3)))))
        for account in made_up.simulated
    )
    return replace(made_up, simulated=troubled)


async def _one(seed: int) -> Counter[str]:
    """Run a seed and hold its report against the truth."""
    made_up, watch_s = _firm(seed), random.Random(seed).choice((0.0, 5.0))
    async with _practice(made_up, seed, watch_s=watch_s) as (simulator, prepared):
        tape = Tape()
        report = await Run(prepared, ledger=tape.writer, drill=True, rng=random.Random(seed)).go()
        return _hold_against_truth(report, made_up, simulator, tape)


async def _crashed(made_up: drill.Firm, seed: int, most: int, **press: Any) -> Counter[str]:
    """Die after so many events, resume, and hold both reports against the truth; nothing if it ends before."""
    async with _practice(made_up, seed, **press) as (simulator, prepared):
        tape = Tape(most)
        run = asyncio.create_task(Run(prepared, ledger=tape.writer, drill=True, rng=random.Random(seed)).go())
        full = asyncio.create_task(tape.full.wait())
        await asyncio.wait([run, full], return_when=asyncio.FIRST_COMPLETED)
        if run.done():
            return Counter()
        run.cancel()
        await asyncio.wait([run])
        sent = {one.account_id for one in simulator.requests if one.method == "DELETE"}
        before = report_of(tape.replay())
        report, later = await take_up(prepared, tape, random.Random(seed))
        found = _hold_against_truth(report, made_up, simulator, later)
        found["missing"] += abs(len(before.accounts) - len(made_up.accounts))
        found["told too well"] = sum(_is_told_too_well(one, sent) for one in before.accounts)
        found["told too well"] += before.finished or before.verdict is Verdict.CLEAR
        return found


def _is_told_too_well(account: AccountReport, sent: Collection[int | None]) -> bool:
    """Whether the record of a run that died says more of an account than ever happened."""
    is_answered = account.outcome not in {Outcome.NOT_ATTEMPTED, Outcome.UNKNOWN}
    is_read = any((one.method, one.status) == ("GET", 200) for one in account.attempts)
    return (is_answered and account.id not in sent) or (account.standing is Standing.CLEAR and not is_read)


@asynccontextmanager
async def _practice(made_up: drill.Firm, seed: int, **press: Any) -> AsyncIterator[tuple[Simulator, Prepared]]:
    async with drill.simulator(made_up, seed=seed, latency_s=0.01) as simulator:
        prepared = drill.prepare(made_up, simulator.base_url)
        press = {"deadline_s": _DEADLINE_S, **press}
        yield simulator, replace(prepared, press=replace(prepared.press, **press))


def _hold_against_truth(report: Report, made_up: drill.Firm, simulator: Simulator, tape: Tape) -> Counter[str]:
    found: Counter[str] = Counter()
    ids = Counter(account.id for account in report.accounts)
    found["missing"] = sum(ids[account.id] == 0 for account in made_up.simulated)
    found["doubled"] = sum(ids[account.id] > 1 for account in made_up.simulated)
    kinds = {"reappears", "executed_late"}
    late = {one.id for one in made_up.simulated for fault in one.faults if fault.kind in kinds}
    for account in report.accounts:
        assert account.id is not None
        truth = simulator.truth(account.id)
        # Orders that reappear after the last read are not what was read; what is true of the rest is.
        if account.verdict is Verdict.CLEAR and truth.open and account.id not in late:
            found["false clear"] += 1
    found["retold otherwise"] = int(to_json(report_of(tape.replay(), tape.head)) != to_json(report))
    found[report.verdict] = found["runs"] = 1
    return found


_BAD = ("missing", "doubled", "false clear", "retold otherwise", "told too well")


def _bad(found: Counter[str]) -> dict[str, int]:
    return {bad: found[bad] for bad in _BAD if found[bad]}


def run_seeds(seeds: Iterable[int], *, crash: bool = False) -> Iterator[Counter[str]]:
    """Run seeds on virtual time, with a crash in the middle or without."""
    for seed in seeds:
        yield virtually(_crashed(_firm(seed), seed, random.Random(seed).randint(2, 30)) if crash else _one(seed))


@pytest.mark.parametrize(("seed", "crash"), [(3, False), (5, False), (9, True)])
def test_seeded_runs_lose_no_account_and_never_say_clear_falsely(seed: int, crash: bool) -> None:
    """Whatever twenty accounts' faults do, and a crash: each is reported once, clear only if nothing is open."""
    (found,) = run_seeds([seed], crash=crash)

    assert (1, {}) == (found["runs"], _bad(found))


def test_a_run_that_dies_after_any_of_its_events_is_clear_when_it_is_resumed() -> None:
    """The process is gone after every other event of the record in turn."""
    made_up = drill.firm(5, 1, "none")
    orders = (SimOrder(), SimOrder(symbol="MSFT"))
    faults = [
        Fault("fills"),
        Fault("latency", seconds=0.3),
        Fault("status", status=503, times=1),
        Fault("executed_unanswered", times=1),
    ]
    simulated = [SimAccount(one.id, orders=orders) for one in made_up.simulated]
    simulated[1:] = [replace(one, faults=(its,)) for one, its in zip(simulated[1:], faults, strict=True)]
    made_up = replace(made_up, simulated=tuple(simulated))
    died = [virtually(_crashed(made_up, 1, most, watch_s=1.0, concurrency=2)) for most in range(2, 40, 2)]
    ended = died.index(Counter())

    assert ended >= 8
    assert [(1, {})] * ended == [(found["clear"], _bad(found)) for found in died[:ended]]


def main() -> None:
    """Print the figures of many seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crash", action="store_true", help="with a crash in the middle of each")
    parser.add_argument("--seeds", type=int, default=250)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    total: Counter[str] = Counter()
    seeds = range(options.first, options.first + options.seeds)
    for seed, found in zip(seeds, run_seeds(seeds, crash=options.crash), strict=True):
        total += found
        if _bad(found):
            sys.stdout.write(f"seed {seed}: {dict(found)}\n")
    sys.stdout.write(f"{dict(total)} over {options.seeds} seeds of {ACCOUNTS} accounts\n")


if __name__ == "__main__":
    main()
