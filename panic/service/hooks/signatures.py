"""Who sent this? Standard Webhooks signatures and bearer secrets, compared in constant time.

The reference library makes the signatures of the tests and is not used here: its `verify` forgets which ids it
has seen, reads timestamps as floats ("1e9", "nan", " 5 "), rounds them before it signs again, and answers
malformed input with ValueError, TypeError or UnicodeDecodeError.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
AUTHORIZATION = "authorization"
STANDARD, BEARER = "standard-webhooks", "bearer"

PREFIX = "whsec_"
SHORTEST_KEY = 24
"""Bytes: what the Standard Webhooks specification asks for."""

_HEADER_MOST = 4096
_SIGNATURES_MOST = 16
_ID = re.compile(r"[A-Za-z0-9_:~@+/=-]{1,255}")
"""No dot: it separates what is signed, and an id with one could be read as another id with another time."""

_SECONDS = re.compile(r"[1-9][0-9]{0,11}")
_TOKEN = re.compile(r"bearer +([!-~]+)", re.IGNORECASE)


class Kind(StrEnum):
    """What a call proved about its sender: late and malformed ones are still well signed."""

    AUTHENTIC = "authentic"
    LATE = "late"
    MALFORMED = "malformed"
    FORGED = "forged"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found out about the sender; `wrong` says why a well-signed call is not authentic."""

    kind: Kind
    id: str = ""
    timestamp: int = 0
    wrong: str = ""


class Secrets:
    """The secrets of one hook, several while one replaces another. They cannot be printed."""

    __slots__ = ("__bearers", "__keys", "scheme")

    def __init__(self, scheme: str, texts: Iterable[str]) -> None:
        known = list(texts)
        self.scheme = scheme
        self.__keys = [key for text in known if (key := _decoded(text))] if scheme == STANDARD else []
        self.__bearers = [_digest(text) for text in known] if scheme == BEARER else []

    def __bool__(self) -> bool:
        return bool(self.__keys or self.__bearers)

    def signed(self, content: bytes, signatures: Sequence[bytes]) -> bool:
        """Whether one of the signatures is one of the secrets' over the content."""
        macs = [b"v1," + base64.b64encode(hmac.digest(key, content, "sha256")) for key in self.__keys]
        return any(hmac.compare_digest(mac, one) for mac in macs for one in signatures)

    def borne(self, token: str) -> bool:
        """Whether the token is one of the secrets."""
        digest = _digest(token)
        return any(hmac.compare_digest(bearer, digest) for bearer in self.__bearers)

    def __repr__(self) -> str:
        return "Secrets('****')"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def flaw(scheme: str, text: str) -> str:
    """Say why a secret cannot be used by this scheme, in the middle of a sentence; empty if it can."""
    if scheme == BEARER:
        return ""
    return "" if _decoded(text) else f"is not '{PREFIX}' and base64 after it"


def weakness(scheme: str, text: str) -> str:
    """Say what is not good about a secret that can be used; empty if nothing is."""
    length = len(_decoded(text) or b"") if scheme == STANDARD else len(text)
    return f"is shorter than {SHORTEST_KEY} bytes" if length < SHORTEST_KEY else ""


def _decoded(text: str) -> bytes | None:
    """Give the key that a secret stands for; padding may be missing, as in the reference library."""
    plain = text.removeprefix(PREFIX).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def may_be_authentic(held: Secrets, headers: Mapping[str, Sequence[str]]) -> bool:
    """Whether a call can be authentic, by its headers alone: nobody else's body is read."""
    if held.scheme == BEARER:
        return held.borne(_token(_only(headers, AUTHORIZATION)))
    return bool(held) and all(_only(headers, name) for name in (ID, TIMESTAMP, SIGNATURE))


def verify(
    held: Secrets, headers: Mapping[str, Sequence[str]], body: bytes | None, now: float, tolerance_s: float
) -> Verified:
    """Find out who sent a call; never raises, whatever it is handed.

    Headers have all their values under their names in lower case; the body is None if not all of it came.
    """
    id_, stamp = _only(headers, ID), _only(headers, TIMESTAMP)
    if held.scheme == BEARER:
        is_borne = held.borne(_token(_only(headers, AUTHORIZATION)))
        return Verified(Kind.AUTHENTIC if is_borne else Kind.FORGED)
    content = b".".join([_raw(id_), _raw(stamp), body or b""])
    if body is None or not held.signed(content, _signatures(_only(headers, SIGNATURE))):
        return Verified(Kind.FORGED)
    return _timely(id_, stamp, now, tolerance_s)


def _timely(id_: str, stamp: str, now: float, tolerance_s: float) -> Verified:
    if not _ID.fullmatch(id_):
        wrong = "its webhook-id is not 1 to 255 letters, digits or _ : ~ @ + / = - (a dot is none of them)"
        return Verified(Kind.MALFORMED, wrong=wrong)
    if not _SECONDS.fullmatch(stamp):
        wrong = "its webhook-timestamp is not the seconds since 1970 as a whole number"
        return Verified(Kind.MALFORMED, id_, wrong=wrong)
    off_s = int(stamp) - now
    if abs(off_s) <= tolerance_s:
        return Verified(Kind.AUTHENTIC, id_, int(stamp))
    side = "ahead of" if off_s > 0 else "behind"
    wrong = f"its webhook-timestamp is {abs(off_s):,.0f} s {side} our clock, and {tolerance_s:g} s are allowed"
    return Verified(Kind.LATE, id_, int(stamp), wrong)


def _only(headers: Mapping[str, Sequence[str]], name: str) -> str:
    """Give a header that came once; one that came twice says two things, and so nothing."""
    values = headers.get(name, ())
    return values[0] if len(values) == 1 and len(values[0]) <= _HEADER_MOST else ""


def _signatures(header: str) -> list[bytes]:
    """Give what may be signatures; compared as they are spelled, so that one signature has one spelling."""
    found = [_raw(one) for one in header.split(" ", _SIGNATURES_MOST)]
    return found if len(found) <= _SIGNATURES_MOST else []


def _token(header: str) -> str:
    found = _TOKEN.fullmatch(header)
    return found[1] if found else ""


def _raw(text: str) -> bytes:
    """Give the bytes of a header as they came over the wire; nothing for what no wire brings."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return b""
