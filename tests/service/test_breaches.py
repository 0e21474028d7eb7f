"""POST /v1/hooks/{name}: exactly those calls press that should, and only one that could not press gets a 5xx."""

import asyncio
import json
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import ClientConnectionResetError
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from panic.config import Credential, Hook
from panic.kit.errors import ConfigurationError, Problem, UsageError
from panic.run.press import Press
from panic.service import body as bodies
from panic.service.body import HOOK_MOST
from panic.service.desk import Desk
from panic.service.hooks.breaches import FLOOD, Breaches, Sparse
from panic.service.hooks.decisions import Earlier
from panic.service.hooks.keyring import Keyring
from panic.service.hooks.taken import Call, Taken
from panic.service.notify import Notice
from tests.cli.support import account, sent, simulate
from tests.service import support as processes
from tests.service.hooks.support import BREACH, NOW, OTHER, SECRET, TOKEN, alertmanager, sign

ODD = b'{"what":"?"}'
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ENV = {"SECRET": SECRET, "OTHER": OTHER, "TOKEN": TOKEN}
_PLACES = (Credential(env="SECRET"), Credential(env="OTHER"))
HOOKS = {
    "desk": Hook(secrets=_PLACES, groups=("arbitrage",), side="BUY", watch_s=3, deadline_s=60, latch=True),
    "careful": Hook(secrets=_PLACES, all=True, on_odd="page"),
    "alerts": Hook(secrets=(Credential(env="TOKEN"),), scheme="bearer", accounts=(100019,)),
    "unset": Hook(secrets=(Credential(env="NOT_SET"),), all=True),
}


# ── a desk, a request and a service, without a connection ───────────────────────────────────────────────────


@dataclass
class FakeDesk:
    """Counts presses; identical ones are one while their run is under way, as at the real one."""

    presses: list[Press] = field(default_factory=list)
    lives: list[Any] = field(default_factory=list)
    error: Exception | None = None
    observers: list[Any] = field(default_factory=list)

    def press(self, press: Press, *, automated: bool = False) -> Any:
        assert automated
        if self.error is not None:
            raise self.error
        self.presses.append(press)
        for live, earlier in zip(self.lives, self.presses, strict=False):
            if not live.is_over and earlier.scope == press.scope:
                return SimpleNamespace(live=live, joined=True)
        run = SimpleNamespace(id=f"run-{len(self.lives) + 1}")
        self.lives.append(SimpleNamespace(run=run, is_over=False, failure=None))
        return SimpleNamespace(live=self.lives[-1], joined=False)

    def find(self, run_id: str) -> Any:
        return next((live for live in self.lives if live.run.id == run_id), None)


@dataclass
class FakeRequest:
    """What the handler asks of a request."""

    match_info: dict[str, str]
    headers: CIMultiDict[str]
    content: StreamReader
    content_length: int | None
    remote: str = "127.0.0.1"

    def get(self, _: object, default: str) -> str:
        return default


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Service:
    """The hooks, and what they did; the clock stands still at NOW."""

    def __init__(
        self, recall: Callable[[], Iterable[Call]] = list, hooks: Mapping[str, Hook] = HOOKS, **how: Any
    ) -> None:
        self.desk, self.notices = FakeDesk(), list[Notice]()
        self.records: list[tuple[str, dict[str, Any]]] = []
        self.taken = Taken(recall, now=lambda: NOW, patience_s=how.pop("patience_s", 5))
        self.breaches = Breaches(
            cast("Desk", self.desk),
            lambda: hooks,
            self.notices.append,
            lambda kind, facts: self.records.append((kind, facts)),
            taken=self.taken,
            keyring=Keyring(ENV, every_s=60, patience_s=5),
            now=lambda: NOW,
            **how,
        )

    async def call(self, name: str, body: bytes, headers: Mapping[str, str], **how: Any) -> Answer:
        """Call a hook, and check what holds for every answer."""
        return await self.take(self.request(name, body, headers), **how)

    def request(self, name: str, body: bytes, headers: Mapping[str, str]) -> FakeRequest:
        """A request that has come whole."""
        loop = asyncio.get_running_loop()
        protocol = BaseProtocol(loop)
        protocol.transport = asyncio.Transport()
        content = StreamReader(protocol, HOOK_MOST, loop=loop)
        content.feed_data(body)
        content.feed_eof()
        return FakeRequest({"name": name}, CIMultiDict(headers), content, len(body))

    async def take(self, request: Any) -> Answer:
        """Let a request be handled."""
        answer = await self.breaches.handle(request)
        found = Answer(answer.status, answer.headers, answer.body.decode())  # type: ignore[attr-defined]
        if found.status >= 400:
            assert "application/problem+json" == answer.content_type
            assert all(value for key, value in found.json.items() if key not in {"errors", "request_id"})
            assert found.status == found.json["status"]
        return found

    def end(self, failure: BaseException | None = None) -> None:
        """Let the first run come to its end."""
        live = self.desk.lives[0]
        live.is_over, live.failure = True, failure
        self.breaches.observe("finished", live)

    @property
    def pages(self) -> list[Notice]:
        return [notice for notice in self.notices if notice.kind == "page"]

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.records]


@pytest.fixture
async def service() -> Service:
    """A service with hooks of every sort."""
    return Service()


# ── what presses ────────────────────────────────────────────────────────────────────────────────────────────


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


@pytest.mark.parametrize(
    ("name", "body", "headers", "status", "presses", "pages"),
    [
        ("desk", alertmanager("resolved"), sign(alertmanager("resolved")), 200, False, False),
        ("desk", ODD, sign(ODD), 202, True, True),
        ("desk", b" " * HOOK_MOST, sign(b" " * HOOK_MOST), 202, True, True),
        ("careful", ODD, sign(ODD), 202, False, True),
        ("careful", BREACH, sign(BREACH), 202, True, False),
        ("alerts", alertmanager("firing"), BEARER, 202, True, False),
    ],
    ids=["resolved", "odd", "largest", "odd, page only", "breach, page only", "borne"],
)
async def test_what_an_authentic_call_sets_off(
    service: Service, name: str, body: bytes, headers: dict[str, str], status: int, presses: bool, pages: bool
):
    """Everything but what says that it is over or a test presses, unless the hook only pages for the odd."""
    answer = await service.call(name, body, headers)

    assert (status, presses, pages) == (answer.status, bool(service.desk.presses), bool(service.pages))
    assert pages == any("not understood" in flag for flag in answer.json["flags"])


_FORGED = {
    "nothing": ("desk", {}),
    "bearer for a signer": ("desk", {"Authorization": f"Bearer {SECRET}"}),
    "signature for a bearer": ("alerts", sign(BREACH)),
    "another id": ("desk", sign(BREACH) | {"webhook-id": "msg_2"}),
    "no such hook": ("nosuch", sign(BREACH)),
    "a hook without secrets": ("unset", sign(BREACH)),
    "odd name": ("\x00\x1b[2J\udcff", sign(BREACH)),
}


@pytest.mark.parametrize(("name", "headers"), _FORGED.values(), ids=_FORGED)
async def test_a_forged_call_learns_nothing_and_does_nothing(service: Service, name: str, headers: dict[str, str]):
    """The same answer for all of them, byte by byte; nobody is paged, and it is on record."""
    answer = await service.call(name, BREACH, headers)
    other = await service.call("nosuch", b"", {})

    assert (401, 401, other.text) == (answer.status, other.status, answer.text)
    assert ([], []) == (service.desk.presses, service.notices)
    assert ["hook_refused"] * 2 == service.kinds
    assert all(facts["hook"].isprintable() for _, facts in service.records)


def test_a_flood_is_counted_and_does_not_fill_the_record():
    """So many a minute are on record, and the next that is tells how many were left out."""
    at = [6000.0]
    sparse = Sparse(lambda: at[0])
    first = [sparse.take() for _ in range(FLOOD + 40)]
    at[0] += 60

    assert [0] * FLOOD + [None] * 40 == first
    assert [40, 0] == [sparse.take(), sparse.take()]


# ── what was taken before ───────────────────────────────────────────────────────────────────────────────────


async def test_copies_are_one_press_and_do_not_fill_the_record(service: Service):
    """Also those that cross, and those that are signed anew."""
    headers = [sign(BREACH, at=NOW + number % 2) for number in range(3 * FLOOD)]
    answers = await asyncio.gather(*(service.call("desk", BREACH, one) for one in headers))
    told = sorted((answer.json["run_id"], answer.json["joined"]) for answer in answers)

    assert [("run-1", False)] + [("run-1", True)] * (len(headers) - 1) == told
    assert (1, []) == (len(service.desk.presses), service.notices)
    assert FLOOD + 1 <= len(service.records) <= 2 * FLOOD + 1


async def test_a_replay_after_the_run_is_refused_and_pages(service: Service):
    """A new delivery of the same message is not: its sender did not hear our answer. Neither presses."""
    await service.call("desk", BREACH, sign(BREACH))
    service.end()
    service.desk.lives.clear()  # the desk forgets runs that are over
    replay = await service.call("desk", BREACH, sign(BREACH))
    redelivery = await service.call("desk", BREACH, sign(BREACH, at=NOW + 30))

    assert (409, "urn:panic:problem:replayed") == (replay.status, replay.json["type"])
    assert (202, "run-1") == (redelivery.status, redelivery.json["run_id"])
    assert (1, 1) == (len(service.desk.presses), len(service.pages))


async def test_what_pressed_nothing_is_told_with_what_to_do_by_hand(service: Service):
    """A well-signed call that is late; the repeat of one whose run broke off presses: it may be all there is."""
    late = await service.call("desk", BREACH, sign(BREACH, at=NOW - 301))
    (page,) = service.pages
    first = await service.call("desk", BREACH, sign(BREACH))
    service.end(RuntimeError())
    again = await service.call("desk", BREACH, sign(BREACH))

    assert (400, "late") == (late.status, late.json["code"])
    assert "a well-signed call to hook desk was refused" in page.text
    assert "panic press --group arbitrage --side BUY --latch --reason breach" in page.text
    assert ["pressed"] * 2 == [one.json["act"] for one in (first, again)]
    assert 2 == len(service.desk.presses)


@pytest.mark.parametrize("is_over", [True, False])
async def test_what_an_earlier_process_took_is_known(is_over: bool):
    """A copy is refused; but where its run did not finish it presses, and its repeats join that."""
    before = Service()
    await before.call("desk", BREACH, sign(BREACH))
    if is_over:
        before.end()
    earlier = before.taken.find("desk", "msg_1")
    assert earlier is not None
    after = Service(lambda: [Call("desk", "msg_1", earlier, NOW + 600)])
    answers = [await after.call("desk", BREACH, sign(BREACH)) for _ in range(2)]

    assert ([409, 409] if is_over else [202, 202]) == [one.status for one in answers]
    assert ([] if is_over else ["pressed", "joined"]) == [one.json["act"] for one in answers if not is_over]
    assert (0 if is_over else 1) == len(after.desk.presses)


async def test_a_breach_presses_although_the_record_cannot_be_read():
    """It is flagged; and as long as the process lives its repetition joins all the same."""

    def fail() -> list[Call]:
        raise OSError("no such disk")

    service = Service(fail)
    first, second = [await service.call("desk", BREACH, sign(BREACH)) for _ in range(2)]

    assert (202, 202) == (first.status, second.status)
    assert ["a repeated call might press again: the ledger cannot be read: no such disk"] == first.json["flags"]
    assert (1, {"flag"}) == (len(service.desk.presses), {notice.kind for notice in service.notices})


async def test_a_breach_does_not_wait_for_a_record_that_hangs():
    """Once for a moment, then no more; when it has been read it counts."""
    go, begun = threading.Event(), list[int]()

    def hang() -> list[Call]:
        begun.append(1)
        go.wait(20)
        return []

    service = Service(hang, patience_s=0.01)
    flags = [(await service.call("desk", BREACH, sign(BREACH, f"msg_{n}"))).json["flags"] for n in range(3)]
    go.set()
    service.taken._patience_s = 20
    await service.taken.ready()
    after = await service.call("desk", BREACH, sign(BREACH, "msg_4"))

    assert [1, 1, 1] == [len(one) for one in flags]
    assert ([1], []) == (begun, after.json["flags"])


async def test_a_call_is_remembered_for_twice_its_tolerance():
    """Later it would be refused as late in any case."""
    now = [float(NOW)]
    taken, earlier = Taken(list, now=lambda: now[0]), Earlier("digest", NOW, "run-1")
    taken.take("desk", "msg_1", earlier, 300)
    now[0] += 600
    remembered = taken.find("desk", "msg_1")
    now[0] += 1
    forgotten = taken.find("desk", "msg_1")
    taken.take("desk", "msg_2", earlier, 300)

    assert (earlier, None) == (remembered, forgotten)
    assert [("desk", "msg_2")] == [*taken._known]


# ── what does not arrive, or cannot press ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("name", "headers"), [("desk", {}), ("alerts", BEARER)])
@pytest.mark.parametrize(("what", "status"), [("too_large", 413), ("broken", 400), ("too_slow", 408)])
async def test_a_body_that_does_not_arrive_is_the_callers_mistake(
    service: Service, monkeypatch: pytest.MonkeyPatch, name: str, headers: dict[str, str], what: str, status: int
):
    """Nothing is pressed; whoever bears the secret called all the same."""
    monkeypatch.setattr(bodies, "WITHIN_S", 0.02)
    request = service.request(name, b"" if what == "too_slow" else b" " * (HOOK_MOST + 1), headers)
    request.content_length = None
    if what == "broken":
        request.content.set_exception(ClientConnectionResetError())
    if what == "too_slow":
        request.content._eof = False
    answer = await service.take(request)

    assert (202 if headers else status) == answer.status
    assert bool(headers) == bool(service.desk.presses) == bool(service.pages)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ConfigurationError([Problem("no account of this scope can be fired", "Mend it.")]), "can be fired"),
        (UsageError("--group 'arbitrage' is not in accounts.csv"), "is not in accounts.csv"),
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


async def test_a_hook_that_is_removed_while_a_body_comes_presses_nothing():
    """What counts is how the settings are when it has come."""
    hooks = dict(HOOKS)
    service = Service(hooks=hooks)
    request = service.request("alerts", alertmanager("firing"), BEARER)
    request.content._eof = False
    call = asyncio.create_task(service.take(request))
    await asyncio.sleep(0)
    del hooks["alerts"]
    request.content.feed_eof()
    answer = await call

    assert (401, []) == (answer.status, service.desk.presses)


async def test_a_key_in_a_call_is_told_to_nobody():
    """Neither on record nor in an answer or a reason, though it may stand across where a text is cut."""
    body = alertmanager("firing", commonAnnotations={"summary": "x" * 450 + TOKEN * 3})
    service = Service(scrub=lambda text: text.replace(TOKEN, "[key]"))
    answer = await service.call("desk", body, sign(body))

    told = f"{answer.text} {service.records} {service.desk.presses}"
    assert 202 == answer.status
    assert "[key]" in told
    assert TOKEN[:12] not in told


_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60)
_NAMES = ["webhook-id", "webhook-timestamp", "webhook-signature", "authorization", "content-encoding"]


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["desk", "careful", "alerts", "unset", "nosuch"]),
    st.binary(max_size=300),
    st.dictionaries(st.sampled_from(_NAMES), _VALUES),
)
def test_whatever_comes_is_neither_a_5xx_nor_a_press(name: str, body: bytes, headers: dict[str, str]):
    """Any bytes as body, any header values, any name."""

    async def whole() -> None:
        service = Service()
        answer = await service.call(name, body, headers)

        assert answer.status in {400, 401}
        assert ([], []) == (service.desk.presses, service.notices)

    asyncio.run(whole())


async def test_a_breach_cancels_through_the_real_service_and_its_copy_never_again(tmp_path: Path):
    """Signed and borne, beside a simulated broker; after a crash the next process knows from the run's record."""
    secrets = tmp_path / "hook.secret", tmp_path / "alerts.secret"
    for file, secret in zip(secrets, (SECRET, TOKEN), strict=True):
        file.write_text(secret)
        file.chmod(0o600)
    hooks = (
        f'[hooks.desk]\nsecrets = [{{ file = "{secrets[0]}" }}]\naccounts = [1]\nwatch_s = 0\n'
        f'[hooks.alerts]\nscheme = "bearer"\nsecrets = [{{ file = "{secrets[1]}" }}]\nall = true\nwatch_s = 0\n'
    )
    signed = sign(BREACH, at=int(time.time()))
    async with simulate(*(account(id_) for id_ in range(1, 4))) as simulator:
        firm = processes.firm(tmp_path, simulator, range(1, 4), more=hooks)

        async def call(service: Any, name: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
            url = f"{service.url}/v1/hooks/{name}"
            async with service.session.post(url, data=body, headers=headers) as answer:
                return answer.status, await answer.json(content_type=None)

        async with processes.serving(firm) as service:
            forged, _ = await call(service, "desk", BREACH + b" ", signed)
            status, pressed = await call(service, "desk", BREACH, signed)
            report = await service.report(pressed["run_id"])
            replayed, _ = await call(service, "desk", BREACH, signed)
            only_one = sent(simulator, "DELETE")
            _, alerted = await call(service, "alerts", alertmanager("firing"), BEARER)
            everything = await service.report(alerted["run_id"])
            service.process.signal(signal.SIGKILL)
            await service.process.finish()
        async with processes.serving(firm) as service:
            after, _ = await call(service, "desk", BREACH, signed)

        assert (401, 202, 409, 409) == (forged, status, replayed, after)
        assert [1] == only_one
        assert ("hook", "hook desk", "hook desk: risk.limit.breached: desk A lost 2m") == tuple(
            report["trigger"][key] for key in ("source", "by", "reason")
        )
        assert ("clear", "clear") == (report["verdict"], everything["verdict"])
        assert {1, 2, 3} == set(sent(simulator, "DELETE"))
