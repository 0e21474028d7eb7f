"""Whole runs on virtual time, over real sockets, with seeded faults: what the report says against what is true.

`make prove` runs hundreds of seeds and prints the figure of the scoreboard; here are enough for every day.
"""

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from panic.broker.outcomes import Verdict
from panic.ledger.replay import report_of
from panic.report.document import Report, to_json
from panic.run import drill
from panic.run.press import Prepared
from panic.run.run import Run
from panic.simulator import FAULTS, Fault, SimAccount, Simulator
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
    watch_s = random.Random(seed).choice((0.0, 5.0))
    async with _practice(seed, watch_s) as (simulated, simulator, prepared):
        tape = Tape()
        report = await Run(prepared, ledger=tape.writer, drill=True, rng=random.Random(seed)).go()
        return _hold_against_truth(report, simulated, simulator, tape)


async def _crashed(seed: int) -> Counter[str]:
    """Run a seed, die after some of its events, resume it, and hold that report against the truth."""
    async with _practice(seed) as (simulated, simulator, prepared):
        tape = Tape(random.Random(seed).randint(2, 60))
        run = asyncio.create_task(Run(prepared, ledger=tape.writer, drill=True, rng=random.Random(seed)).go())
        full = asyncio.create_task(tape.full.wait())
        await asyncio.wait([run, full], return_when=asyncio.FIRST_COMPLETED)
        run.cancel()
        await asyncio.wait([run])
        report, later = await take_up(prepared, tape, random.Random(seed))
        return _hold_against_truth(report, simulated, simulator, later)


@asynccontextmanager
async def _practice(
    seed: int, watch_s: float = 0.0
) -> AsyncIterator[tuple[tuple[SimAccount, ...], Simulator, Prepared]]:
    made_up = _firm(seed)
    async with drill.simulator(made_up, seed=seed, latency_s=0.01) as simulator:
        prepared = drill.prepare(made_up, simulator.base_url, watch_s=watch_s)
        press = replace(prepared.press, deadline_s=_DEADLINE_S)
        yield made_up.simulated, simulator, replace(prepared, press=press)


def _hold_against_truth(
    report: Report, simulated: tuple[SimAccount, ...], simulator: Simulator, tape: Tape
) -> Counter[str]:
    found: Counter[str] = Counter()
    ids = Counter(account.id for account in report.accounts)
    found["missing"] = sum(ids[account.id] == 0 for account in simulated)
    found["doubled"] = sum(ids[account.id] > 1 for account in simulated)
    late = {one.id for one in simulated for fault in one.faults if fault.kind in {"reappears", "executed_late"}}
    for account in report.accounts:
        assert account.id is not None
        truth = simulator.truth(account.id)
        # Orders that reappear after the last read are not what was read; what is true of the rest is.
        if account.verdict is Verdict.CLEAR and truth.open and account.id not in late:
            found["false clear"] += 1
    found["retold otherwise"] = int(to_json(report_of(tape.replay(), tape.head)) != to_json(report))
    found["runs"] += 1
    return found


def run_seeds(seeds: Iterable[int], *, crash: bool = False) -> Iterator[Counter[str]]:
    """Run seeds on virtual time, with a crash in the middle or without."""
    for seed in seeds:
        yield virtually((_crashed if crash else _one)(seed))


@pytest.mark.parametrize(("seed", "crash"), [(3, False), (5, False), (9, True)])
def test_seeded_runs_lose_no_account_and_never_say_clear_falsely(seed: int, crash: bool) -> None:
    """Whatever twenty accounts' faults do, and a crash: each is reported once, clear only if nothing is open."""
    assert [Counter(runs=1)] == list(run_seeds([seed], crash=crash))


_BAD = ("missing", "doubled", "false clear", "retold otherwise")


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
        if any(found[bad] for bad in _BAD):
            sys.stdout.write(f"seed {seed}: {dict(found)}\n")
    sys.stdout.write(f"{dict(total)} over {options.seeds} seeds of {ACCOUNTS} accounts\n")


if __name__ == "__main__":
    main()
