"""What the tests of the notices share: a real server on loopback, channels and notices."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from panic.config import Channel, Credential
from panic.service.notify import Notice

CANARY = "c4naryT0kenThatNobodyMaySee"
RUN = "20260302T000000Z-abc123"


class Receiver(ThreadingHTTPServer):
    """A web server that keeps what is posted to it, and answers as it is told.

    Attributes:
        status, answer: What it answers.
        got: Path and JSON body of each request.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        self.status, self.answer = 200, b"ok"
        self.got: list[tuple[str, dict[str, Any]]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def place(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What was posted."""
        return [body for _, body in self.got]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.got.append((self.path, json.loads(data)))
        self.send_response(self.server.status)
        if self.server.status == HTTPStatus.FOUND:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A server for as long as the block lasts."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def a_channel(folder: Path, address: str) -> Channel:
    """A channel whose address is in a file."""
    file = folder / "hook.url"
    file.write_text(address)
    file.chmod(0o600)
    return Channel(url=Credential(file=file))


def a_notice(kind: Any = "page", title: str = "OPEN  still open", **fields: Any) -> Notice:
    """One notice of one run."""
    return Notice(**{"kind": kind, "run": RUN, "title": title, "text": "What to do.", "key": RUN, **fields})
