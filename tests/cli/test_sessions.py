"""`panic sessions` asks the running service who is signed in, and ends sessions there."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.cli.inside import beside, typed
from tests.cli.support import Finished, Firm, account, closed_port, http, raw_server, simulate
from tests.service.house import House, house
from tests.service.room.page import Browser
from tests.service.support import TOKEN, firm, serving
from tests.service.test_tls import a_certificate


@asynccontextmanager
async def _signed_in(folder: Path) -> AsyncIterator[House]:
    async with house(folder) as it:
        for name in ("joe", "joe", "east"):
            await Browser(it).sign_in(name)
        yield it


@pytest.fixture
def it(tmp_path: Path) -> Iterator[House]:
    """A service where joe is signed in twice, and east once."""
    with beside(_signed_in(tmp_path)) as made:
        yield made


def asked(folder: Path, port: int | None, *words: str, token: str = "boss", more: str = "") -> Finished:  # noqa: S107
    """Type it with the settings of a service at this port, and with a token in a file."""
    (desk := folder / "desk").mkdir(exist_ok=True)
    firm = Firm(desk, "http://127.0.0.1:1", [1], more=f"[service]\nport = {port}\n{more}")
    (file := desk / "token").touch(mode=0o600)
    file.write_text(f"{token}-secret-token")
    return typed(*firm.lines("sessions", "--token", str(file), *words))


def test_it_lists_who_is_signed_in_with_rights_and_times(tmp_path: Path, it: House):
    """For people and for programs, and the token stays where it is."""
    port = it.client.port
    table, document = [asked(tmp_path, port, "--format", kind) for kind in ("table", "json")]
    rows = json.loads(document.out)["sessions"]
    east = rows[0]

    assert (0, 0) == (table.code, document.code), table.err
    assert ["east", "joe", "joe"] == [one["name"] for one in rows]
    assert (["presser", "resetter", "viewer"], ["East"]) == (east["roles"], east["groups"])
    assert "east  presser, resetter, viewer · only East\n" in table.out
    assert f"  {east['id']} · since " in table.out
    assert "secret-token" not in table.out + table.err + document.out


def test_it_ends_one_or_all_of_a_person(tmp_path: Path, it: House):
    """By id or by name; an unknown one is refused, and then none is ended."""
    port = it.client.port
    unknown = asked(tmp_path, port, "--end", "east", "--end", "nobody")
    before = len(it.sessions)
    ended = asked(tmp_path, port, "--end", "joe", "--format", "json")
    east = json.loads(ended.out)["sessions"][0]["id"]
    last = asked(tmp_path, port, "--end", east, "--format", "table")

    assert (64, 3) == (unknown.code, before)
    assert "no session of nobody is open that this token may end" in unknown.err
    assert (0, 2) == (ended.code, ended.err.count("panic: ended joe, "))
    assert (0, "no session is open that this token may see\n", 0) == (last.code, last.out, len(it.sessions))


def test_who_may_not_is_told_why(tmp_path: Path, it: House):
    """A token that is nobody's is refused by the service; without one nothing is asked."""
    nobody = asked(tmp_path, it.client.port, token="who")
    silent = typed("--config", str(tmp_path / "desk" / "panic.toml"), "sessions")
    empty = typed("--config", str(tmp_path / "desk" / "panic.toml"), "sessions", env={"PANIC_TOKEN": ""})
    others = asked(tmp_path, it.client.port, "--end", "east", token="joe")

    assert (1, True) == (nobody.code, "refuses: No valid token. Send" in nobody.err), nobody.err
    assert (64, True) == (silent.code, "--token, or set PANIC_TOKEN" in silent.err)
    assert (78, True) == (empty.code, "the environment variable PANIC_TOKEN is empty" in empty.err)
    assert (64, 3) == (others.code, len(it.sessions))


@pytest.mark.parametrize("answer", [http(200, b"[]"), http(500, b"[]"), http(403, b"{}"), b"SSH-2.0-x\r\n"])
def test_whoever_listens_there_may_answer_anything(tmp_path: Path, answer: bytes):
    """It is said that no service of panic answers, and no traceback is shown."""
    with beside(raw_server(lambda *_: answer)) as url:
        done = asked(tmp_path, int(url.rpartition(":")[2]))

    assert (1, True) == (done.code, f"no service of panic answers at {url} (" in done.err), done.err


def test_without_tls_the_token_is_sent_to_this_machine_alone(tmp_path: Path):
    """The settings may name a proxy's back end elsewhere; and where nobody listens, nobody is told."""
    far = asked(tmp_path, 1, more='host = "192.0.2.1"\nbehind_proxy = true\n')
    gone = asked(tmp_path, port := closed_port())

    assert (1, True) == (far.code, "no service of panic answers at http://192.0.2.1:1 (OSError)" in far.err), (
        far.err
    )
    assert (1, True) == (gone.code, f"http://127.0.0.1:{port} (ConnectionRefusedError)" in gone.err)


def test_with_tls_only_the_service_with_our_certificate_is_told_the_token(tmp_path: Path):
    """And ours is brought where it asks for one."""
    for name in ("ours", "other"):
        (tmp_path / name).mkdir()
    made, other = a_certificate(tmp_path / "ours"), a_certificate(tmp_path / "other")
    mine, token = tmp_path / "mine.pem", tmp_path / "token"
    for file, text in (
        (mine, made.ca.issue_cert("me@example.com").private_key_and_cert_chain_pem.bytes()),
        (token, TOKEN.encode()),
    ):
        file.touch(mode=0o600)
        file.write_bytes(text)
    made.ca.cert_pem.write_to_path(tmp_path / "callers.pem")
    with beside(simulate(account(1))) as simulator:
        one = firm(tmp_path, simulator, [1])
        lines = f'tls_certificate = "{made.certificate}"\ntls_key = "{made.key}"\ntls_client_ca = "callers.pem"\n'
        one.settings.write_text(one.settings.read_text().replace("port = 0\n", f"port = {closed_port()}\n{lines}"))
        words = one.lines("sessions", "--token", str(token), "--format", "table")
        with beside(serving(one)):
            told = typed(*words, "--certificate", str(mine))
            without = typed(*words)
            wrong = typed(*words, "--certificate", str(token))
            one.settings.write_text(
                one.settings.read_text().replace(str(made.certificate), str(other.certificate))
            )
            stranger = typed(*words, "--certificate", str(mine))

    assert (0, "no session is open that this token may see\n") == (told.code, told.out), told.err
    assert (1, True) == (without.code, "refuses: No certificate came" in without.err), without.err
    assert (64, True) == (wrong.code, f"the certificate {token} cannot be used" in wrong.err)
    assert (1, True) == (stranger.code, "it was not told the token" in stranger.err), stranger.err
