"""How much looking one token may have under way: whoever looks must not keep anybody from pressing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from panic.service.auth import Identity
from panic.service.problems import ProblemError

EACH_MOST: Final = 8
"""Requests that one token may have under way; a browser has six at most."""

ALL_MOST: Final = 64
"""Requests that all tokens together may have under way."""

_PAUSE_S: Final = 0.2
"""How long a refusal takes: somebody who does not heed it must not keep the loop busy with refusals."""

_REMEDY: Final = "Wait for an answer before you ask again; presses and resets are never refused for this."


class Quota:
    """Counts, by token and by person, the requests that only look."""

    def __init__(self) -> None:
        self._held = Counter[tuple[str, str]]()

    @asynccontextmanager
    async def of(self, identity: Identity) -> AsyncIterator[None]:
        """Have one more of somebody's requests under way, or refuse it."""
        refused, key = "", identity.key
        if self._held[key] >= EACH_MOST:
            refused, what = "throttled", f"{identity.called} has {EACH_MOST} requests under way"
        elif self._held.total() >= ALL_MOST:
            refused, what = "busy", f"{ALL_MOST} requests are under way"
        if refused:
            await asyncio.sleep(_PAUSE_S)
            raise ProblemError(refused, what, remedy=_REMEDY, headers={"Retry-After": "1"})
        self._held[key] += 1
        try:
            yield
        finally:
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]
