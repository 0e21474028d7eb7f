"""POST /v1/hooks/{name}: exactly those calls press that should, and only one that could not press gets a 5xx."""

import asyncio
import gzip
import json
import random
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from hypothesis import given, settings
from hypothesis import strategies as st

from panic.config import Credential, Hook
from panic.errors import ConfigurationError, Problem, UsageError
from panic.hooks.keyring import Keyring
from panic.hooks.replays import Replays
from panic.notify import Notice
from panic.run.press import Press
from panic.service import breaches, calls
from panic.service.breaches import breach_handler
from panic.service.calls import BODY_MOST, STRANGERS_MOST, Sparse
from tests.cli.support import account, sent, simulate
from tests.hooks.support import BREACH, NOW, OTHER, SECRET, TOKEN, alertmanager, grafana, legacy, sign
from tests.service import support as processes

BEARER = {"Authorization": f"Bearer {TOKEN}"}
ENV = {"SECRET": SECRET, "OTHER": OTHER, "TOKEN": TOKEN}
_PLACES = (Credential(env="SECRET"), Credential(env="OTHER"))
HOOKS = {
    "desk": Hook(secrets=_PLACES, groups=("arbitrage",), side="BUY", watch_s=3, deadline_s=60, latch=True),
    "careful": Hook(secrets=_PLACES, all=True, on_odd="page"),
    "alerts": Hook(secrets=(Credential(env="TOKEN"),), scheme="bearer", accounts=(100019,)),
    "unset": Hook(secrets=(Credential(env="NOT_SET"),), all=True),
}


@dataclass
class FakeRun:
    id: str


@dataclass
class FakeLive:
    run: FakeRun
    is_over: bool = False
    failure: BaseException | None = None


@dataclass
class FakePressing:
    live: FakeLive
    joined: bool


@dataclass
class FakeDesk:
    """Counts presses; identical ones are one while their run is under way, as at the real one."""

    presses: list[Press] = field(default_factory=list)
    lives: list[FakeLive] = field(default_factory=list)
    error: Exception | None = None

    def press(self, press: Press, *, automated: bool = False) -> FakePressing:
        assert automated
        if self.error is not None:
            raise self.error
        self.presses.append(press)
        for live, earlier in zip(self.lives, self.presses, strict=False):
            if not live.is_over and earlier.scope == press.scope:
                return FakePressing(live, joined=True)
        self.lives.append(FakeLive(FakeRun(f"run-{len(self.lives) + 1}")))
        return FakePressing(self.lives[-1], joined=False)

    def find(self, run_id: str) -> FakeLive | None:
        return next((live for live in self.lives if live.run.id == run_id), None)


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Service:
    """A server with nothing but the hooks, and what it did."""

    client: aiohttp.ClientSession
    base: str
    desk: FakeDesk
    notices: list[Notice]
    records: list[tuple[str, dict[str, Any]]]
    at: list[float]
    recorded: asyncio.Event

    async def call(self, name: str, body: Any, headers: Mapping[str, str]) -> Answer:
        """Call a hook, and check what holds for every answer."""
        url = f"{self.base}/v1/hooks/{name}"
        body = BytesIO(body) if isinstance(body, bytes) else body
        async with self.client.post(url, data=body, headers=headers) as answer:
            found = Answer(answer.status, answer.headers, await answer.text())
        if found.status >= 400:
            assert "application/problem+json" == found.headers["Content-Type"].split(";")[0]
            assert {"type", "title", "status", "detail", "remedy"} <= found.json.keys()
            assert all(found.json.values()) or {"errors", "request_id"} >= {
                k for k, v in found.json.items() if not v
            }
            assert found.status == found.json["status"]
        return found

    @property
    def pages(self) -> list[Notice]:
        return [notice for notice in self.notices if notice.kind == "page"]

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.records]


@asynccontextmanager
async def serving(
    store: Path, desk: FakeDesk | None = None, hooks: Mapping[str, Hook] = HOOKS, **how: Any
) -> AsyncIterator[Service]:
    """Serve the hooks on loopback; the clock stands still at NOW until a test moves it."""
    desk, at = desk or FakeDesk(), [float(NOW)]
    notices: list[Notice] = []
    records: list[tuple[str, dict[str, Any]]] = []
    recorded = asyncio.Event()

    def record(kind: str, facts: dict[str, Any]) -> None:
        records.append((kind, facts))
        recorded.set()

    handler = breach_handler(
        desk,
        lambda: hooks,
        notices.append,
        record,
        replays=Replays(store, now=lambda: at[0], patience_s=5),
        keyring=Keyring(ENV, patience_s=5),
        now=lambda: at[0],
        **how,
    )
    app = web.Application()
    app.router.add_post("/v1/hooks/{name}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, lingering_time=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        yield Service(client, f"http://{host}:{port}", desk, notices, records, at, recorded)
    await runner.cleanup()
    if lingering := [task for task in asyncio.all_tasks() if "RequestHandler.start" in repr(task)]:
        await asyncio.wait(lingering, timeout=5)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A server with hooks of every sort."""
    async with serving(tmp_path / "service.db") as service:
        yield service


async def test_a_signed_breach_presses_its_hooks_scope(service: Service):
    """Filters, watch, deadline and latch are the hook's; who and why are told."""
    answer = await service.call("desk", BREACH, sign(BREACH))
    (press,) = service.desk.presses

    assert (202, "/v1/runs/run-1") == (answer.status, answer.headers["Location"])
    assert {
        "hook": "desk",
        "act": "pressed",
        "meaning": "firing",
        "title": "Pressed",
        "detail": "The hook's scope is being cancelled.",
        "run_id": "run-1",
        "joined": False,
        "flags": [],
    } == answer.json
    assert ("hook", "hook desk", 3, 60, True) == (
        press.source,
        press.by,
        press.watch_s,
        press.deadline_s,
        press.latch,
    )
    assert "hook desk: risk.limit.breached: desk A lost 2m" == press.reason
    assert (("arbitrage",), "BUY") == (press.scope.groups, press.scope.filters.side)
    assert [] == service.notices
    assert ["hook_pressed"] == service.kinds
    assert ("msg_1", "run-1") == (service.records[0][1]["id"], service.records[0][1]["run_id"])


ODD = b'{"what":"?"}'
_SIGNED = {
    "breach": ("desk", BREACH, 202, True, False),
    "resolved": ("desk", alertmanager("resolved"), 200, False, False),
    "test": ("desk", b'{"type":"limit.test"}', 200, False, False),
    "odd": ("desk", ODD, 202, True, True),
    "empty": ("desk", b"", 202, True, True),
    "deep": ("desk", b"[" * 100_000, 202, True, True),
    "largest": ("desk", b" " * BODY_MOST, 202, True, True),
    "odd, page only": ("careful", ODD, 202, False, True),
    "breach, page only": ("careful", BREACH, 202, True, False),
}
_BORNE = {
    "alertmanager firing": (alertmanager("firing"), 202, True, False),
    "alertmanager mixed": (alertmanager("resolved", "firing"), 202, True, False),
    "alertmanager resolved": (alertmanager("resolved"), 200, False, False),
    "alertmanager truncated": (alertmanager("resolved", truncatedAlerts=3), 202, True, True),
    "grafana firing": (grafana("firing"), 202, True, False),
    "grafana resolved": (grafana("resolved"), 200, False, False),
    "grafana test": (grafana("firing", name="TestAlert", instance="Grafana"), 200, False, False),
    "grafana legacy": (legacy("alerting"), 202, True, False),
    "grafana legacy ok": (legacy("ok"), 200, False, False),
    "grafana legacy no data": (legacy("no_data"), 202, True, True),
    "no UTF-8": (b"\xff\xfe\x00", 202, True, True),
    "too large": (b" " * (BODY_MOST + 1), 202, True, True),
}


@pytest.mark.parametrize(("name", "body", "status", "presses", "pages"), _SIGNED.values(), ids=_SIGNED)
async def test_what_a_signed_call_sets_off(
    service: Service, name: str, body: bytes, status: int, presses: bool, pages: bool
):
    """Everything but what says that it is over or a test presses, unless the hook only pages for the odd."""
    answer = await service.call(name, body, sign(body))

    assert (status, presses, pages) == (answer.status, bool(service.desk.presses), bool(service.pages))
    assert (pages and "not understood" in service.pages[0].text) == any(
        "not understood" in f for f in answer.json["flags"]
    )


@pytest.mark.parametrize(("body", "status", "presses", "pages"), _BORNE.values(), ids=_BORNE)
async def test_what_a_call_with_a_bearer_secret_sets_off(
    service: Service, body: bytes, status: int, presses: bool, pages: bool
):
    """Alertmanager's and Grafana's bodies work as they are; one too large to be read may be a breach."""
    answer = await service.call("alerts", body, BEARER)

    assert (status, presses, pages) == (answer.status, bool(service.desk.presses), bool(service.pages))


def _forgeries() -> dict[str, tuple[str, bytes, dict[str, str]]]:
    genuine = sign(BREACH)
    return {
        "nothing": ("desk", BREACH, {}),
        "bearer for a signer": ("desk", BREACH, {"Authorization": f"Bearer {SECRET}"}),
        "signature for a bearer": ("alerts", BREACH, genuine),
        "another secret": ("alerts", BREACH, {"Authorization": "Bearer something-else-altogether"}),
        "another key": ("desk", BREACH, sign(BREACH, "msg_1", NOW, "whsec_" + "QUFB" * 8)),
        "another body": ("desk", ODD, genuine),
        "another id": ("desk", BREACH, genuine | {"webhook-id": "msg_2"}),
        "another time": ("desk", BREACH, genuine | {"webhook-timestamp": str(NOW + 1)}),
        "odd time": ("desk", BREACH, genuine | {"webhook-timestamp": "nan"}),
        "odd signature": ("desk", BREACH, genuine | {"webhook-signature": "v1,v1, ,,"}),
        "no such hook": ("nosuch", BREACH, genuine),
        "no such hook, borne": ("nosuch", BREACH, BEARER),
        "a hook without secrets": ("unset", BREACH, genuine),
        "odd name": ("%00%1b[2J%ff", BREACH, genuine),
    }


@pytest.mark.parametrize(("name", "body", "headers"), _forgeries().values(), ids=_forgeries())
async def test_a_forged_call_learns_nothing_and_does_nothing(
    service: Service, name: str, body: bytes, headers: dict[str, str]
):
    """The same answer for all of them, byte by byte; nobody is paged, and it is on record."""
    answer = await service.call(name, body, headers)
    other = await service.call("nosuch", b"", {})

    assert (401, 401, other.text) == (answer.status, other.status, answer.text)
    assert ([], []) == (service.desk.presses, service.notices)
    assert ["hook_refused"] * 2 == service.kinds
    assert all(facts["hook"].isprintable() for _, facts in service.records)


async def test_a_flood_of_strangers_does_not_fill_the_record(service: Service):
    """Some of each minute are on record; the test may see two of them."""
    for _ in range(3 * STRANGERS_MOST):
        assert 401 == (await service.call("desk", BREACH, {})).status

    assert STRANGERS_MOST <= len(service.records) <= 2 * STRANGERS_MOST


def test_what_is_left_out_of_the_record_is_counted():
    """The next that is not tells how many there were."""
    at = [6000.0]
    sparse = Sparse(lambda: at[0])
    first = [sparse.take() for _ in range(STRANGERS_MOST + 40)]
    at[0] += 60

    assert [0] * STRANGERS_MOST + [None] * 40 == first
    assert [40, 0] == [sparse.take(), sparse.take()]


@pytest.mark.parametrize("off_s", [-301, 301, -86_400])
async def test_a_well_signed_call_from_another_time_is_refused_and_pages(service: Service, off_s: int):
    """With what to do by hand if it was a breach."""
    answer = await service.call("desk", BREACH, sign(BREACH, at=NOW + off_s))
    (page,) = service.pages

    assert (400, []) == (answer.status, service.desk.presses)
    assert "urn:panic:problem:late" == answer.json["type"]
    assert "a well-signed call to hook desk was refused" in page.text
    assert "panic press --group arbitrage --side BUY --latch --reason breach" in page.text


async def test_a_well_signed_call_of_an_odd_form_is_refused_and_pages(service: Service):
    """The reference signer signs any id."""
    answer = await service.call("desk", BREACH, sign(BREACH, "a.b"))

    assert (400, [], 1) == (answer.status, service.desk.presses, len(service.pages))


async def test_a_thousand_duplicates_are_one_run(service: Service):
    """Signed anew or not, at once or one after the other: one press."""
    first = await service.call("desk", BREACH, sign(BREACH))

    async def again(number: int) -> tuple[int, str, bool]:
        answer = await service.call("desk", BREACH, sign(BREACH, at=NOW + number % 2))
        return answer.status, answer.json["run_id"], answer.json["joined"]

    answers = await asyncio.gather(*(again(number) for number in range(999)))

    assert "run-1" == first.json["run_id"]
    assert {(202, "run-1", True)} == set(answers)
    assert (1, []) == (len(service.desk.presses), service.notices)
    assert STRANGERS_MOST + 1 <= len(service.records) <= 2 * STRANGERS_MOST + 1


async def test_duplicates_that_cross_are_one_press(service: Service):
    """None was answered when the others came."""
    answers = await asyncio.gather(*(service.call("desk", BREACH, sign(BREACH)) for _ in range(50)))

    assert [("run-1", False)] + [("run-1", True)] * 49 == sorted(
        (a.json["run_id"], a.json["joined"]) for a in answers
    )
    assert 1 == len(service.desk.presses)


async def test_duplicates_with_a_bearer_secret_join_at_the_desk(service: Service):
    """They have no id: while a run is under way they are that run, and a later one is a press of its own."""
    for _ in range(10):
        await service.call("alerts", alertmanager("firing"), BEARER)
    service.desk.lives[0].is_over = True
    later = await service.call("alerts", alertmanager("firing"), BEARER)

    assert (2, "run-2", False) == (len(service.desk.lives), later.json["run_id"], later.json["joined"])


async def test_a_replay_after_the_run_is_refused_and_pages(service: Service):
    """A new delivery of the same message is not: its sender did not hear our answer. Neither presses."""
    await service.call("desk", BREACH, sign(BREACH))
    service.desk.lives[0].is_over = True
    replay = await service.call("desk", BREACH, sign(BREACH))
    redelivery = await service.call("desk", BREACH, sign(BREACH, at=NOW + 30))

    assert (409, "urn:panic:problem:replayed") == (replay.status, replay.json["type"])
    assert (202, "run-1") == (redelivery.status, redelivery.json["run_id"])
    assert (1, 1) == (len(service.desk.presses), len(service.pages))


async def test_an_id_with_another_body_is_refused_and_pages(service: Service):
    """Also while the run is under way."""
    await service.call("desk", BREACH, sign(BREACH))
    answer = await service.call("desk", ODD, sign(ODD))
    again = await service.call("desk", ODD, sign(ODD))

    assert (409, "urn:panic:problem:id_used") == (answer.status, answer.json["type"])
    assert 409 == again.status
    assert 1 == len(service.desk.presses)
    assert ["hook desk id_used"] * 2 == [page.key for page in service.pages]


async def test_a_replay_after_a_restart_is_refused(tmp_path: Path):
    """Another process with the same file knows what was taken."""
    async with serving(tmp_path / "service.db") as before:
        await before.call("desk", BREACH, sign(BREACH))
    async with serving(tmp_path / "service.db", has_finished=lambda run: run == "run-1") as after:
        answer = await after.call("desk", BREACH, sign(BREACH))
        again = await after.call("desk", BREACH, sign(BREACH, "msg_1", NOW + 1))

    assert (409, 202, []) == (answer.status, again.status, after.desk.presses)
    assert "run-1" in answer.json["detail"]
    assert ("joined", "run-1") == (again.json["act"], again.json["run_id"])


def _no_ledger(_: str) -> bool:
    raise OSError("no ledger")


@pytest.mark.parametrize("has_finished", [lambda _: False, _no_ledger], ids=["unfinished", "no ledger"])
@pytest.mark.parametrize("at", [NOW, NOW + 1], ids=["an exact copy", "signed anew"])
async def test_a_repeat_of_a_run_that_nobody_knows_presses(tmp_path: Path, has_finished: Any, at: int):
    """The process that had the run died: the repeat may be all that is left of the breach; its repeats join it."""
    async with serving(tmp_path / "service.db") as before:
        await before.call("desk", BREACH, sign(BREACH))
    async with serving(tmp_path / "service.db", has_finished=has_finished) as after:
        answer, *again = [await after.call("desk", BREACH, sign(BREACH, "msg_1", at)) for _ in range(3)]

    assert (202, "pressed", 1) == (answer.status, answer.json["act"], len(after.desk.presses))
    assert ["joined"] * 2 == [one.json["act"] for one in again]


async def test_a_repeat_of_a_run_that_broke_off_presses(service: Service):
    """Over, but never finished: panic itself failed."""
    await service.call("desk", BREACH, sign(BREACH))
    service.desk.lives[0].is_over, service.desk.lives[0].failure = True, RuntimeError()
    again = await service.call("desk", BREACH, sign(BREACH))

    assert (202, "pressed", 2) == (again.status, again.json["act"], len(service.desk.presses))


async def test_a_ledger_that_hangs_does_not_hold_a_repeat_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It presses."""
    monkeypatch.setattr(breaches, "_LEDGER_S", 0.05)
    over = threading.Event()
    async with serving(tmp_path / "service.db") as before:
        await before.call("desk", BREACH, sign(BREACH))
    async with serving(tmp_path / "service.db", has_finished=lambda _: over.wait(20)) as after:
        answer = await after.call("desk", BREACH, sign(BREACH))
        over.set()

    assert (202, "pressed") == (answer.status, answer.json["act"])


async def test_ten_thousand_replays_and_mutations_press_nothing(tmp_path: Path):
    """After one genuine call; through the handler itself, since so many connections would take long."""
    rng, genuine, statuses = random.Random(4), sign(BREACH), set()
    async with serving(tmp_path / "service.db") as service:
        await service.call("desk", BREACH, genuine)
        service.desk.lives[0].is_over = True
        handler = breach_handler(
            service.desk,
            lambda: HOOKS,
            service.notices.append,
            lambda _kind, _body: None,
            replays=Replays(tmp_path / "service.db", now=lambda: NOW),
            keyring=Keyring(ENV, every_s=60),
            now=lambda: NOW,
        )
        for number in range(10_000):
            headers, body = dict(genuine), bytearray(BREACH)
            if number % 4 == 1:
                body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
            elif number % 4:
                name = rng.choice([*headers])
                at, value = rng.randrange(len(headers[name])), headers[name]
                headers[name] = value[:at] + rng.choice("0A.,-") + value[at + 1 :]
            answer = await handler(_request("desk", bytes(body), headers))
            statuses.add(answer.status)

    assert {401, 409} == statuses
    assert 1 == len(service.desk.presses)


@dataclass
class FakeRequest:
    """A request without a connection: what the handler asks of one."""

    match_info: dict[str, str]
    headers: Mapping[str, str]
    content: StreamReader
    content_length: int
    remote: str = "127.0.0.1"

    def get(self, key: object, default: str) -> str:
        return default


def _request(name: str, body: bytes, headers: Mapping[str, str]) -> Any:
    loop = asyncio.get_running_loop()
    content = StreamReader(BaseProtocol(loop), BODY_MOST, loop=loop)
    content.feed_data(body)
    content.feed_eof()
    return FakeRequest({"name": name}, headers, content, len(body))


_UNREADABLE = {
    "too large, as announced": (b" " * (BODY_MOST + 1), {}, 413),
    "no gzip": (b"this is no gzip", {"Content-Encoding": "gzip"}, 400),
    "a bomb": (gzip.compress(b" " * (BODY_MOST * 20)), {"Content-Encoding": "gzip"}, 413),
}


@pytest.mark.parametrize("name", ["desk", "alerts", "nosuch"])
@pytest.mark.parametrize(("body", "headers", "status"), _UNREADABLE.values(), ids=_UNREADABLE)
async def test_a_body_that_cannot_be_read_is_the_callers_mistake(
    service: Service, name: str, body: bytes, headers: dict[str, str], status: int
):
    """The same for every name, and nothing is pressed."""
    answer = await service.call(name, body, headers)

    assert (status, [], []) == (answer.status, service.desk.presses, service.notices)


_RAW = {
    "no chunk": b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a negative length": b"Content-Length: -1\r\n\r\n{}",
    "an endless length": b"Content-Length: " + b"9" * 400 + b"\r\n\r\n{}",
    "ids twice": b"webhook-id: a\r\nwebhook-id: b\r\nContent-Length: 2\r\n\r\n{}",
    "no UTF-8 in headers": b"webhook-id: \xff\xfe\r\nwebhook-signature: v1,\xe9\r\nContent-Length: 2\r\n\r\n{}",
    "a long header": b"webhook-signature: " + b"v1,AAAA " * 4000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "an odd expectation": b"Expect: the-spanish-inquisition\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("rest", _RAW.values(), ids=_RAW)
async def test_what_is_no_http_is_the_callers_mistake(service: Service, rest: bytes):
    """Whatever stands on the wire."""
    host, port = service.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /v1/hooks/desk HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + rest)
    async with asyncio.timeout(20):
        first = await reader.readline()
    writer.close()
    await writer.wait_closed()

    assert b" 4" == first[8:10], first
    assert [] == service.desk.presses


async def test_a_bearer_that_hangs_up_in_mid_body_presses(service: Service):
    """It called, and nobody knows any more what it wanted to say."""
    host, port = service.base.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /v1/hooks/alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 99\r\n\r\n"
    )
    writer.write(head.encode() + b'{"status":')
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(20):
        await service.recorded.wait()

    assert 1 == len(service.desk.presses)
    assert "broke off" in service.desk.presses[0].reason


async def test_a_stream_without_an_end_is_cut_off(service: Service):
    """At the limit, although nobody announced how long it is."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * (BODY_MOST // 16)

    answer = await service.call("desk", endless(), {})

    assert (413, []) == (answer.status, service.desk.presses)


@pytest.mark.parametrize(("headers", "status"), [({}, 408), (BEARER, 202)])
async def test_a_body_that_does_not_come_is_not_waited_for(
    service: Service, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], status: int
):
    """Whoever bears the secret called all the same, and presses."""
    monkeypatch.setattr(calls, "BODY_S", 0.02)
    answered = asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        yield b"{"
        await answered.wait()

    call = asyncio.create_task(service.call("alerts", stalls(), headers))
    async with asyncio.timeout(20):
        await service.recorded.wait()
    answered.set()
    answer = await call

    assert (status, 202 == status) == (answer.status, bool(service.desk.presses))


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ConfigurationError([Problem("no account of this scope can be fired", "Mend it.")]), "can be fired"),
        (UsageError("--group 'arbitrage' is not in accounts.csv"), "is not in accounts.csv"),
        (RuntimeError("odd"), "odd"),
        (RuntimeError(), "the service is stopping"),
    ],
)
async def test_a_breach_that_could_not_press_is_told_to_try_again(service: Service, error: Exception, why: str):
    """A person is paged; when it is mended the same message presses. The inauthentic hear of none of it."""
    service.desk.error = error
    forged = await service.call("desk", BREACH, sign(ODD))
    failed = await service.call("desk", BREACH, sign(BREACH))
    service.desk.error = None
    again = await service.call("desk", BREACH, sign(BREACH))

    assert (401, 503, 202) == (forged.status, failed.status, again.status)
    assert "1" == failed.headers["Retry-After"]
    assert why in failed.json["detail"]
    assert "panic press --group arbitrage" in failed.json["remedy"]
    assert ["hook desk: NOTHING was pressed"] == [page.title for page in service.pages]
    assert ["hook_refused", "hook_failed", "hook_pressed"] == service.kinds
    assert 1 == len(service.desk.presses)


async def test_a_breach_presses_although_its_store_is_out_of_order(tmp_path: Path):
    """It is flagged; and as long as the process lives its repetition joins all the same."""
    (tmp_path / "service.db").mkdir()
    async with serving(tmp_path / "service.db") as service:
        first = await service.call("desk", BREACH, sign(BREACH))
        second = await service.call("desk", BREACH, sign(BREACH))

    assert (202, 202) == (first.status, second.status)
    assert "It is no regular file" in first.json["flags"][0]
    assert 1 == len(service.desk.presses)
    assert {"flag"} == {notice.kind for notice in service.notices}


async def test_hooks_may_change_while_it_serves(tmp_path: Path):
    """One that the settings no longer name is unknown."""
    hooks = dict(HOOKS)
    async with serving(tmp_path / "service.db", hooks=hooks) as service:
        before = await service.call("desk", BREACH, sign(BREACH))
        del hooks["desk"]
        after = await service.call("desk", BREACH, sign(BREACH, "msg_2"))

    assert (202, 401) == (before.status, after.status)


async def test_a_hook_that_is_removed_while_a_body_comes_presses_nothing(tmp_path: Path):
    """What counts is how the settings are when it has come."""
    hooks = dict(HOOKS)

    async def slow() -> AsyncIterator[bytes]:
        yield alertmanager("firing")[:5]
        await asyncio.sleep(0)
        del hooks["alerts"]
        yield alertmanager("firing")[5:]

    async with serving(tmp_path / "service.db", hooks=hooks) as service:
        answer = await service.call("alerts", slow(), BEARER)

    assert (401, []) == (answer.status, service.desk.presses)


async def test_a_key_in_a_call_is_told_to_nobody(tmp_path: Path):
    """Neither on record nor in an answer or a reason, though it may stand across where a text is cut."""
    body = alertmanager("firing", commonAnnotations={"summary": "x" * 450 + TOKEN * 3})
    async with serving(tmp_path / "service.db", scrub=lambda text: text.replace(TOKEN, "[key]")) as service:
        answer = await service.call("desk", body, sign(body))

    told = f"{answer.text} {service.records} {service.desk.presses}"
    assert 202 == answer.status
    assert "[key]" in told
    assert TOKEN[:12] not in told


_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60)
_NAMES = [
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "authorization",
    "content-type",
    "content-encoding",
]


async def test_whatever_comes_is_neither_a_5xx_nor_a_press(tmp_path: Path):
    """Any bytes as body, any header values, any name."""
    calls: list[tuple[str, bytes, dict[str, str]]] = []

    @settings(max_examples=150, database=None)
    @given(
        st.sampled_from(["desk", "careful", "alerts", "unset", "nosuch"]),
        st.binary(max_size=300),
        st.dictionaries(st.sampled_from(_NAMES), _VALUES),
    )
    def collect(name: str, body: bytes, headers: dict[str, str]) -> None:
        calls.append((name, body, headers))

    await asyncio.to_thread(collect)
    async with serving(tmp_path / "service.db") as service:
        statuses = {(await service.call(*one)).status for one in calls}

    assert statuses <= {400, 401}
    assert ([], []) == (service.desk.presses, service.notices)


async def test_a_breach_cancels_through_the_real_service(tmp_path: Path):
    """Signed and borne, beside a simulated broker: the run is the command line's, and is on record."""
    secrets = tmp_path / "hook.secret", tmp_path / "alerts.secret"
    for file, secret in zip(secrets, (SECRET, TOKEN), strict=True):
        file.write_text(secret)
        file.chmod(0o600)
    hooks = (
        f'[hooks.desk]\nsecrets = [{{ file = "{secrets[0]}" }}]\naccounts = [1]\n'
        f'[hooks.alerts]\nscheme = "bearer"\nsecrets = [{{ file = "{secrets[1]}" }}]\nall = true\n'
    )
    async with simulate(*(account(id_) for id_ in range(1, 4))) as simulator:
        async with processes.serving(processes.firm(tmp_path, simulator, range(1, 4), more=hooks)) as service:

            async def call(name: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
                url = f"{service.url}/v1/hooks/{name}"
                async with service.session.post(url, data=body, headers=headers) as answer:
                    return answer.status, await answer.json(content_type=None)

            signed = sign(BREACH, at=int(time.time()))
            forged, _ = await call("desk", BREACH + b" ", signed)
            status, pressed = await call("desk", BREACH, signed)
            report = await service.report(pressed["run_id"])
            replayed, _ = await call("desk", BREACH, signed)
            only_one = sent(simulator, "DELETE")
            _, alerted = await call("alerts", alertmanager("firing"), BEARER)
            everything = await service.report(alerted["run_id"])
            resolved, _ = await call("alerts", alertmanager("resolved"), BEARER)

        assert (401, 202, 409, 200) == (forged, status, replayed, resolved)
        assert [1] == only_one
        assert ("hook", "hook desk", "hook desk: risk.limit.breached: desk A lost 2m") == tuple(
            report["trigger"][key] for key in ("source", "by", "reason")
        )
        assert ("clear", "clear") == (report["verdict"], everything["verdict"])
        assert {1, 2, 3} == set(sent(simulator, "DELETE"))
