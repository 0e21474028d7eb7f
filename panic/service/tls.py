"""The service's TLS: whether it is required, the certificate and key, and the certificates of callers."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from aiohttp.web_request import BaseRequest

from panic.config import Service, Settings
from panic.config.address import canonical
from panic.kit.errors import ConfigurationError, Problem
from panic.kit.files import open_to_others, read_regular, why

_LARGEST_FILE = 1 << 20


def server_context(service: Service) -> ssl.SSLContext | None:
    """Make the TLS context of the service, or raise a ConfigurationError; None where no certificate is named."""
    certificate, key = service.tls_certificate, service.tls_key
    if certificate is None or key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if unreadable := [*_unreadable("certificate", certificate), *_unreadable("key", key)]:
        raise ConfigurationError(unreadable)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        what = f"certificate and key {key} cannot be used: {reason}"
        remedy = "Give the two PEM files that were made together, the key without a password."
        raise ConfigurationError([Problem(what, remedy, certificate)]) from error
    if service.tls_client_ca is not None:
        _ask_callers(context, service.tls_client_ca)
    return context


def _ask_callers(context: ssl.SSLContext, authorities: Path) -> None:
    """Ask callers for a certificate; whoever brings none reaches the probes, as `lacks_certificate` has it."""
    if unreadable := [*_unreadable("client_ca", authorities)]:
        raise ConfigurationError(unreadable)
    try:
        context.load_verify_locations(authorities)
    except ssl.SSLError:
        remedy = "Give a PEM file of the authorities that sign callers' certificates."
        raise ConfigurationError([Problem("tls_client_ca holds no certificate", remedy, authorities)]) from None
    context.verify_mode = ssl.CERT_OPTIONAL


def lacks_certificate(request: BaseRequest) -> bool:
    """Whether a caller was asked for a certificate, and brought none; a wrong one ends the handshake."""
    tls: ssl.SSLObject | None = request.get_extra_info("ssl_object")
    return (
        tls is not None and tls.context.verify_mode is ssl.CERT_OPTIONAL and not request.get_extra_info("peercert")
    )


def _unreadable(kind: str, file: Path) -> Iterator[Problem]:
    try:
        read_regular(file, _LARGEST_FILE)  # OpenSSL would wait for a pipe, and names no file
    except OSError as error:
        yield Problem(f"the {kind} cannot be read: {why(error)}", f"Correct it, or tls_{kind} in [service].", file)


def _no_password() -> NoReturn:
    raise ValueError("the key has a password")  # OpenSSL would ask at the terminal, and wait


def refusal_to_bind(service: Service) -> str:
    """Say why the service may not listen where the settings say, and what to do about it; empty where it may."""
    if (service.tls_certificate is None) != (service.tls_key is None):
        return "the settings name one of tls_certificate and tls_key: name both below [service], or none"
    if service.tls_client_ca and not service.tls_certificate:
        return "tls_client_ca means nothing without tls_certificate and tls_key: what speaks TLS in front must ask"
    host = canonical(service.host)
    is_local = host == "localhost" if isinstance(host, str) else host.is_loopback
    if is_local or service.tls_certificate or service.behind_proxy:
        return ""
    return (
        f"at {service.host} without TLS, tokens would travel in the clear: name tls_certificate and tls_key below "
        "[service], or write behind_proxy = true where something in front speaks TLS, or listen at 127.0.0.1"
    )


def unprotected(settings: Settings) -> Iterator[Problem]:
    """Give the mistakes with which the service must not start: whom it was to keep out it might let in.

    A key that it does not know may be tls_client_ca, misspelt.
    """
    for one in settings.problems:
        if one.section == "service" and (one.key.startswith("tls_") or one.key not in Service.model_fields):
            yield replace(one, remedy=f"{one.remedy} The service does not start before that.")


def problems(service: Service) -> Iterator[Problem]:
    """Say what is wrong with certificate and key, and whether others can read the key."""
    try:
        server_context(service)
    except ConfigurationError as error:
        yield from error.problems
    if service.tls_key is not None:
        yield from open_to_others(service.tls_key)
