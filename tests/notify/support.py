"""What the tests of the notices share: real servers on loopback, channels, and a clock that is set by hand."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from panic.config import Channel, Credential, Paging
from panic.notify import Kind, Notice, Notifier
from panic.notify.channel import Patience

CANARY = "c4naryT0kenThatNobodyMaySee"
RUN = "20260302T000000Z-abc123"
QUICK = Patience(delivery_s=5.0, page_waits=(0.0, 0.0), other_waits=(), start_rest_s=0.0)


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for other threads; fail when it takes too long."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it never came about"
        time.sleep(0.002)


class Receiver(ThreadingHTTPServer):
    """A web server that keeps what is posted to it, and answers as it is told.

    Attributes:
        statuses: The answers to come; 200 when there is none left.
        got: Path and JSON body of each request.
        gate: Answers wait for it; cleared, the server hangs.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.gate = threading.Event()
        self.gate.set()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def place(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What was posted."""
        return [body for _, body in self.got]

    def handle_error(self, *_args: object) -> None:
        """Say nothing: whoever hung up did so on purpose."""

    def titles(self) -> list[str]:
        """The first lines that arrived as plain webhooks."""
        return [body["title"] for body in self.bodies]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.got.append((self.path, json.loads(data)))
        self.server.gate.wait()
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

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
            server.gate.set()
            server.shutdown()
            thread.join()


class Hands:
    """A steady clock whose hands are moved by the test."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def a_channel(folder: Path, address: str, name: str = "hook", **fields: Any) -> Channel:
    """A channel whose address is in a file."""
    file = folder / f"{name}.url"
    file.write_text(address)
    file.chmod(0o600)
    return Channel(url=Credential(file=file), **fields)


def a_notifier(channels: dict[str, Channel], repeat_s: float = 300.0, **fields: Any) -> Notifier:
    """A notifier that gives up soon."""
    return Notifier(channels, Paging(repeat_s=repeat_s), {}, **{"patience": QUICK, **fields})


def a_notice(kind: Kind = "page", title: str = "OPEN  still open", **fields: Any) -> Notice:
    """One notice of one run."""
    return Notice(**{"kind": kind, "run": RUN, "title": title, "text": "What to do.", "key": RUN, **fields})
