"""What the tests of the notices share: a real server on loopback, channels and notices."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from panic.config import Channel, Credential
from panic.service.notify import Notice
from tests.cli.inside import beside
from tests.service.support import listening

CANARY = "c4naryT0kenThatNobodyMaySee"
RUN = "20260302T000000Z-abc123"


@dataclass
class Receiver:
    """A web server that keeps path and JSON body of what is posted to it, and answers as it is told."""

    place: str = ""
    status: int = 200
    answer: bytes = b"ok"
    got: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((request.path, await request.json()))
        elsewhere = {"Location": "/elsewhere"} if self.status == 302 else {}
        return web.Response(body=self.answer, status=self.status, headers=elsewhere)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What was posted."""
        return [body for _, body in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A server for as long as the block lasts."""
    receiver = Receiver()
    with beside(listening(receiver.take)) as url:
        receiver.place = url.removeprefix("http://").rstrip("/")
        yield receiver


def a_channel(folder: Path, address: str) -> Channel:
    """A channel whose address is in a file."""
    file = folder / "hook.url"
    file.write_text(address)
    file.chmod(0o600)
    return Channel(url=Credential(file=file))


def a_notice(kind: Any = "page", title: str = "OPEN  still open", **fields: Any) -> Notice:
    """One notice of one run."""
    return Notice(**{"kind": kind, "run": RUN, "title": title, "text": "What to do.", "key": RUN, **fields})
