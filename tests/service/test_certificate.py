"""The service's certificate: who calls after it was renewed meets the new one."""

import asyncio
import signal
import ssl
from pathlib import Path

from panic.service.certificate import Certificate
from tests.cli.support import account, closed_port, simulate
from tests.service.support import firm, serving
from tests.service.test_listener import standing
from tests.service.test_tls import a_certificate


async def met(port: int) -> bytes:
    """The certificate that a new caller is shown."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return shown


async def test_a_renewed_certificate_is_shown_and_a_half_renewed_one_is_not(tmp_path: Path):
    """While certificate and key do not belong together, what could be used last is."""
    made = a_certificate(tmp_path)
    certificate = Certificate(made.service)
    async with standing(most=5, context=certificate.context) as place:
        certificate.renewed = place.listener.renew
        shown = [await met(place.listener.port)]
        await certificate.renew()
        old_key = made.key.read_bytes()
        renewed = a_certificate(tmp_path)
        new_key = renewed.key.read_bytes()
        for key in (old_key, new_key):
            renewed.key.write_bytes(key)
            await certificate.renew()
            shown.append(await met(place.listener.port))

    assert shown[0] == shown[1] != shown[2]


async def test_it_is_looked_at_by_itself_and_where_there_is_none_there_is_nothing_to_do(tmp_path: Path):
    """Whatever renews it need not tell the service."""
    certificate, found = Certificate(a_certificate(tmp_path).service, every_s=0.01), asyncio.Event()
    certificate.renewed = lambda _: found.set()
    following = asyncio.create_task(certificate.follow())
    a_certificate(tmp_path)
    async with asyncio.timeout(20):
        await found.wait()
        following.cancel()
        await Certificate(a_certificate(tmp_path).service.model_copy(update={"tls_key": None})).follow()


async def test_a_reload_renews_it_and_every_answer_asks_for_tls_from_now_on(tmp_path: Path):
    """As a process; without TLS nothing is asked for."""
    (tmp_path / "tls").mkdir()
    made = a_certificate(tmp_path / "tls")
    async with simulate(account(1)) as simulator:
        one = firm(tmp_path, simulator, [1])
        async with serving(one) as service:
            plain = (await service.ask("GET", "/healthz", who="")).headers
        lines = f'tls_certificate = "{made.certificate}"\ntls_key = "{made.key}"\n'
        one.settings.write_text(one.settings.read_text().replace("port = 0\n", f"port = {closed_port()}\n{lines}"))
        async with serving(one) as service:
            port = int(service.url.rpartition(":")[2])
            before = await met(port)
            async with service.session.get(f"{service.url}/healthz", ssl=False) as answer:
                secure = answer.headers
            a_certificate(tmp_path / "tls")
            service.process.signal(signal.SIGHUP)
            await service.process.says("panic: reloaded")
            after = await met(port)

    assert before != after
    assert "Strict-Transport-Security" not in plain
    assert "max-age=31536000" == secure["Strict-Transport-Security"]
