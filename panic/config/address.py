"""Which addresses a key may be sent to, and which are the same."""

import ipaddress
import re

from panic.kit.errors import ConfigurationError, Problem

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
# An allow-list, not a deny-list: parsers of addresses disagree about everything else.
_ADDRESS = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[a-z0-9_-]+)*)/*",
    re.IGNORECASE,
)
_LINK = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?:/[a-z0-9._~%-]*)*(?:\?[a-z0-9._~%&=-]*)?",
    re.IGNORECASE,
)
_EXAMPLE = "https://api.clearstreet.com"
_LARGEST_PORT = 65_535
_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


def safe_base_url(url: str) -> str:
    """`url` without what panic adds itself (a last slash, a last `/v1`), lower case but for its path.

    A ConfigurationError where a key sent there could be read or reach a stranger; it shows no password.
    """
    match = _ADDRESS.fullmatch(url)
    if wrong := _objection(url, match):
        raise ConfigurationError([Problem(f"base_url {wrong[0]}", wrong[1])])
    assert match is not None  # noqa: S101  (that would be an objection)
    port = f":{match['port']}" if match["port"] else ""
    return f"{match['scheme']}://{match['host']}".lower() + port + match["path"].removesuffix("/v1")


def is_safe_address(url: str) -> bool:
    """Whether nobody reads on the way what is sent there: https, or http on this machine; it may have a query."""
    match = _LINK.fullmatch(url)
    return match is not None and (match["scheme"].lower() == "https" or _is_loopback(match["host"]))


def canonical(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | str:
    """An address, or a name in small letters and without the dot that ends it."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host.lower().removesuffix(".")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _objection(url: str, match: re.Match[str] | None) -> tuple[str, str] | None:
    """What is wrong with `url`, and the remedy."""
    if not all("!" <= character <= "~" for character in url):
        return "contains a blank, a control character or a letter that is not ASCII", "Type it again by hand."
    if "@" in url:
        what = "contains a user name or a password"
        return what, "Remove all from // to @; the key belongs to [credentials]."
    if "?" in url or "#" in url:
        return "contains a query or a fragment", "Remove all from the ? or # on."
    if match is None or (match["host"].startswith("[") and _ip(match["host"]) is None):
        return "is not a plain address of a host", f"Write scheme and host only, such as {_EXAMPLE}."
    if match["port"] and not 0 < int(match["port"]) <= _LARGEST_PORT:
        return f"has the port {match['port']}", f"Give a port from 1 to {_LARGEST_PORT}, or none."
    if match["scheme"].lower() == "http" and not _is_loopback(match["host"]):
        return "would send the key unencrypted", "Use https; http is for a simulator on this machine only."
    return None


def _is_loopback(host: str) -> bool:
    ip = _ip(host)
    return host.lower() == "localhost" if ip is None else ip in _LOOPBACK or ip == ipaddress.IPv6Address(1)


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is; one in brackets must be of the sixth version."""
    try:
        return ipaddress.IPv6Address(host[1:-1]) if host.startswith("[") else ipaddress.IPv4Address(host)
    except ValueError:
        return None
