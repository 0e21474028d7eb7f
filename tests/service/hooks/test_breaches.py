"""POST /v1/hooks/{name}: exactly those calls press that should, and only one that could not press gets a 5xx."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectionResetError

from panic.kit.errors import ConfigurationError, Problem, UsageError
from panic.service import body as bodies
from panic.service.body import HOOK_MOST
from tests.cli.support import account, sent, simulate
from tests.service import support as processes
from tests.service.hooks.support import (
    BEARER,
    BREACH,
    CAREFUL,
    HOOKS,
    NOW,
    SECRET,
    Service,
    alertmanager,
    said,
    sign,
)

ODD = b'{"what":"?"}'


@pytest.fixture
async def service() -> Service:
    """A service with hooks of every sort."""
    return Service()


# ── what presses ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_signed_breach_presses_its_hooks_scope(service: Service):
    """Filters, watch, deadline and latch are the hook's; who and why are told."""
    answer = await service.call("desk", BREACH, sign(BREACH))
    (press,) = service.desk.presses
    ((kind, facts, is_repeatable),) = service.records
    told = {"hook": "desk", "act": "pressed", "meaning": "firing", "title": "Pressed", "run_id": "run-1"}
    detail = {"detail": "The hook's scope is being cancelled.", "joined": False, "flags": []}

    assert (202, "/v1/runs/run-1") == (answer.status, answer.headers["Location"])
    assert told | detail == said(answer)
    assert ("hook", "hook desk") == (press.source, press.by)
    assert (3, 60, True) == (press.watch_s, press.deadline_s, press.latch)
    assert "hook desk: risk.limit.breached: desk A lost 2m" == press.reason
    assert (("arbitrage",), "BUY") == (press.scope.groups, press.scope.filters.side)
    assert [] == service.notices
    assert ("hook_pressed", False, "msg_1", "run-1") == (kind, is_repeatable, facts["id"], facts["run_id"])


RESOLVED, TEST = alertmanager("resolved"), b'{"type":"test"}'


@pytest.mark.parametrize(
    ("name", "body", "act", "presses", "pages"),
    [
        ("careful", BREACH, "pressed", True, False),
        ("alerts", alertmanager("firing"), "pressed", True, False),
        ("desk", RESOLVED, "recorded", False, False),
        ("careful", TEST, "recorded", False, False),
        ("desk", ODD, "odd_pressed", True, True),
        ("desk", b" " * HOOK_MOST, "odd_pressed", True, True),
        ("careful", ODD, "odd", False, True),
    ],
    ids=["page only", "borne", "resolved", "test", "odd", "largest", "odd, page only"],
)
async def test_what_an_authentic_call_sets_off(
    service: Service, name: str, body: bytes, act: str, presses: bool, pages: bool
):
    """What is not understood is flagged and pages, and presses unless the hook only pages for it."""
    signed = sign(body, "msg_1", NOW, CAREFUL if name == "careful" else SECRET)
    answer = await service.call(name, body, BEARER if name == "alerts" else signed)
    reasons = [press.reason.startswith(f"hook {name}: ") for press in service.desk.presses]

    assert (202 if presses or pages else 200, act) == (answer.status, said(answer)["act"])
    assert ([True] * presses, pages) == (reasons, bool(service.pages))
    assert pages == any("not understood" in flag for flag in said(answer)["flags"])


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("desk", {}),
        ("desk", {"Authorization": f"Bearer {SECRET}"}),
        ("alerts", sign(BREACH)),
        ("nosuch", sign(BREACH)),
        ("unset", sign(BREACH)),
        ("alerts", {"Authorization": "Bearer x"}),
        ("\x00\x1b[2J\udcff", sign(BREACH)),
    ],
)
async def test_a_forged_call_learns_nothing_and_does_nothing(service: Service, name: str, headers: dict[str, str]):
    """The same answer for all of them, byte by byte; nobody is paged, and in a flood not all are on record."""
    request, _ = service.request(name, headers)
    async with asyncio.timeout(5):  # no body comes: strangers' would fill the memory
        answer = await service.take(request)
    other = await service.call("nosuch", b"", {})

    assert (401, 401, other.text) == (answer.status, other.status, answer.text)
    assert ([], []) == (service.desk.presses, service.notices)
    assert [("hook_forged", True)] * 2 == [(kind, is_repeatable) for kind, _, is_repeatable in service.records]
    assert all(facts["hook"].isprintable() for _, facts, _ in service.records)


# ── what came before ────────────────────────────────────────────────────────────────────────────────────────


async def test_copies_are_one_press_and_do_not_fill_the_record(service: Service):
    """Also those that cross, those that are signed anew, and those that come when the run is over."""
    headers = [sign(BREACH, at=NOW + number % 2) for number in range(20)]
    answers = await asyncio.gather(*(service.call("desk", BREACH, one) for one in headers))
    service.end()
    service.desk.lives.clear()  # the desk forgets runs that are over
    answers.append(await service.call("desk", BREACH, sign(BREACH)))
    told = sorted((said(answer)["run_id"], said(answer)["joined"]) for answer in answers)

    assert [("run-1", False)] + [("run-1", True)] * 20 == told
    assert (1, []) == (len(service.desk.presses), service.notices)
    assert [False] + [True] * 20 == [is_repeatable for _, _, is_repeatable in service.records]


async def test_another_body_under_the_same_id_is_another_call(service: Service):
    """Whoever knows the secret says what it says; a copy of what pressed nothing presses nothing."""
    bodies = alertmanager("resolved"), alertmanager("resolved"), BREACH
    answers = [said(await service.call("desk", body, sign(body)))["act"] for body in bodies]

    assert ["recorded", "recorded", "pressed"] == answers


@pytest.mark.parametrize("body", [BREACH, RESOLVED, ODD])
@pytest.mark.parametrize(("id_", "off_s", "code"), [("msg_1", -301, "late"), ("a.b", 0, "malformed")])
async def test_a_call_that_is_not_of_now_pages_with_what_to_type(
    service: Service, body: bytes, id_: str, off_s: int, code: str
):
    """Whatever it says, it may have been a breach, held back."""
    answer = await service.call("desk", body, sign(body, id_, NOW + off_s))
    (page,) = service.pages

    assert (400, code, []) == (answer.status, said(answer)["code"], service.desk.presses)
    assert "a well-signed call to hook desk was refused" in page.text
    assert "panic press --group arbitrage --side BUY --latch --reason breach" in page.text


# ── what does not arrive, or cannot press ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("name", "headers"), [("desk", sign(BREACH)), ("alerts", BEARER)])
@pytest.mark.parametrize(("what", "status"), [("too_large", 413), ("broken", 400), ("too_slow", 408)])
async def test_a_body_that_does_not_arrive_is_the_callers_mistake(
    service: Service, monkeypatch: pytest.MonkeyPatch, name: str, headers: dict[str, str], what: str, status: int
):
    """Nothing is pressed; whoever bears the secret called all the same."""
    monkeypatch.setattr(bodies, "WITHIN_S", 0.02)
    request, content = service.request(name, headers)
    if what == "too_large":
        content.feed_data(b" " * (HOOK_MOST + 1))
    if what == "broken":
        content.set_exception(ClientConnectionResetError())
    answer = await service.take(request)

    is_borne = name == "alerts"
    assert (202 if is_borne else status) == answer.status
    assert is_borne == bool(service.desk.presses) == bool(service.pages)


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
    assert why in said(failed)["detail"]
    assert "panic press --group arbitrage" in said(failed)["remedy"]
    assert ["hook desk: NOTHING was pressed"] == [page.title for page in service.pages]
    assert ["hook_forged", "hook_failed", "hook_pressed"] == service.kinds


async def test_a_hook_that_is_removed_while_a_body_comes_presses_nothing():
    """What counts is how the settings are when it has come."""
    hooks = dict(HOOKS)
    service = Service(hooks=hooks)
    request, content = service.request("alerts", BEARER)
    call = asyncio.create_task(service.take(request))
    await asyncio.sleep(0)
    del hooks["alerts"]
    content.feed_data(alertmanager("firing"))
    content.feed_eof()
    answer = await call

    assert (401, []) == (answer.status, service.desk.presses)


async def test_a_breach_cancels_through_the_real_service_and_its_copy_never_again(tmp_path: Path):
    """Beside a simulated broker; after a crash the next process knows from the run's record."""
    secret = tmp_path / "hook.secret"
    secret.touch(0o600)
    secret.write_text(SECRET)
    hook = f'[hooks.desk]\nsecrets = [{{ file = "{secret}" }}]\naccounts = [1]\nwatch_s = 0\n'
    signed = sign(BREACH, at=int(time.time()))
    async with simulate(account(1), account(2)) as simulator:
        firm = processes.firm(tmp_path, simulator, [1, 2], more=hook)

        async def call(service: processes.Service, body: bytes = BREACH) -> tuple[int, Any]:
            async with service.session.post(f"{service.url}/v1/hooks/desk", data=body, headers=signed) as answer:
                return answer.status, await answer.json(content_type=None)

        async with processes.serving(firm) as service:
            forged, _ = await call(service, BREACH + b" ")
            status, pressed = await call(service)
            report = await service.report(pressed["run_id"])
            copies = [await call(service)]
            service.process.signal(signal.SIGKILL)
            await service.process.finish()
        async with processes.serving(firm) as service:
            copies.append(await call(service))

        assert (401, 202, [1]) == (forged, status, sent(simulator, "DELETE"))
        told = [(status, copy["act"], copy["run_id"]) for status, copy in copies]
        assert [(202, "joined", pressed["run_id"])] * 2 == told
        trigger = {"source": "hook", "by": "hook desk", "reason": "hook desk: risk.limit.breached: desk A lost 2m"}
        assert trigger.items() <= report["trigger"].items()
        assert "clear" == report["verdict"]
