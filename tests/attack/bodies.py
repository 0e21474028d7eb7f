"""Large bodies to hooks from somebody who has no secret: to one that does not exist, and to one that does."""

import asyncio
import time
from contextlib import suppress

from tests.attack.frame import Attack, Target, alone

BODIES, EACH = 1000, 1 << 20
_PIECE = b"{}," * (1 << 14)


async def go(target: Target) -> None:
    """Send each body but for its last byte, and hold it there; then again."""
    counts = {"begun": 0, "sent": 0}

    async def one(name: str) -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await target.connect()
                counts["begun"] += 1
                signed = f"webhook-id: x{counts['begun']}\r\nwebhook-timestamp: {time.time():.0f}\r\n"
                signed += f"webhook-signature: v1,{'A' * 43}=\r\n"
                length = f"Content-Type: application/json\r\nContent-Length: {EACH}\r\n\r\n"
                writer.write(f"POST /v1/hooks/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\n{signed}{length}".encode())
                left = EACH - 1
                while left and not reader.at_eof():
                    piece = _PIECE[:left]
                    writer.write(piece)
                    await writer.drain()
                    left -= len(piece)
                    counts["sent"] += len(piece)
                await reader.read()
                writer.close()
            await asyncio.sleep(0.1)

    try:
        await target.crowd((one("limits" if n % 2 else "nobody") for n in range(BODIES)), 5)
    finally:
        print(f"{counts['begun']:,} bodies begun, {counts['sent'] >> 20:,} MiB sent")


ATTACK = Attack("bodies", f"{BODIES:,} bodies of 1 MiB at a time to hooks, without a secret", go)

if __name__ == "__main__":
    alone(ATTACK)
