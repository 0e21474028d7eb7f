"""`panic health` asks the running service: it answers, or it does not, and whether it is ready."""

from pathlib import Path

import pytest

from tests.cli.inside import beside, typed
from tests.cli.support import Firm, account, closed_port, http, raw_server, simulate
from tests.service.support import firm, serving


def test_it_asks_the_service_that_runs(tmp_path: Path):
    """One that serves is healthy, also where a bad roster keeps it from being ready; one that ended is not."""
    with beside(simulate(account(1))) as simulator:
        one = firm(tmp_path, simulator, [1])
        one.settings.write_text(one.settings.read_text().replace("port = 0", f"port = {closed_port()}"))
        (tmp_path / "accounts.csv").write_text("id\nnot a number\n")
        with beside(serving(one)) as service:
            alive = typed(*one.lines("health", "--wait", "10"))
            ready = typed(*one.lines("health", "--ready"))
        gone = typed(*one.lines("health"))

    said = "alive, not ready (configuration): see panic check; a person's press is accepted all the same"
    assert (0, f"{service.url}: {said}\n") == (alive.code, alive.out)
    assert (1, alive.out) == (ready.code, ready.out)
    assert (1, f"{service.url}: no service of panic answers (ConnectionRefusedError)\n") == (gone.code, gone.out)


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (http(200, b'{"ready": true, "why": "", "files": {}}'), 0, "ready: a press works"),
        (http(200, b'{"alive": true}'), 1, "no service of panic answers (KeyError)"),
        (http(200, b"[]"), 1, "no service of panic answers (TypeError)"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", 1, "no service of panic answers (BadStatusLine)"),
    ],
)
def test_only_a_service_of_panic_is_healthy(tmp_path: Path, answer: bytes, code: int, words: str):
    """Whoever else listens there may answer anything."""
    with beside(raw_server(lambda *_: answer)) as url:
        more = f"[service]\nport = {url.rpartition(':')[2]}\n"
        done = typed(*Firm(tmp_path, "http://127.0.0.1:1", [1], more=more).lines("health", "--ready"))

    assert (code, f"{url}: {words}\n") == (done.code, done.out)
