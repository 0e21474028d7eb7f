"""One delivery through the real library to real servers; its address never shows."""

import logging
import socketserver
import sys
import threading
from email import message_from_string, policy
from pathlib import Path
from typing import cast

import pytest
from apprise.plugins import pagerduty, slack

from panic.config import Credential
from panic.notify.delivery import Undelivered, deliver, examine
from panic.notify.notice import Notice
from tests.notify.support import CANARY, RUN, Receiver, a_channel, a_notice, receiving

SLACK = f"https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{CANARY[:24]}"
PAGERDUTY = f"pagerduty://{CANARY}@{CANARY}/panic/orders"


def send(folder: Path, address: str, notice: Notice) -> None:
    """Deliver one notice to an address."""
    deliver("hook", a_channel(folder, address).url, {}, notice)


def failure(folder: Path, address: str) -> Undelivered:
    """What comes of delivering to an address."""
    with pytest.raises(Undelivered) as caught:
        send(folder, address, a_notice())
    return caught.value


@pytest.fixture
def server():
    """A server that takes what it is sent."""
    with receiving() as receiver:
        yield receiver


@pytest.mark.parametrize(
    ("notice", "type_"),
    [
        (a_notice("start"), "info"),
        (a_notice("flag"), "warning"),
        (a_notice("page"), "failure"),
        (a_notice("verdict"), "failure"),
        (a_notice("verdict", closes=True), "success"),
        (a_notice("page", closes=True), "success"),
    ],
)
def test_a_plain_webhook_gets_title_text_and_urgency(tmp_path: Path, server: Receiver, notice: Notice, type_: str):
    """As JSON, at the path of its address."""
    send(tmp_path, f"json://{server.place}/alerts/{CANARY}", notice)
    ((path, body),) = server.got

    assert f"/alerts/{CANARY}" == path.rstrip("/")
    assert ("OPEN  still open", "What to do.", type_) == (body["title"], body["message"], body["type"])


def test_an_address_may_come_from_the_environment(server: Receiver):
    """As keys may."""
    deliver("hook", Credential(env="HOOK"), {"HOOK": f"json://{server.place}"}, a_notice())

    assert ["OPEN  still open"] == server.titles()


def test_slack_gets_its_own_form(tmp_path: Path, server: Receiver, monkeypatch: pytest.MonkeyPatch):
    """The real plug-in, pointed at this machine; text stays text."""
    monkeypatch.setattr(slack.NotifySlack, "webhook_url", f"http://{server.place}/services")
    send(tmp_path, SLACK, a_notice(text="1 < 2 & call the desk"))
    ((path, body),) = server.got

    assert f"/services/T1JJ3T3L2/A1BRTD4JD/{CANARY[:24]}" == path
    assert "OPEN  still open" in str(body)
    assert "1 &lt; 2 &amp; call the desk" in str(body)


def test_pagerduty_sees_one_incident_and_its_end(
    tmp_path: Path, server: Receiver, monkeypatch: pytest.MonkeyPatch
):
    """A page's key is the incident's, so that repetitions are no new ones and `clear` resolves it."""
    monkeypatch.setitem(pagerduty.PAGERDUTY_API_LOOKUP, "us", f"http://{server.place}/v2/enqueue")
    for notice in (a_notice(), a_notice(), a_notice(closes=True), a_notice(run="", key="hook:limits")):
        send(tmp_path, PAGERDUTY, notice)

    told = [(body["event_action"], body["dedup_key"]) for body in server.bodies]
    assert [("trigger", RUN), ("trigger", RUN), ("resolve", RUN), ("trigger", "hook:limits")] == told
    assert server.bodies[0]["payload"]["summary"].startswith("OPEN  still open")


def test_a_key_in_the_address_is_left_alone(tmp_path: Path, server: Receiver, monkeypatch: pytest.MonkeyPatch):
    """Whoever sets it has a reason."""
    monkeypatch.setitem(pagerduty.PAGERDUTY_API_LOOKUP, "us", f"http://{server.place}/v2/enqueue")
    send(tmp_path, f"{PAGERDUTY}?dedup=ours", a_notice(closes=True))

    assert [("trigger", "ours")] == [(body["event_action"], body["dedup_key"]) for body in server.bodies]


def test_pagerduty_gets_one_event_however_much_there_is_to_tell(
    tmp_path: Path, server: Receiver, monkeypatch: pytest.MonkeyPatch
):
    """It takes 1,024 characters: the first line is among them."""
    monkeypatch.setitem(pagerduty.PAGERDUTY_API_LOOKUP, "us", f"http://{server.place}/v2/enqueue")
    send(tmp_path, PAGERDUTY, a_notice(text="x" * 1400))

    assert 1 == len(server.got)
    assert len(server.bodies[0]["payload"]["summary"]) <= 1024


@pytest.mark.parametrize("status", [500, 404, 302, 429])
def test_an_answer_that_is_no_success_is_told(tmp_path: Path, server: Receiver, status: int):
    """A redirect too: it would carry the notice, and perhaps the address, elsewhere."""
    server.statuses = [status]

    assert f"it answered HTTP {status}" == str(failure(tmp_path, f"json://{server.place}/{CANARY}"))


def test_a_server_that_refuses_is_told(tmp_path: Path):
    """Nobody listens there any more."""
    with receiving() as gone:
        place = gone.place

    assert "it could not be reached, or gave no answer in time" == str(
        failure(tmp_path, f"json://{place}/{CANARY}")
    )


def test_a_plug_in_that_fails_is_told_by_its_kind(
    tmp_path: Path, server: Receiver, monkeypatch: pytest.MonkeyPatch
):
    """Its text may quote the address, and so may what caused it."""

    def fail(*_args: object, **_more: object) -> None:
        raise LookupError(CANARY)

    monkeypatch.setattr("requests.request", fail)
    error = failure(tmp_path, f"json://{server.place}/{CANARY}")

    assert "the library failed (LookupError)" == str(error)
    assert error.__suppress_context__


@pytest.mark.parametrize("address", [f"nosuch://{CANARY}", CANARY, f"pagerduty://{CANARY}", f"json://:{CANARY}@"])
def test_what_is_no_address_is_told_with_the_remedy(tmp_path: Path, address: str):
    """Before anything is sent, and without a word of it."""
    (problem,) = examine("hook", a_channel(tmp_path, address).url, {})

    assert "[notify.hook] url: it is no address that the library apprise knows" == problem.what
    assert problem.file == tmp_path / "hook.url"
    assert CANARY not in str(problem)
    assert "url: it is no address that the library apprise knows" == str(failure(tmp_path, address))


def test_a_good_address_has_no_problem(tmp_path: Path, server: Receiver):
    """And nothing is sent to find that out."""
    assert () == examine("hook", a_channel(tmp_path, f"json://{server.place}").url, {})
    assert [] == server.got


def test_a_missing_and_an_open_file_are_told_as_keys_are(tmp_path: Path):
    """In words about addresses."""
    channel = a_channel(tmp_path, "json://localhost")
    (tmp_path / "hook.url").chmod(0o644)
    (is_open,) = examine("hook", channel.url, {})
    (missing,) = examine("hook", Credential(file=tmp_path / "none.url"), {})
    (unset,) = examine("hook", Credential(env="HOOK"), {})

    assert "[notify.hook] url: the address file is open to other users" == is_open.what
    assert f"Run: chmod 600 {tmp_path / 'hook.url'}" == is_open.remedy
    assert "[notify.hook] url: the address file cannot be read: no such file or directory" == missing.what
    assert "[notify.hook] url: the environment variable HOOK is not set" == unset.what
    assert "Set it to the address before panic starts." == unset.remedy


def test_without_the_library_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    (problem,) = examine("hook", a_channel(tmp_path, f"json://{CANARY}").url, {})

    assert "[notify.hook] the library apprise is not installed" == problem.what
    assert "Install panic with its extra 'notify'." == problem.remedy
    assert "the library apprise is not installed" == str(failure(tmp_path, f"json://{CANARY}"))


class _Post(socketserver.StreamRequestHandler):
    """Takes one message, as a mail server that asks for no password."""

    def handle(self) -> None:
        self._say("220 here")
        while words := self.rfile.readline().decode().strip():
            if words.upper() == "DATA":
                self._say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                cast("_PostOffice", self.server).messages.append(b"".join(lines).decode())
            self._say("221 bye" if words.upper() == "QUIT" else "250 fine")

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())


class _PostOffice(socketserver.TCPServer):
    def __init__(self) -> None:
        self.messages: list[str] = []
        super().__init__(("127.0.0.1", 0), _Post)


def test_a_mail_server_gets_a_message(tmp_path: Path):
    """The first line is its subject."""
    with _PostOffice() as office:
        thread = threading.Thread(target=office.handle_request, daemon=True)
        thread.start()
        place = f"127.0.0.1:{office.server_address[1]}"
        send(tmp_path, f"mailto://{place}/?from=panic@example.com&to=desk@example.com", a_notice())
        thread.join(10)

    (words,) = office.messages
    message = message_from_string(words, policy=policy.default)
    assert "OPEN still open" == message["Subject"]
    assert "desk@example.com" == message["To"]
    assert "What to do." == str(message.get_payload()).strip()


class _Everything(logging.Handler):
    """Keeps all that any logger says."""

    def __init__(self) -> None:
        super().__init__(level=logging.NOTSET)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(f"{record.getMessage()} {record.__dict__}")


@pytest.fixture
def everything():
    """All of `logging`, at its most talkative, from every logger that is likely to know an address."""
    handler = _Everything()
    loggers = [logging.getLogger(name) for name in ("", "apprise", "urllib3.connectionpool", "requests")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(1)
    for logger in loggers[:2]:
        logger.addHandler(handler)
    yield handler
    for logger in loggers[:2]:
        logger.removeHandler(handler)
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


@pytest.mark.parametrize("status", [200, 500])
def test_no_library_logs_an_address(tmp_path: Path, server: Receiver, everything: _Everything, status: int):
    """The HTTP client would log the path, and the library its payload, at the levels of debugging."""
    server.statuses = [status]
    logging.getLogger("urllib3.connectionpool").debug("before")
    address = f"json://user:{CANARY}@{server.place}/{CANARY}"
    if status == 200:
        send(tmp_path, address, a_notice())
    else:
        failure(tmp_path, address)
    failure(tmp_path, f"nosuch://{CANARY}")
    logging.getLogger("urllib3.connectionpool").debug("after")

    assert 1 == len(server.got)
    assert ["before", "after"] == [line.split(" ", 1)[0] for line in everything.said]
    assert CANARY not in "".join(everything.said)


def test_the_libraries_do_talk_of_it_when_nobody_silences_them(
    tmp_path: Path, server: Receiver, everything: _Everything, monkeypatch: pytest.MonkeyPatch
):
    """Else the test above could not fail."""
    monkeypatch.setattr("panic.notify.delivery.silence", _no_silence)
    send(tmp_path, f"json://{server.place}/{CANARY}", a_notice())

    assert CANARY in "".join(everything.said)


class _no_silence:  # noqa: N801  (stands for a function)
    def __enter__(self) -> list[str]:
        logging.getLogger("apprise").setLevel(1)
        return []

    def __exit__(self, *_: object) -> None:
        pass
