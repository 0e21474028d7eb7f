"""Who is signed in: sessions in memory, and a copy of them on disk that outlives the process.

A session stands for a token of the settings, and is as good as that token is now: one that was removed or replaced
has no sessions any more. The service knows cookies by their digests only. No request waits for the disk, but one
whose cookie is not known while the file is still being read, and one that ends a session; both not for long.
"""

import asyncio
import hashlib
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from panic.background import begin
from panic.config import Service, Settings, Token
from panic.service.auth import Identity
from panic.service.room import kept
from panic.service.room.kept import Session
from panic.words import clip

log = structlog.get_logger()

SESSIONS_MOST: Final = 200
"""Of one token; the oldest goes first. A desk's many screens may share one."""

FAILURES_MOST: Final = 10
FAILURES_S: Final = 60.0

_AHEAD_S: Final = 5.0
"""A clock may be set back a little; a time further in the future is nobody's."""

_LATER_S: Final = 2.0
"""What somebody did is kept a moment later: a press has the disk for itself."""

_PATIENCE_S: Final = 0.5


def digest_of(cookie: str) -> str:
    """Give what the service knows a cookie by."""
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).hexdigest()


def identity_of(session: Session, tokens: Mapping[str, Token]) -> Identity | None:
    """Say who that is by these settings, as a bearer of the token would be; None for nobody."""
    token = tokens.get(session.token)
    if token is None or token.digest != session.token_digest:
        return None
    groups = None if token.groups is None else frozenset(token.groups)
    return Identity(session.token, frozenset({*token.roles, "viewer"}), groups, token.person)


def is_over(session: Session, limits: Service, now: float) -> bool:
    """Whether its time is over, or has not come."""
    return session.began + limits.session_max_s <= now or session.acted > now + _AHEAD_S


def acts_for_s(session: Session, limits: Service, now: float) -> float:
    """Give how long it may still do more than look, seconds; 0 where it only looks."""
    until = min(session.acted + limits.session_idle_s, session.began + limits.session_max_s)
    return min(max(until - now, 0.0), limits.session_idle_s)


class Sessions:
    """Every session. Use it inside one loop.

    Attributes:
        wrong: What is wrong with the file, in the middle of a sentence; empty if nothing is.
    """

    def __init__(
        self,
        file: Path | None,
        settings: Callable[[], Settings],
        *,
        now: Callable[[], float] = time.time,
        patience_s: float = _PATIENCE_S,
        later_s: float = _LATER_S,
    ) -> None:
        """Touch nothing yet.

        Args:
            file: Where a copy is kept; None for memory only.
            settings: Gives those in force.
            now: Our clock, seconds since 1970.
            patience_s: So long a request waits for the file, seconds.
            later_s: So much later what somebody did is kept, seconds.
        """
        self.wrong = ""
        self._file, self._settings, self._now = file, settings, now
        self._patience_s, self._later_s = patience_s, later_s
        self._known: dict[str, Session] = {}
        self._is_loaded, self._ended = file is None, set[str]()
        self._changes = self._kept = 0
        self._working: asyncio.Future[list[Session]] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._failures: deque[float] = deque(maxlen=FAILURES_MOST)

    def __len__(self) -> int:
        return len(self._known)

    # ── beginning, finding, ending ──────────────────────────────────────────────────────────────────────

    def begin(self, name: str) -> str:
        """Let a token of the settings have a session; give the cookie, which nobody can be given again."""
        now, token = self._now(), self._settings().tokens[name]
        for one in [one for one in self._known.values() if self._is_no_more(one)]:
            del self._known[one.digest]
        theirs = [one for one in self._known.values() if one.token == name]
        for one in sorted(theirs, key=lambda one: one.began)[: max(len(theirs) - SESSIONS_MOST + 1, 0)]:
            del self._known[one.digest]
        cookie = secrets.token_urlsafe(32)
        digest = digest_of(cookie)
        self._known[digest] = Session(digest, name, token.digest, now, now)
        self._changed()
        return cookie

    async def find(self, cookie: str) -> Session | None:
        """Give what a cookie stands for now; None for nothing."""
        digest = digest_of(cookie)
        if digest not in self._known:
            await self._read()
        found = self._known.get(digest)
        if found is not None and self._is_no_more(found):
            self.end(cookie)
            return None
        return found

    def end(self, cookie: str) -> None:
        """Let a cookie stand for nothing."""
        digest = digest_of(cookie)
        if not self._is_loaded:
            self._ended.add(digest)
        if self._known.pop(digest, None) is not None or not self._is_loaded:
            self._changed()

    def _is_no_more(self, session: Session) -> bool:
        settings = self._settings()
        return is_over(session, settings.service, self._now()) or identity_of(session, settings.tokens) is None

    # ── how long it acts ────────────────────────────────────────────────────────────────────────────────

    def acts_for_s(self, session: Session) -> float:
        """Give how long it may still do more than look, seconds."""
        return acts_for_s(self._known.get(session.digest, session), self._settings().service, self._now())

    def act(self, session: Session) -> None:
        """Count the time anew, unless it only looks by now: then it takes the token."""
        if session.digest in self._known and self.acts_for_s(session):
            now = max(self._now(), self._known[session.digest].acted)
            self._known[session.digest] = self._known[session.digest]._replace(acted=now)
            self._changed(self._later_s)

    def failed(self) -> float:
        """Count a token that was nobody's; give how long to wait after too many of them, seconds, or 0."""
        now = self._now()
        too_many = len(self._failures) == FAILURES_MOST and now - FAILURES_S < self._failures[0] <= now
        if too_many:
            return self._failures[0] + FAILURES_S - now
        self._failures.append(now)
        return 0.0

    # ── the copy on disk ────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin to read the file, aside."""
        if not self._is_loaded and self._working is None:
            self._work()

    async def kept(self) -> bool:
        """Wait until the file is as memory is, but not for long; tell whether it is."""
        if self._file is None:
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                while self._kept != self._changes:
                    await asyncio.wait([self._working or self._work()])
                    if self.wrong:
                        break
        return self._kept == self._changes

    async def close(self) -> None:
        """Keep what is not kept yet, but not for long."""
        if self._timer is not None:
            self._timer.cancel()
        await self.kept()

    async def _read(self) -> None:
        if self._is_loaded or self.wrong:
            return
        self.start()
        if self._working is not None:
            done, _ = await asyncio.wait([self._working], timeout=self._patience_s)
            if not done:
                self._tell(f"{self._file} does not answer within {self._patience_s:g} s")

    def _changed(self, later_s: float = 0.0) -> None:
        self._changes += 1
        if self._file is None or self._working is not None:
            return
        if later_s and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(later_s, self._work_if_idle)
        elif not later_s:
            self._work()

    def _work_if_idle(self) -> None:
        self._timer = None
        if self._working is None:
            self._work()

    def _work(self) -> asyncio.Future[list[Session]]:
        """Read the file, or write it: one thread at a time does what is next."""
        file, was_loaded, changes = self._file, self._is_loaded, self._changes
        assert file is not None  # noqa: S101  (who has no file never comes here)
        sessions = list(self._known.values())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._working = begin(lambda: _written(file, sessions) if was_loaded else kept.load(file), "room-sessions")
        self._working.add_done_callback(lambda done: self._worked(done, changes, was_loaded=was_loaded))
        return self._working

    def _worked(self, done: asyncio.Future[list[Session]], changes: int, *, was_loaded: bool) -> None:
        self._working = None
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or error is not None:
            self._tell(f"{self._file} cannot be used: {clip(str(error) or type(error).__name__)}")
            return
        self.wrong = ""
        if was_loaded:
            self._kept = changes
        else:
            self._is_loaded = True
            for one in done.result():
                if one.digest not in self._ended and not is_over(one, self._settings().service, self._now()):
                    self._known.setdefault(one.digest, one)
            self._ended.clear()
        if self._kept != self._changes and not asyncio.get_running_loop().is_closed():
            self._work()

    def _tell(self, wrong: str) -> None:
        if not self.wrong and structlog.is_configured():
            log.error(
                "sessions_not_kept", why=wrong, what="whoever is signed in has to sign in again after a restart"
            )
        self.wrong = wrong


def _written(file: Path, sessions: list[Session]) -> list[Session]:
    kept.write(file, sessions)
    return []
