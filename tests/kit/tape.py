"""A ledger in memory for runs on virtual time: what was recorded, and a crash after so many events."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from panic.kit.process import here
from panic.ledger.backlog import Trouble
from panic.ledger.events import GENESIS, Event, Head, decode, encode, link
from panic.ledger.record import Resumed
from panic.ledger.replay import Replay
from panic.ledger.writer import Writer
from panic.report.document import Report
from panic.run.press import Prepared, Unfinished
from panic.run.run import Run


class Tape:
    """Records like a writer, at once; after `most` events it records nothing more and says that it is full."""

    def __init__(self, most: int = 1 << 30, leg: str = "tape") -> None:
        self.name, self.place, self.most = leg, "tape", most
        self.records: list[bytes] = []
        self.head: Head | None = None
        self.troubles: list[Trouble] = []
        self.full = asyncio.Event()
        self.run = ""
        self._scrub: Callable[[str], str] = str

    def leg(self, run: str = "", scrub: Callable[[str], str] = str, name: str = "") -> "Tape":
        """Be the run's own part as well."""
        self.run, self._scrub = run, scrub
        return self

    def append(self, kind: str, at: str, body: Any) -> None:
        """Record an event."""
        event = Event(self.run, kind, f"{self.name}-{len(self.records) + 1}", at, body)
        if len(self.records) < self.most:
            self.records.append(encode(event, self._scrub))
            self.head = link(self.head or GENESIS, self.records[-1])
        if len(self.records) >= self.most:
            self.full.set()

    async def conclude(self, kind: str, at: str, body: Any, within_s: float) -> Head | None:
        """Record the last one."""
        self.append(kind, at, body)
        return self.head

    async def settle(self, within_s: float) -> bool:
        """Be safe already."""
        return True

    def note(self, code: str, text: str) -> None:
        """Add a trouble."""
        self.troubles.append(Trouble(code, text))

    def events(self) -> list[Event]:
        """Give what was recorded, read back."""
        return [decode(record) for record in self.records]

    def replay(self) -> Replay:
        """Make the run again."""
        events = self.events()
        return Replay.of(events[0].run if events else "", events)

    def spliced(self, leg: str) -> "Tape":
        """Give a tape on which another process goes on after this."""
        tape = Tape(leg=leg)
        tape.records, tape.head = list(self.records), self.head
        return tape

    @property
    def writer(self) -> Writer:
        """What a run takes it for."""
        return cast("Writer", self)


async def take_up(ready: Prepared, tape: Tape, rng: random.Random) -> tuple[Report, Tape]:
    """Go on with the run that is on a tape; give its report, and the tape with the whole of it."""
    earlier = tape.replay()
    earlier.close()
    later = tape.spliced("later")
    resumed = Resumed(datetime.now(UTC), "the night shift", "0", here())
    again = replace(ready, flags=(*earlier.flags, *ready.flags), unfinished=Unfinished(earlier, resumed))
    return await Run(again, ledger=later.writer, drill=True, rng=rng).go(), later
