"""TLS of the service: where it may listen, what may be served with it, and what is told of the rest."""

import asyncio
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from panic.config import Service, survey
from panic.kit.errors import ConfigurationError
from panic.service.tls import problems, refusal_to_bind, server_context, unprotected
from tests.cli.inside import typed
from tests.cli.support import account, closed_port, panic, simulate
from tests.service.support import TOKEN, firm, serving


class Made(NamedTuple):
    """A certificate authority, and the settings of a service that it vouches for."""

    ca: trustme.CA
    service: Service
    certificate: Path
    key: Path


def a_certificate(folder: Path) -> Made:
    """Write certificate and key."""
    ca = trustme.CA()
    issued = ca.issue_cert("panic.example.com")
    certificate, key = folder / "panic.pem", folder / "panic.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.touch(0o600)
    key.write_bytes(issued.private_key_pem.bytes())
    return Made(ca, Service(tls_certificate=certificate, tls_key=key), certificate, key)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A certificate and its key."""
    return a_certificate(tmp_path)


def the_context(service: Service) -> ssl.SSLContext:
    """The context that the service has."""
    context = server_context(service)

    assert context is not None
    return context


def test_no_version_of_tls_is_older_than_1_2(made: Made):
    """The listener's tests shake hands with it."""
    assert ssl.TLSVersion.TLSv1_2 == the_context(made.service).minimum_version


def test_nothing_is_wrong_with_good_files_and_with_none(made: Made):
    """On loopback a service needs no certificate."""
    assert [] == [*problems(made.service), *problems(Service())]
    assert server_context(Service()) is None


def _lock(made: Made) -> None:
    key = serialization.load_pem_private_key(made.key.read_bytes(), None)
    form = serialization.PrivateFormat.PKCS8
    encryption = serialization.BestAvailableEncryption(b"hunter2")
    made.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encryption))


def _pipe(made: Made) -> None:
    made.certificate.unlink()
    os.mkfifo(made.certificate)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda made: (made.certificate.unlink(), made.key.unlink()),
            ["panic.pem: the certificate cannot be read: no such", "panic.key: the key cannot be read: no such"],
        ),
        (_pipe, ["panic.pem: the certificate cannot be read: it is a pipe or a device. Correct it, or tls_cert"]),
        (
            lambda made: made.key.write_bytes(trustme.CA().issue_cert("x.test").private_key_pem.bytes()),
            ["panic.pem: certificate and key panic.key cannot be used: KEY_VALUES_MISMATCH. Give the two PEM"],
        ),
        (_lock, ["panic.pem: certificate and key panic.key cannot be used: the key has a password."]),
        (lambda made: made.certificate.write_text("x"), ["panic.pem: certificate and key panic.key cannot be"]),
        (
            lambda made: made.key.chmod(0o640),
            ["panic.key: others than its owner can read the key. Run: chmod"],
        ),
    ],
    ids=["missing", "a pipe", "another key", "a password", "no certificate", "open to others"],
)
def test_what_is_wrong_is_told_with_file_and_remedy(
    made: Made, tmp_path: Path, spoil: Callable[[Made], Any], told: list[str]
):
    """Nothing waits for a writer, or for somebody who types a password."""
    spoil(made)
    found = [str(problem).replace(f"{tmp_path}/", "") for problem in problems(made.service)]

    assert len(told) == len(found)
    assert all(text.startswith(start) for text, start in zip(found, told, strict=True)), found


async def test_whoever_brings_no_certificate_is_asked_for_one_and_reaches_the_probes(tmp_path: Path):
    """As a process: one of another authority ends the handshake, one of ours replaces no token."""
    (tmp_path / "tls").mkdir()
    made, others = a_certificate(tmp_path / "tls"), trustme.CA()
    made.ca.cert_pem.write_to_path(tmp_path / "callers.pem")
    found: dict[str, list[int | str]] = {}
    async with simulate(account(1)) as simulator:
        one = firm(tmp_path, simulator, [1])
        lines = f'tls_certificate = "{made.certificate}"\ntls_key = "{made.key}"\ntls_client_ca = "callers.pem"\n'
        one.settings.write_text(one.settings.read_text().replace("port = 0\n", f"port = {closed_port()}\n{lines}"))
        async with serving(one) as service:
            for who, authority in (("nobody", None), ("stranger", others), ("ours", made.ca)):
                context = ssl.create_default_context()
                made.ca.configure_trust(context)
                if authority is not None:
                    authority.issue_cert(f"{who}@example.com").configure_cert(context)
                how: Any = {"ssl": context, "server_hostname": "panic.example.com"}
                found[who] = []
                for path, token in (("/healthz", ""), ("/", ""), ("/v1/latch", ""), ("/v1/status", TOKEN)):
                    headers = {"Authorization": f"Bearer {token}"} if token else {}
                    try:
                        async with service.session.get(f"{service.url}{path}", headers=headers, **how) as answer:
                            found[who].append(answer.status)
                    except aiohttp.ClientError:
                        found[who].append("no handshake")
            hook: Any = {"ssl": False, "json": {}}
            async with service.session.post(f"{service.url}/v1/hooks/risk", **hook) as answer:
                problem = (answer.status, (await answer.json())["code"])
            health = await asyncio.to_thread(typed, *one.lines("health"))

    assert [200, 403, 403, 403] == found["nobody"]
    assert ["no handshake"] * 4 == found["stranger"]
    assert [200, 200, 401, 200] == found["ours"]
    assert ((403, "no_certificate"), 0) == (problem, health.code)


def test_authorities_of_callers_that_cannot_be_used_stop_the_service(made: Made, tmp_path: Path):
    """It would let everybody in; so does a proxy that does not ask."""
    for text, told in ((None, "the client_ca cannot be read"), ("x", "tls_client_ca holds no certificate")):
        file = tmp_path / "callers.pem"
        if text is not None:
            file.write_text(text)
        service = made.service.model_copy(update={"tls_client_ca": file})
        with pytest.raises(ConfigurationError, match=told):
            server_context(service)
        assert [told in str(problem) for problem in problems(service)] == [True]
    assert "tls_client_ca means nothing" in refusal_to_bind(Service(tls_client_ca=file, behind_proxy=True))


_WRONG = ["tls_client_ca = 5", 'tls_client_cas = "callers.pem"', 'client_ca = "callers.pem"', "tls_key = 5"]


@pytest.mark.parametrize("wrong", _WRONG)
def test_a_mistake_that_may_let_everybody_in_stops_the_service(tmp_path: Path, wrong: str):
    """Its default would be no protection. One in another key does not."""
    file = tmp_path / "panic.toml"
    file.write_text(f"[service]\nsession_idle_s = 1\n{wrong}\n[tokens.x]\ntls_client_ca = 5\n")
    (found,) = unprotected(survey(file, {}).settings)

    assert wrong.partition(" ")[0] in found.what
    assert found.remedy.endswith("The service does not start before that.")


async def test_a_service_that_would_ask_nobody_for_a_certificate_does_not_start(tmp_path: Path):
    """As a process; the check says so beforehand, and another mistake keeps nobody from pressing."""
    async with simulate(account(1)) as simulator:
        one = firm(tmp_path, simulator, [1])
        text = one.settings.read_text()
        one.settings.write_text(text.replace("port = 0\n", "port = 0\ntls_client_ca = 5\n"))
        refused = await panic(*one.lines("serve"), cwd=tmp_path)
        checked = await asyncio.to_thread(typed, *one.lines("check"))
        one.settings.write_text(text.replace("port = 0\n", "port = 0\nsession_idle_s = 1\n"))
        async with serving(one) as service:
            pressed = await service.press()

    assert (78, 78, 202) == (refused.code, checked.code, pressed.status)
    assert "tls_client_ca is 5" in refused.err
    assert "The service does not start before that." in refused.err
    assert "tls_client_ca is 5" in checked.out + checked.err


# ── where it may listen ─────────────────────────────────────────────────────────────────────────────────────


_EVERYWHERE = "0.0.0.0"  # noqa: S104  (nothing listens)


@pytest.mark.parametrize(
    ("host", "how", "may"),
    [
        *((host, {}, True) for host in ("127.0.0.1", "127.9.9.9", "::1", "LocalHost")),
        ("10.0.0.7", {"behind_proxy": True}, True),
        (_EVERYWHERE, {"tls_certificate": Path("a.pem"), "tls_key": Path("a.key")}, True),
        *(
            (host, {}, False)
            for host in (_EVERYWHERE, "::", "10.0.0.7", "panic.example.com", "localhost.example.com")
        ),
    ],
)
def test_it_listens_on_loopback_with_tls_or_behind_a_proxy(host: str, how: dict[str, Any], may: bool):
    """Where nobody on the way can read a token; else it says what to do instead."""
    told = (
        f"at {host} without TLS, tokens would travel in the clear: name tls_certificate and tls_key below "
        "[service], or write behind_proxy = true where something in front speaks TLS, or listen at 127.0.0.1"
    )
    assert ("" if may else told) == refusal_to_bind(Service(host=host, **how))


@pytest.mark.parametrize("half", ["tls_certificate", "tls_key"])
def test_half_of_tls_is_none(half: str):
    """Somebody meant to have TLS: not even loopback does without, nor does a proxy excuse it."""
    service = Service.model_validate({half: Path("a"), "behind_proxy": True})

    assert refusal_to_bind(service).startswith("the settings name one of tls_certificate and tls_key")
