"""What all pages are told: how things stand, a heartbeat, and to each the board of the run that it follows.

The words are written once; each page has a mailbox of its own, so that none waits for another. While nobody
watches there is nothing of this but the hub itself.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import Final

import structlog
from pydantic import TypeAdapter

from panic.kit.background import Aside
from panic.report.document import Source
from panic.service.api.answers import on_thread
from panic.service.desk import Desk
from panic.service.live import Live
from panic.service.room.board import recorded
from panic.service.room.live_board import LiveBoard
from panic.service.room.mailbox import Mailbox, event
from panic.service.room.overview import Overview, without_times
from panic.service.room.views import Room
from panic.service.standby import Standby

log = structlog.get_logger()

BEAT_S: Final = 2.0
ROOM_S: Final = 10.0
"""The longest time between two events about the current state."""

LOOK_S: Final = 0.5
"""How often is looked whether something changed."""

LATER_S: Final = 0.05
"""How long after the desk the pages hear of a run: its first DELETEs leave first."""

_ROOM: TypeAdapter[Room] = TypeAdapter(Room)


class Hub:
    """Tells all pages.

    Attributes:
        boards: Those of runs that are here; each is made when it is first asked for.
        watching: Each page, and what it follows.
    """

    def __init__(self, desk: Desk, standby: Standby, threads: Aside, overview: Overview) -> None:
        self._desk, self._standby, self._threads, self.overview = desk, standby, threads, overview
        self.boards: dict[str, LiveBoard] = {}
        self.watching: dict[Mailbox, LiveBoard | None] = {}
        self._pulse: asyncio.Task[None] | None = None
        self._told: Room | None = None
        self._message = b""
        self._told_at = float("-inf")

    # ── runs ────────────────────────────────────────────────────────────────────────────────────────────

    def observe(self, what: str, live: Live) -> None:
        """Take what the desk tells."""
        if what == "finished":
            self.overview.disks.expire()
        if self.watching and what in {"started", "joined", "finished"}:
            asyncio.get_running_loop().call_later(LATER_S, self._heard, what, live)

    def _heard(self, what: str, live: Live) -> None:
        self._tell_room()
        if what == "finished" or live.is_over:
            return
        for one, board in list(self.watching.items()):
            wants = one.run == live.run.id if one.run else self._is_followed(live)
            if wants and board is not self.board_of(live):
                self._follow(one, live)

    def _is_followed(self, live: Live) -> bool:
        """Whether the pages turn to a run: a scheduled one takes them from nobody's run that is under way."""
        return not _is_scheduled(live) or all(map(_is_scheduled, self._under_way))

    @property
    def _under_way(self) -> list[Live]:
        """The runs under way, the latest last, scheduled ones before all others."""
        return sorted((live for live in self._desk.live.values() if not live.is_over), key=_is_persons)

    def board_of(self, live: Live) -> LiveBoard:
        """Give the board of a run that is here; those of runs that are gone are forgotten."""
        self.boards = {run: one for run, one in self.boards.items() if one.watchers or self._desk.find(run)}
        if live.run.id not in self.boards:
            self.boards[live.run.id] = LiveBoard(live, self._threads)
        return self.boards[live.run.id]

    async def board_text(self, found: Live | str) -> bytes:
        """Give a board once, of a run that is here or on record."""
        if not isinstance(found, str):
            return await self.board_of(found).text()
        ledger, scrub = self._standby.settings.ledger, self._standby.scrub
        work = lambda: scrub(recorded(ledger, found).decode()).encode()  # noqa: E731  (on a thread)
        return await on_thread(self._threads, work, "board", usage="not_found")

    # ── pages ───────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def joined(self, run: str = "", board: bytes = b"") -> Iterator[Mailbox]:
        """Tell a page, until it goes.

        Args:
            run: The run to stay with, and to wait for if it is not here: it may be resumed. Empty for whichever
                is under way.
            board: What is known of it where it is not here.
        """
        one = Mailbox(run)
        self.watching[one] = None
        try:
            if self._pulse is None:
                self._pulse = asyncio.create_task(self._beat(), name="panic-room")
            self._tell_room()
            one.room(self._message)
            live = self._desk.find(run) if run else next(reversed(self._under_way), None)
            if live is not None:
                self._follow(one, live)
            elif board:
                one.board(event("board", board))
            yield one
        finally:
            self._follow(one, None)
            del self.watching[one]
            if not self.watching and self._pulse is not None:
                self._pulse.cancel()
                self._pulse = None

    def _follow(self, one: Mailbox, live: Live | None) -> None:
        before, now = self.watching[one], None if live is None else self.board_of(live)
        if before is not None:
            before.leave(one)
        one.forget_board()
        self.watching[one] = now
        if now is not None:
            now.join(one)

    # ── how things stand ────────────────────────────────────────────────────────────────────────────────

    async def room(self) -> bytes:
        """Say how things stand, to somebody who asks once."""
        await self.overview.disks.known()
        return self._standby.scrub(_ROOM.dump_json(self.overview.view(), indent=2).decode()).encode()

    async def _beat(self) -> None:
        beaten_at = float("-inf")
        while True:
            try:
                self.overview.disks.refresh()
                self._tell_room()
            except Exception:
                log.exception("room_failed")
            if monotonic() - beaten_at >= BEAT_S:
                beaten_at = monotonic()
                message = event("beat", b'{"now":"%s"}' % datetime.now(UTC).isoformat().encode())
                for one in self.watching:
                    one.beat(message)
            await asyncio.sleep(LOOK_S)

    def _tell_room(self) -> None:
        """Tell all pages, if there is news or it was long ago."""
        view = self.overview.view()
        bare = without_times(view)
        if bare != self._told or monotonic() - self._told_at >= ROOM_S:
            text = self._standby.scrub(_ROOM.dump_json(view).decode())
            self._told, self._told_at, self._message = bare, monotonic(), event("room", text.encode())
            for one in self.watching:
                one.room(self._message)


def _is_scheduled(live: Live) -> bool:
    return live.run.prepared.press.source == Source.SCHEDULE


def _is_persons(live: Live) -> bool:
    return not _is_scheduled(live)
