"""TLS of the service: where it may listen, what may be served with it, and what is told of the rest."""

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from panic.config import Service
from panic.service.tls import problems, refusal_to_bind, server_context


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
