"""Which signed calls came before: in memory, and from the presses that an earlier process put on record.

The record never delays a breach's press for long: only the first call waits for it, and briefly. Where it cannot
be read, calls still press, and the answer says that a replay might, too.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple

from panic.config import Settings
from panic.kit.background import begin
from panic.kit.words import clip
from panic.ledger.events import decode
from panic.ledger.record import Kind
from panic.report.document import Source
from panic.service.audit import rows

KEPT_TIMES: Final = 2
"""A timestamp may be one tolerance ahead of our clock, and its call is let in until one tolerance after it."""


class Call(NamedTuple):
    """A signed call, by its id and its body's SHA-256: another body under the same id is another call."""

    hook: str
    id: str
    digest: str

    def __str__(self) -> str:
        return " ".join(self)


class Earlier(NamedTuple):
    """What an earlier call came to: its run, empty where it pressed nothing. Copies are let in `until` then."""

    run: str
    until: float
    is_over: bool = False


def recorded(settings: Settings) -> dict[Call, Earlier]:
    """Give the calls that pressed, by the ledger. Blocks.

    Raises:
        UsageError: There is no ledger.
        OSError: It cannot be read.
    """
    found = rows(settings, Kind.PRESSED, Kind.JOINED, Kind.FINISHED)
    finished = {row.run for row in found if row.kind == Kind.FINISHED}
    calls: dict[Call, Earlier] = {}
    for row in found:
        with suppress(ValueError, KeyError, TypeError):  # it is not as it was written, or no signed call of a hook
            event = decode(row.record)
            if event.body["trigger"]["source"] == Source.HOOK:
                call = Call(*event.body["key"].split(" "))
                kept_s = KEPT_TIMES * settings.hooks[call.hook].tolerance_s
                until = datetime.fromisoformat(event.at).timestamp() + kept_s
                calls[call] = Earlier(row.run, until, row.run in finished)
    return calls


class Replays:
    """Remembers signed calls, each for twice its hook's tolerance.

    `recall` gives those of an earlier process, and may hang or fail: `trouble` says why they are not known.
    """

    def __init__(
        self,
        recall: Callable[[], Mapping[Call, Earlier]],
        *,
        now: Callable[[], float] = time.time,
        patience_s: float = 0.5,
    ) -> None:
        self.trouble = "the ledger was not read yet"
        self._recall, self._now, self._patience_s = recall, now, patience_s
        self._known: dict[Call, Earlier] = {}
        self._reading: asyncio.Future[Mapping[Call, Earlier]] | None = None

    async def ready(self) -> None:
        """Wait for the record, but only once and not for long."""
        if self.trouble:
            if self._reading is None:
                self._reading = begin(self._recall, "hook-calls")
                self._reading.add_done_callback(self._read)
            await asyncio.wait([self._reading], timeout=self._patience_s)
            self._patience_s = 0.0

    def find(self, call: Call) -> Earlier | None:
        """Give what the same call came to before."""
        earlier = self._known.get(call)
        return earlier if earlier is not None and earlier.until >= self._now() else None

    def add(self, call: Call, run: str, tolerance_s: float) -> None:
        """Remember a call, from this moment on."""
        now = self._now()
        self._known = {one: earlier for one, earlier in self._known.items() if earlier.until >= now}
        self._known[call] = Earlier(run, now + KEPT_TIMES * tolerance_s)

    def finished(self, run: str) -> None:
        """Remember that a run came to its end."""
        for call, earlier in self._known.items():
            if earlier.run == run:
                self._known[call] = earlier._replace(is_over=True)

    def _read(self, done: "asyncio.Future[Mapping[Call, Earlier]]") -> None:
        self._reading = None
        if done.cancelled():
            return
        if error := done.exception():
            self.trouble = f"the ledger cannot be read: {clip(str(error) or type(error).__name__)}"
        else:
            self.trouble = ""
            self._known = {**done.result(), **self._known}
