"""Connections that ask without end for what needs no token, many requests in one breath."""

import asyncio
from contextlib import suppress

from tests.attack.frame import Attack, Target, alone

CONNECTIONS = 1024
_MANY = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 100


async def go(target: Target) -> None:
    """Ask on each connection as fast as it takes it, and connect again where it was ended."""
    counts = {"asked": 0, "connected": 0}

    async def one() -> None:
        while True:
            with suppress(OSError):
                reader, writer = await target.connect()
                counts["connected"] += 1
                reading = asyncio.create_task(_swallow(reader))
                with suppress(OSError):
                    while not reading.done():
                        writer.write(_MANY)
                        counts["asked"] += 1
                        await writer.drain()
                        await asyncio.sleep(0)
                reading.cancel()
                writer.close()
            await asyncio.sleep(0.05)

    try:
        await target.crowd((one() for _ in range(CONNECTIONS)), 3)
    finally:
        print(f"{counts['connected']:,} connections, {counts['asked']:,} times a hundred requests")


async def _swallow(reader: asyncio.StreamReader) -> None:
    with suppress(OSError):
        while await reader.read(1 << 16):
            pass


ATTACK = Attack("busy_strangers", f"{CONNECTIONS:,} connections that ask without end, without a token", go)

if __name__ == "__main__":
    alone(ATTACK)
