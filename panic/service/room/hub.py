"""What all pages are told: how things stand, every two seconds, and the board of the run that each asked for.

The words are written once; each page has a mailbox of its own, so that none waits for another.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final

import structlog
from pydantic import TypeAdapter

from panic.kit.background import begin
from panic.service.api.answers import Threads
from panic.service.auth import Reach
from panic.service.desk import Desk
from panic.service.live import Live
from panic.service.room.assets import JSON, Asset, pack
from panic.service.room.board import recorded, recorded_account
from panic.service.room.live_board import LiveBoard
from panic.service.room.mailbox import Mailbox, event
from panic.service.room.overview import Overview
from panic.service.room.views import Room
from panic.service.standby import Standby

log = structlog.get_logger()

BEAT_S: Final = 2.0

LOOKED_AT_MOST: Final = 4

LATER_S: Final = 0.05
"""How long after the desk the pages hear of a run: its first DELETEs leave first."""

_ROOM: TypeAdapter[Room] = TypeAdapter(Room)


class Hub:
    """Tells all pages; `watching` are these, and what each follows."""

    def __init__(
        self, desk: Desk, standby: Standby, threads: Threads, reading: Threads, overview: Overview
    ) -> None:
        self._desk, self._standby, self.overview = desk, standby, overview
        self._threads, self._reading = threads, reading
        self.boards: dict[str, LiveBoard] = {}  # of runs that are here
        self._looked_at: dict[str, Asset] = {}  # the accounts of runs on record, by the latest boards
        self.watching: dict[Mailbox, LiveBoard | None] = {}
        self._pulse: asyncio.Task[None] | None = None

    def observe(self, what: str, live: Live) -> None:
        """Take what the desk tells."""
        if what == "finished":
            self.overview.disks.ledger.expire()
        if self.watching:
            asyncio.get_running_loop().call_later(LATER_S, self._heard, live)

    def _heard(self, live: Live) -> None:
        self._tell_room()
        for one in list(self.watching):
            if one.run == live.run.id:
                self._follow(one, live)

    def board_of(self, live: Live) -> LiveBoard:
        """Give the board of a run that is here; those of runs that are gone are forgotten."""
        self.boards = {run: one for run, one in self.boards.items() if one.watchers or self._desk.find(run)}
        known = self.boards.get(live.run.id)
        if known is None or known.live is not live:
            known = self.boards[live.run.id] = LiveBoard(live, self._threads)
        return known

    async def board_text(self, found: Live | str) -> bytes:
        """Give a board once, of a run that is here or on record."""
        if not isinstance(found, str):
            return await self.board_of(found).text()
        texts = await self._reading.ask(partial(recorded, self._standby.settings.ledger, found), "board")

        def work() -> tuple[bytes, Asset]:
            text, accounts = (self._standby.without_keys(one.decode()).encode() for one in texts)
            return text, pack(JSON, accounts)

        text, accounts = await begin(work, "scrub")
        self._looked_at = {**dict([*self._looked_at.items()][1 - LOOKED_AT_MOST :]), found: accounts}
        return text

    async def accounts(self, found: Live | str) -> Asset:
        """Say who the accounts of a run are; of one on record as its board told when it was last looked at."""
        if not isinstance(found, str):
            return await self.board_of(found).accounts()
        if found not in self._looked_at:
            await self.board_text(found)
        return self._looked_at[found]

    async def account(self, found: Live | str, id_: int) -> bytes | None:
        """Report on one account of a run, as it stands now; None if it is not of this run."""
        if not isinstance(found, str):
            return self.board_of(found).account(id_)
        work = partial(recorded_account, self._standby.settings.ledger, found, id_)
        text = await self._reading.ask(work, "account")
        return None if text is None else self._standby.without_keys(text.decode()).encode()

    @contextmanager
    def joined(self, run: str = "", board: bytes = b"", reach: Reach | None = None) -> Iterator[Mailbox]:
        """Tell a page, and of a run if it asks for one; `board` is of one that is not here, and may be resumed."""
        one = Mailbox(run, reach)
        self.watching[one] = None
        if self._pulse is None:
            self._pulse = asyncio.create_task(self._beat(), name="panic-room")
        try:
            one.room(event("room", self._room(reach)))
            if live := self._desk.find(run):
                self._follow(one, live)
            elif board:
                one.board(event("board", board))
            yield one
        finally:
            if followed := self.watching.pop(one):
                followed.leave(one)
            if not self.watching and self._pulse is not None:
                self._pulse.cancel()
                self._pulse = None

    def _follow(self, one: Mailbox, live: Live) -> None:
        before, now = self.watching[one], self.board_of(live)
        if before is now:
            return
        if before is not None:
            before.leave(one)
        self.watching[one] = now
        now.join(one)

    async def room(self, reach: Reach | None = None) -> bytes:
        """Say how things stand, to somebody who asks once."""
        await self.overview.disks.known()
        return self._room(reach)

    async def _beat(self) -> None:
        while True:
            await self.overview.disks.known()
            try:
                self._tell_room()
            except Exception:
                log.exception("room_failed")
            await asyncio.sleep(BEAT_S)

    def _tell_room(self) -> None:
        reaches = {one.reach for one in self.watching}
        messages = {reach: event("room", self._room(reach)) for reach in reaches}
        for one in self.watching:
            one.room(messages[one.reach])

    def _room(self, reach: Reach | None) -> bytes:
        room = replace(self.overview.view(reach), watching=len(self.watching))
        return self._standby.without_keys(_ROOM.dump_json(room).decode()).encode()
