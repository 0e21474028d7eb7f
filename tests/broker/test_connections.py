"""Connections that carry one answer for each request, names that outlast nothing, and the bound on both."""

import asyncio
import contextlib
import json
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from panic.broker.connections import connections_possible
from panic.broker.outcomes import Outcome
from panic.simulator import SimAccount, SimOrder, Simulator
from tests.broker.support import (
    ACCOUNT,
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
    listening,
    read,
    refusal,
    run_script,
)

# ── connections are kept ────────────────────────────────────────────────────────────────────────────────


@METHODS
@pytest.mark.parametrize(
    "answer", [FINE, http(404, refusal(404)), http(204), http(500, b"<html>"), http(302, b"moved", "Location: /")]
)
async def test_a_sound_connection_is_used_again(method: str, answer: bytes):
    """A handshake for every request would cost a press its speed; only the first one is fresh."""
    async with doubtful(always(answer)) as (listener, broker, doubt):
        answers = [await ask(method, broker) for _ in range(4)]

        assert [True, False, False, False] == [one.fresh for one in answers]
        assert 1 == listener.connections
        assert 0 == doubt.times


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints"])
@pytest.mark.parametrize("count", [1, 3])
async def test_an_interim_answer_is_no_mix_up(interim: str, count: int):
    """A 1xx announces the answer; it is not one."""
    hint = f"HTTP/1.1 {interim}\r\nLink: </x>\r\n\r\n".encode() * count
    async with doubtful(always(hint + FINE)) as (listener, broker, doubt):
        answers = [await cancel(broker) for _ in range(3)]

        assert [Outcome.ACCEPTED] * 3 == [answer.outcome for answer in answers]
        assert 1 == listener.connections
        assert 0 == doubt.times


async def test_an_answer_in_crumbs_is_no_mix_up():
    """A head and a body that come byte by byte are one answer."""

    async def play(line: Line) -> None:
        while True:
            await line.request()
            for byte in FINE:
                line.write(bytes([byte]))
                await asyncio.sleep(0)

    async with doubtful(play) as (_, broker, doubt):
        answers = [await cancel(broker) for _ in range(2)]

        assert [True, False] == [answer.fresh for answer in answers]
        assert [Outcome.ACCEPTED] * 2 == [answer.outcome for answer in answers]
        assert 0 == doubt.times


async def test_a_switch_of_protocols_is_no_answer():
    """A 101 that nobody asked for ends by the leash at the latest, and its connection is dropped."""
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    async with doubtful(always(switch)) as (_, broker, _doubt):
        answer = await read(broker, within=0.1)

        assert answer.page is None
        assert Outcome.UNKNOWN == answer.outcome
        assert not broker._connector._conns


@pytest.mark.parametrize("words", ["Connection: close", "Connection: Close, x"])
async def test_a_connection_that_ends_is_not_kept(words: str):
    """The broker says that it closes, so that nothing more is sent there."""
    async with doubtful(always(http(200, envelope(ID), words))) as (listener, broker, doubt):
        answers = [await cancel(broker) for _ in range(3)]

        assert [True] * 3 == [answer.fresh for answer in answers]
        assert 3 == listener.connections
        assert 0 == doubt.times


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


# ── nothing was sent ────────────────────────────────────────────────────────────────────────────────────


def _refused() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@METHODS
async def test_refused(method: str):
    """Nobody listens: nothing was sent."""
    async with door(_refused()) as broker:
        answer = await ask(method, broker)

    assert Outcome.UNREACHABLE == answer.outcome
    assert answer.error.startswith("no connection: ")


@pytest.fixture
def never_accepting() -> Iterator[str]:
    """A listener whose backlog is full: the kernel lets every further handshake wait."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@METHODS
async def test_never_accepted(never_accepting: str, method: str):
    """The leash ends a handshake that nobody answers."""
    async with door(never_accepting) as broker:
        answer = await ask(method, broker, within=0.1)

    assert Outcome.UNREACHABLE == answer.outcome
    assert 0.1 == pytest.approx(answer.ended - answer.began, abs=0.1)


_EMFILE = """
import asyncio, os, resource, socket, sys
from tests.broker.support import cancel, door, listening, always, http

async def main():
    async with listening(always(http(204))) as listener, door(listener.base_url) as broker:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, hard))
        first = await cancel(broker)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        second = await cancel(broker)
    print(first.outcome, "|", first.error, "|", second.outcome)

asyncio.run(main())
"""


async def test_no_descriptor_left():
    """EMFILE is proof that nothing was sent; the next attempt finds a way again."""
    assert "unreachable | no connection: Too many open files | accepted" == await run_script(_EMFILE)


# ── the bound on connections ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("soft", "in_use", "least", "most"),
    [
        *((64, 10, 19, 19), (1024, 10, 499, 499), (20, 10, 1, 1), (16, 16, 1, 1), (0, 0, 1, 1)),
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


_PRESS = """
import asyncio, json, resource, sys
from pathlib import Path
import panic
from panic.config import Broker, Credential, RosterFile, Settings

resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
settings = Settings(
    broker=Broker(base_url=sys.argv[1]),
    credentials={"default": Credential(env="PANIC_TEST_KEY")},
    roster=RosterFile(file=Path(sys.argv[2])),
)

async def main():
    report = await panic.press(settings, scope=panic.Scope(all=True), reason="few files", watch_s=0.0)
    print(json.dumps([report.verdict, report.totals.outcomes, [flag.code for flag in report.flags]]))

asyncio.run(main())
"""


async def test_more_accounts_than_descriptors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """No account fails for want of a file: what is in flight is bounded by what the process may open."""
    ids = range(1000, 1080)
    roster = tmp_path / "accounts.csv"
    roster.write_text("id\n" + "\n".join(map(str, ids)) + "\n")
    monkeypatch.setenv("PANIC_TEST_KEY", "sim.key")
    accounts = [SimAccount(id_, orders=(SimOrder(),)) for id_ in ids]
    async with Simulator(accounts, settle_s=0.0, latency_s=0.005) as simulator:
        output = await run_script(_PRESS, simulator.base_url, str(roster))
        deletes = [request for request in simulator.requests if request.method == "DELETE"]

    verdict, outcomes, flags = json.loads(output.splitlines()[-1])
    assert "clear" == verdict
    assert {"accepted": 80} == outcomes
    assert 80 == len(deletes)
    assert ["few_descriptors"] == flags
    assert 1 < simulator.max_in_flight <= 24


# ── TLS ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_leaving_closes_everything():
    """After the door is shut the broker holds no connection of ours."""
    async with listening(always(FINE)) as listener:
        async with door(listener.base_url) as broker:
            await asyncio.gather(*(cancel(broker, ACCOUNT) for _ in range(20)))
            kept = broker._connector
        await asyncio.sleep(0)

        assert kept.closed
        assert not kept._conns
