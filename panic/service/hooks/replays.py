"""Which signed calls came before: in memory, and from the presses that an earlier process put on record.

The record never delays a breach's press for long: of the calls that were signed since this process began only the
first waits for it, and briefly. Where it cannot be read, these still press, and the answer says that a repetition
might, too. A call that was signed before may be a copy of one that an earlier process answered: it presses nothing
until that is known. Its sender signs anew what is not taken, and that presses.
"""

import asyncio
import math
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
    """What an earlier call came to.

    Attributes:
        run: Empty where it pressed nothing.
        until: Until when copies are let in.
        is_over: Whether the run is known to have finished.
        signed: The latest time at which it was signed: what was signed later is no copy, but its sender's again.
    """

    run: str
    until: float
    is_over: bool = False
    signed: float = 0.0


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
        doubt_s: float = 5.0,
    ) -> None:
        self.trouble = "the ledger was not read yet"
        self.began = now()
        self._recall, self._now, self._patience_s, self._doubt_s = recall, now, patience_s, doubt_s
        self._known: dict[Call, Earlier] = {}
        self._reading: asyncio.Future[Mapping[Call, Earlier]] | None = None

    async def ready(self, signed: float = math.inf) -> bool:
        """Wait for the record; False if a call signed then may be a copy, for all that is known."""
        if not self.trouble:
            return True
        if self._reading is None:
            self._reading = begin(self._recall, "hook-calls")
            self._reading.add_done_callback(self._read)
        if signed > self.began:
            await asyncio.wait([self._reading], timeout=self._patience_s)
            self._patience_s = 0.0
            return True
        await asyncio.wait([self._reading], timeout=self._doubt_s)
        return not self.trouble

    def find(self, call: Call) -> Earlier | None:
        """Give what the same call came to before."""
        earlier = self._known.get(call)
        return earlier if earlier is not None and earlier.until >= self._now() else None

    def repeats(self, call: Call, signed: float, is_live: Callable[[str], bool]) -> str | None:
        """Give the run that an earlier copy of a call set off, empty if it pressed nothing; None for a new call.

        A run that is neither under way nor known to have finished broke off. If then the sender signs its call
        anew, that may be all that is left of a breach, and counts as a new call; an exact copy is anybody's.
        """
        earlier = self.find(call)
        if earlier is None:
            return None
        is_done = earlier.is_over or not earlier.run or is_live(earlier.run)
        if not is_done and signed > earlier.signed:
            return None
        self._known[call] = earlier._replace(signed=max(earlier.signed, signed))
        return earlier.run

    def add(self, call: Call, run: str, tolerance_s: float, signed: float = 0.0) -> None:
        """Remember a call, from this moment on."""
        now = self._now()
        self._known = {one: earlier for one, earlier in self._known.items() if earlier.until >= now}
        self._known[call] = Earlier(run, now + KEPT_TIMES * tolerance_s, signed=signed)

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
            before = {call: one._replace(signed=self.began) for call, one in done.result().items()}
            self._known = {**before, **self._known}
