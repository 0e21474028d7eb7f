"""Who is signed in. Sessions live in memory: after a restart everybody signs in again.

A session stands for a token of the settings, and is as good as that token is now: one that was removed or replaced
has no sessions any more. The service knows cookies by their digests only.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final, NamedTuple

from aiohttp import web

from panic.config import Settings
from panic.service.auth import Identity, bearer_of


@dataclass(slots=True)
class Session:
    """Somebody who gave a token to a page of ours, and last did something deliberate when they `acted`."""

    token: str
    token_digest: str
    began: float
    acted: float


class Signed(NamedTuple):
    """Somebody who asks with a cookie; `identity` is that of a bearer of the token as it is now."""

    cookie: str
    session: Session
    identity: Identity


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

    def begin(self, identity: Identity) -> Signed:
        """Create a session for a token of the settings; its cookie exists nowhere else."""
        now, token = self._now(), self._settings().tokens[identity.name]
        self._known = {digest: one for digest, one in self._known.items() if self._identity_of(one)}
        cookie, session = secrets.token_urlsafe(32), Session(identity.name, token.digest, now, now)
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

    def end(self, cookie: str) -> None:
        """Invalidate a cookie."""
        self._known.pop(digest_of(cookie), None)

    def _identity_of(self, session: Session) -> Identity | None:
        settings = self._settings()
        token = settings.tokens.get(session.token)
        is_same = token is not None and token.digest == session.token_digest
        has_expired = session.began + settings.service.session_max_s <= self._now()
        return bearer_of(session.token, token) if token and is_same and not has_expired else None

    def acts_for_s(self, session: Session) -> float:
        """Give how long it may still do more than look, seconds; 0 where it only looks."""
        limits = self._settings().service
        until = min(session.acted + limits.session_idle_s, session.began + limits.session_max_s)
        return max(until - self._now(), 0.0)

    def act(self, session: Session) -> None:
        """Count the time anew, unless it only looks by now: then it takes the token."""
        if self.acts_for_s(session):
            session.acted = self._now()
