"""TLS of the service: whether it may do without, its certificate and key, and how long the certificate lasts."""

import shlex
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from panic.address import canonical
from panic.config import Service
from panic.errors import ConfigurationError, Problem
from panic.files import read_regular, why

_LARGEST_FILE = 1 << 20
_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_CERTIFICATE_END = "-----END CERTIFICATE-----"
_KEY = "PRIVATE KEY-----"
_DAY_S = 86_400.0
_SOON_DAYS = 21
_UTC_TIME, _SEQUENCE, _CONTEXT_0 = 0x17, 0x30, 0xA0
_VALIDITY = 3
"""Where the validity stands after the version: serial number, algorithm and issuer come first."""


def server_context(service: Service) -> ssl.SSLContext | None:
    """Make the TLS context of the service; None where the settings name no certificate.

    Raises:
        ConfigurationError: Certificate or key cannot be used.
    """
    certificate, key = service.tls_certificate, service.tls_key
    if certificate is None or key is None:
        return None
    problems = [*_unreadable(certificate, _CERTIFICATE, "certificate"), *_unreadable(key, _KEY, "key")]
    if problems:
        raise ConfigurationError(problems)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except _PasswordError:
        what, remedy = "the key has a password", "Write it without one, mode 600: nobody is there to type it."
        raise ConfigurationError([Problem(what, remedy, key)]) from None
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError([_unusable(error, certificate, key)]) from error
    return context


def refusal_to_bind(service: Service) -> str:
    """Say why the service may not listen where the settings say, and what to do about it; empty where it may."""
    if (service.tls_certificate is None) != (service.tls_key is None):
        return "the settings name one of tls_certificate and tls_key: name both below [service], or none"
    host = canonical(service.host)
    is_local = host == "localhost" if isinstance(host, str) else host.is_loopback
    if is_local or service.tls_certificate or service.behind_proxy:
        return ""
    return (
        f"at {service.host} without TLS, tokens would travel in the clear: name tls_certificate and tls_key below "
        "[service], or write behind_proxy = true where something in front speaks TLS, or listen at 127.0.0.1"
    )


def problems(service: Service) -> list[Problem]:
    """Say what keeps the service from speaking TLS with certificate and key, and who else can read the key."""
    found: list[Problem] = []
    try:
        server_context(service)
    except ConfigurationError as error:
        found += error.problems
    key = service.tls_key
    try:
        mode = 0 if key is None else key.stat().st_mode
    except OSError:  # `server_context` says so
        mode = 0
    if mode & 0o077:
        remedy = f"Run: chmod 600 {shlex.quote(str(key))}"
        found.append(Problem("others than its owner can read the key", remedy, key))
    return found


def doubts(service: Service, now: datetime) -> list[Problem]:
    """Say that the certificate ends soon, or has ended."""
    certificate = service.tls_certificate
    left = days_left(certificate, now)
    if left is None or left >= _SOON_DAYS:
        return []
    what = "the certificate has expired" if left <= 0 else f"the certificate expires in {left:.0f} days"
    return [Problem(what, "Renew it, and restart the service.", certificate)]


def days_left(certificate: Path | None, now: datetime) -> float | None:
    """Say in how many days the first certificate of a PEM file expires; None when that cannot be told.

    Args:
        certificate: The PEM file; the service's own certificate stands first. None where there is none.
        now: With its time zone.
    """
    if certificate is None:
        return None
    try:
        text = read_regular(certificate, _LARGEST_FILE)[0].decode("ascii", "replace")
        _, begin, rest = text.partition(_CERTIFICATE)
        body, end, _ = rest.partition(_CERTIFICATE_END)
        return (_expires_at(ssl.PEM_cert_to_DER_cert(begin + body + end)) - now).total_seconds() / _DAY_S
    except (OSError, ValueError, IndexError):
        return None


class _PasswordError(Exception):
    """The key asks for a password."""


def _no_password() -> NoReturn:
    """Refuse, for OpenSSL would ask at the terminal and wait."""
    raise _PasswordError


def _unreadable(file: Path, mark: str, kind: str) -> list[Problem]:
    try:
        data, _ = read_regular(file, _LARGEST_FILE)
    except OSError as error:
        return [
            Problem(f"the {kind} cannot be read: {why(error)}", f"Correct it, or tls_{kind} in [service].", file)
        ]
    if mark.encode() in data:
        return []
    return [
        Problem(f"the file holds no {kind}", f"Give a PEM file of the {kind} as tls_{kind} in [service].", file)
    ]


def _unusable(error: OSError, certificate: Path, key: Path) -> Problem:
    if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
        return Problem(f"the key is not that of {certificate}", "Give the two that were made together.", key)
    reason = getattr(error, "reason", None) or why(error)
    return Problem(
        f"the certificate cannot be used with {key}: {reason}", "Give PEM files that OpenSSL reads.", certificate
    )


def _expires_at(der: bytes) -> datetime:
    """When a certificate expires. Python tells that only of those that it has verified.

    Raises:
        ValueError: It is no certificate. So for IndexError.
    """
    whole = _sequence(_elements(der))
    signed = [element for element in _elements(_sequence(_elements(whole))) if element[0] != _CONTEXT_0]
    tag, text = list(_elements(_sequence(iter(signed[_VALIDITY:]))))[1]
    form = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    at = datetime.strptime(text.decode("ascii"), form).replace(tzinfo=UTC)
    is_of_last_century = tag == _UTC_TIME and at.year >= 2050  # noqa: PLR2004  (RFC 5280: 50 to 99 are 1950 to 1999)
    return at.replace(year=at.year - 100) if is_of_last_century else at


def _sequence(elements: Iterator[tuple[int, bytes]]) -> bytes:
    tag, content = next(elements, (0, b""))
    if tag != _SEQUENCE:
        raise ValueError("no sequence")
    return content


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The tags and contents of what stands one after the other."""
    while der:
        tag, length, start = der[0], der[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(der[2:start], "big")
        if start + length > len(der):
            raise ValueError("cut off")
        yield tag, der[start : start + length]
        der = der[start + length :]
