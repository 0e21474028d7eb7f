"""From a press at a running service to its first DELETE on the wire: `make bench-service`.

The service is a process of its own with warm connections, the broker an in-process simulator, and both read the
same steady clock. A turn presses, waits for the run's end and for the connections to be warm again. Beside each
turn stands the least there is: an HTTP request to the service that does nothing.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from tests.cli.support import account, simulate
from tests.service.support import Service, firm, serving

_RUN = "poll_first_s = 0.05\npoll_max_s = 0.2\nwatch_s = 0\n"


async def _nothing(service: Service) -> float:
    began = time.monotonic()
    await service.ask("GET", "/healthz", who="")
    return time.monotonic() - began


async def warm(service: Service) -> None:
    """Wait until its connections to the broker are open."""
    while True:
        found = (await service.ask("GET", "/v1/status")).body["standby"]
        if found["warm_connections"] >= found["warm_connections_wanted"]:
            return
        await asyncio.sleep(0.05)


async def measure(accounts: int, turns: int) -> None:
    """Print each turn's figures and their medians, milliseconds."""
    ids = range(1, accounts + 1)
    firsts, answers, nothings = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        async with (
            simulate(*(account(id_) for id_ in ids)) as simulator,
            serving(firm(Path(folder), simulator, ids, run=_RUN)) as service,
        ):
            for turn in range(turns + 1):
                await warm(service)
                nothing, before = await _nothing(service), len(simulator.requests)
                began = time.monotonic()
                answer = await service.press(reason=f"turn {turn}")
                answered = time.monotonic()
                await service.report(answer.body["run_id"])
                first = next(one.at for one in simulator.requests[before:] if one.method == "DELETE")
                if turn:  # the first one imports what was not needed before
                    firsts.append((first - began) * 1000)
                    answers.append((answered - began) * 1000)
                    nothings.append(nothing * 1000)
                await asyncio.sleep(0.3)  # two presses within 250 ms would be one
    for name, found in (("first DELETE", firsts), ("answer", answers), ("a request that does nothing", nothings)):
        print(
            f"{name:28}",
            *(f"{one:6.1f}" for one in (min(found), statistics.median(found), max(found))),
            "ms: least, median, most",
        )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=15)
    options = parser.parse_args()
    asyncio.run(measure(options.accounts, options.turns))


if __name__ == "__main__":
    main()
