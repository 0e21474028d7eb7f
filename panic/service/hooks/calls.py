"""A call of a hook: what it proves and says, what is done about it, and how much of a flood goes on record."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from panic.accounts.plan import scope_of
from panic.config import Hook
from panic.report.document import Source
from panic.run.press import Press
from panic.service.hooks.bodies import Understood
from panic.service.hooks.decisions import Decision, Earlier, decide
from panic.service.hooks.signatures import Kind, Verified

FLOOD: int = 60
"""Calls a minute that prove nothing, and as many that are copies or refused, are put on record all the same."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a hook that there is, from somebody who knows its secret."""

    name: str
    hook: Hook
    verified: Verified
    said: Understood
    body: bytes
    remote: str

    @property
    def has_id(self) -> bool:
        """Whether copies of it can be told from new ones."""
        return bool(self.verified.id) and self.verified.kind is Kind.AUTHENTIC

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of its body."""
        return hashlib.sha256(self.body).hexdigest()

    def decision(self, earlier: Earlier | None, *, is_live: bool) -> Decision:
        """Say what is done about it."""
        return decide(
            self.name,
            self.verified,
            self.said,
            on_odd=self.hook.on_odd,
            earlier=earlier,
            digest=self.digest,
            is_live=is_live,
        )

    def press(self, reason: str) -> Press:
        """Give what its hook presses."""
        hook = self.hook
        return Press(
            scope_of(hook),
            reason,
            by=f"hook {self.name}",
            source=Source.HOOK,
            watch_s=hook.watch_s,
            deadline_s=hook.deadline_s,
            latch=hook.latch,
        )

    def facts(self) -> dict[str, object]:
        """Say what goes on record of it."""
        return {
            "wrong": self.verified.wrong,
            "meaning": self.said.meaning,
            "text": self.said.text,
            "id": self.verified.id,
            "timestamp": self.verified.timestamp,
            "digest": self.digest,
        }


def headers_of(request: web.Request) -> dict[str, list[str]]:
    """Give the values of each header by its name in lower case, as they came."""
    found: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        found.setdefault(name.lower(), []).append(value)
    return found


class Sparse:
    """Lets so many a minute onto the record, and counts the others: a flood from outside must not fill a disk."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._minute = -1.0
        self._taken = self._left_out = 0

    def take(self) -> int | None:
        """Give how many were left out since the last one that was not; None if this one is left out, too."""
        minute = self._monotonic() // 60
        if minute != self._minute:
            self._minute, self._taken = minute, 0
        if self._taken >= FLOOD:
            self._left_out += 1
            return None
        self._taken += 1
        left_out, self._left_out = self._left_out, 0
        return left_out
