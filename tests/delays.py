"""How much later a press sends when its ledger is broken: `python -m tests.kill --delays`.

Each turn presses twice, with the ledger well and broken, and takes from the broker's own witness when the first
DELETE of all and the last account's first one arrived, counted from the start of the process.
"""

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.cli.breakages import BREAKAGES, HEALTHY, Breakage, after
from tests.cli.ledgers import SETTINGS
from tests.cli.support import PRESS, Firm, account, simulate, started

ACCOUNTS = 200
_WITHOUT = after("import panic.cli.press\npanic.cli.press.open_ledger = lambda files: None\n")
_WITH = after("import panic.cli.press\n")
WITHOUT = Breakage("no ledger at all", frozenset(), HEALTHY.broken, _WITHOUT, _WITH)


class Times(NamedTuple):
    """When the first DELETE and the last account's first one arrived, seconds from the start of the process."""

    first: float
    last: float


async def press(breakage: Breakage, program: tuple[str, ...]) -> Times | None:
    """Press once in a folder of its own; None where the system does not let the ledger be broken so."""
    with tempfile.TemporaryDirectory() as name:
        folder, ids = Path(name), range(1, ACCOUNTS + 1)
        async with simulate(*(account(id_) for id_ in ids), latency_s=0.005) as simulator:
            firm = Firm(folder, simulator.base_url, ids, more=SETTINGS)
            with breakage.broken(folder):
                words = firm.lines(*PRESS, "--no-verify")
                async with started(*words, cwd=folder, program=program, cold=True) as process:
                    began = process.began
                    await process.finish()
            firsts: dict[int | None, float] = {}
            for one in simulator.requests:
                firsts.setdefault(one.account_id, one.at)
            if len(firsts) != ACCOUNTS:
                return None
            return Times(min(firsts.values()) - began, max(firsts.values()) - began)


async def measure(turns: int) -> None:
    """Print what each way to break a ledger adds: the median over paired turns, and quickest against quickest."""
    sys.stdout.write(f"{ACCOUNTS} accounts, {turns} turns, ms{'first DELETE':>31}{'last first DELETE':>41}\n")
    columns = " healthy  broken   median  quickest"
    sys.stdout.write(f"{'':34}{columns}  {columns}\n")
    for breakage in (WITHOUT, HEALTHY, *BREAKAGES):
        pairs = []
        for turn in range(turns + 1):
            well = await press(HEALTHY, breakage.alike)
            broken = await press(breakage, breakage.program)
            if well and broken and turn:  # the first one warms up
                pairs.append((well, broken))
        told = "  ".join(_added(pairs, which) for which in range(2)) if pairs else " not possible here"
        sys.stdout.write(f"{breakage.name:34}{told}\n")
        sys.stdout.flush()


def _added(pairs: Sequence[tuple[Times, Times]], which: int) -> str:
    """Give the quickest of both kinds, and by how much one is later, in milliseconds."""
    well, broken = (1000 * min(pair[kind][which] for pair in pairs) for kind in range(2))
    median = 1000 * statistics.median(pair[1][which] - pair[0][which] for pair in pairs)
    return f" {well:7.0f} {broken:7.0f}  {median:+7.0f}  {broken - well:+8.0f}"
