"""Behind a broker's rate limit, beside a plain loop that was told the limit: `make bench-pace`.

Each case presses the engine with its defaults on virtual time, without sockets, so that the figures are the same
on every machine. The last few press the whole stack, on real time and over sockets, at a broker that is written
elsewhere. Told are the shortest time possible, the time until the last cancel was accepted, their ratio, what is
allowed (1.3 times the shortest and two seconds), all requests (reads too), the part that was refused, and the
accounts proven clear; of the loop, which only cancels, the time and the part refused. A miss is marked.
"""

import asyncio
import json
import os
import random
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol, TypeVar

import panic
from panic.config import Broker, Credential, RosterFile, Settings
from tests.bench.held import MEASURES
from tests.kit.elsewhere import Elsewhere, Held, Ways
from tests.kit.limited import CONCURRENCY, Limited
from tests.kit.limits import Bucket, Sliding, Window
from tests.kit.virtual import without_sockets

T = TypeVar("T")

ALLOWED, ALLOWED_S, REFUSED_MOST = 1.3, 2.0, 0.1
GIVE_UP = 10.0


class Limit(Protocol):
    """Says whether a request is served, and how soon so many can be."""

    def __call__(self, now: float) -> bool:
        """Serve one, or do not."""

    def best(self, requests: int) -> float:
        """Give the shortest time, seconds."""


class Changing:
    """A bucket that is replaced by another one at a moment."""

    def __init__(self, first: Bucket, later: Bucket, at: float) -> None:
        self.first, self.later, self.at = first, later, at

    def __call__(self, now: float) -> bool:
        """Take a token of the bucket of this moment."""
        return (self.first if now < self.at else self.later)(now)

    def best(self, requests: int) -> float:
        """Give the shortest time, seconds."""
        before = int(self.first.burst + self.first.rate * self.at)
        return self.first.best(requests) if requests <= before else self.at + self.later.best(requests - before)


class Unlimited:
    """No limit."""

    def __call__(self, now: float) -> bool:
        """Serve it."""
        return now >= 0

    def best(self, requests: int) -> float:
        """Give the shortest time but for the latency."""
        return 0.0 * requests


@dataclass(frozen=True, slots=True)
class Cell:
    """A press: the limits of its keys, at what a plain loop behind each is paced, and the rest."""

    name: str
    limits: Callable[[], Sequence[Limit]]
    paces: tuple[float, ...]
    accounts: int
    retry_after: float | None = 1.0
    latency_s: float = 0.02
    keys: int = 1

    @property
    def best_s(self) -> float:
        """The shortest time in which the broker can accept all, seconds."""
        limits = self.limits()
        shares = [len(range(n, self.accounts, len(limits))) for n in range(len(limits))]
        rounds = -(-self.accounts // CONCURRENCY) * self.latency_s
        return max(rounds, *(one.best(n) + self.latency_s for one, n in zip(limits, shares, strict=True)))


def _bucket(rate: float, burst: float, accounts: int, **more: object) -> Cell:
    words = f"{rate:g}/s, burst {burst:g}"
    return Cell(words, lambda: [Bucket(rate, burst)], (rate,), accounts, **more)  # type: ignore[arg-type]


def _counting(rate: float, burst: float, accounts: int, retry_after: float | None) -> Cell:
    words = f"{rate:g}/s, burst {burst:g}, refused ones counted"
    return Cell(words, lambda: [Bucket(rate, burst, counts_refused=True)], (rate,), accounts, retry_after)


CELLS = (
    _bucket(5, 1, 100),
    _bucket(5, 10, 200, retry_after=5.0, latency_s=0.05),
    _bucket(5, 100, 400, retry_after=None),
    _bucket(20, 1, 300),
    _bucket(20, 1, 300, retry_after=None, latency_s=0.005),
    _bucket(20, 10, 300, latency_s=0.05),
    _bucket(20, 20, 300),
    _bucket(20, 20, 300, retry_after=5.0),
    _bucket(20, 100, 1000, retry_after=None),
    _bucket(50, 1, 500, retry_after=None),
    _bucket(50, 10, 1000, retry_after=5.0, latency_s=0.05),
    _bucket(50, 50, 2000),
    _bucket(50, 100, 4000),
    _bucket(200, 1, 1000, latency_s=0.005),
    _bucket(200, 20, 1500),
    _bucket(200, 100, 4000, retry_after=None, latency_s=0.05),
    Cell("5/s in windows of 1 s", lambda: [Window(5)], (5,), 100),
    Cell("20/s in windows of 1 s", lambda: [Window(20)], (20,), 300, None, 0.05),
    Cell("50/s in windows of 5 s", lambda: [Window(50, 5.0)], (50,), 1000, 5.0),
    Cell("20/s in windows of 5 s", lambda: [Window(20, 5.0)], (20,), 300, None),
    Cell("20/s in any second", lambda: [Sliding(20)], (20,), 300),
    Cell("200/s in any second", lambda: [Sliding(200)], (200,), 2000, None, 0.005),
    _counting(20, 10, 300, 1.0),
    _counting(50, 50, 1000, None),
    _counting(50, 1, 500, 1.0),
    Cell("20/s, burst 20, two keys behind it", lambda: [Bucket(20, 20)], (20,), 300, keys=2),
    Cell("20/s, burst 1, two keys behind it", lambda: [Bucket(20, 1)], (20,), 300, keys=2),
    Cell("two keys, 20/s and 5/s", lambda: [Bucket(20, 20), Bucket(5, 5)], (20, 5), 200, keys=2),
    Cell("200/s, from 2 s on 20/s", lambda: [Changing(Bucket(200, 20), Bucket(20, 20), 2.0)], (200,), 600),
    Cell("20/s, from 5 s on 200/s", lambda: [Changing(Bucket(20, 20), Bucket(200, 20), 5.0)], (20,), 1500),
    Cell("no limit", lambda: [Unlimited()], (float("inf"),), 100),
    Cell("no limit", lambda: [Unlimited()], (float("inf"),), 4000, latency_s=0.05),
)


# ── a plain loop that knows the limit ───────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Loop:
    """Cancels at exactly its pace, one account after the other; those that are refused go to the end.

    It gives up after ten times the time possible: a bucket of one that counts refusals stays empty.
    """

    took_s: float = 0.0
    requests: int = 0
    refused: int = 0
    is_done: bool = False

    async def cancel(self, cell: Cell) -> "Loop":
        """Cancel until all are accepted."""
        limits = cell.limits()
        shares = [range(n, cell.accounts, len(limits)) for n in range(len(limits))]
        work = [
            self._behind(limit, pace, share, cell.latency_s, cell.best_s)
            for limit, pace, share in zip(limits, cell.paces, shares, strict=True)
        ]
        self.is_done = all(await asyncio.gather(*work))
        return self

    async def _behind(
        self, limit: Limit, pace: float, accounts: Iterable[int], latency_s: float, most_s: float
    ) -> bool:
        now, rng = asyncio.get_running_loop().time, random.Random(1)
        began, slots, owed, missing = now(), asyncio.Semaphore(CONCURRENCY), deque(accounts), set(accounts)

        async def one(account: int) -> None:
            await asyncio.sleep(latency_s / 2 * rng.uniform(0.98, 1.02))
            served = limit(now() - began)
            self.requests, self.refused = self.requests + 1, self.refused + (not served)
            await asyncio.sleep(latency_s / 2 * rng.uniform(0.98, 1.02))
            missing.discard(account) if served else owed.append(account)
            self.took_s = max(self.took_s, now() - began)
            slots.release()

        async with asyncio.TaskGroup() as group:
            turn = 0
            while missing and now() - began < GIVE_UP * most_s:
                await asyncio.sleep(max(began + turn / pace - now(), 0.0) if owed else latency_s)
                if owed:
                    await slots.acquire()
                    turn += 1
                    group.create_task(one(owed.popleft()))
        return not missing


# ── the table ───────────────────────────────────────────────────────────────────────────────────────────────

HEAD = (
    "broker",
    "accounts",
    "Retry-After",
    "latency ms",
    "possible s",
    "accepted s",
    "ratio",
    "allowed s",
    "requests",
    "refused %",
    "clear",
    "loop s",
    "loop refused %",
)


def _row(cell: Cell, took_s: float, requests: int, refused: int, clear: int, beside: Loop | None) -> list[str]:
    allowed = ALLOWED * cell.best_s + ALLOWED_S
    share = refused / requests
    return [
        cell.name,
        f"{cell.accounts:,}",
        "none" if cell.retry_after is None else f"{cell.retry_after:g}",
        f"{1000 * cell.latency_s:g}",
        f"{cell.best_s:.2f}",
        _marked(f"{took_s:.2f}", is_miss=took_s > allowed),
        f"{took_s / cell.best_s:.2f}",
        f"{allowed:.1f}",
        f"{requests:,}",
        _marked(f"{100 * share:.1f}", is_miss=share > REFUSED_MOST),
        "all" if clear == cell.accounts else _marked(f"{clear:,}", is_miss=True),
        *(["", ""] if beside is None else _loop(beside)),
    ]


def _loop(beside: Loop) -> list[str]:
    took = f"{beside.took_s:.2f}" if beside.is_done else "never"
    return [took, f"{100 * beside.refused / beside.requests:.1f}"]


def _marked(text: str, *, is_miss: bool) -> str:
    return f"**{text}**" if is_miss else text


def virtual_row(cell: Cell) -> list[str]:
    """Press behind the limits, and cancel by the loop; each on virtual time of its own."""

    @without_sockets
    async def press() -> Limited:
        seen = Limited(
            cell.limits(), cell.accounts, latency_s=cell.latency_s, retry_after=cell.retry_after, keys=cell.keys
        )
        return await seen.press()

    @without_sockets
    async def cancel() -> Loop:
        return await Loop().cancel(cell)

    seen = press()
    took_s = max(seen.accepted.values()) if len(seen.accepted) == cell.accounts else float("inf")
    return _row(cell, took_s, len(seen.log), seen.refused, seen.clear, cancel())


# ── the whole stack, on real time ───────────────────────────────────────────────────────────────────────────

REAL = (
    _bucket(20, 20, 200, latency_s=0.0),
    _bucket(200, 20, 1000, retry_after=None, latency_s=0.0),
    Cell("50/s in windows of 1 s", lambda: [Window(50)], (50,), 500, 5.0, 0.0),
    Cell("20/s, burst 10, two keys behind it", lambda: [Bucket(20, 10)], (20,), 200, 1.0, 0.0, keys=2),
)
KEY = "tenant-9.the-secret-of-the-firm"


class Busy(Elsewhere):
    """The broker written elsewhere, behind a limit."""

    def __init__(self, cell: Cell) -> None:
        super().__init__({n: ((Held(),), Ways()) for n in range(1, cell.accounts + 1)}, KEY)
        self._limit, self._retry_after = cell.limits()[0], cell.retry_after
        self._first_at: float | None = None
        self.asked = self.refused = 0
        self.accepted: dict[str, float] = {}

    def _answer(self, method: str, target: str, authorization: str) -> bytes:
        now = asyncio.get_running_loop().time()
        self._first_at = now if self._first_at is None else self._first_at
        self.asked += 1
        if self._limit(now - self._first_at):
            if method == "DELETE":
                self.accepted.setdefault(target, now - self._first_at)
            return super()._answer(method, target, authorization)
        self.refused += 1
        body = json.dumps({"error": {"code": 429, "message": "Too many requests"}, "metadata": {}}).encode()
        after = "" if self._retry_after is None else f"Retry-After: {self._retry_after:g}\r\n"
        head = f"HTTP/1.1 429 Too Many Requests\r\n{after}Content-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def real_row(cell: Cell, folder: Path) -> list[str]:
    """Press by the library, as anybody would."""
    roster = folder / "accounts.csv"
    lines = (f"{n},{'ab'[n % cell.keys]}\n" for n in range(1, cell.accounts + 1))
    roster.write_text("id,credential\n" + "".join(lines))
    async with Busy(cell) as broker:
        settings = Settings(
            broker=Broker(base_url=broker.base_url),
            credentials={"a": Credential(env="BENCH_A"), "b": Credential(env="BENCH_B")},
            roster=RosterFile(file=roster),
        )
        report = await panic.press(settings, scope=panic.Scope(all=True), reason="the broker's pace")
    all_accepted = len(broker.accepted) == cell.accounts
    took_s = max(broker.accepted.values()) if all_accepted else float("inf")
    clear = sum(one.verdict == "clear" for one in report.accounts)
    return _row(cell, took_s, broker.asked, broker.refused, clear, None)


def _virtual_row(number: int) -> list[str]:
    return virtual_row(CELLS[number])


def _drawn(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in rows:
        yield f"| {' | '.join(row)} |"


def main() -> None:
    """Print the tables."""
    for line in _drawn([HEAD, ["---"] * len(HEAD)]):
        print(line)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for line in _drawn(pool.map(_virtual_row, range(len(CELLS)))):
            print(line, flush=True)
    os.environ |= {"BENCH_A": KEY, "BENCH_B": KEY}
    print("\nThe whole stack, on real time:\n")
    with tempfile.TemporaryDirectory() as folder:
        for cell in REAL:
            print(*_drawn([asyncio.run(real_row(cell, Path(folder)))]), flush=True)
    print()
    for measure in MEASURES:
        print(measure(), flush=True)


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"measured in {time.monotonic() - began:.0f} s")
