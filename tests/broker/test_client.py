"""One attempt is one wire request and one value, whatever the broker and the network do."""

import asyncio
import gzip
import logging
import traceback
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from panic.broker.answers import Answer
from panic.broker.client import Broker
from panic.broker.outcomes import Body, Outcome
from panic.clock import Clock
from panic.config import Broker as Where
from panic.orders import Filters
from panic.roster import Account
from panic.secret import Key
from panic.simulator import FAULTS, Fault
from tests.broker.support import (
    ACCOUNT,
    ID,
    Line,
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

KEY = "tenant-7.the-secret-of-the-firm"
SECRET = KEY.partition(".")[2]
FINE = http(200, envelope(ID))
METHODS = pytest.mark.parametrize("method", ["DELETE", "GET"])

# ── every fault that the simulator knows ────────────────────────────────────────────────────────────────

ACCEPTED, UNKNOWN = Outcome.ACCEPTED, Outcome.UNKNOWN
SOUND = (
    *("empty_list", "hidden_orders", "second_answer", "late_second_answer", "latency"),
    *("schema_drift", "paged", "paged_lies", "page_loop", "no_counts", "counts_page"),
    *("counts_unfiltered", "counts_capped", "ignores_status", "refuses_status", "stuck"),
    *("slow_settle", "fills", "part_fills", "replaced", "reappears"),
)
"""Sound HTTP, though it may not be the truth: only the other questions can tell."""

NO_ANSWER = (
    *("wrong_account", "not_json", "json_list", "deep_json", "redirect", "big_headers"),
    *("gzip_bomb", "hang", "rst", "fin", "garbage", "bad_headers", "executed_late"),
    *("executed_unanswered", "rst_after", "truncated", "drip"),
)
OF_A_DELETE: dict[str, Outcome] = {
    **dict.fromkeys((*SOUND, "error_in_200", "endless", "empty", "no_content", "huge"), ACCEPTED),
    **dict.fromkeys(NO_ANSWER, UNKNOWN),
    "status": Outcome.BROKER_ERROR,
    "lying_404": Outcome.NOTHING_TO_CANCEL,
    "bare_404": Outcome.NOTHING_TO_CANCEL,
}


async def _meet(kind: str, method: str) -> Answer:
    fault = Fault(kind, on=method, seconds=0.0 if kind == "endless" else 2.0)
    async with simulate(fault) as simulator, door(simulator.base_url) as broker:
        answer = await ask(method, broker, within=5.0)

        assert [method] == [request.method for request in simulator.requests]
        assert simulator.requests[0].authorized
    return answer


def test_no_fault_is_forgotten():
    """The table names every kind of fault there is."""
    assert set(FAULTS) == set(OF_A_DELETE)


@pytest.mark.parametrize(("kind", "outcome"), OF_A_DELETE.items())
def test_a_delete_meets_every_fault(kind: str, outcome: Outcome):
    """Each is one request on the wire and one value that the table names; nothing is raised."""
    answer = virtually(_meet(kind, "DELETE"))

    assert outcome == answer.outcome
    assert answer.page is None
    assert answer.ended - answer.began <= 5.1
    assert bool(answer.error) is (outcome is not ACCEPTED or kind in {"error_in_200", "endless", "huge"})


@pytest.mark.parametrize("kind", FAULTS)
def test_a_read_meets_every_fault(kind: str):
    """Each is one request on the wire; a page is made of a whole and sound answer only."""
    answer = virtually(_meet(kind, "GET"))

    assert (kind in SOUND) == (answer.page is not None)
    assert answer.ended - answer.began <= 5.1


# ── one attempt, one request ────────────────────────────────────────────────────────────────────────────


async def _ask_twice(method: str, end: Callable[[Line], None], *, resend: bool = False) -> tuple[Answer, int]:
    """Let the second request on a kept connection meet this end; gives its answer and all that arrived."""

    async def play(line: Line) -> None:
        await line.answer(FINE)
        await line.request()
        end(line)

    async with listening(play) as listener, door(listener.base_url) as broker:
        if resend:
            broker._session._retry_connection = True
        first = await ask(method, broker)
        second = await ask(method, broker)

        assert Outcome.ACCEPTED == first.outcome
        return second, len(listener.heads)


ENDS = pytest.mark.parametrize("end", [Line.reset, lambda line: line.writer.close()], ids=["RST", "FIN"])


@METHODS
@ENDS
async def test_a_dropped_connection_is_not_asked_again(method: str, end: Callable[[Line], None]):
    """DELETE counts as idempotent, so that aiohttp would send it once more behind our back."""
    answer, arrived = await _ask_twice(method, end)

    assert Outcome.UNKNOWN == answer.outcome
    assert 2 == arrived


@METHODS
@ENDS
async def test_aiohttp_would_ask_again(method: str, end: Callable[[Line], None]):
    """The control: with aiohttp's own default one attempt is two requests on the wire."""
    _, arrived = await _ask_twice(method, end, resend=True)

    assert 3 == arrived


@ENDS
async def test_as_many_drops_are_as_many_requests(end: Callable[[Line], None]):
    """Nothing is resent under load either, fresh connections or used ones."""

    async def play(line: Line) -> None:
        if line.number % 2:
            await line.answer(FINE)
        await line.request()
        end(line)

    async with listening(play) as listener, door(listener.base_url) as broker:
        for _ in range(3):
            await asyncio.gather(*(cancel(broker) for _ in range(50)))

        assert 150 == len(listener.heads)


async def test_what_is_on_the_wire():
    """The verb, the path, the key, no compression, and nothing that names somebody else."""
    async with listening(always(FINE)) as listener, door(listener.base_url, key=KEY) as broker:
        await cancel(broker, filters=Filters(side="BUY", instrument_ids=("AAPL  261218C00150000", "MSFT")))
    [head] = listener.heads
    path = f"/v1/accounts/{ID}/orders?side=BUY&instrument_ids=AAPL%20%20261218C00150000,MSFT"

    assert head.startswith(f"DELETE {path} HTTP/1.1\r\n")
    assert f"Bearer {KEY}" == header(head, "Authorization")
    assert "identity" == header(head, "Accept-Encoding")
    assert "application/json" == header(head, "Accept")
    assert 1 == head.count(SECRET)
    assert header(head, "Cookie") is None
    assert {"host", "authorization", "accept", "accept-encoding", "user-agent", "content-length"} == {
        line.partition(":")[0].lower() for line in head.strip().split("\r\n")[1:]
    }


async def test_each_credential_signs_its_own():
    """An account's request bears the key that the roster names for it."""
    keys = {"default": Key("a.key"), "desk": Key("b.key")}
    async with (
        listening(always(FINE)) as listener,
        Broker(Where(base_url=listener.base_url), keys, Clock()) as broker,
    ):
        await asyncio.gather(cancel(broker), cancel(broker, Account(7, credential="desk")))
    signed = {head.split("/")[3]: header(head, "Authorization") for head in listener.heads}

    assert {str(ID): "Bearer a.key", "7": "Bearer b.key"} == signed


async def test_a_base_url_with_a_path():
    """A gateway's prefix stays in front."""
    async with listening(always(FINE)) as listener, door(f"{listener.base_url}/gate/v1") as broker:
        await read(broker)

    assert listener.heads[0].startswith(f"GET /gate/v1/accounts/{ID}/orders?page_size=1000 HTTP")


# ── redirects ───────────────────────────────────────────────────────────────────────────────────────────


@METHODS
@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("where", ["the same host", "another host", "plain http", "nowhere"])
async def test_no_redirect_is_followed(status: int, where: str, method: str):
    """A login page that answers 404 must not read as nothing to cancel, and no header goes elsewhere."""
    async with listening(always(http(404, refusal(404)))) as stranger:
        targets = {
            "the same host": "/login",
            "another host": f"{stranger.base_url}/v1/accounts/{ID}/orders",
            "plain http": f"http://localhost:{stranger.port}/",
            "nowhere": "",
        }
        moved = http(status, b"", f"Location: {targets[where]}")
        async with listening(always(moved)) as listener, door(listener.base_url, key=KEY) as broker:
            answer = await ask(method, broker)

    assert Outcome.UNKNOWN == answer.outcome
    assert f"HTTP {status}" == answer.error
    assert answer.page is None
    assert 1 == len(listener.heads)
    assert not stranger.heads
    assert 0 == stranger.connections


# ── bodies ──────────────────────────────────────────────────────────────────────────────────────────────


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
        answer = await cancel(broker)
        assert not broker._connector._conns  # the connection did not go back
        assert not broker._connector._acquired
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


async def test_a_flood_of_tiny_chunks_is_cut():
    """The bound is on bytes, however they are cut up."""
    answer, poured = await _pour(500, chunk=b" " * 16)

    assert Body.OVERLONG == answer.evidence.body
    assert poured < 8 << 20


@pytest.mark.parametrize("length", ["99999999999999999999", "4294967296"])
async def test_a_promised_length_reserves_nothing(length: str):
    """Memory is taken for what comes, not for what is promised."""

    async def play(line: Line) -> None:
        await line.answer(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{{}}".encode())
        await line.gone()

    async with listening(play) as listener, door(listener.base_url) as broker:
        answer = await cancel(broker, within=0.05)

    assert Outcome.UNKNOWN == answer.outcome


@METHODS
async def test_a_gzip_bomb_is_not_inflated(method: str):
    """An encoding that nobody asked for is read as it is: not JSON."""
    bomb = gzip.compress(b'{"data":[]}'.ljust(64 << 20))
    async with (
        listening(always(http(200, bomb, "Content-Encoding: gzip"))) as listener,
        door(listener.base_url) as broker,
    ):
        answer = await ask(method, broker)

    assert Outcome.UNKNOWN == answer.outcome
    assert Body.INVALID == answer.evidence.body
    assert answer.page is None


async def test_memory_stays_bounded():
    """An endless answer costs no more than the bound on what is read of it, a few times over."""
    tracemalloc.start()
    try:
        await _pour(200)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 3 * (4 << 20)


# ── the leash ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("leash_s", [0.3, 5.3])
@pytest.mark.parametrize("kind", ["hang", "drip", "endless"])
def test_the_leash_ends_an_attempt(kind: str, leash_s: float):
    """To the moment: aiohttp's own totals would be rounded up, and restart at each byte."""

    async def meet() -> Answer:
        fault = Fault(kind, seconds=0.2)
        async with (
            simulate(fault, orders=20) as simulator,
            door(simulator.base_url, max_answer_bytes=64 << 20) as broker,
        ):
            return await cancel(broker, within=leash_s)

    answer = virtually(meet())

    assert leash_s == pytest.approx(answer.ended - answer.began, abs=0.05)
    assert Outcome.UNKNOWN == answer.outcome
    assert f"no answer within {leash_s:.1f} s" == answer.error


async def test_a_leash_may_be_shortened():
    """Whoever stops a run pulls the leashes in."""

    async def play(line: Line) -> None:
        await line.request()
        await line.gone()

    async with listening(play) as listener, door(listener.base_url) as broker:
        loop = asyncio.get_running_loop()
        leash = asyncio.timeout(60)
        attempt = asyncio.ensure_future(broker.cancel(ACCOUNT, Filters(), leash))
        await until(lambda: bool(listener.heads))
        leash.reschedule(loop.time())
        answer = await attempt

    assert Outcome.UNKNOWN == answer.outcome


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

        assert not broker._connector._conns
        assert not broker._connector._acquired


# ── what the environment must not change ────────────────────────────────────────────────────────────────


async def test_no_cookie_is_replayed():
    """A load balancer's cookie would tie accounts together."""
    sticky = http(200, envelope(ID), "Set-Cookie: AWSALB=abc; Path=/", "Set-Cookie: sid=1; Path=/")
    async with listening(always(sticky)) as listener, door(listener.base_url) as broker:
        for _ in range(3):
            await cancel(broker)

    assert [None] * 3 == [header(head, "Cookie") for head in listener.heads]


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_a_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch, name: str, asked: bool):
    """A stray one would swallow a press, so that it counts only where the settings say so."""
    for variable in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    async with listening(always(FINE)) as proxy, listening(always(FINE)) as listener:
        monkeypatch.setenv(name, proxy.base_url)
        async with door(listener.base_url, environment_proxy=asked) as broker:
            answer = await cancel(broker)
    through = asked and name.lower() == "http_proxy"

    assert Outcome.ACCEPTED == answer.outcome
    assert through == bool(proxy.heads)
    assert through != bool(listener.heads)


@pytest.mark.parametrize("asked", [False, True])
async def test_a_netrc_does_not_replace_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: bool):
    """Whoever asks for the environment's proxies does not ask for its passwords."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with (
        listening(always(FINE)) as listener,
        door(listener.base_url, key=KEY, environment_proxy=asked) as broker,
    ):
        answer = await cancel(broker)

    assert Outcome.ACCEPTED == answer.outcome
    assert [f"Bearer {KEY}"] == [header(head, "Authorization") for head in listener.heads]


# ── the key ─────────────────────────────────────────────────────────────────────────────────────────────

ECHOES: dict[str, bytes] = {
    "an error message": http(400, refusal(400, f"Bad header Authorization: Bearer {KEY}")),
    "an error in a 200": http(200, {"data": None, "error": {"code": 1, "message": f"Bearer {KEY}"}}),
    "an error of another shape": http(400, {"error": {"headers": [f"Bearer {KEY}"]}}),
    "the secret alone": http(403, refusal(403, f"unknown secret {SECRET}")),
    "a request id": http(404, refusal(404, request_id=KEY)),
    "a header's request id": http(500, b"", f"X-Request-Id: {KEY}"),
    "a page": http(500, f"<pre>Authorization: Bearer {KEY}</pre>".encode()),
    "a redirect": http(302, b"", f"Location: https://evil.example/?t={KEY}"),
    "a cookie": http(401, b"", f"Set-Cookie: auth={KEY}"),
    "the reason": f"HTTP/1.1 503 Bearer {KEY}\r\nContent-Length: 0\r\n\r\n".encode(),
    "the status line": f"HTTP/1.1 {KEY} 200\r\n\r\n".encode(),
    "a header's name": f"HTTP/1.1 200 OK\r\n{KEY} {KEY}\r\n\r\n".encode(),
    "a header's value": f"HTTP/1.1 200 OK\r\nX-A: {KEY}\x00\r\n\r\n".encode(),
    "no HTTP": f"Bearer {KEY}\r\n\r\n".encode(),
    "the length": f"HTTP/1.1 200 OK\r\nContent-Length: {KEY}\r\n\r\n".encode(),
    "the encoding": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {KEY}\r\n\r\n".encode(),
    "a chunk's size": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n".encode(),
    "a wait": http(429, b"", f"Retry-After: {KEY}"),
    "a page token": http(200, {"data": [], "error": KEY}),
}


@pytest.mark.parametrize("echo", ECHOES)
async def test_an_echoed_key_goes_nowhere(
    echo: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    """A hostile server may quote our request: nothing of it is printed, logged or kept."""
    caplog.set_level(logging.DEBUG)
    async with listening(always(ECHOES[echo])) as listener, door(listener.base_url, key=KEY) as broker:
        answer = await read(broker, within=0.2)
        shown = (repr(answer), str(answer), repr(broker), str(vars(broker)["_keys"]), broker.problem)
    output = capsys.readouterr()

    assert SECRET in listener.heads[0]
    for text in (*shown, caplog.text, output.out, output.err):
        assert SECRET not in text


async def test_no_traceback_shows_the_key():
    """The client's errors carry the request's headers; none of them is quoted, chained or logged."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with (
        listening(always(b"HTTP/1.1 200 OK\r\nbroken\r\n\r\n")) as listener,
        door(listener.base_url, key=KEY) as broker,
    ):
        answer = await cancel(broker)
        with pytest.raises(KeyError) as mistake:
            await cancel(broker, Account(ID, credential="nobody's"))
    trace = "".join(traceback.format_exception(mistake.value))

    assert "what came back was not HTTP" == answer.error
    assert SECRET not in trace + repr(answer) + repr(told)


def test_scrub_knows_every_key():
    """One account's answer may quote another credential's key."""

    async def scrub() -> str:
        keys = {"a": Key("a.first-secret"), "b": Key("b.second-secret")}
        broker = Broker(Where(base_url="https://broker.example"), keys, Clock())
        return broker.scrub("a.first-secret, b.second-secret; first-secret second-secret")

    assert "[key], [key]; [key] [key]" == asyncio.run(scrub())
