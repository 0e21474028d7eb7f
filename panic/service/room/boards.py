"""The boards of all runs: of those that are here one each, whoever asks; of others what the ledger tells."""

from panic.service.api.answers import on_thread
from panic.service.live import Live
from panic.service.parts import Parts
from panic.service.room.board import recorded
from panic.service.room.live_board import LiveBoard


class Boards:
    """The boards of the runs that are here; each is made when it is first asked for."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._known: dict[str, LiveBoard] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, live: Live) -> LiveBoard:
        """Give the board of a run that is here."""
        for run in [run for run, one in self._known.items() if not one.is_watched]:
            if self._parts.desk.find(run) is None:
                del self._known[run]
        if live.run.id not in self._known:
            self._known[live.run.id] = LiveBoard(live, self._parts.threads)
        return self._known[live.run.id]

    async def text(self, found: Live | str) -> bytes:
        """Give a board once, of a run that is here or on record."""
        if not isinstance(found, str):
            return await self.of(found).text()
        ledger, scrub = self._parts.settings.ledger, self._parts.scrub
        work = lambda: scrub(recorded(ledger, found).decode()).encode()  # noqa: E731  (on a thread)
        return await on_thread(self._parts.threads, work, "board", usage="not_found")
