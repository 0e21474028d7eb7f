"""Answers that nobody asked for: none is believed, and no used connection is trusted after one."""

import asyncio
from typing import Any

import pytest

from panic.broker.client import Broker
from panic.broker.connections import Connector
from panic.broker.outcomes import Outcome
from tests.broker.support import (
    EMPTY,
    FINE,
    METHODS,
    STALE,
    Line,
    Listener,
    always,
    ask,
    at_first,
    cancel,
    doubtful,
    http,
    is_fresh,
    read,
    refusal,
    until,
)


async def from_now_on_fresh(listener: Listener, broker: Broker) -> None:
    """Assert that every later request goes over a connection of its own."""
    before = listener.connections
    answers = [await read(broker) for _ in range(3)]

    assert [True] * 3 == [is_fresh(answer) for answer in answers]
    assert before + 3 == listener.connections
    assert not broker.connections._conns


UNASKED: dict[str, bytes] = {
    "another account's": STALE,
    "an empty list": EMPTY,
    "a 404": http(404, refusal(404)),
    "a 204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a 408 on leaving": http(408, b"", "Connection: close"),
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "a head alone": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n",
    "garbage": b"\x00\xffnothing of HTTP\r\n\r\n",
    "one byte": b"H",
    "TLS": b"\x16\x03\x01\x02\x00\x01",
}
UNREADABLE = {"garbage", "TLS"}


@METHODS
@pytest.mark.parametrize("unasked", UNASKED)
async def test_unasked_at_once(unasked: str, method: str):
    """In one segment with the answer: the connection ends, and nobody trusts a used one again.

    The answer counts, unless the client cannot read what came with it and throws the whole segment away.
    """
    counts = unasked not in UNREADABLE

    async def play(line: Line) -> None:
        await line.answer(FINE + UNASKED[unasked])

    async with doubtful(at_first(play)) as (listener, broker, doubt):
        answer = await ask(method, broker)

        assert (Outcome.ACCEPTED if counts else Outcome.UNKNOWN) is answer.outcome
        assert counts == doubt.times
        if counts:
            await from_now_on_fresh(listener, broker)
        else:
            assert is_fresh(await ask(method, broker))


@METHODS
@pytest.mark.parametrize("unasked", UNASKED)
async def test_unasked_while_idle(unasked: str, method: str):
    """Later, while the connection waits in the pool, and a sound one beside it."""
    speak = asyncio.Event()
    left = asyncio.Event()

    async def play(line: Line) -> None:
        await line.answer(FINE)
        await speak.wait()
        line.write(UNASKED[unasked])
        await line.gone()
        left.set()

    async with doubtful(at_first(play)) as (listener, broker, doubt):
        answers = await asyncio.gather(*(ask(method, broker) for _ in range(2)))
        speak.set()
        await until(lambda: bool(doubt.times))
        await asyncio.wait_for(left.wait(), 5)

        assert [Outcome.ACCEPTED] * 2 == [answer.outcome for answer in answers]
        assert [False, True] == sorted(answer.receipt.revoked for answer in answers if answer.receipt)
        assert 1 == doubt.times
        await from_now_on_fresh(listener, broker)


@METHODS
@pytest.mark.parametrize("apart", [False, True])
async def test_unasked_while_the_next_is_in_flight(method: str, apart: bool):
    """Nobody can tell an empty stale answer then; the true one that follows it gives it away."""

    async def play(line: Line) -> None:
        await line.answer(FINE)
        await line.request()
        line.write(EMPTY)
        if apart:
            await asyncio.sleep(0.005)
        line.write(FINE)

    async with doubtful(at_first(play)) as (listener, broker, doubt):
        await ask(method, broker)
        second = await ask(method, broker)
        await until(lambda: bool(doubt.times))

        assert not is_fresh(second)
        assert 1 == doubt.times
        await from_now_on_fresh(listener, broker)


async def test_bytes_that_wait_on_a_new_connection(monkeypatch: pytest.MonkeyPatch):
    """What came before the request was written is never taken for its answer."""
    made = Connector._create_connection

    async def dawdle(self: Connector, *arguments: Any) -> Any:
        protocol = await made(self, *arguments)
        await asyncio.sleep(0.005)
        return protocol

    monkeypatch.setattr(Connector, "_create_connection", dawdle)

    async def play(line: Line) -> None:
        line.write(http(404, refusal(404)))
        await always(FINE)(line)

    async with doubtful(play) as (_, broker, doubt):
        answer = await cancel(broker)

        assert Outcome.NOTHING_TO_CANCEL != answer.outcome
        assert not answer.is_answered
        assert 1 == doubt.times


@METHODS
async def test_another_accounts_orders_cast_doubt(method: str):
    """On what came before over that connection as well; the signs are told once, and no used one is trusted."""

    async def play(line: Line) -> None:
        await line.answer(FINE)
        await line.answer(STALE)

    async with doubtful(at_first(play)) as (listener, broker, doubt):
        answers = [await ask(method, broker) for _ in range(2)]

        assert [Outcome.ACCEPTED, Outcome.UNKNOWN] == [answer.outcome for answer in answers]
        assert [True, True] == [answer.receipt is not None and answer.receipt.revoked for answer in answers]
        assert 1 == doubt.times
        await from_now_on_fresh(listener, broker)
