"""The key is sent to the broker alone, and is told to nobody."""

import asyncio
import logging
import traceback
from pathlib import Path
from typing import Any

import pytest

from panic.accounts.roster import Account
from panic.broker.client import Broker
from panic.broker.outcomes import Outcome
from panic.config import Broker as Where
from panic.config.secret import Key
from panic.kit.clock import Clock
from tests.broker.support import FINE, ID, always, cancel, door, envelope, header, http, listening, read, refusal

KEY = "tenant-7.the-secret-of-the-firm"
SECRET = KEY.partition(".")[2]


async def test_what_is_on_the_wire():
    """The verb, the path, the key, no compression, and nothing that names somebody else."""
    sticky = http(200, envelope(ID), "Set-Cookie: AWSALB=abc; Path=/")  # a cookie would tie accounts together
    async with listening(always(sticky)) as listener, door(listener.base_url, key=KEY) as broker:
        await cancel(broker)
        await cancel(broker)
    head = listener.heads[1]

    assert head.startswith(f"DELETE /v1/accounts/{ID}/orders HTTP/1.1\r\n")
    assert f"Bearer {KEY}" == header(head, "Authorization")
    assert "identity" == header(head, "Accept-Encoding")
    assert "application/json" == header(head, "Accept")
    assert 1 == head.count(SECRET)
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


ECHOES: dict[str, bytes] = {
    "an error message": http(400, refusal(400, f"Bad header Authorization: Bearer {KEY}")),
    "an error in a 200": http(200, {"data": None, "error": {"code": 1, "message": f"Bearer {KEY}"}}),
    "the secret alone": http(403, refusal(403, f"unknown secret {SECRET}")),
    "a request id": http(404, refusal(404, request_id=KEY)),
    "a header's request id": http(500, b"", f"X-Request-Id: {KEY}"),
    "a redirect": http(302, b"", f"Location: https://evil.example/?t={KEY}"),
    "the reason": f"HTTP/1.1 503 Bearer {KEY}\r\nContent-Length: 0\r\n\r\n".encode(),
    "the status line": f"HTTP/1.1 {KEY} 200\r\n\r\n".encode(),
    "a header's value": f"HTTP/1.1 200 OK\r\nX-A: {KEY}\x00\r\n\r\n".encode(),
    "no HTTP": f"Bearer {KEY}\r\n\r\n".encode(),
    "a broken header": b"HTTP/1.1 200 OK\r\nbroken\r\n\r\n",
    "the length": f"HTTP/1.1 200 OK\r\nContent-Length: {KEY}\r\n\r\n".encode(),
    "a chunk's size": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n".encode(),
}


@pytest.mark.parametrize("echo", ECHOES)
async def test_an_echoed_key_goes_nowhere(
    echo: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    """A hostile server may quote our request, and the client's errors carry it: nothing of it is shown or kept."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    caplog.set_level(logging.DEBUG)
    async with listening(always(ECHOES[echo])) as listener, door(listener.base_url, key=KEY) as broker:
        answer = await read(broker, within=0.2)
        shown = (repr(answer), str(answer), repr(broker), str(vars(broker)["_keys"]), broker.problem, repr(told))
    output = capsys.readouterr()

    assert SECRET in listener.heads[0]
    for text in (*shown, caplog.text, output.out, output.err):
        assert SECRET not in text


async def test_no_traceback_shows_the_key():
    """Not even that of a mistake of our own."""
    async with listening(always(FINE)) as listener, door(listener.base_url, key=KEY) as broker:
        with pytest.raises(KeyError) as mistake:
            await cancel(broker, Account(ID, credential="nobody's"))

    assert SECRET not in "".join(traceback.format_exception(mistake.value))


async def test_scrub_knows_every_key():
    """One account's answer may quote another credential's key."""
    keys = {"a": Key("a.first-secret"), "b": Key("b.second-secret")}
    broker = Broker(Where(base_url="https://broker.example"), keys, Clock())

    assert "[key], [key]; [key] [key]" == broker.scrub(
        "a.first-secret, b.second-secret; first-secret second-secret"
    )
