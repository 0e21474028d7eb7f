"""A page of the control room without its looks, and the browser around it, which keeps the cookie."""

import asyncio
import json
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiohttp import ClientResponse
from aiohttp.client_exceptions import ClientError

from panic.broker.outcomes import Standing
from panic.report.document import Report
from panic.service.live import Live
from panic.service.room.letters import OF_VERDICT
from panic.service.room.mailbox import Mailbox, Message
from tests.cli.support import until
from tests.service.house import QUICK, Answer, House, bearer


def codes(report: Report) -> dict[int | None, str]:
    return {one.id: str(OF_VERDICT[one.verdict]) for one in report.accounts}


def letters(board: dict[str, Any], told: dict[str, Any]) -> dict[int | None, str]:
    """The letter of each account, by what was told of who they are."""
    assert (board["run_id"], board["order"]) == (told["run_id"], told["order"])
    pairs = zip(told["accounts"], board["codes"], strict=True)
    return {None if row[0] is None else int(row[0]): code for row, code in pairs}


def clear_in(board: dict[str, Any]) -> set[int]:
    """The places of the accounts that are clear by a board."""
    return {place for place, code in enumerate(board["codes"]) if code == "c"}


def held_clear(live: Live) -> set[int]:
    """The places of the accounts that the run itself takes for clear at this moment."""
    cases = enumerate(live.run.cases)
    return {
        place
        for place, one in cases
        if one.standing is Standing.CLEAR and not one.pressed_again and not one.sending
    }


class Told(NamedTuple):
    """One event: `text` is as it came."""

    kind: str
    text: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.text)


def parse(block: bytes) -> Told | None:
    """Read one block of a stream; None for a comment and for how long to wait."""
    fields = dict(line.split(b": ", 1) for line in block.splitlines() if line and not line.startswith(b":"))
    return Told(fields[b"event"].decode(), fields[b"data"]) if b"data" in fields else None


class Spy(Mailbox):
    """A mailbox that looks at once at whatever is told of a run; `wrong` is all that its `look` found."""

    def __init__(self, look: Callable[[dict[str, Any]], object] = lambda _board: None) -> None:
        super().__init__()
        self.told, self.wrong, self._look = list[Told](), list[object](), look

    def board(self, message: Message) -> None:
        super().board(message)
        told = parse(message.text)
        assert told is not None
        self.told.append(told)
        if told.kind == "board":
            board = told.body
            self.wrong += [wrong] if (wrong := self._look(board)) else []
            self.wrong += [board] if board["counts"] != Counter(board["codes"]) else []

    @property
    def boards(self) -> list[dict[str, Any]]:
        return [one.body for one in self.told if one.kind == "board"]


class Page:
    """One page that is open: all that it was `told`, and whether its stream has ended."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response
        self.told: list[Told] = []
        self.is_over = False

    async def read(self) -> None:
        try:
            with suppress(ClientError, ConnectionError):
                while block := await self.response.content.readuntil(b"\r\n\r\n"):
                    self.told += [told] if (told := parse(block)) else []
        finally:
            self.is_over = True

    @property
    def kinds(self) -> list[str]:
        return [one.kind for one in self.told]

    def latest(self, kind: str) -> Any:
        return next(one.body for one in reversed(self.told) if one.kind == kind)

    async def has(self, *kinds: str) -> None:
        await until(lambda: set(kinds) <= set(self.kinds))

    async def hears(self, kind: str) -> Any:
        seen = len(self.told)
        await until(lambda: kind in self.kinds[seen:])
        return self.latest(kind)

    async def ends(self) -> dict[str, Any]:
        await until(lambda: "board" in self.kinds and not self.latest("board")["live"])
        found: dict[str, Any] = self.latest("board")
        return found


@asynccontextmanager
async def opened(it: House, run: str = "", *, token: str = "viewer", **headers: str) -> AsyncIterator[Page]:  # noqa: S107
    """Open a page; with a run it is told of that."""
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


async def pressed(it: House, **how: Any) -> str:
    run_id: str = (await it.press({**QUICK, **how})).json["run_id"]
    return run_id


async def board_of(it: House, name: str) -> dict[str, Any]:
    return (await it.ask("GET", f"/v1/runs/{name}/board", token="viewer")).fits("Board")


async def accounts_of(it: House, name: str) -> dict[str, Any]:
    return (await it.ask("GET", f"/v1/runs/{name}/accounts", token="viewer")).fits("Accounts")


@dataclass
class Browser:
    """One browser.

    Attributes:
        cookie: As the Cookie header has it.
        session: What the service last told of the session.
    """

    it: House
    cookie: str = ""
    session: dict[str, Any] | None = None

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    @property
    def host(self) -> str:
        url = self.it.client.make_url("/")
        return f"{url.host}:{url.port}"

    async def sign_in(self, token: str = "joe", **headers: str) -> Answer:  # noqa: S107  (a name)
        answer = await self.ask("POST", "/v1/session", {"token": f"{token}-secret-token"}, **headers)
        if answer.status == 200:
            self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
            self.session = answer.json
        return answer

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask as the page does; what is named in `headers` replaces what it sends, and "" leaves it out."""
        sent = {"Sec_Fetch_Site": "same-origin"}
        if method not in {"GET", "HEAD"}:
            sent |= {"Origin": self.origin, "X_CSRF_Token": (self.session or {}).get("csrf", "")}
        sent = {name: value for name, value in {**sent, "Cookie": self.cookie, **headers}.items() if value}
        try:
            return await self.it.ask(method, path, body, token="", **sent)
        finally:
            self.it.client.session.cookie_jar.clear()

    async def press(self, **headers: str) -> Answer:
        return await self.ask("POST", "/v1/runs", dict(QUICK), **headers)


class Raw(NamedTuple):
    """What came back to bytes that no client would send."""

    status: int
    head: str
    body: bytes

    @property
    def code(self) -> str:
        """The problem's; empty for none."""
        found = json.loads(self.body) if b'"code"' in self.body else {}
        return str(found.get("code", ""))


def exchange(address: tuple[str, int], request: bytes) -> Raw:
    """Send bytes over a connection of their own, and take what comes back. Blocks."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as stream:
            status = int((stream.readline().split() or [b"", b"0"])[1])
            head = b"".join(iter(stream.readline, b"\r\n")).decode("latin-1")
            length = re.search(r"^content-length: (\d+)", head, re.IGNORECASE | re.MULTILINE)
            return Raw(status, head, stream.read(int(length[1])) if length else b"")
