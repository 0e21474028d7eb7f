"""Connections that idle, and new ones without end, from somebody who has no token."""

import asyncio
from contextlib import suppress

from tests.attack.frame import Attack, Target, alone

IDLE, NEW_A_SECOND = 1024, 200
_ASK = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_TICK_S = 0.05


async def go(target: Target) -> None:
    """Fill every place with a connection that asked once, and come again and again."""
    held: list[asyncio.StreamWriter] = []
    counts = {"tried": 0, "failed": 0}

    async def one() -> None:
        counts["tried"] += 1
        try:
            reader, writer = await target.connect()
            held.append(writer)
            writer.write(_ASK)
            await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError):
            counts["failed"] += 1

    tasks = set[asyncio.Task[None]]()
    try:
        for _ in range(IDLE // 32):
            with suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await asyncio.gather(*(one() for _ in range(32)))
        target.under_way()
        while True:
            for _ in range(int(NEW_A_SECOND * _TICK_S)):
                tasks.add(asyncio.create_task(one()))
            tasks = {task for task in tasks if not task.done()}
            await asyncio.sleep(_TICK_S)
    finally:
        print(f"{counts['tried']:,} connections tried, {counts['failed']:,} ended without an answer")


ATTACK = Attack(
    "idle_connections",
    f"{IDLE:,} idle keep-alive connections and {NEW_A_SECOND} new ones a second, over TLS; 50 ms away",
    go,
    tls=True,
    round_trip_s=0.05,
)

if __name__ == "__main__":
    alone(ATTACK)
