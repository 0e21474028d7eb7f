"""Certificates, handshakes and proxies."""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from panic.broker.outcomes import Outcome
from tests.broker.support import (
    FINE,
    METHODS,
    Doubt,
    Line,
    always,
    ask,
    cancel,
    door,
    header,
    is_fresh,
    listening,
    read,
    simulate,
)

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


@pytest.mark.parametrize("name", ["missing", "empty", "no certificate", ".", "a\0b"])
async def test_an_unusable_ca_file(tmp_path: Path, name: str):
    """A press still fires, on the system's certificates, and says so."""
    file = tmp_path / name
    (tmp_path / "empty").touch()
    (tmp_path / "no certificate").write_bytes(b"\xff\xfe")
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
    assert [True, False] == [is_fresh(answer) for answer in answers]
    assert 1 == len(proxy.heads)
    assert proxy.heads[0].startswith("CONNECT ")
    assert header(proxy.heads[0], "Authorization") is None
    assert 0 == doubt.times


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
    writer.close()
