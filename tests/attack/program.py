"""A program that presses without end, each time with another filter, at a service with few descriptors."""

import asyncio
from collections import Counter
from itertools import count

import aiohttp

from tests.attack.frame import PROGRAM, Attack, Target, alone

CALLERS, A_SECOND, DESCRIPTORS = 8, 40, 256


async def go(target: Target) -> None:
    """Press for one instrument after another."""
    answers, numbers = Counter[int](), count()
    headers = {"Authorization": f"Bearer {PROGRAM}"}

    async def press(session: aiohttp.ClientSession) -> None:
        while True:
            scope = {"scope": {"all": True}, "filters": {"instruments": [f"S{next(numbers)}"]}}
            try:
                async with session.post(
                    f"{target.url}/v1/runs",
                    json={**scope, "reason": "runaway", "watch_s": 3600, "deadline_s": 3600},
                ) as answer:
                    answers[answer.status] += 1
                    await answer.read()
            except aiohttp.ClientError:
                answers[0] += 1
            await asyncio.sleep(CALLERS / A_SECOND)

    async with aiohttp.ClientSession(headers=headers) as session:
        tasks = [asyncio.create_task(press(session)) for _ in range(CALLERS)]
        await asyncio.sleep(1)
        target.under_way()
        try:
            await asyncio.gather(*tasks)
        finally:
            print(", ".join(f"{times:,} times {status or 'no answer'}" for status, times in answers.items()))


_FEW = (
    f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS}, {DESCRIPTORS}));"
    " import runpy; runpy.run_module('panic', run_name='__main__')"
)
ATTACK = Attack(
    "program",
    f"a program presses {A_SECOND} times a second with another filter each time, {DESCRIPTORS} descriptors",
    go,
    program=("-c", _FEW),
)

if __name__ == "__main__":
    alone(ATTACK)
