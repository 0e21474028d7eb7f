"""A viewer's token, or whoever has stolen it, reads what takes longest, again and again and at once."""

import asyncio
from collections import Counter
from itertools import cycle
from pathlib import Path
from typing import Final

import aiohttp

from panic.ledger.events import encode
from panic.ledger.store import SqliteStore
from tests.attack.frame import VIEWER, Attack, Target, alone
from tests.cli.ledgers import LEDGER
from tests.ledger import runs

LOOPS: Final = 64
RUNS, ACCOUNTS = 60, 500

_LAST = "/v1/runs/last"
_ALL = "/v1/runs?limit=1000"
_OPEN = "/v1/orders?all=true&limit=10000"
_PATHS = (_ALL, f"{_LAST}/evidence", _ALL, f"{_LAST}/report", _ALL, f"{_LAST}/board", "/v1/latch", _OPEN, _OPEN)


def prepare(folder: Path) -> None:
    """Leave what a few months leave: runs that ended clear."""
    ids = range(1, ACCOUNTS + 1)
    told = [runs.told(3, *map(runs.accepted, ids)), runs.told(4, *map(runs.clear, ids))]
    store = SqliteStore(folder / LEDGER)
    for n in range(RUNS):
        events = [one._replace(run=f"run-{n}") for one in (*runs.start(*ids), *told, runs.finished(5))]
        store.append([(one.run, one.kind, encode(one)) for one in events])
    store.close()


async def go(target: Target) -> None:
    """Read, and read again as soon as an answer is there, whatever it says."""
    answers = Counter[int | str]()
    paths = cycle(_PATHS)
    connector = aiohttp.TCPConnector(limit=0, ssl=target.context or True)
    headers = {"Authorization": f"Bearer {VIEWER}"}
    async with aiohttp.ClientSession(target.url, connector=connector, headers=headers) as session:

        async def read(path: str) -> None:
            while True:
                try:
                    async with session.get(path) as answer:
                        await answer.read()
                        answers[answer.status] += 1
                except (aiohttp.ClientError, OSError) as error:
                    answers[type(error).__name__] += 1
                    await asyncio.sleep(0.05)

        readers = [asyncio.create_task(read(next(paths))) for _ in range(LOOPS)]
        await asyncio.sleep(1.0)
        target.under_way()
        try:
            await asyncio.gather(*readers)
        finally:
            print("answers", ", ".join(f"{what}: {count:,}" for what, count in sorted(answers.items(), key=str)))


ATTACK = Attack(
    "viewer", f"a viewer's token reads runs, reports and evidence in {LOOPS} loops", go, prepare=prepare
)

if __name__ == "__main__":
    alone(ATTACK)
