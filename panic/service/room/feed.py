"""What one page is sent: how things stand, a heartbeat, and the board of the run that it follows.

All pages are told the same words, which are written once; each has a mailbox of its own, so that none waits for
another. While nobody watches there is nothing of this but the hub itself.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import Final

import structlog
from aiohttp import web
from pydantic import TypeAdapter

from panic.schedule.sessions import Calendar
from panic.service import stream
from panic.service.api.models import RoomQuery, read_query
from panic.service.desk import SCHEDULE, Live
from panic.service.parts import Parts
from panic.service.room.boards import Boards, Watched
from panic.service.room.mailbox import Mailbox, event
from panic.service.room.signing import is_signed_in
from panic.service.room.state import Situation, without_times
from panic.service.room.views import Room

log = structlog.get_logger()

BEAT_S: Final = 2.0
ROOM_S: Final = 10.0
"""How things stand is told so often at least."""

LOOK_S: Final = 0.5
"""How often is looked whether something changed."""

LATER_S: Final = 0.05
"""So long after the desk told of a run the pages are: its first DELETEs leave before."""

_ROOM: TypeAdapter[Room] = TypeAdapter(Room)


class Hub:
    """Tells all pages.

    Args:
        parts: What the service is made of.
        calendar: The exchange's days, as far as they are known now.
    """

    def __init__(self, parts: Parts, calendar: Callable[[], Calendar]) -> None:
        self._parts = parts
        self.situation = Situation(parts, calendar)
        self.boards = Boards(parts)
        self._watching: dict[Mailbox, Watched | None] = {}
        self._pulse: asyncio.Task[None] | None = None
        self._told: Room | None = None
        self._message = b""
        self._told_at = float("-inf")

    def observe(self, what: str, live: Live) -> None:
        """Take what the desk tells."""
        self.situation.observe(what, live)
        if self._watching and what in {"started", "joined", "finished"}:
            asyncio.get_running_loop().call_later(LATER_S, self._heard, what, live)

    def _heard(self, what: str, live: Live) -> None:
        self._tell_room()
        if what == "finished" or live.is_over:
            return
        for one, watched in list(self._watching.items()):
            wants = one.run == live.run.id if one.run else self._is_followed(live)
            if wants and watched is not self.boards.of(live):
                self._follow(one, live)

    def _is_followed(self, live: Live) -> bool:
        """Whether the pages turn to a run: a scheduled one takes them from nobody's run that is under way."""
        return not _is_scheduled(live) or not any(not _is_scheduled(one) for one in self._under_way)

    @property
    def _under_way(self) -> list[Live]:
        return [live for live in self._parts.desk.live.values() if not live.is_over]

    @property
    def _latest(self) -> Live | None:
        """The run that a new page follows."""
        under_way = self._under_way
        return next((live for live in reversed(under_way) if not _is_scheduled(live)), None) or next(
            reversed(under_way), None
        )

    # ── pages ───────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def watching(self, run: str = "", board: bytes = b"") -> Iterator[Mailbox]:
        """Tell a page, until it goes.

        Args:
            run: The run to stay with, and to wait for if it is not here: it may be taken up. Empty for whichever
                is under way.
            board: What is known of it where it is not here.
        """
        one = Mailbox(run)
        self._watching[one] = None
        try:
            if self._pulse is None:
                self._pulse = asyncio.create_task(self._beat(), name="panic-room")
            self._tell_room()
            one.room(self._message)
            live = self._parts.desk.find(run) if run else self._latest
            if live is not None:
                self._follow(one, live)
            elif board:
                one.board(event("board", board))
            yield one
        finally:
            self._follow(one, None)
            del self._watching[one]
            if not self._watching and self._pulse is not None:
                self._pulse.cancel()
                self._pulse = None

    def _follow(self, one: Mailbox, live: Live | None) -> None:
        before, now = self._watching[one], None if live is None else self.boards.of(live)
        if before is not None:
            before.leave(one)
        one.forget_board()
        self._watching[one] = now
        if now is not None:
            now.join(one)

    # ── the room ────────────────────────────────────────────────────────────────────────────────────────

    async def room(self) -> bytes:
        """Say how things stand, to somebody who asks once."""
        await self.situation.known()
        return self._parts.scrub(_ROOM.dump_json(self.situation.view(), indent=2).decode()).encode()

    async def _beat(self) -> None:
        beaten_at = float("-inf")
        while True:
            try:
                self.situation.refresh()
                self._tell_room()
            except Exception:
                log.exception("room_failed")
            if monotonic() - beaten_at >= BEAT_S:
                beaten_at = monotonic()
                message = event("beat", b'{"now":"%s"}' % datetime.now(UTC).isoformat().encode())
                for one in self._watching:
                    one.beat(message)
            await asyncio.sleep(LOOK_S)

    def _tell_room(self) -> None:
        """Tell all pages, if there is news or it was long ago."""
        before, message = self._message, self._room_message()
        if message is not before:
            for one in self._watching:
                one.room(message)

    def _room_message(self) -> bytes:
        view = self.situation.view()
        bare = without_times(view)
        if bare != self._told or monotonic() - self._told_at >= ROOM_S:
            text = self._parts.scrub(_ROOM.dump_json(view).decode())
            self._told, self._told_at, self._message = bare, monotonic(), event("room", text.encode())
        return self._message


def _is_scheduled(live: Live) -> bool:
    return live.run.prepared.press.source == SCHEDULE


async def follow(parts: Parts, request: web.Request) -> web.StreamResponse:
    """Send a page what it is told until it goes, or until its session does."""
    hub, name = parts.hub, read_query(RoomQuery, request).run
    found = await parts.lookup.find(name) if name else None
    is_past = isinstance(found, str)
    run = found if isinstance(found, str) else found.run.id if found else ""
    board = await hub.boards.text(run) if is_past else b""
    async with stream.reading(request, parts) as response:
        with hub.watching(run, board) as mailbox:
            while response.is_connected():
                await mailbox.filled.wait()  # it beats, so this is never long
                if not is_signed_in(parts, request):
                    break
                await _send(request, response, mailbox.take())
    return response


async def _send(request: web.Request, response: web.StreamResponse, words: bytes) -> None:
    """Send what there is at once; whoever takes nothing is dropped."""
    try:
        async with asyncio.timeout(stream.STALLED_S):
            await response.write(words)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise


__all__ = ["Hub", "follow"]
