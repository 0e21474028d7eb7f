"""Signing in from a browser: who is let in, for how long, and what goes on record."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from panic import latch
from tests.cli.support import account, simulate
from tests.service.house import QUICK, House, bearer, house
from tests.service.room.page import Browser
from tests.service.support import TOKEN as PROCESS_TOKEN
from tests.service.support import firm, serving
from tests.service.test_tls import a_certificate

NAME = "20990101T000000Z-000000"
_BOUND = r"__Host-panic-{}=[^;]+; HttpOnly; Path=/; SameSite=Strict; Secure"


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as made:
        yield made


@pytest.fixture
async def browser(it: House) -> Browser:
    """Joe's browser, signed in."""
    made = Browser(it)
    assert 200 == (await made.sign_in()).status
    return made


def later(it: House, seconds: float) -> None:
    now = it.sessions._now
    it.sessions._now = lambda: now() + seconds


# ── in and out ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_token_is_given_for_a_cookie_that_scripts_cannot_read(it: House):
    """Neither the token nor its name is in it; where TLS is not to be had the port is in its name."""
    answer = await Browser(it).sign_in()
    cookie = rf"panic-{it.client.port}=[A-Za-z0-9_-]{{43}}; HttpOnly; Path=/; SameSite=Strict"

    assert re.fullmatch(cookie, answer.headers["Set-Cookie"])
    assert "secret-token" not in answer.body.decode()


async def test_behind_a_proxy_the_cookie_is_bound_to_tls_and_to_this_host(tmp_path: Path):
    """The browser takes it under that name only if it is; what it proves is proven to the proxy's name."""
    async with house(tmp_path, more='behind_proxy = true\nallowed_hosts = ["panic.example"]') as it:
        browser = Browser(it)
        (await browser.sign_in()).problem("not_same_origin")
        for origin in ("https://panic.example", f"https://{browser.host}"):
            cookie = (await browser.sign_in(Origin=origin)).headers["Set-Cookie"]

            assert re.fullmatch(_BOUND.format(it.client.port), cookie)
            assert 200 == (await browser.ask("GET", "/v1/session")).status


async def test_a_token_that_is_nobodys_opens_nothing_and_is_on_record(it: House):
    """As one in a header is, and the words are nowhere. Our page may ask who is in before anybody is."""
    (await Browser(it).ask("GET", "/v1/session")).problem("unauthenticated")
    before = it.kinds()
    mistaken = await Browser(it).ask("POST", "/v1/session", {"token": "x" * 1001})
    for token in ("nobody", "joe-secret-toke", "Bearer joe-secret-token"):
        answer = await Browser(it).ask("POST", "/v1/session", {"token": token})

        assert answer.problem("unauthenticated")["remedy"]
        assert "Set-Cookie" not in answer.headers
    assert [] == before
    assert mistaken.problem("malformed")["errors"]
    assert "xxx" not in mistaken.body.decode()
    assert [("refused", "unauthenticated", "/v1/session")] * 3 == [
        (kind, body["code"], body["path"]) for kind, body in it.told
    ]
    assert "nobody" not in json.dumps(it.told)


async def test_signing_in_again_or_out_ends_the_session_there_and_here(browser: Browser):
    """Whoever gave somebody a cookie, or kept a copy of one, knows nothing of the one that they act with."""
    before, word = browser.cookie, browser.session
    await browser.sign_in("boss")
    old = await browser.ask("GET", "/v1/session", Cookie=before)
    (await browser.press(X_CSRF_Token=str(word and word["csrf"]))).problem("csrf")
    sessions = len(browser.it.sessions)
    out = await browser.ask("DELETE", "/v1/session")
    again = await browser.ask("GET", "/v1/session")

    assert before != browser.cookie
    assert "the session has ended" == old.problem("unauthenticated")["detail"]
    assert (1, 204, 401) == (sessions, out.status, again.status)
    assert re.match(rf'panic-{browser.it.client.port}="?"?; .*Max-Age=0', out.headers["Set-Cookie"])
    assert ["sign_in", "sign_in", "sign_out"] == [kind for kind in browser.it.kinds() if kind != "refused"]


# ── what a cookie is good for ───────────────────────────────────────────────────────────────────────────────


async def test_a_press_from_the_page_is_the_tokens_and_a_token_of_its_own_counts_alone(browser: Browser):
    """Its source is the room, on record is the token's name. A bad token is not made good by a cookie."""
    report = (await browser.ask("POST", "/v1/runs", {**QUICK, "wait": 30})).fits("Report")
    told = dict(browser.it.told)["press"]
    for given in ("", "Bearer", "Bearer nobody", "Basic am9l"):
        headers = {"Cookie": browser.cookie, "Authorization": given}
        async with browser.it.client.get("/v1/runs", headers=headers) as response:
            assert 401 == response.status
    apart = await browser.ask("POST", "/v1/runs", {**QUICK, "wait": 30}, **bearer("boss"))

    assert [("room", "joe"), ("api", "boss")] == [
        (one["trigger"]["source"], one["trigger"]["by"]) for one in (report, apart.json)
    ]
    assert ("joe", "joe") == (told["token"], told["by"])
    assert 1.0 == browser.it.counted("panic_runs_started_total", source="room")


async def test_a_cookie_is_worth_its_token_in_every_route(it: House):
    """Roles, groups and persons are those of the token, as they are now."""
    await asyncio.to_thread(latch.create, it.firm.folder / "panic.latch")
    east, viewer, robot = Browser(it), Browser(it), Browser(it)
    for browser, name in ((east, "east"), (viewer, "viewer"), (robot, "robot")):
        await browser.sign_in(name)
    for one in (east, viewer):
        (await one.press()).problem("forbidden")
    (await robot.ask("POST", "/v1/reset", {"reason": "over"})).problem("forbidden")
    pressed = await east.ask("POST", "/v1/runs", {**QUICK, "scope": {"groups": ["East"]}})

    assert 202 == pressed.status
    assert ["token"] == [key for key in ("token", "cookie") if key in dict(it.told)["press"]]
    for method in ("GET", "DELETE"):  # who comes with a token of their own has no session
        (await east.ask(method, "/v1/session", **bearer("joe"))).problem("not_found")


# ── idle ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_is_idle_only_looks(browser: Browser):
    """Reports, plans and the session itself are told; a press takes the token again, and then it works at once."""
    later(browser.it, 901)
    session = (await browser.ask("GET", "/v1/session")).fits("SessionView")
    plan = await browser.ask("POST", "/v1/plan", {"scope": {"all": True}})
    looks = [(await browser.ask("GET", path)).status for path in ("/v1/runs", "/v1/status")]
    for path, body in (("/v1/runs", dict(QUICK)), (f"/v1/runs/{NAME}/resume", None)):
        refused = (await browser.ask("POST", path, body)).problem("idle")
        assert "Give your token again." == refused["remedy"]
    before = dict(browser.it.desk.live)
    await browser.sign_in()
    pressed = await browser.press()

    assert (False, 0.0) == (session["may_act"], session["acts_for_s"])
    assert [200] * 3 == [plan.status, *looks]
    assert ({}, 202) == (before, pressed.status)


async def test_looking_keeps_nobody_awake_and_acting_does(browser: Browser):
    """A page that refreshes itself is nobody, nor is another page; an act, or the word of ours, is somebody."""
    it, left = browser.it, list[float]()

    async def look() -> None:
        left.append((await browser.ask("GET", "/v1/session")).json["acts_for_s"])

    later(it, 600)
    await browser.ask("GET", "/v1/runs")
    await browser.ask("POST", "/v1/plan", {"scope": {"all": True}})
    for headers in ({"Origin": "https://evil.example"}, {"X_CSRF_Token": "wrong"}):
        assert 403 == (await browser.ask("POST", "/v1/session/seen", **headers)).status
    await look()
    await browser.ask("POST", "/v1/session/seen")
    await look()
    later(it, 600)
    await browser.press()
    await look()
    later(it, 901)
    late = (await browser.ask("POST", "/v1/session/seen")).json

    assert [300, 900, 900] == [round(seconds, -2) for seconds in left]
    assert (False, 0.0) == (late["may_act"], late["acts_for_s"])


async def test_over_tls_the_cookie_is_bound_to_it_and_presses(tmp_path: Path):
    """As a process, which gives the browser's press the source of the page."""
    (tmp_path / "tls").mkdir()
    made = a_certificate(tmp_path / "tls")
    context = ssl.create_default_context()
    made.ca.configure_trust(context)
    how: dict[str, Any] = {"ssl": context, "server_hostname": "panic.example.com"}
    async with simulate(account(1)) as simulator, aiohttp.ClientSession() as client:
        one = firm(tmp_path, simulator, [1])
        lines = f'port = 0\ntls_certificate = "{made.certificate}"\ntls_key = "{made.key}"\n'
        one.settings.write_text(one.settings.read_text().replace("port = 0\n", lines))
        async with serving(one) as service:
            headers, body = {"Origin": service.url}, {"token": PROCESS_TOKEN}
            async with client.post(f"{service.url}/v1/session", json=body, headers=headers, **how) as answer:
                cookie, word = answer.headers["Set-Cookie"], (await answer.json())["csrf"]
            headers |= {"Cookie": cookie.partition(";")[0], "X-CSRF-Token": word}
            press = {**QUICK, "wait": 15}
            async with client.post(f"{service.url}/v1/runs", json=press, headers=headers, **how) as answer:
                report = await answer.json()

    port = service.url.rpartition(":")[2]
    assert re.fullmatch(_BOUND.format(port), cookie)
    assert ("clear", "room", "desk") == (report["verdict"], *(report["trigger"][key] for key in ("source", "by")))
