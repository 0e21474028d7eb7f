"""How often a question is asked that is no account's."""

import asyncio

import pytest

from panic.broker.answers import Answer
from panic.engine.deadline import persistently
from tests.kit.builders import an_answer, no_answer


@pytest.mark.parametrize(
    ("answers", "asked_at"),
    [
        ([an_answer(200)], [0.0]),
        ([an_answer(403)], [0.0]),
        ([no_answer()] * 4, [0.0, 0.5, 3.0]),
        ([an_answer(503), an_answer(200)], [0.0, 0.5]),
        ([an_answer(429)] * 2 + [no_answer()] * 3, [0.0, 0.5, 3.0, 15.5, 30.0]),
        ([an_answer(429, retry_after=4.0)] * 9, [0.0, 4.0, 8.0, 20.5, 30.0]),
    ],
    ids=["answered", "refused", "three failures", "a failure", "limited is no failure", "but ends with the time"],
)
@pytest.mark.virtual_time
async def test_a_question_is_asked_three_times_and_as_often_as_the_broker_says_later(
    answers: list[Answer], asked_at: list[float]
):
    """The last answer counts, and nobody waits past the end for it."""
    told, moments, now = iter(answers), list[float](), asyncio.get_running_loop().time

    async def ask() -> Answer:
        moments.append(now())
        return next(told)

    async def pause(seconds: float) -> None:
        await asyncio.sleep(min(seconds, 30.0 - now()))

    last = await persistently(ask, pause=pause, is_late=lambda: now() >= 30.0)

    assert asked_at == moments
    assert answers[len(asked_at) - 1] is last
