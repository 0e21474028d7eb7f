"""Faults of the wire itself: what is on it, and what the truth says meanwhile."""

import asyncio
import json

import pytest

from panic.simulator import Fault
from tests.simulator.support import (
    ACCOUNT,
    Line,
    ask,
    drain,
    executed_once,
    hit_until_closed,
    simulate,
    until,
    virtually,
)


async def test_bad_headers():
    """Lines among the headers that are none."""
    wire, executed = await hit_until_closed(Fault("bad_headers"))

    assert b"\r\nno colon here\r\n" in wire
    assert not executed


async def test_garbage():
    """Not HTTP at all."""
    wire, executed = await hit_until_closed(Fault("garbage"))

    assert wire
    assert not wire.startswith(b"HTTP")
    assert not executed


@pytest.mark.parametrize(("kind", "carried_out"), [("fin", False), ("executed_unanswered", True)])
async def test_clean_close(kind: str, carried_out: bool):
    """The connection ends without a byte; only the truth tells the two apart."""
    wire, executed = await hit_until_closed(Fault(kind))

    assert b"" == wire
    assert carried_out == executed


@pytest.mark.parametrize(("kind", "carried_out"), [("rst", False), ("rst_after", True)])
async def test_reset(kind: str, carried_out: bool):
    """The connection is reset; only the truth tells the two apart."""
    async with simulate(Fault(kind)) as simulator:
        with pytest.raises(ConnectionResetError):
            await drain(simulator)

        assert carried_out == executed_once(simulator)


async def test_truncated():
    """Half of the body that the head promised."""
    wire, executed = await hit_until_closed(Fault("truncated"))

    head, _, body = wire.partition(b"\r\n\r\n")
    promised = int(head.lower().split(b"content-length: ")[1].split()[0])
    assert 0 < len(body) < promised
    assert executed


def test_drip():
    """The head at once and then byte after byte; whoever waits gets the whole truth."""

    async def wait() -> None:
        async with simulate(Fault("drip", seconds=1)) as simulator:
            line = await Line.to(simulator)
            line.send()
            head = await line.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split()[0])
            first = await line.reader.read(1 << 16)
            body = first + await line.reader.readexactly(length - 1)

            assert b"{" == first
            assert "PENDING_CANCEL" == json.loads(body)["data"][0]["status"]
            assert executed_once(simulator)
            line.send("GET")
            assert 200 == (await line.reply()).status
            await line.close()

    assert 500 < virtually(wait()) < 1000


async def test_endless():
    """The body goes on for as long as somebody reads, and ends when he leaves."""
    async with simulate(Fault("endless")) as simulator:
        line = await Line.to(simulator)
        line.send()
        received = await line.reader.readexactly(1 << 20)
        await line.close()
        await until(lambda: not simulator.in_flight)

        assert b"Transfer-Encoding: chunked" in received
        assert not executed_once(simulator)


@pytest.mark.parametrize("kind", ["hang", "executed_late"])
async def test_hang(kind: str):
    """No answer comes, and the handler ends when the client leaves."""
    async with simulate(Fault(kind, seconds=0.005)) as simulator:
        line = await Line.to(simulator)
        line.send()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(line.reader.read(1), 0.02)

        assert 1 == simulator.in_flight
        assert (kind == "executed_late") == executed_once(simulator)
        await line.close()
        await until(lambda: not simulator.in_flight)


async def test_executed_late_outlives_its_client():
    """A cancel that is still queued is executed though nobody waits for it any more."""
    async with simulate(Fault("executed_late", seconds=0.5)) as simulator:
        line = await Line.to(simulator)
        line.send()
        await until(lambda: bool(simulator.requests))
        await line.close()
        await until(lambda: not simulator.in_flight)
        before = simulator.truth(ACCOUNT)
        await until(lambda: bool(simulator.truth(ACCOUNT).executed))

        assert (0, 1) == (before.executed, len(before.open))
        assert executed_once(simulator)


async def test_latency():
    """The answer is slow, but the cancel is executed on arrival, even if the client gives up."""
    async with simulate(Fault("latency", seconds=60)) as simulator:
        line = await Line.to(simulator)
        line.send()
        await until(lambda: bool(simulator.in_flight))
        await line.close()
        await until(lambda: not simulator.in_flight)

        assert executed_once(simulator)


@pytest.mark.parametrize("kind", ["second_answer", "late_second_answer"])
async def test_second_answer(kind: str):
    """After the true answer comes one that nobody asked for: an account without orders."""
    async with simulate(Fault(kind, seconds=0.005)) as simulator:
        line = await Line.to(simulator)
        line.send()
        true, unasked = await line.reply(), await line.reply()
        line.send("GET")
        asked = await line.reply()
        await line.close()

        assert "PENDING_CANCEL" == true.json["data"][0]["status"]
        assert (200, []) == (unasked.status, unasked.json["data"])
        assert "CANCELED" == asked.json["data"][0]["status"]
        assert executed_once(simulator)


async def test_late_second_answer_to_nobody():
    """Where the client has hung up before it, the unasked answer is dropped quietly."""
    async with simulate(Fault("late_second_answer", seconds=0.01)) as simulator:
        await ask(simulator)
        await asyncio.sleep(0.02)

        assert executed_once(simulator)
