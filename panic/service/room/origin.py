"""May a request that comes with a cookie do what it asks? Pure.

A browser sends a cookie along with whatever any page makes it send. So a cookie alone proves nothing: what changes
something must prove by its Origin that our page sent it, and repeat a token only our page can read. Whatever is
missing, odd or there twice is refused; a program sends a bearer token instead, and is not asked about any of this.
"""

import hashlib
import hmac
from collections.abc import Collection, Iterable, Sequence
from typing import Final

LOOKS: Final = ("GET", "HEAD")
"""Methods that change nothing."""

_PORTS: Final = {"http": "80", "https": "443"}
_CSRF: Final = b"panic: the page may act"


def origin_of(host: str, *, secure: bool) -> str:
    """Give the origin of a page that is asked for under this Host, as browsers write it."""
    scheme = "https" if secure else "http"
    return f"{scheme}://{host.lower().removesuffix(f':{_PORTS[scheme]}')}"


def refusal(method: str, ours: Collection[str], origins: Sequence[str], sites: Sequence[str]) -> str:
    """Say why a request with a cookie may not do what it asks, in the middle of a sentence; empty where it may.

    `ours` are the origins of our own page, `origins` and `sites` every Origin and Sec-Fetch-Site header that came.
    """
    if len(origins) > 1:
        return "it has several Origin headers"
    if any(one not in ours for one in origins):
        return "its Origin is not the address by which this service is asked"
    if method in LOOKS:
        return "another site asks for it" if set(sites) - {"same-origin", "none"} else ""
    if not origins:
        return "it has no Origin, which every browser sends"
    return "another site sends it" if set(sites) - {"same-origin"} else ""


def cookie_name(host: str, *, secure: bool) -> str:
    """Give the name of our cookie: with the port, because browsers send a cookie to every port of a host."""
    port = host.rpartition("]")[2].partition(":")[2] or _PORTS["https" if secure else "http"]
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
