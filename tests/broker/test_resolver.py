"""Names that are looked up without outlasting anything."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from panic.broker import connections
from panic.broker.connections import Resolver
from panic.broker.outcomes import Outcome
from tests.broker.support import FINE, always, cancel, door, listening


@pytest.mark.parametrize(
    "error", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long"), None], ids=str
)
async def test_no_such_host(monkeypatch: pytest.MonkeyPatch, error: Exception | None):
    """A name that cannot be resolved, or not even be asked for, or that has no address."""
    monkeypatch.setattr(socket, "getaddrinfo", _raising(error) if error else lambda *_: [])
    async with door("https://broker.example") as broker:
        answer = await cancel(broker)

    assert (Outcome.UNREACHABLE, "the host could not be resolved") == (answer.outcome, answer.error)


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


async def test_a_hung_resolver_does_not_hold_up_the_process(hung: threading.Event):
    """The process ends although the thread never does."""
    async with door("https://broker.example") as broker:
        answer = await cancel(broker, within=0.05)
    threads = [thread for thread in threading.enumerate() if thread.name == "panic-resolver"]

    assert Outcome.UNREACHABLE == answer.outcome
    assert not hung.is_set()
    assert [True] == [thread.daemon for thread in threads]


@pytest.mark.virtual_time
async def test_a_later_attempt_asks_again(monkeypatch: pytest.MonkeyPatch):
    """One lookup that hangs is not the end of the run: one of the next attempts looks the name up anew."""
    over = threading.Event()
    asked: list[str] = []

    def hang_once(host: str, port: int, *_: object) -> list[Any]:
        asked.append(host)
        if len(asked) == 1:
            over.wait(30)
        return _loopback(host, port)

    monkeypatch.setattr(socket, "getaddrinfo", hang_once)
    try:
        async with listening(always(FINE)) as listener, door(f"http://localhost:{listener.port}") as broker:
            outcomes = [(await cancel(broker, within=5.0)).outcome for _ in range(20)]
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
