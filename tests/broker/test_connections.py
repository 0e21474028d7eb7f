"""Connections that carry one answer for each request, names that outlast nothing, and the bound on both."""

import asyncio
import contextlib
import json
import resource
import socket
import ssl
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from panic.broker import connections
from panic.broker.answers import Answer
from panic.broker.client import Broker
from panic.broker.connections import Connector, Resolver, connections_possible
from panic.broker.outcomes import Body, Outcome
from panic.roster import Account
from panic.simulator import Fault, SimAccount, SimOrder, Simulator
from tests.broker.support import (
    ACCOUNT,
    ID,
    OTHER_ID,
    Line,
    Listener,
    Play,
    always,
    ask,
    cancel,
    door,
    envelope,
    header,
    http,
    listening,
    read,
    refusal,
    simulate,
    until,
)
from tests.virtual import virtually

FINE = http(200, envelope(ID))
STALE = http(200, envelope(OTHER_ID))
EMPTY = http(200, {"data": [], "error": None})
METHODS = pytest.mark.parametrize("method", ["DELETE", "GET"])


class Doubt:
    """Counts how often the broker said that answers were mixed up."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@contextlib.asynccontextmanager
async def doubtful(play: Play, **options: Any) -> AsyncIterator[tuple[Listener, Broker, Doubt]]:
    """A listener, a door to it and what the door thinks of it."""
    doubt = Doubt()
    async with listening(play) as listener, door(listener.base_url, mixed_up=doubt, **options) as broker:
        yield listener, broker, doubt


def at_first(play: Play) -> Play:
    """Play this on the first connection; every later one is sound."""

    async def played(line: Line) -> None:
        await (play if line.number == 1 else always(FINE))(line)
        await line.gone()

    return played


async def from_now_on_fresh(listener: Listener, broker: Broker) -> None:
    """Assert that every later request goes over a connection of its own."""
    before = listener.connections
    answers = [await read(broker) for _ in range(3)]

    assert [True] * 3 == [answer.fresh for answer in answers]
    assert before + 3 == listener.connections
    assert not broker._connector._conns


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


# ── answers that nobody asked for ───────────────────────────────────────────────────────────────────────

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
            assert (await ask(method, broker)).fresh


@METHODS
@pytest.mark.parametrize("unasked", UNASKED)
async def test_unasked_while_idle(unasked: str, method: str):
    """Later, while the connection waits in the pool."""
    speak = asyncio.Event()
    left = asyncio.Event()

    async def play(line: Line) -> None:
        await line.answer(FINE)
        await speak.wait()
        line.write(UNASKED[unasked])
        await line.gone()
        left.set()

    async with doubtful(at_first(play)) as (listener, broker, doubt):
        answer = await ask(method, broker)
        speak.set()
        await until(lambda: bool(doubt.times))
        await asyncio.wait_for(left.wait(), 5)

        assert Outcome.ACCEPTED == answer.outcome
        assert answer.receipt is not None
        assert answer.receipt.revoked
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

        assert not second.fresh
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


@pytest.mark.parametrize("kind", ["second_answer", "late_second_answer"])
def test_the_simulators_second_answers(kind: str):
    """The next request does not get the empty list that nobody asked for."""
    doubt = Doubt()

    async def meet() -> Answer:
        fault = Fault(kind, times=1, seconds=0.5)
        async with simulate(fault) as simulator, door(simulator.base_url, mixed_up=doubt) as broker:
            await cancel(broker)
            await asyncio.sleep(1.0)
            return await read(broker)

    answer = virtually(meet())

    assert answer.page is not None
    assert 1 == len(answer.page.orders)
    assert answer.fresh
    assert 1 == doubt.times


@METHODS
async def test_another_accounts_orders_cast_doubt(method: str):
    """The signs are told once; after them each request has a connection of its own."""
    async with doubtful(at_first(always(STALE))) as (listener, broker, doubt):
        answer = await ask(method, broker)

        assert Body.FOREIGN == answer.evidence.body
        assert Outcome.UNKNOWN == answer.outcome
        assert 1 == doubt.times
        await from_now_on_fresh(listener, broker)


@METHODS
async def test_what_came_before_another_accounts_orders_is_not_trusted_either(method: str):
    """Nobody knows since when the answers of that connection are somebody else's."""

    async def play(line: Line) -> None:
        await line.answer(FINE)
        await line.answer(STALE)

    async with doubtful(play) as (_, broker, doubt):
        receipts = [(await ask(method, broker)).receipt for _ in range(2)]

        assert [True, True] == [receipt is not None and receipt.revoked for receipt in receipts]
        assert 1 == doubt.times


def _of(head: str) -> int:
    return int(head.split("/")[3])


@pytest.mark.parametrize("trusting", [False, True])
async def test_two_hundred_stale_answers(monkeypatch: pytest.MonkeyPatch, trusting: bool):
    """Every answer is followed by a copy; none is taken for another account's, even by a pool that trusts."""
    if trusting:
        monkeypatch.setattr(Connector, "distrust", lambda _: None)

    async def play(line: Line) -> None:
        while True:
            head = await line.request()
            own = http(200, envelope(_of(head)))
            line.write(own + own)

    async def work(first: int) -> None:
        for id_ in range(first, first + 20):
            answer = await cancel(broker, Account(id_))
            wrong.extend(order for order in answer.orders if order.account_id != id_)
            outcomes[answer.outcome] += 1

    wrong: list[object] = []
    outcomes: Counter[Outcome] = Counter()
    async with doubtful(play) as (listener, broker, doubt):
        await asyncio.gather(*(work(first) for first in range(100, 300, 20)))

        assert 200 == len(listener.heads)
    assert {Outcome.ACCEPTED: 200} == outcomes
    assert not wrong
    assert 200 == doubt.times


async def test_two_hundred_answers_off_by_one(monkeypatch: pytest.MonkeyPatch):
    """A broker that answers each request with the one before is not believed once, even by a pool that trusts."""
    monkeypatch.setattr(Connector, "distrust", lambda _: None)

    async def play(line: Line) -> None:
        before = 1
        while True:
            head = await line.request()
            line.write(http(200, envelope(before)))
            before = _of(head)

    async with doubtful(play) as (listener, broker, doubt):
        answers = [await read(broker, Account(id_)) for id_ in range(100, 300)]

    assert {Body.FOREIGN} == {answer.evidence.body for answer in answers}
    assert not any(answer.page or answer.orders for answer in answers)
    assert 200 == len(listener.heads)
    assert 200 == doubt.times


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


@pytest.mark.parametrize(
    "error", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long"), None], ids=str
)
async def test_no_such_host(monkeypatch: pytest.MonkeyPatch, error: Exception | None):
    """A name that cannot be resolved, or not even be asked for, or that has no address."""
    monkeypatch.setattr(socket, "getaddrinfo", _raising(error) if error else lambda *_: [])
    async with door("https://broker.example") as broker:
        answer = await cancel(broker)

    assert (Outcome.UNREACHABLE, "the host could not be resolved") == (answer.outcome, answer.error)


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


async def _run(script: str, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()

    assert 0 == process.returncode, err.decode()
    return out.decode().strip()


async def test_no_descriptor_left():
    """EMFILE is proof that nothing was sent; the next attempt finds a way again."""
    assert "unreachable | no connection: Too many open files | accepted" == await _run(_EMFILE)


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
        output = await _run(_PRESS, simulator.base_url, str(roster))
        deletes = [request for request in simulator.requests if request.method == "DELETE"]

    verdict, outcomes, flags = json.loads(output.splitlines()[-1])
    assert "clear" == verdict
    assert {"accepted": 80} == outcomes
    assert 80 == len(deletes)
    assert ["few_descriptors"] == flags
    assert 1 < simulator.max_in_flight <= 24


# ── names ───────────────────────────────────────────────────────────────────────────────────────────────


def _raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail


def _loopback(host: str, port: int, *_: object) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A resolver of the system's that does not answer before the end of the test."""
    over = threading.Event()

    def hang(*_: object) -> list[Any]:
        over.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield over
    over.set()
    for thread in threading.enumerate():
        if thread.name == "panic-resolver":
            thread.join(5)


_HUNG = """
import asyncio, socket, threading
from tests.broker.support import cancel, door

socket.getaddrinfo = lambda *_: threading.Event().wait()

async def main():
    async with door("https://broker.example") as broker:
        print((await cancel(broker, within=0.1)).outcome)

asyncio.run(main())
"""


async def test_a_hung_resolver_does_not_hold_up_the_process():
    """The process ends although the thread never does."""
    async with asyncio.timeout(20):
        assert "unreachable" == await _run(_HUNG)


def test_a_later_attempt_asks_again(monkeypatch: pytest.MonkeyPatch):
    """One lookup that hangs is not the end of the run: one of the next attempts looks the name up anew."""
    over = threading.Event()
    asked: list[str] = []

    def hang_once(host: str, port: int, *_: object) -> list[Any]:
        asked.append(host)
        if len(asked) == 1:
            over.wait(30)
        return _loopback(host, port)

    async def press() -> list[Answer]:
        async with listening(always(FINE)) as listener, door(f"http://localhost:{listener.port}") as broker:
            return [await cancel(broker, within=5.0) for _ in range(20)]

    monkeypatch.setattr(socket, "getaddrinfo", hang_once)
    try:
        outcomes = {answer.outcome for answer in virtually(press())}
    finally:
        over.set()

    assert Outcome.ACCEPTED in outcomes


@pytest.mark.parametrize("fails", ["raises", "knows none", "hangs"])
async def test_the_last_good_answer_serves_when_a_lookup(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, fails: str
):
    """The addresses of a minute ago are better than none, while there is still time to use them."""
    resolver = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", _loopback)
    good = await resolver.resolve("broker.example", 443)
    if fails == "hangs":
        request.getfixturevalue("hung")
        monkeypatch.setattr(connections, "_STALE_AFTER_S", 0.02)
    else:
        trouble = _raising(socket.gaierror(-3, "try again")) if fails == "raises" else lambda *_: []
        monkeypatch.setattr(socket, "getaddrinfo", trouble)

    assert "127.0.0.1" == good[0]["host"]
    assert good == await resolver.resolve("broker.example", 443)
    if fails == "raises":
        with pytest.raises(OSError, match="try again"):
            await resolver.resolve("another.example", 443)


async def test_a_new_address_replaces_the_old(monkeypatch: pytest.MonkeyPatch):
    """The last good answer is the last one."""
    resolver = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", _loopback)
    await resolver.resolve("broker.example", 443)
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda _, port, *__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port))],
    )

    assert ["127.0.0.2"] == [one["host"] for one in await resolver.resolve("broker.example", 443)]


async def test_a_press_outlives_its_dns(monkeypatch: pytest.MonkeyPatch):
    """Through the door: connections are gone, the client's cache is empty, DNS fails, and the cancel goes out."""
    monkeypatch.setattr(socket, "getaddrinfo", _loopback)
    closing = http(200, envelope(ID), "Connection: close")
    async with listening(always(closing)) as listener, door(f"http://localhost:{listener.port}") as broker:
        before = await cancel(broker)
        monkeypatch.setattr(socket, "getaddrinfo", _raising(socket.gaierror(-3, "try again")))
        broker._connector.clear_dns_cache()
        after = await cancel(broker)

    assert [Outcome.ACCEPTED] * 2 == [before.outcome, after.outcome]
    assert f"localhost:{listener.port}" == header(listener.heads[1], "Host")


# ── TLS ─────────────────────────────────────────────────────────────────────────────────────────────────

AUTHORITY = trustme.CA()


def _serving(name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(file))
    return file


async def test_a_trusted_certificate(ca_file: Path):
    """The authority that the settings name is trusted, and the connection is kept."""
    async with (
        simulate(ssl_context=_serving("127.0.0.1")) as simulator,
        door(simulator.base_url, ca_file=ca_file) as broker,
    ):
        answers = [await cancel(broker), await read(broker)]

    assert [Outcome.ACCEPTED] * 2 == [answer.outcome for answer in answers]
    assert [True, False] == [answer.fresh for answer in answers]
    assert not broker.problem


@METHODS
@pytest.mark.parametrize(("name", "trusts"), [("127.0.0.1", False), ("elsewhere.example", True)])
async def test_an_untrusted_certificate(ca_file: Path, name: str, trusts: bool, method: str):
    """An unknown authority or another host's name: nothing was sent, the key least of all."""
    async with (
        simulate(ssl_context=_serving(name)) as simulator,
        door(simulator.base_url, ca_file=ca_file if trusts else None) as broker,
    ):
        answer = await ask(method, broker)

        assert not simulator.requests
    assert Outcome.UNREACHABLE == answer.outcome
    assert "the certificate is not trusted" == answer.error


@pytest.mark.parametrize("greeting", [None, b"", b"HTTP/1.1 400 Bad\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x28"])
async def test_no_handshake(greeting: bytes | None):
    """Something that does not speak TLS, refuses to or hangs: nothing was sent."""

    async def play(line: Line) -> None:
        if greeting is None:
            await line.gone()
        else:
            await line.reader.read(1)
            line.write(greeting)

    async with listening(play) as listener, door(f"https://127.0.0.1:{listener.port}") as broker:
        answer = await cancel(broker, within=0.1 if greeting is None else 5.0)

    assert Outcome.UNREACHABLE == answer.outcome
    assert not listener.heads


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\xff\xfe", "a directory", "no name"])
async def test_an_unusable_ca_file(tmp_path: Path, content: bytes | str | None):
    """A press still fires, on the system's certificates, and says so."""
    file = tmp_path / ("a\0b" if content == "no name" else "ca.pem")
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content == "a directory":
        file.mkdir()
    async with listening(always(FINE)) as listener, door(listener.base_url, ca_file=file) as broker:
        answer = await cancel(broker)

    assert Outcome.ACCEPTED == answer.outcome
    assert str(file) in broker.problem
    assert "(None)" not in broker.problem


async def test_through_a_proxys_tunnel(monkeypatch: pytest.MonkeyPatch, ca_file: Path):
    """CONNECT is the proxy's, not the broker's: no key, no mix-up, and the tunnel counts as fresh once."""

    async def play(line: Line) -> None:
        await line.answer(b"HTTP/1.1 200 Connection established\r\n\r\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", int(simulator.base_url.rpartition(":")[2]))
        try:
            await asyncio.gather(_pump(line.reader, writer), _pump(reader, line.writer))
        finally:
            writer.close()

    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    doubt = Doubt()
    async with simulate(ssl_context=_serving("127.0.0.1")) as simulator, listening(play) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
        async with door(simulator.base_url, mixed_up=doubt, ca_file=ca_file, environment_proxy=True) as broker:
            answers = [await cancel(broker), await read(broker)]

    assert [Outcome.ACCEPTED] * 2 == [answer.outcome for answer in answers]
    assert [True, False] == [answer.fresh for answer in answers]
    assert 1 == len(proxy.heads)
    assert proxy.heads[0].startswith("CONNECT ")
    assert header(proxy.heads[0], "Authorization") is None
    assert 0 == doubt.times


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
    writer.close()


@pytest.mark.parametrize("status", [403, 404, 407, 502])
async def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch, ca_file: Path, status: int):
    """The broker was never reached, whatever status the proxy gives."""
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    async with listening(always(http(status))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
        async with door("https://127.0.0.1:1", ca_file=ca_file, environment_proxy=True) as broker:
            answer = await cancel(broker)

    assert Outcome.UNREACHABLE == answer.outcome
    assert not answer.is_answered


async def test_leaving_closes_everything():
    """After the door is shut the broker holds no connection of ours."""
    async with listening(always(FINE)) as listener:
        async with door(listener.base_url) as broker:
            await asyncio.gather(*(cancel(broker, ACCOUNT) for _ in range(20)))
            kept = broker._connector
        await asyncio.sleep(0)

        assert kept.closed
        assert not kept._conns
