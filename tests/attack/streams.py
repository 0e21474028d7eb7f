"""A viewer who takes every live stream there is."""

import asyncio
from contextlib import suppress

from tests.attack.frame import VIEWER, Attack, Target, alone
from tests.service.support import TOKEN

STREAMS = 250


def _ask(token: str) -> bytes:
    return f"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


async def go(target: Target) -> None:
    """Open them, read them, and open again what was refused; and see whether a presser still gets one."""
    held = set[asyncio.StreamReader]()

    async def one() -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await target.connect()
                writer.write(_ask(VIEWER))
                if b" 200 " in await reader.readline():
                    held.add(reader)
                    while await reader.read(1 << 16):
                        pass
                    held.discard(reader)
                writer.close()
            await asyncio.sleep(1)

    tasks = [asyncio.create_task(one()) for _ in range(STREAMS)]
    await asyncio.sleep(2)
    target.under_way()
    try:
        reader, writer = await target.connect()
        writer.write(_ask(TOKEN))
        line = await reader.readline()
        print(f"the viewer holds {len(held)} streams, a presser who asks for one gets: {line.decode().strip()}")
        await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()


ATTACK = Attack("streams", "a viewer takes every live stream", go)

if __name__ == "__main__":
    alone(ATTACK)
