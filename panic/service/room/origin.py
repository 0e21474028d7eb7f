"""May a request that comes with a cookie do what it asks? Pure.

A browser sends a cookie along with whatever any page makes it send. So a cookie alone proves nothing: what changes
something must prove by its Origin that our page sent it, and repeat a token only our page can read. Whatever is
missing, odd or there twice is refused; a program sends a bearer token instead, and is not asked about any of this.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

LOOKS: Final = ("GET", "HEAD")
"""Methods that change nothing."""

_PORTS: Final = {"http": 80, "https": 443}
_PLACE = r"(?P<host>\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]{1,253})(?::(?P<port>[1-9][0-9]{0,4}))?"
_ORIGIN: Final = re.compile(rf"(?P<scheme>https?)://{_PLACE}", re.ASCII)
_HOST: Final = re.compile(_PLACE, re.ASCII)
_CSRF: Final = b"panic: the page may act"


class Origin(NamedTuple):
    """Where a page comes from, its port always told."""

    scheme: str
    host: str
    port: int


class Asked(NamedTuple):
    """What a request says of itself, with every Origin and Sec-Fetch-Site header; the allow-list let the host in.

    Attributes:
        secure: Whether the caller speaks TLS: with us, or with what is in front of us.
    """

    method: str
    host: str
    secure: bool
    origins: Sequence[str] = ()
    sites: Sequence[str] = ()


def origin_of(header: str) -> Origin | None:
    """Read an Origin header as browsers write it; None for anything else, such as `null`."""
    found = _ORIGIN.fullmatch(header)
    return None if found is None else _at(found["scheme"], found)


def asked_for(host_header: str, *, secure: bool) -> Origin | None:
    """Give the origin of a page that is asked for under this Host; None where no page can have that."""
    found = _HOST.fullmatch(host_header.lower())
    return None if found is None else _at("https" if secure else "http", found)


def _at(scheme: str, found: re.Match[str]) -> Origin:
    return Origin(scheme, found["host"], int(found["port"] or _PORTS[scheme]))


def refusal(asked: Asked, *, in_front: Iterable[str] = ()) -> str:
    """Say why a request with a cookie may not do what it asks, in the middle of a sentence; empty where it may.

    Args:
        asked: What it says of itself.
        in_front: Names under which something in front of us is asked for, with TLS and at its usual port; it may
            call us by another.
    """
    ours = {asked_for(asked.host, secure=asked.secure)}
    ours |= {asked_for(f"[{name}]" if ":" in name else name, secure=True) for name in in_front}
    if len(asked.origins) > 1:
        return "it has several Origin headers"
    if any(origin_of(one) is None or origin_of(one) not in ours for one in asked.origins):
        return "its Origin is not the address by which this service is asked"
    if asked.method in LOOKS:
        return "another site asks for it" if set(asked.sites) - {"same-origin", "none"} else ""
    if not asked.origins:
        return "it has no Origin, which every browser sends"
    return "another site sends it" if set(asked.sites) - {"same-origin"} else ""


def cookie_name(host_header: str, *, secure: bool) -> str:
    """Give the name of our cookie: with the port, because browsers send a cookie to every port of a host."""
    found = asked_for(host_header, secure=secure)
    port = _PORTS["https" if secure else "http"] if found is None else found.port
    return f"__Host-panic-{port}" if secure else f"panic-{port}"


def cookies(headers: Iterable[str], name: str) -> list[str]:
    """Give every value under one name: a parser that keeps one of them hides that there are two."""
    pairs = (pair.strip(" \t").partition("=") for header in headers for pair in header.split(";"))
    return [value.strip(" \t") for key, _, value in pairs if key.rstrip(" \t") == name]


def csrf_of(cookie: str) -> str:
    """Give the token that our page repeats; the cookie cannot be derived from it."""
    return hmac.new(cookie.encode("utf-8", "surrogateescape"), _CSRF, hashlib.sha256).hexdigest()


def is_csrf(given: Sequence[str], cookie: str) -> bool:
    """Whether a request repeats the word of its session, once; compared in constant time."""
    return len(given) == 1 and hmac.compare_digest(
        given[0].encode("utf-8", "surrogateescape"), csrf_of(cookie).encode()
    )
