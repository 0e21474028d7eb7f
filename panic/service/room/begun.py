"""A sign-in that was begun, as its browser keeps it: sealed, so that only this process can have written it."""

import base64
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from typing import Final

from pydantic import TypeAdapter, ValidationError


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in under way.

    Attributes:
        verifier: The secret of which the provider was told the digest (PKCE).
        back: The address to which the provider sends its answer.
        page: The part of our page to go on with.
        fresh: Whether they are to prove anew who they are.
        at: When it began, Unix time.
        before: The digest of the session's cookie that it replaces; empty for none.
    """

    state: str
    nonce: str
    verifier: str
    back: str
    page: str
    fresh: bool
    at: float
    before: str


_BEGUN: Final = TypeAdapter(Begun)


def sealed(begun: Begun, key: bytes) -> str:
    """Write it for a cookie; it can be read there, and not changed."""
    words = base64url(json.dumps(asdict(begun)).encode())
    return f"{words}.{_mark(words, key)}"


def opened(cookie: str, key: bytes) -> Begun | None:
    """Read it again; None where it was not sealed with this key."""
    words, _, mark = cookie.rpartition(".")
    if not hmac.compare_digest(mark.encode("utf-8", "surrogateescape"), _mark(words, key).encode()):
        return None
    try:
        return _BEGUN.validate_json(base64.urlsafe_b64decode(words + "=" * (-len(words) % 4)))
    except (ValidationError, ValueError):
        return None


def base64url(data: bytes) -> str:
    """Give bytes as an address and a cookie can hold them."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _mark(words: str, key: bytes) -> str:
    return hmac.new(key, words.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
