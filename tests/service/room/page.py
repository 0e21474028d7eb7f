"""A page of the control room without its looks: it reads the stream, and folds cells into boards."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

from aiohttp import ClientResponse
from aiohttp.client_exceptions import ClientError

from panic.broker.outcomes import Standing
from panic.report.document import Report
from panic.service.live import Live
from panic.service.room.letters import OF_VERDICT
from panic.service.room.mailbox import Mailbox
from tests.cli.support import until
from tests.service.house import QUICK, House, bearer


def codes(report: Report) -> dict[int | None, str]:
    """The letter of each account at the end, by the report."""
    return {one.id: str(OF_VERDICT[one.verdict]) for one in report.accounts}


def letters(board: dict[str, Any]) -> dict[int | None, str]:
    """The letter of each account, by a board."""
    pairs = zip(board["accounts"], board["codes"], strict=True)
    return {None if id_ is None else int(id_): code for (id_, _, _), code in pairs}


def held_clear(live: Live) -> set[int]:
    """The places of the accounts that the run itself takes for clear at this moment."""
    cases = enumerate(live.run.cases)
    return {
        place
        for place, one in cases
        if one.standing is Standing.CLEAR and not one.pressed_again and not one.sending
    }


def board_tasks() -> list[str]:
    """The tasks that work on boards."""
    return [name for task in asyncio.all_tasks() if (name := task.get_name()).startswith("panic-board")]


class Told(NamedTuple):
    """One event: `text` is as it came."""

    kind: str
    text: bytes

    @property
    def body(self) -> Any:
        """What it says."""
        return json.loads(self.text)


def parse(block: bytes) -> Told | None:
    """Read one block of a stream; None for a comment and for how long to wait."""
    fields = dict(line.split(b": ", 1) for line in block.splitlines() if line and not line.startswith(b":"))
    return Told(fields[b"event"].decode(), fields[b"data"]) if b"data" in fields else None


class Shown:
    """What a page shows of the run that it follows.

    Attributes:
        board: The last whole one.
        letters: Those of its accounts, as cells changed them since.
    """

    def __init__(self) -> None:
        self.board: dict[str, Any] = {}
        self.letters: list[str] = []

    def take(self, kind: str, text: bytes) -> None:
        """Take what comes, which must be of the run that is shown, and counted right."""
        body = json.loads(text)
        if kind == "board":
            if body["accounts"] is None:
                assert body["run_id"] == self.board.get("run_id"), "nobody was told who the accounts are"
                body["accounts"] = self.board["accounts"]
            self.board, self.letters = body, list(body["codes"])
            assert len(self.letters) == len(body["accounts"])
        else:
            assert body["run_id"] == self.board["run_id"], "letters came before their board"
            for code, places in body["changed"].items():
                for place in places:
                    self.letters[place] = code
        assert body["counts"] == Counter(self.letters)

    @property
    def clear(self) -> set[int]:
        """The places of the accounts that are clear."""
        return {place for place, code in enumerate(self.letters) if code == "c"}


class Spy(Mailbox):
    """A mailbox that looks at once at whatever is put into it.

    Args:
        look: Called when a board was told, or cells; gives what is wrong with it, or nothing.

    Attributes:
        wrong: All that was.
    """

    def __init__(self, look: Callable[["Spy"], object] = lambda _spy: None) -> None:
        super().__init__()
        self.shown, self.told, self.wrong, self._look = Shown(), list[Told](), list[object](), look

    def board(self, message: bytes) -> None:
        super().board(message)
        self._take(message)

    def cells(self, message: bytes) -> None:
        super().cells(message)
        self._take(message)

    def _take(self, message: bytes) -> None:
        told = parse(message)
        assert told is not None
        self.told.append(told)
        if told.kind == "stale":
            return
        try:
            self.shown.take(*told)
        except AssertionError as error:  # who tells would go on without us
            self.wrong.append(error)
        if wrong := self._look(self):
            self.wrong.append(wrong)

    @property
    def boards(self) -> list[dict[str, Any]]:
        """Every whole board so far."""
        return [one.body for one in self.told if one.kind == "board"]


class Page:
    """One page that is open.

    Attributes:
        told: All that it was told.
        shown: What it shows.
        is_over: Whether its stream has ended.
    """

    def __init__(self, response: ClientResponse) -> None:
        self.response = response
        self.told: list[Told] = []
        self.shown = Shown()
        self.is_over = False

    async def read(self) -> None:
        """Read until the stream ends."""
        try:
            with suppress(ClientError, ConnectionError):
                while block := await self.response.content.readuntil(b"\r\n\r\n"):
                    self._take(block)
        finally:
            self.is_over = True

    def _take(self, block: bytes) -> None:
        told = parse(block)
        if told is None:
            return
        self.told.append(told)
        if told.kind in {"board", "cells"}:
            self.shown.take(*told)

    @property
    def kinds(self) -> list[str]:
        """What sort of events came."""
        return [one.kind for one in self.told]

    @property
    def follows(self) -> str:
        """The run that it shows; empty for none."""
        return str(self.shown.board.get("run_id", ""))

    def latest(self, kind: str) -> Any:
        """The newest event of a sort."""
        return next(one.body for one in reversed(self.told) if one.kind == kind)

    async def has(self, *kinds: str) -> None:
        """Wait until all these came."""
        await until(lambda: set(kinds) <= set(self.kinds))

    async def hears(self, kind: str) -> Any:
        """Wait for the next event of a sort."""
        seen = len(self.told)
        await until(lambda: kind in self.kinds[seen:])
        return self.latest(kind)

    async def ends(self) -> dict[str, Any]:
        """Wait for the last board of the run that it follows."""
        await until(lambda: bool(self.shown.board) and not self.shown.board["live"])
        return self.shown.board


@asynccontextmanager
async def opened(it: House, run: str = "", *, token: str = "viewer", **headers: str) -> AsyncIterator[Page]:  # noqa: S107
    """Open a page; with a run it stays with that."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    path = f"/v1/events?run={run}" if run else "/v1/events"
    how: dict[str, Any] = {"headers": {**bearer(token), **named}, "read_bufsize": 1 << 22}
    async with it.client.get(path, **how) as response:
        assert (200, "text/event-stream") == (response.status, response.content_type)
        page = Page(response)
        reading = asyncio.create_task(page.read())
        try:
            yield page
        finally:
            response.close()
            reading.cancel()
            await asyncio.wait([reading])
        if reading.done() and not reading.cancelled() and (error := reading.exception()):
            raise error


async def pressed(it: House, **how: Any) -> str:
    """Press, and give the run."""
    run_id: str = (await it.press({**QUICK, **how})).json["run_id"]
    return run_id
