"""Which addresses a key may be sent to, and which are the same."""

import ipaddress
import re
from collections.abc import Iterator

from panic.kit.errors import ConfigurationError, Problem

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
# An allow-list, not a deny-list: parsers of addresses disagree about everything else.
_ADDRESS = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[a-z0-9_-]+)*)/*",
    re.IGNORECASE,
)
_EXAMPLE = "https://api.clearstreet.com"
_LARGEST_PORT = 65_535
_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


def safe_base_url(url: str) -> str:
    """`url` without what panic adds itself (a last slash, a last `/v1`), lower case but for its path.

    A ConfigurationError where a key sent there could be read or reach a stranger; it shows no password.
    """
    for what, remedy in _objections(url):
        raise ConfigurationError([Problem(f"base_url {what}", remedy)])
    match = _ADDRESS.fullmatch(url)
    if match is None:  # pragma: no cover - an objection, above
        raise AssertionError
    port = f":{match['port']}" if match["port"] else ""
    return f"{match['scheme']}://{match['host']}".lower() + port + match["path"].removesuffix("/v1")


def canonical(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | str:
    """An address, or a name in small letters and without the dot that ends it."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host.lower().removesuffix(".")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _objections(url: str) -> Iterator[tuple[str, str]]:
    """The objections to `url`, each with its remedy; report the first one."""
    if not url:
        yield "is empty", f"Write the broker's address, such as {_EXAMPLE}."
    if not all("!" <= character <= "~" for character in url):
        yield "contains a blank, a control character or a letter that is not ASCII", "Type it again by hand."
    if "@" in url:
        yield (
            "contains a user name or a password",
            "Remove all from // to @; the key belongs to [credentials].",
        )
    if "?" in url or "#" in url:
        yield "contains a query or a fragment", "Remove all from the ? or # on."
    match = _ADDRESS.fullmatch(url)
    if match is None or not _host_is_real(match["host"]):
        yield "is not a plain address of a host", f"Write scheme and host only, such as {_EXAMPLE}."
    elif match["port"] and not 0 < int(match["port"]) <= _LARGEST_PORT:
        yield f"has the port {match['port']}", f"Give a port from 1 to {_LARGEST_PORT}, or none."
    elif match["scheme"].lower() == "http" and not _is_loopback(match["host"]):
        yield "would send the key unencrypted", "Use https; http is for a simulator on this machine only."


def _host_is_real(host: str) -> bool:
    return not host.startswith("[") or isinstance(_ip(host), ipaddress.IPv6Address)


def _is_loopback(host: str) -> bool:
    ip = _ip(host)
    if isinstance(ip, ipaddress.IPv4Address):
        return ip in _LOOPBACK
    return host.lower() == "localhost" or ip == ipaddress.IPv6Address(1)


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
