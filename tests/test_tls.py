"""TLS of the service: what may be served with it, what is told of the rest, and when a certificate expires."""

import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from panic.config import Service
from panic.errors import ConfigurationError
from panic.tls import days_left, doubts, problems, refusal_to_bind, server_context

EXPIRES = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)


class Made(NamedTuple):
    """A certificate authority, and the settings of a service that it vouches for."""

    ca: trustme.CA
    service: Service
    certificate: Path
    key: Path


def a_certificate(folder: Path, expires: datetime = EXPIRES) -> Made:
    """Write certificate and key."""
    ca = trustme.CA()
    issued = ca.issue_cert("panic.example.com", not_after=expires)
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


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> str | None:
    """Let the two speak, and give the version of TLS that they agree on."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    there = server.wrap_bio(to_server, to_client, server_side=True)
    here = client.wrap_bio(to_client, to_server, server_hostname="panic.example.com")
    waiting = [here, there]
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
    assert [] == waiting
    return here.version()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_that_trusts_the_authority_is_served(made: Made, version: ssl.TLSVersion):
    """With today's versions of TLS."""
    client = ssl.create_default_context()
    made.ca.configure_trust(client)
    client.minimum_version = client.maximum_version = version

    assert version.name == (shake_hands(the_context(made.service), client) or "").replace(".", "_")


def test_older_versions_of_tls_are_refused(made: Made):
    """A token must not travel by what was broken."""
    assert ssl.TLSVersion.TLSv1_2 == the_context(made.service).minimum_version


def test_without_a_certificate_there_is_no_context(made: Made):
    """Whether the service may listen then is asked elsewhere."""
    assert server_context(Service()) is None
    assert server_context(Service(tls_key=made.key)) is None


def told(service: Service, folder: Path) -> list[str]:
    """The problems, without the folder of this test."""
    with pytest.raises(ConfigurationError) as caught:
        server_context(service)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_both_files_are_told_at_once_when_they_cannot_be_read(tmp_path: Path):
    """Nobody corrects them one at a time; and a pipe does not keep the service from starting."""
    os.mkfifo(tmp_path / "pipe")
    service = Service(tls_certificate=tmp_path / "no.pem", tls_key=tmp_path / "pipe")

    assert [
        (
            "no.pem: the certificate cannot be read: no such file or directory. "
            "Correct it, or tls_certificate in [service]."
        ),
        "pipe: the key cannot be read: it is a pipe or a device. Correct it, or tls_key in [service].",
    ] == told(service, tmp_path)


def test_certificate_and_key_in_each_others_place_are_told(made: Made, tmp_path: Path):
    """The likeliest mistake has a sentence of its own."""
    service = Service(tls_certificate=made.key, tls_key=made.certificate)

    assert [
        (
            "panic.key: the file holds no certificate. "
            "Give a PEM file of the certificate as tls_certificate in [service]."
        ),
        "panic.pem: the file holds no key. Give a PEM file of the key as tls_key in [service].",
    ] == told(service, tmp_path)


def test_a_key_of_another_certificate_is_told(made: Made, tmp_path: Path):
    """After a renewal that replaced one file only."""
    made.key.write_bytes(trustme.CA().issue_cert("panic.example.com").private_key_pem.bytes())

    assert ["panic.key: the key is not that of panic.pem. Give the two that were made together."] == told(
        made.service, tmp_path
    )


def test_a_key_with_a_password_does_not_ask_for_it(made: Made, tmp_path: Path):
    """OpenSSL would wait at the terminal for ever."""
    key = serialization.load_pem_private_key(made.key.read_bytes(), None)
    form = serialization.PrivateFormat.PKCS8
    encryption = serialization.BestAvailableEncryption(b"hunter2")
    made.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encryption))

    assert [
        "panic.key: the key has a password. Write it without one, mode 600: nobody is there to type it."
    ] == told(made.service, tmp_path)


def test_a_damaged_certificate_is_told(made: Made, tmp_path: Path):
    """With the reason that OpenSSL has for it."""
    made.certificate.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    problems = told(made.service, tmp_path)

    assert 1 == len(problems)
    assert problems[0].startswith("panic.pem: the certificate cannot be used with ")
    assert problems[0].endswith("Give PEM files that OpenSSL reads.")


@pytest.mark.parametrize(
    "expires", [EXPIRES, datetime(2049, 12, 31, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)]
)
def test_the_days_of_a_certificate_are_counted(tmp_path: Path, expires: datetime):
    """Also beyond 2050, where the form of the date changes."""
    made = a_certificate(tmp_path, expires)

    assert [1.5, -2.0] == [
        days_left(made.certificate, expires - timedelta(days=1.5)),
        days_left(made.certificate, expires + timedelta(days=2)),
    ]


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_has_no_days(tmp_path: Path, text: str):
    """It is told elsewhere that it cannot be used."""
    (tmp_path / "a.pem").write_text(text)

    assert days_left(tmp_path / "a.pem", EXPIRES) is None
    assert days_left(tmp_path / "no.pem", EXPIRES) is None


@given(cut=st.integers(0, 2000), flip=st.integers(0, 255))
def test_a_damaged_certificate_has_days_or_none(tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int):
    """Whatever stands there, nothing is raised."""
    der = bytearray(ssl.PEM_cert_to_DER_cert(_ANY))
    at = cut % len(der)
    der[at] ^= flip
    file = tmp_path_factory.getbasetemp() / "any.pem"
    file.write_text(ssl.DER_cert_to_PEM_cert(bytes(der)))
    left = days_left(file, EXPIRES)

    assert left is None or isinstance(left, float)


_ANY = trustme.CA().cert_pem.bytes().decode()


def test_a_good_certificate_leaves_no_doubt(made: Made):
    """Nor does a service without one."""
    assert [] == doubts(made.service, EXPIRES - timedelta(days=90)) + problems(made.service)
    assert [] == doubts(Service(), EXPIRES) + problems(Service())


def test_what_is_questionable_is_said(made: Made):
    """A certificate that ends soon, and a key that others can read: both still serve."""
    made.key.chmod(0o640)

    assert ["others than its owner can read the key"] == [problem.what for problem in problems(made.service)]
    assert "the certificate expires in 20 days" == doubts(made.service, EXPIRES - timedelta(days=20))[0].what
    assert "the certificate has expired" == doubts(made.service, EXPIRES)[0].what
    assert the_context(made.service)


# ── where it may listen ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"host": "127.9.9.9"},
        {"host": "::1"},
        {"host": "LocalHost"},
        {"host": "10.0.0.7", "behind_proxy": True},
        {"host": "0.0.0.0", "tls_certificate": Path("a.pem"), "tls_key": Path("a.key")},  # noqa: S104
    ],
)
def test_it_listens_on_loopback_with_tls_or_behind_a_proxy(fields: dict[str, Any]):
    """Where nobody on the way can read a token."""
    assert "" == refusal_to_bind(Service(**fields))


_EVERYWHERE = "0.0.0.0"  # noqa: S104  (nothing listens)


@pytest.mark.parametrize("host", [_EVERYWHERE, "::", "10.0.0.7", "panic.example.com", "localhost.example.com"])
def test_it_listens_nowhere_else(host: str):
    """And says what to do instead."""
    assert (
        f"at {host} without TLS, tokens would travel in the clear: name tls_certificate and tls_key below "
        "[service], or write behind_proxy = true where something in front speaks TLS, or listen at 127.0.0.1"
    ) == refusal_to_bind(Service(host=host))


@pytest.mark.parametrize("half", ["tls_certificate", "tls_key"])
def test_half_of_tls_is_none(half: str):
    """Somebody meant to have TLS: not even loopback does without, nor does a proxy excuse it."""
    service = Service.model_validate({half: Path("a"), "behind_proxy": True})

    assert refusal_to_bind(service).startswith("the settings name one of tls_certificate and tls_key")
