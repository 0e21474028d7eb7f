"""An attempt is bounded in time and in what it takes in."""

import asyncio

import pytest

from panic.broker.answers import Answer
from panic.broker.outcomes import Body, Outcome
from panic.simulator import Fault
from tests.broker.support import FINE, Line, always, cancel, door, http, listening, simulate, until


async def _pour(status: int, *, chunk: bytes = b" " * (1 << 16)) -> tuple[Answer, int]:
    """Answer with a body that does not end; gives the answer and how many bytes were taken."""
    poured = 0

    async def play(line: Line) -> None:
        nonlocal poured
        await line.request()
        line.write(b"HTTP/1.1 %d Word\r\nTransfer-Encoding: chunked\r\n\r\n" % status)
        while True:
            line.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await line.writer.drain()
            poured += len(chunk)

    async with listening(play) as listener, door(listener.base_url) as broker:
        answer = await cancel(broker, within=60.0)
        assert not broker.connections._conns  # the connection did not go back
        assert not broker.connections._acquired
    return answer, poured


@pytest.mark.parametrize(
    ("status", "outcome", "most"),
    [
        (200, Outcome.ACCEPTED, 4 << 20),
        (404, Outcome.NOTHING_TO_CANCEL, 1 << 16),
        (500, Outcome.BROKER_ERROR, 1 << 16),
        (302, Outcome.UNKNOWN, 1 << 16),
    ],
)
async def test_an_endless_body_is_cut(status: int, outcome: Outcome, most: int):
    """No more is taken than the bound and what the sockets' buffers hold, and the connection is dropped."""
    answer, poured = await _pour(status)

    assert outcome == answer.outcome
    assert Body.OVERLONG == answer.evidence.body
    assert poured < most + (8 << 20)


async def test_one_byte_more_than_the_limit_is_too_long():
    """The limit itself is not."""
    found = []
    for length in (1024, 1025):
        fine = always(http(200, b'{"data":[]}'.ljust(length)))
        async with listening(fine) as listener, door(listener.base_url, max_answer_bytes=1024) as broker:
            answer = await cancel(broker)
        found.append((answer.outcome, answer.evidence.body))

    assert [(Outcome.ACCEPTED, Body.OBJECT), (Outcome.ACCEPTED, Body.OVERLONG)] == found


@pytest.mark.parametrize("leash_s", [0.3, 5.3])
@pytest.mark.parametrize("kind", ["hang", "drip", "endless"])
@pytest.mark.virtual_time
async def test_the_leash_ends_an_attempt(kind: str, leash_s: float):
    """To the moment: aiohttp's own totals would be rounded up, and restart at each byte."""
    fault = Fault(kind, seconds=0.2)
    async with (
        simulate(fault, orders=20) as simulator,
        door(simulator.base_url, max_answer_bytes=64 << 20) as broker,
    ):
        answer = await cancel(broker, within=leash_s)

    assert leash_s == pytest.approx(answer.ended - answer.began, abs=0.05)
    assert Outcome.UNKNOWN == answer.outcome
    assert f"no answer within {leash_s:.1f} s" == answer.error


async def test_a_leash_that_has_run_out():
    """Nothing is sent when there is no time left, and the answer says so."""
    async with listening(always(FINE)) as listener, door(listener.base_url) as broker:
        answer = await cancel(broker, within=-1.0)

    assert Outcome.UNREACHABLE == answer.outcome
    assert not listener.heads


async def test_cancellation_goes_through():
    """A task that is cancelled ends as cancelled, and its connection is not used again."""

    async def play(line: Line) -> None:
        await line.request()
        await line.gone()

    async with listening(play) as listener, door(listener.base_url) as broker:
        attempt = asyncio.ensure_future(cancel(broker))
        await until(lambda: bool(listener.heads))
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt

        assert not broker.connections._conns
        assert not broker.connections._acquired
