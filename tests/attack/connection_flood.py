"""Connections that say nothing or one byte, as many as one process can open, from somebody without a token."""

import asyncio
from collections import deque

from tests.attack.frame import Attack, Target, alone

NEW_A_SECOND, HELD = 3000, 4000
_TICK_S = 0.02


async def go(target: Target) -> None:
    """Connect, and connect again; let go only of what is long since cut."""
    held = deque[asyncio.StreamWriter]()
    tried = 0

    async def one() -> None:
        try:
            _, writer = await target.connect()
        except OSError:
            return
        writer.write(b"P"[: tried % 2])
        held.append(writer)
        if len(held) > HELD:
            held.popleft().close()

    tasks = set[asyncio.Task[None]]()
    began = asyncio.get_running_loop().time()
    target.under_way()
    try:
        while True:
            tasks = {task for task in tasks if not task.done()}
            due = (asyncio.get_running_loop().time() - began) * NEW_A_SECOND
            while tried < due and len(tasks) < NEW_A_SECOND:
                tried += 1
                tasks.add(asyncio.create_task(one()))
            await asyncio.sleep(_TICK_S)
    finally:
        print(f"{tried:,} connections tried")


ATTACK = Attack(
    "connection_flood",
    f"{NEW_A_SECOND:,} new connections a second that say nothing, or one byte; 50 ms away",
    go,
    round_trip_s=0.05,
)

if __name__ == "__main__":
    alone(ATTACK)
