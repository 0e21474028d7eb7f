"""Which signed calls were taken before: in memory, and from the presses that an earlier process put on record.

The record never delays a breach's press for long: only the first call waits for it, and briefly. Where it cannot
be read, calls still press, and the answer says that a replay might, too.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from panic.config import Settings
from panic.kit.background import begin
from panic.kit.words import clip
from panic.ledger import history
from panic.ledger.events import decode
from panic.ledger.record import Kind
from panic.report.document import Source
from panic.service.hooks.decisions import Earlier

KEPT_TIMES: Final = 2
"""A timestamp may be one tolerance ahead of our clock, and its call is let in until one tolerance after it."""


class Call(NamedTuple):
    """A call that was taken, and until when a copy of it would be let in, seconds since 1970."""

    hook: str
    id: str
    earlier: Earlier
    until: float


def key_of(hook: str, id_: str, earlier: Earlier) -> str:
    """Give the key that a press carries onto the record: what its copies are known by."""
    return f"{hook} {id_} {earlier.timestamp} {earlier.digest}"


def hook_calls(settings: Settings) -> list[Call]:
    """Give the calls that pressed, and whose copies might still be let in. Reads the ledger.

    Raises:
        UsageError: There is no ledger.
        OSError: It cannot be read.
    """
    volume = history.read(settings.ledger, kinds=(Kind.PRESSED, Kind.JOINED, Kind.FINISHED))
    if volume.damage and not volume.rows:
        raise OSError(volume.damage)
    finished = {row.run for row in volume.rows if row.kind == Kind.FINISHED}
    found, now = [], time.time()
    for row in volume.rows:
        with suppress(ValueError, KeyError, TypeError):  # it is not as it was written, or no signed call of a hook
            event = decode(row.record)
            if event.body["trigger"]["source"] == Source.HOOK:
                name, id_, timestamp, digest = event.body["key"].rsplit(" ", 3)
                earlier = Earlier(digest, int(timestamp), row.run, is_over=row.run in finished)
                until = (
                    datetime.fromisoformat(event.at).timestamp() + KEPT_TIMES * settings.hooks[name].tolerance_s
                )
                found.append(Call(name, id_, earlier, until))
    return [call for call in found if call.until >= now]


class Taken:
    """Remembers the calls that were taken, each for twice its hook's tolerance.

    Args:
        recall: Gives the calls that an earlier process took; blocks, and may hang or fail.
        patience_s: How long the first call waits for it.

    Attributes:
        wrong: Why what an earlier process took is not known, in the middle of a sentence; empty if it is.
    """

    def __init__(
        self,
        recall: Callable[[], Iterable[Call]],
        *,
        now: Callable[[], float] = time.time,
        patience_s: float = 0.5,
    ) -> None:
        self.wrong = "the ledger was not read yet"
        self._recall, self._now, self._patience_s = recall, now, patience_s
        self._known: dict[tuple[str, str], Call] = {}
        self._reading: asyncio.Future[Iterable[Call]] | None = None

    async def ready(self) -> bool:
        """Wait for the record, but only once and not for long; tell whether it was read."""
        if self.wrong:
            if self._reading is None:
                self._reading = begin(self._recall, "hook-calls")
                self._reading.add_done_callback(self._read)
            await asyncio.wait([self._reading], timeout=self._patience_s)
            self._patience_s = 0.0
        return not self.wrong

    def find(self, hook: str, id_: str) -> Earlier | None:
        """Give the call of this id that was taken before."""
        known = self._known.get((hook, id_))
        return known.earlier if known is not None and known.until >= self._now() else None

    def take(self, hook: str, id_: str, earlier: Earlier, tolerance_s: float) -> None:
        """Remember a call, from this moment on."""
        now = self._now()
        self._known = {place: call for place, call in self._known.items() if call.until >= now}
        self._known[hook, id_] = Call(hook, id_, earlier, now + KEPT_TIMES * tolerance_s)

    def finished(self, run: str) -> None:
        """Remember that a run came to its end: an exact copy of its call is a replay from now on."""
        for place, call in self._known.items():
            if call.earlier.run == run:
                self._known[place] = call._replace(earlier=replace(call.earlier, is_over=True))

    def _read(self, done: "asyncio.Future[Iterable[Call]]") -> None:
        self._reading = None
        if done.cancelled():
            return
        if error := done.exception():
            self.wrong = f"the ledger cannot be read: {clip(str(error) or type(error).__name__)}"
        else:
            self.wrong = ""
            self._known = {(call.hook, call.id): call for call in done.result()} | self._known
