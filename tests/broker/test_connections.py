"""Connections that carry one answer for each request, the bound on them, and the bounds of an attempt."""

import asyncio
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from panic.broker.answers import Answer
from panic.broker.connections import connections_possible
from panic.broker.outcomes import Body, Outcome
from panic.simulator import Fault
from tests.broker.support import (
    FINE,
    ID,
    METHODS,
    Line,
    always,
    ask,
    cancel,
    door,
    doubtful,
    envelope,
    http,
    is_fresh,
    listening,
    read,
    refusal,
    simulate,
    until,
)


@METHODS
@pytest.mark.parametrize(
    "answer", [FINE, http(404, refusal(404)), http(204), http(500, b"<html>"), http(302, b"moved", "Location: /")]
)
async def test_a_sound_connection_is_used_again(method: str, answer: bytes):
    """A handshake for every request would cost a press its speed; only the first one is fresh."""
    async with doubtful(always(answer)) as (listener, broker, doubt):
        answers = [await ask(method, broker) for _ in range(4)]

        assert [True, False, False, False] == [is_fresh(one) for one in answers]
        assert 1 == listener.connections
        assert 0 == doubt.times


@pytest.mark.parametrize(("interim", "count"), [("100 Continue", 1), ("103 Early Hints", 3)])
async def test_an_interim_answer_is_no_mix_up(interim: str, count: int):
    """A 1xx announces the answer; it is not one."""
    hint = f"HTTP/1.1 {interim}\r\nLink: </x>\r\n\r\n".encode() * count
    async with doubtful(always(hint + FINE)) as (listener, broker, doubt):
        answers = [await cancel(broker) for _ in range(3)]

        assert [Outcome.ACCEPTED] * 3 == [answer.outcome for answer in answers]
        assert 1 == listener.connections
        assert 0 == doubt.times


async def test_a_switch_of_protocols_is_no_answer():
    """A 101 that nobody asked for ends by the leash at the latest, and its connection is dropped."""
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    async with doubtful(always(switch)) as (_, broker, _doubt):
        answer = await read(broker, within=0.1)

        assert answer.page is None
        assert Outcome.UNKNOWN == answer.outcome
        assert not broker.connections._conns


@pytest.mark.parametrize("words", ["Connection: close", "Connection: Close, x"])
async def test_a_connection_that_ends_is_not_kept(words: str):
    """The broker says that it closes, so that nothing more is sent there."""
    async with doubtful(always(http(200, envelope(ID), words))) as (listener, broker, doubt):
        answers = [await cancel(broker) for _ in range(3)]

        assert [True] * 3 == [is_fresh(answer) for answer in answers]
        assert 3 == listener.connections
        assert 0 == doubt.times


async def test_no_connection_outlasts_the_end_of_a_run():
    """Nor one that is still listened to after its last answer."""
    async with doubtful(always(http(200, envelope(ID), "Connection: close"))) as (_, broker, _doubt):
        await cancel(broker)
        lingering = list(broker.connections._lingering)
        await broker.__aexit__()

        assert [False] == [one.is_connected() for one in lingering]


async def test_nothing_queues_for_a_connection():
    """The slots bound what is in flight; the client's own hundred would be a second queue that eats leashes."""
    all_there = asyncio.Event()

    async def play(line: Line) -> None:
        await line.request()
        if len(listener.heads) == 150:
            all_there.set()
        await all_there.wait()
        line.write(FINE)
        await line.gone()

    async with doubtful(play) as (listener, broker, _doubt):
        answers = await asyncio.gather(*(cancel(broker, within=3.0) for _ in range(150)))

    assert [Outcome.ACCEPTED] * 150 == [answer.outcome for answer in answers]


@METHODS
async def test_refused(method: str):
    """Nobody listens: nothing was sent."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with door(f"http://127.0.0.1:{taken.getsockname()[1]}") as broker:
            answer = await ask(method, broker)

    assert Outcome.UNREACHABLE == answer.outcome
    assert answer.error.startswith("no connection: ")


@pytest.mark.parametrize(
    ("soft", "in_use", "least", "most"),
    [
        *((64, 10, 11, 11), (1024, 10, 491, 491), (20, 10, 1, 1), (16, 16, 1, 1), (0, 0, 1, 1)),
        (resource.RLIM_INFINITY, 10, 100_000, 1 << 30),
        (256, None, 1, 120),
    ],
)
def test_connections_possible(
    monkeypatch: pytest.MonkeyPatch, soft: int, in_use: int | None, least: int, most: int
):
    """Half of what is left after some to spare, and never none; one that does not tell is bounded too."""

    def used(_: Path) -> Iterator[Path]:
        if in_use is None:
            raise PermissionError
        return iter([Path()] * in_use)

    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    monkeypatch.setattr(Path, "iterdir", used)

    assert least <= connections_possible() <= most


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
