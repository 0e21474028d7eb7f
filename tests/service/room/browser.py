"""A browser with our page open: it keeps the cookie, says where it comes from, and repeats its session's word."""

import json
import re
import socket
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.service.house import QUICK, Answer, House


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
