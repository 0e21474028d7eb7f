"""What the ledger costs a whole run, verified and on a broker across a network: `python -m tests.bench.price`.

Presses without and with a ledger take turns at one simulated broker, a process of its own that answers after
20 ms. The figures are seconds, and the ratio of their medians.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

from panic import config
from panic.accounts.plan import Scope
from panic.config import LedgerFiles, Settings
from panic.ledger.writer import open_ledger
from panic.report.document import Timings
from panic.run.press import Press, prepare
from panic.run.run import Run


async def _run(settings: Settings, ledger: LedgerFiles) -> Timings:
    writer = open_ledger(ledger)
    press = Press(Scope(all=True), "the price of the ledger", watch_s=0.0)
    report = await Run(prepare(settings.model_copy(update={"ledger": ledger}), press), ledger=writer).go()
    if writer is not None:
        writer.close()
    assert report.exit_code == 0
    return report.timings


async def measure(accounts: int, turns: int) -> None:
    """Print each turn's seconds and the ratios."""
    with tempfile.TemporaryDirectory() as folder:
        words = ("--accounts", str(accounts), "--latency", "0.02", "--faults", "none", "--write", f"{folder}/firm")
        broker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "panic", "simulate", *words, stderr=asyncio.subprocess.PIPE
        )
        assert broker.stderr is not None
        while b"Ctrl-C ends it" not in await broker.stderr.readline():
            pass
        settings = config.load(Path(folder, "firm", "panic.toml"))
        ledger = LedgerFiles(file=Path(folder, "ledger.db"))
        silent, recorded = [], []
        for turn in range(turns + 1):
            pair = await _run(settings, LedgerFiles()), await _run(settings, ledger)
            if turn:  # the first one imports what was not needed before
                silent.append(pair[0].total_s)
                recorded.append(pair[1].total_s)
                print(f"without a ledger {pair[0].total_s:6.2f} s   with it {pair[1].total_s:6.2f} s")
        broker.terminate()
        await broker.wait()
    ratio = statistics.median(recorded) / statistics.median(silent)
    print(f"with its ledger a run takes {ratio:.2f} x as long (medians of {turns} turns)")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=5000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(measure(options.accounts, options.turns))


if __name__ == "__main__":
    main()
