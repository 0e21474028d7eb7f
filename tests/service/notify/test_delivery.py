"""One delivery through the real library to real servers; its address never shows."""

import logging
import sys
from pathlib import Path

import pytest
from apprise.plugins import opsgenie, pagerduty, slack

from panic.config import Credential
from panic.service.notify.delivery import Undelivered, deliver, examine
from panic.service.notify.notice import Notice
from tests.service.notify.support import CANARY, RUN, Receiver, a_channel, a_notice, receiving

pytestmark = pytest.mark.usefixtures("the_library_is_loaded")

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
    ],
)
def test_a_plain_webhook_gets_title_text_and_urgency(tmp_path: Path, server: Receiver, notice: Notice, type_: str):
    """As JSON, at the path of its address; text stays text."""
    send(tmp_path, f"json://{server.place}/alerts/{CANARY}", notice)
    ((path, body),) = server.got

    assert f"/alerts/{CANARY}" == path.rstrip("/")
    assert ("OPEN  still open", "What to do.", type_) == (body["title"], body["message"], body["type"])


def test_chat_and_alerts_get_their_own_form(tmp_path: Path, server: Receiver, monkeypatch: pytest.MonkeyPatch):
    """The real plug-ins, pointed at this machine; an alert's alias is the notice's key."""
    monkeypatch.setattr(slack.NotifySlack, "webhook_url", f"http://{server.place}/services")
    monkeypatch.setitem(opsgenie.OPSGENIE_API_LOOKUP, "us", f"http://{server.place}/v2/alerts")
    send(tmp_path, SLACK, a_notice(text="1 < 2 & call the desk"))
    server.answer = b'{"requestId": "1"}'
    send(tmp_path, f"opsgenie://{CANARY}", a_notice())
    (path, message), (_, alert) = server.got

    assert f"/services/T1JJ3T3L2/A1BRTD4JD/{CANARY[:24]}" == path
    assert "1 &lt; 2 &amp; call the desk" in str(message)
    assert RUN == alert["alias"]


def test_pagerduty_sees_one_incident_and_its_end(
    tmp_path: Path, server: Receiver, monkeypatch: pytest.MonkeyPatch
):
    """A notice's key is the incident's, and `clear` resolves it; a key in the address is somebody's own."""
    monkeypatch.setitem(pagerduty.PAGERDUTY_API_LOOKUP, "us", f"http://{server.place}/v2/enqueue")
    for notice in (a_notice(text="x" * 1400), a_notice(closes=True), a_notice(run="", key="hook:limits")):
        send(tmp_path, PAGERDUTY, notice)
    send(tmp_path, f"{PAGERDUTY}?dedup=ours", a_notice(closes=True))

    told = [(body["event_action"], body["dedup_key"]) for body in server.bodies]
    assert [("trigger", RUN), ("resolve", RUN), ("trigger", "hook:limits"), ("trigger", "ours")] == told
    assert server.bodies[0]["payload"]["summary"].startswith("OPEN  still open")
    assert len(server.bodies[0]["payload"]["summary"]) <= 1024


def test_a_delivery_that_fails_is_told(tmp_path: Path, server: Receiver):
    """A redirect too: it would carry the notice, and perhaps the address, elsewhere."""
    words = []
    for server.status in (500, 302):
        words.append(str(failure(tmp_path, f"json://{server.place}/{CANARY}")))
    words.append(str(failure(tmp_path, f"json://127.0.0.1:1/{CANARY}")))  # nobody listens there

    assert [
        "it answered HTTP 500",
        "it answered HTTP 302",
        "it could not be reached, or gave no answer in time",
    ] == words


@pytest.mark.parametrize("kind", [LookupError, SystemExit])
def test_a_plug_in_that_fails_is_told_by_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
):
    """Its text may quote the address, and so may what caused it."""

    def fail(*_args: object, **_more: object) -> None:
        raise kind(CANARY)

    monkeypatch.setattr("requests.request", fail)
    error = failure(tmp_path, f"json://127.0.0.1:1/{CANARY}")

    assert f"the library failed ({kind.__name__})" == str(error)
    assert error.__suppress_context__


@pytest.mark.parametrize("address", [f"nosuch://{CANARY}", CANARY, f"pagerduty://{CANARY}", f"json://:{CANARY}@"])
def test_what_is_no_address_is_told_with_the_remedy(tmp_path: Path, address: str):
    """Before anything is sent, and without a word of it."""
    (problem,) = examine("hook", a_channel(tmp_path, address).url, {})

    assert "[notify.hook] url: it is no address that the library apprise knows" == problem.what
    assert problem.file == tmp_path / "hook.url"
    assert CANARY not in str(problem)
    assert "url: it is no address that the library apprise knows" == str(failure(tmp_path, address))


def test_an_address_is_read_as_keys_are(tmp_path: Path):
    """From a file or the environment, with the same words for what is wrong."""
    channel = a_channel(tmp_path, "json://localhost")
    good = [*examine("hook", channel.url, {}), *examine("hook", Credential(env="HOOK"), {"HOOK": "json://a"})]
    (tmp_path / "hook.url").chmod(0o644)
    (is_open,) = examine("hook", channel.url, {})
    (unset,) = examine("hook", Credential(env="HOOK"), {})

    assert [] == good
    assert "credential notify.hook: the key file is open to other users" == is_open.what
    assert f"Run: chmod 600 {tmp_path / 'hook.url'}" == is_open.remedy
    assert "credential notify.hook: the environment variable HOOK is not set" == unset.what


def test_without_the_library_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    (problem,) = examine("hook", a_channel(tmp_path, f"json://{CANARY}").url, {})

    assert "[notify.hook] the library apprise is not installed" == problem.what
    assert "Install panic with its extra 'notify'." == problem.remedy
    assert "the library apprise is not installed" == str(failure(tmp_path, f"json://{CANARY}"))


@pytest.mark.parametrize("status", [200, 500])
def test_no_library_logs_an_address(
    tmp_path: Path, server: Receiver, caplog: pytest.LogCaptureFixture, status: int
):
    """The HTTP client would log the path, and the library its payload, at the levels of debugging."""
    for name in ("", "apprise", "urllib3.connectionpool", "requests"):
        caplog.set_level(1, name)
    server.status = status
    logging.getLogger("urllib3.connectionpool").debug("before")
    address = f"json://user:{CANARY}@{server.place}/{CANARY}"
    if status == 200:
        send(tmp_path, address, a_notice())
    else:
        failure(tmp_path, address)
    failure(tmp_path, f"nosuch://{CANARY}")
    logging.getLogger("urllib3.connectionpool").debug("after")

    assert 1 == len(server.got)
    assert ["before", "after"] == caplog.messages
    assert CANARY not in "".join(str(record.__dict__) for record in caplog.records)
