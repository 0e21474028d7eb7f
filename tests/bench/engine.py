"""The whole engine beside a bare aiohttp loop, without and with its ledger: `make bench`.

All cancel the same accounts at the same broker, a process of its own that answers at once, or after `--latency`
seconds as a broker across a network does. The bare loop
does the least that cancels: gather, a semaphore, one DELETE each, its JSON read. The engine does all of its
work (validation, retrying, slots, classification, report) but the reads, as `--no-verify` does; with `--verify`
it reads as well. They take turns; the figures are the medians of the ratios of neighbouring turns.
"""

import argparse
import asyncio
import multiprocessing
import statistics
import tempfile
import time
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import aiohttp

from panic.accounts.plan import Scope, plan
from panic.accounts.roster import Account, Roster
from panic.config import Broker, LedgerFiles, RosterFile, Settings
from panic.config.secret import Key
from panic.ledger.writer import open_ledger
from panic.run.press import Prepared, Press
from panic.run.run import Run

CONCURRENCY = 64
_ORDER = (
    b'{"account_id":%d,"client_order_id":"a-1","created_at":"2025-10-31T13:30:00.000000000Z",'
    b'"filled_quantity":"0","id":"019c0b48-b8fb-700d-8c5e-931d54555f54","leaves_quantity":"100",'
    b'"order_type":"LIMIT","quantity":"100","side":"BUY","status":"%s","symbol":"AAPL",'
    b'"time_in_force":"DAY","venue":"XNAS"}'
)


class _Broker(asyncio.Protocol):
    """Answers every request in full, so many seconds after its head has arrived."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._head += data
        while b"\r\n\r\n" in self._head:
            head, _, self._head = self._head.partition(b"\r\n\r\n")
            account = int(head.split(b"/", 5)[3]) if b"/orders" in head else 0  # else it lists accounts: none
            order = _ORDER % (account, b"CANCELED" if head.startswith(b"GET") else b"PENDING_CANCEL")
            body = b'{"data":[' + order + b'],"error":null,"metadata":{"request_id":"fb1c2d3e","total_items":1}}'
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._transport.write, head + body)
            else:
                self._transport.write(head + body)


def serve(tell: Connection, latency: float) -> None:
    """Be a broker in a process of its own; `tell` its port."""

    async def answer() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Broker(latency), "127.0.0.1", 0, backlog=4096)
        tell.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(answer())


async def bare(base_url: str, ids: range) -> None:
    """Cancel with nothing around it."""
    turn = asyncio.Semaphore(CONCURRENCY)
    headers = {"Authorization": "Bearer bench.key"}

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY)) as session:

        async def cancel(account: int) -> None:
            url = f"{base_url}/v1/accounts/{account}/orders"
            async with turn, session.delete(url, headers=headers) as response:
                assert response.status == 200
                assert (await response.json())["data"]

        await asyncio.gather(*map(cancel, ids))


async def engine(base_url: str, ids: range, ledger: Path | None = None, *, verify: bool = False) -> None:
    """Cancel with panic, from the plan to the report, on record or not."""
    roster = Roster(Path("bench"), "sha256:bench", time.time(), tuple(map(Account, ids)), (), ())
    scope = Scope(accounts=tuple(ids))  # with all, it would ask as well which accounts there are
    settings = Settings(
        broker=Broker(base_url=base_url), roster=RosterFile(file=Path("bench")), ledger=LedgerFiles(file=ledger)
    )
    press = Press(scope, "bench", concurrency=CONCURRENCY, verify=verify, watch_s=0.0)
    keys = {"default": Key("bench.key-of-nobody")}
    writer = open_ledger(settings.ledger)
    report = await Run(Prepared(press, settings, roster, keys, plan(roster, scope, keys)), ledger=writer).go()
    assert report.totals.outcomes == {"accepted": len(ids)}
    if writer is not None:
        assert report.ledger_head is not None
        writer.close()


def _time(work: object) -> float:
    began = time.perf_counter()
    asyncio.run(work)  # type: ignore[arg-type]
    return time.perf_counter() - began


def main() -> None:
    """Print each turn's rates and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=5000)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that the broker takes to answer")
    parser.add_argument("--verify", action="store_true", help="read every account as well")
    options = parser.parse_args()
    whole = partial(engine, verify=options.verify)
    ids = range(1, options.accounts + 1)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(theirs, options.latency), daemon=True
    )
    process.start()
    base_url = f"http://127.0.0.1:{ours.recv()}"
    _time(bare(base_url, ids)), _time(whole(base_url, ids))
    against_bare, against_silent = [], []
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger.db"
        for _ in range(options.turns):
            alone, silent = _time(bare(base_url, ids)), _time(whole(base_url, ids))
            on_record = _time(whole(base_url, ids, ledger))
            against_bare.append(alone / on_record)
            against_silent.append(silent / on_record)
            rates = [f"{len(ids) / took:6.0f}/s" for took in (alone, silent, on_record)]
            print(f"bare {rates[0]}   engine without a ledger {rates[1]}   engine {rates[2]}")
    of = f"(median of {options.turns} turns)"
    print(f"engine, ledger on, at {statistics.median(against_bare):.2f} x the bare loop {of}")
    print(f"engine, ledger on, at {statistics.median(against_silent):.2f} x the engine without one {of}")
    process.terminate()


if __name__ == "__main__":
    main()
