"""Who is signed in. Sessions live in memory: after a restart everybody signs in again.

A session stands for a token of the settings, and is as good as that token is now: one that was removed or replaced
has no sessions any more. The service knows cookies by their digests only.
"""

import hashlib
import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from aiohttp import web

from panic.config import Settings
from panic.service.auth import Identity, bearer_of

SESSIONS_MOST: Final = 200
"""Of one token; the oldest goes first. A desk's many screens may share one."""

FAILURES_MOST: Final = 10
FAILURES_S: Final = 60.0

_AHEAD_S: Final = 5.0
"""A clock may be set back a little; a time further in the future is nobody's."""


class Session(NamedTuple):
    """Somebody who gave a token to a page of ours; times are seconds since 1970.

    Attributes:
        digest: SHA-256 of the cookie, which only the browser has.
        token: The token's name.
        token_digest: The token's digest as the settings had it.
        began: When the token was given.
        acted: When somebody last did something deliberate.
    """

    digest: str
    token: str
    token_digest: str
    began: float
    acted: float


class Signed(NamedTuple):
    """Somebody who asks with a cookie."""

    cookie: str
    session: Session
    identity: Identity


SIGNED: Final = web.RequestKey("signed", Signed)
"""Of a request that was let in by its cookie, and of no other."""


def digest_of(cookie: str) -> str:
    """Give what the service knows a cookie by."""
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).hexdigest()


class Sessions:
    """Every session.

    Args:
        settings: Gives those in force.
        now: Our clock, seconds since 1970.
    """

    def __init__(self, settings: Callable[[], Settings], now: Callable[[], float] = time.time) -> None:
        self._settings, self._now = settings, now
        self._known: dict[str, Session] = {}
        self._failures: deque[float] = deque(maxlen=FAILURES_MOST)

    def __len__(self) -> int:
        return len(self._known)

    def begin(self, name: str) -> str:
        """Create a session for a token of the settings; return its cookie, which exists nowhere else."""
        now, token = self._now(), self._settings().tokens[name]
        self._known = {digest: one for digest, one in self._known.items() if not self._has_ended(one)}
        theirs = sorted((one for one in self._known.values() if one.token == name), key=lambda one: one.began)
        for one in theirs[: max(len(theirs) - SESSIONS_MOST + 1, 0)]:
            del self._known[one.digest]
        cookie = secrets.token_urlsafe(32)
        digest = digest_of(cookie)
        self._known[digest] = Session(digest, name, token.digest, now, now)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """Give what a cookie stands for now; None for nothing."""
        found = self._known.get(digest_of(cookie))
        if found is not None and self._has_ended(found):
            self.end(cookie)
            return None
        return found

    def end(self, cookie: str) -> None:
        """Invalidate a cookie."""
        self._known.pop(digest_of(cookie), None)

    def identity_of(self, session: Session) -> Identity | None:
        """Say who that is, as a bearer of the token would be now; None for nobody."""
        token = self._settings().tokens.get(session.token)
        is_same = token is not None and token.digest == session.token_digest
        return bearer_of(session.token, token) if token and is_same else None

    def acts_for_s(self, session: Session) -> float:
        """Give how long it may still do more than look, seconds; 0 where it only looks."""
        one, limits = self._known.get(session.digest, session), self._settings().service
        until = min(one.acted + limits.session_idle_s, one.began + limits.session_max_s)
        return min(max(until - self._now(), 0.0), limits.session_idle_s)

    def act(self, session: Session) -> None:
        """Count the time anew, unless it only looks by now: then it takes the token."""
        if session.digest in self._known and self.acts_for_s(session):
            now = max(self._now(), self._known[session.digest].acted)
            self._known[session.digest] = self._known[session.digest]._replace(acted=now)

    def failed(self) -> float:
        """Count an unknown token; give how long to wait after too many of them, seconds, or 0."""
        now = self._now()
        too_many = len(self._failures) == FAILURES_MOST and now - FAILURES_S < self._failures[0] <= now
        if too_many:
            return self._failures[0] + FAILURES_S - now
        self._failures.append(now)
        return 0.0

    def _has_ended(self, one: Session) -> bool:
        """Whether it has expired, has not begun, or its token has changed."""
        now, longest_s = self._now(), self._settings().service.session_max_s
        return one.began + longest_s <= now or one.acted > now + _AHEAD_S or self.identity_of(one) is None
