"""A signed call of a hook that somebody captured, sent again and again without the secret."""

import asyncio
import time
from collections import Counter

import aiohttp

from tests.attack.frame import SECRET, Attack, Target, alone
from tests.service.hooks.support import BREACH, sign

CALLERS = 8


async def go(target: Target) -> None:
    """Send one call, and copies of it."""
    acts, runs = Counter[str](), set[str]()
    headers = sign(BREACH, "msg_captured", int(time.time()), SECRET)

    async def call(session: aiohttp.ClientSession) -> None:
        async with session.post(f"{target.url}/v1/hooks/limits", data=BREACH, headers=headers) as answer:
            said = await answer.json(content_type=None)
            acts[said.get("act", said.get("code"))] += 1
            runs.add(said.get("run_id", ""))

    async with aiohttp.ClientSession() as session:
        await call(session)
        target.under_way()

        async def again() -> None:
            while True:
                await call(session)

        try:
            await asyncio.gather(*(again() for _ in range(CALLERS)))
        finally:
            times = ", ".join(f"{act} {many:,} times" for act, many in acts.items())
            print(f"{times}; {'one run' if len(runs) == 1 else f'{len(runs)} RUNS'}")


ATTACK = Attack("replay", f"a captured call of a hook, again and again in {CALLERS} loops", go)

if __name__ == "__main__":
    alone(ATTACK)
