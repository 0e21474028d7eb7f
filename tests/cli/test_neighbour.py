"""A service on this machine that keeps another ledger or latch than the command beside it is told of."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from panic import latch
from panic.cli import neighbour
from panic.config import load
from panic.config.own_files import fingerprints
from tests.cli.support import PRESS, Firm, account, closed_port, panic, simulate
from tests.service.support import firm, serving

ELSEWHERE = ("LEDGER_FILE", "LATCH_FILE")
REMEDY = "Compare panic config show here and as the service's user, and name one [state] folder."


def firm_at(folder: Path, base_url: str, port: int, more: str = "") -> Firm:
    """A firm whose settings say where its service listens."""
    return Firm(folder, base_url, [1], more=f"[service]\nport = {port}\n{more}")


def elsewhere(folder: Path) -> dict[str, str]:
    """The environment of a service that keeps its files in a folder of its own."""
    return {f"PANIC_{name}": str(folder / "of-the-service" / name.lower()) for name in ELSEWHERE}


async def test_a_service_with_other_files_is_told_of(tmp_path: Path):
    """`check` is 10 then, and a press that engages says in its last line that strategies there go on."""
    async with simulate(account(1)) as simulator:
        one = firm(tmp_path, simulator, [1], ledger="")
        one.settings.write_text(one.settings.read_text().replace("port = 0", f"port = {closed_port()}"))
        latch.create(tmp_path / "panic.latch")
        async with serving(one, env=elsewhere(tmp_path)) as service:
            other = await panic(*one.lines("check"), cwd=tmp_path)
            engaging = await panic(*one.lines(*PRESS, "--latch"), cwd=tmp_path)
            plain = await panic(*one.lines(*PRESS), cwd=tmp_path)
        gone = await panic(*one.lines("check"), cwd=tmp_path)

    warnings = json.loads(other.out)["warnings"]
    assert [10, 0, 0] == [done.code for done in (other, engaging, plain)], other.out
    assert warnings[-1].startswith(f"the service at {service.url} uses another ledger and another latch")
    assert warnings[-1].endswith(f" than this command. {REMEDY}")
    line = f"panic: THE SERVICE AT {service.url} USES ANOTHER LATCH, which this press did not engage"
    assert line == engaging.last_line
    assert "ANOTHER LATCH" not in plain.err
    assert "the service at" not in gone.out


class Listener:
    """Answers whoever connects with the same bytes, or never."""

    def __init__(self, answer: bytes | None, context: ssl.SSLContext | None = None) -> None:
        self.answer, self._context = answer, context
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with ExitStack() as held:
            line = held.enter_context(self._server.accept()[0])
            if self._context is not None:
                line = held.enter_context(self._context.wrap_socket(line, server_side=True))
            line.recv(1 << 16)
            if self.answer is not None:
                line.sendall(self.answer)
            else:
                line.recv(1)  # until the other end gives up

    def close(self) -> None:
        self._thread.join()
        self._server.close()


def told(files: Any) -> bytes:
    """What a service answers that has these files."""
    body = json.dumps({"ready": True, "why": "", "files": files}).encode()
    return b"HTTP/1.1 503 No\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@pytest.fixture
def listener(request: pytest.FixtureRequest) -> Iterator[Listener]:
    """Somebody who listens where the settings say."""
    found = Listener(request.param)
    yield found
    found.close()


@pytest.mark.parametrize(
    ("listener", "others"),
    [
        (told({"ledger": "0123456789abcdef", "latch": "0123456789abcdef"}), ("ledger", "latch")),
        (told({"a stranger": 1}), ()),
        (told({}), ()),
        (told([1]), None),
        (told(None), None),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"alive": true}', None),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", None),
        (b"", None),
        (None, None),
    ],
    indirect=["listener"],
)
def test_whoever_listens_there_may_answer_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: Listener, others: tuple[str, ...] | None
):
    """Only what a service of ours says counts; nothing is raised, and nobody is waited for."""
    monkeypatch.setattr(neighbour, "_ASK_S", 5.0 if others is not None else 0.1)
    found = neighbour.look(load(firm_at(tmp_path, "http://127.0.0.1:1", listener.port).settings, {}))

    assert others == (None if found is None else found.others)


def test_one_file_has_one_fingerprint_by_whatever_way_it_is_reached(tmp_path: Path):
    """Links make no difference, so that a service with the same files is no news; another folder does."""
    folder = tmp_path / "state"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)

    def of(name: str) -> dict[str, str]:
        firm = Firm(tmp_path, "http://127.0.0.1:1", [1], more=f"[state]\nfolder = {json.dumps(name)}\n")
        return fingerprints(load(firm.settings, {}))

    assert of("state") == of("link") == of("state/../link") == of(str(folder))
    assert of("state")["ledger"] != of("other")["ledger"]
    assert {"ledger", "latch"} == of("no\0name").keys()
