"""The proxy that the documents put in front: config/haproxy.cfg with HAProxy itself, where it is installed."""

import asyncio
import json
import shutil
import ssl
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from tests.cli.ledgers import LEDGER, events
from tests.cli.support import account, closed_port, sent, simulate, until
from tests.service.support import TOKEN, firm, serving
from tests.service.test_tls import a_certificate

PROXY = shutil.which("haproxy") or "/usr/sbin/haproxy"
CONFIG = Path(__file__).parents[2] / "config" / "haproxy.cfg"
NAME = "panic.example.com"

pytestmark = pytest.mark.skipif(not Path(PROXY).exists(), reason="HAProxy is not installed")


async def test_a_crowd_at_one_address_is_bounded_and_another_presses(tmp_path: Path):
    """The record has the address that the proxy saw, whatever the caller writes; a large body stays outside."""
    (tmp_path / "tls").mkdir()
    made, port = a_certificate(tmp_path / "tls"), closed_port()
    trusting = ssl.create_default_context()
    made.ca.configure_trust(trusting)
    pem = tmp_path / "panic.pem"
    pem.write_bytes(made.certificate.read_bytes() + made.key.read_bytes())
    url, press = f"https://127.0.0.1:{port}/v1/runs", {"scope": {"all": True}, "reason": "a test", "wait": 15}
    headers = {"Authorization": f"Bearer {TOKEN}", "Host": NAME, "X-Forwarded-For": "192.0.2.1"}
    async with simulate(account(1)) as simulator:
        one = firm(tmp_path, simulator, [1])
        lines = f'behind_proxy = true\nallowed_hosts = ["{NAME}"]\ntrusted_proxies = ["127.0.0.1"]'
        one.settings.write_text(one.settings.read_text().replace("port = 0", f"port = 0\n{lines}"))
        async with serving(one) as service:
            text = (
                CONFIG.read_text().replace(":443", f"127.0.0.1:{port}").replace("/etc/haproxy/panic.pem", str(pem))
            )
            text = text.replace("127.0.0.1:8787", service.url.removeprefix("http://"))
            (tmp_path / "haproxy.cfg").write_text(text)
            proxy = await asyncio.create_subprocess_exec(PROXY, "-db", "-f", str(tmp_path / "haproxy.cfg"))
            try:
                crowd = [line for line in [await connected(port) for _ in range(80)] if line]
                await until(lambda: sum(not writer.is_closing() for _, writer in crowd) <= 64)
                local = aiohttp.TCPConnector(ssl=trusting, local_addr=("127.0.0.2", 0))
                async with aiohttp.ClientSession(connector=local, headers=headers) as session:
                    async with session.post(url, json=press, server_hostname=NAME) as answer:
                        pressed = answer.status, (await answer.json())["verdict"]
                        asks_for_tls = "Strict-Transport-Security" in answer.headers
                    async with session.post(url, data=b"x" * (300 << 10), server_hostname=NAME) as answer:
                        too_large = answer.status
                    async with session.get(url, headers={"Authorization": "no"}, server_hostname=NAME) as answer:
                        assert 401 == answer.status
            finally:
                with suppress(ProcessLookupError):
                    proxy.kill()
                await proxy.wait()
                for _, writer in crowd:
                    writer.close()
            service.process.signal(15)
            await service.process.finish()

    assert ((200, "clear"), True, 413) == (pressed, asks_for_tls, too_large)
    assert [1] == sent(simulator, "DELETE")
    refused = [one.body for one in events(tmp_path / LEDGER) if "unauthenticated" in json.dumps(one.body)]
    assert ["127.0.0.2"] == [one["from"] for one in refused]


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """Connect, and say nothing; None where that is refused. A proxy that is still starting is waited for."""
    async with asyncio.timeout(20):
        while True:
            with suppress(ConnectionRefusedError):
                with suppress(ConnectionResetError):
                    return await asyncio.open_connection("127.0.0.1", port)
                return None
            await asyncio.sleep(0.02)
