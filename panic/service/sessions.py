"""Who is signed in, and whether a request that comes with their cookie may do what it asks.

Sessions live in memory: after a restart everybody signs in again. A session stands for a token of the settings, or
for somebody whom the identity provider named, and is as good as that token, or what is granted to them, is now.
The service knows cookies by their digests only.

A browser sends a cookie along with whatever any page makes it send. So a cookie alone proves nothing: what changes
something must prove by its Origin that our page sent it, and repeat a token only our page can read. Whatever is
missing, odd or there twice is refused; a program sends a bearer token instead, and is not asked about any of this.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final, NamedTuple

from aiohttp import web

from panic.config import Settings
from panic.service.auth import Identity, Member, bearer_of, identity_of

LOOKS: Final = ("GET", "HEAD")
"""Methods that change nothing."""

_PORTS: Final = {"http": "80", "https": "443"}
_CSRF: Final = b"panic: the page may act"


@dataclass(slots=True)
class Session:
    """Somebody who gave a token to our page, or came from the provider, and last did something when they `acted`.

    Attributes:
        address: From where.
        member: Whom the identity provider named; None for a token.
        proved: When they proved to it who they are.
    """

    token: str
    token_digest: str
    began: float
    acted: float
    address: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    member: Member | None = None
    proved: float = float("-inf")


class Signed(NamedTuple):
    """Somebody who asks with a cookie; `identity` is that of a bearer of the token as it is now."""

    cookie: str
    session: Session
    identity: Identity


class Open(NamedTuple):
    """A session that is open; `digest` is that of its cookie, and `id` tells it from others."""

    digest: str
    session: Session
    identity: Identity

    @property
    def id(self) -> str:
        """The beginning of its digest."""
        return self.digest[:16]


SIGNED: Final = web.RequestKey("signed", Signed)
"""Of a request that was let in by its cookie, and of no other."""


def digest_of(cookie: str) -> str:
    """Give what the service knows a cookie by."""
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).hexdigest()


class Sessions:
    """Every session, by the settings in force."""

    def __init__(self, settings: Callable[[], Settings], now: Callable[[], float] = monotonic) -> None:
        self._settings, self._now = settings, now
        self._known: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._known)

    def begin(self, identity: Identity, address: str = "") -> Signed:
        """Create a session for a token of the settings; its cookie exists nowhere else."""
        now = self._now()
        return self._begun(Session(identity.name, identity.digest, now, now, address), identity)

    def admit(self, member: Member, proved_s: float, address: str = "") -> Signed | None:
        """Create a session for whom the provider named, `proved_s` after they proved it; None if nobody may."""
        now, identity = self._now(), identity_of(member, self._settings().identity)
        session = Session("", "", now, now, address, member=member, proved=now - proved_s)
        return self._begun(session, identity) if identity else None

    def _begun(self, session: Session, identity: Identity) -> Signed:
        self._known = {digest: one for digest, one in self._known.items() if self._identity_of(one)}
        cookie = secrets.token_urlsafe(32)
        self._known[digest_of(cookie)] = session
        return Signed(cookie, session, identity)

    def find(self, cookie: str) -> Signed | None:
        """Give whom a cookie stands for now; None for nobody."""
        session = self._known.get(digest_of(cookie))
        identity = self._identity_of(session) if session else None
        if session is None or identity is None:
            self.end(cookie)
            return None
        return Signed(cookie, session, identity)

    def open(self) -> list[Open]:
        """Give every session that is still good, oldest first."""
        pairs = ((digest, one, self._identity_of(one)) for digest, one in self._known.items())
        return [Open(digest, one, identity) for digest, one, identity in pairs if identity]

    def end(self, cookie: str) -> None:
        """Invalidate a cookie."""
        self.forget(digest_of(cookie))

    def forget(self, digest: str) -> None:
        """Invalidate the cookie of this digest."""
        self._known.pop(digest, None)

    def _identity_of(self, session: Session) -> Identity | None:
        settings = self._settings()
        if session.began + settings.service.session_max_s <= self._now():
            return None
        if session.member is not None:
            return identity_of(session.member, settings.identity)
        token = settings.tokens.get(session.token)
        if token is None or session.token_digest not in token.digest or token.refusal(datetime.now(UTC)):
            return None
        return bearer_of(session.token, token, session.token_digest)

    def fresh_for_s(self, session: Session) -> float | None:
        """Give how long it counts as a fresh sign-in, seconds; None for a token, which is given or not."""
        provider = self._settings().identity
        if session.member is None or provider is None:
            return None
        return max(session.proved + provider.fresh_s - self._now(), 0.0)

    def acts_for_s(self, session: Session) -> float:
        """Give how long it may still do more than look, seconds; 0 where it only looks."""
        limits = self._settings().service
        until = min(session.acted + limits.session_idle_s, session.began + limits.session_max_s)
        return max(until - self._now(), 0.0)

    def ends_at(self, session: Session) -> datetime:
        """Give when it ends at the latest."""
        return session.at + timedelta(seconds=self._settings().service.session_max_s)

    def act(self, session: Session) -> None:
        """Count the time anew, unless it only looks by now: then it takes the token."""
        if self.acts_for_s(session):
            session.acted = self._now()


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
