"""Other pages in the browser of somebody who is signed in: whatever they try, nothing is pressed and nothing is read.

Real pages of other origins in a real browser: on another port of the same host, to which the cookie is sent; of
another site; in a sandboxed frame, whose origin is null; and under a name that leads to our address (DNS rebinding).
`tests/service/room/test_matrix.py` has the same byte by byte, without a browser between.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Frame, Page

from tests.browser import chromium
from tests.browser.conftest import address
from tests.browser.page import screen
from tests.cli.support import sent
from tests.service.house import QUICK, House

pytestmark = chromium.needed

STRANGER: Final = "evil.example"

_BODY: Final = json.dumps(QUICK)
_FORM: Final = """(kind, path, body) => {
    const form = Object.assign(document.createElement("form"), { method: "POST", enctype: kind, action: URL + path, target: "sink" });
    const [name, value] = body;
    form.append(Object.assign(document.createElement("input"), { name, value }));
    document.body.append(form);
    form.submit();
}"""

ACTS: Final = {
    "fetch as text": "fetch(URL + '/v1/runs', {method: 'POST', mode: 'no-cors', credentials: 'include', body: BODY})",
    "fetch as form": "fetch(URL + '/v1/runs', {method: 'POST', mode: 'no-cors', credentials: 'include', "
    "body: new URLSearchParams({scope: 'all'})})",
    "fetch as multipart": "fetch(URL + '/v1/runs', {method: 'POST', mode: 'no-cors', credentials: 'include', "
    "body: new FormData()})",
    "fetch as json": "fetch(URL + '/v1/runs', {method: 'POST', credentials: 'include', "
    "headers: {'Content-Type': 'application/json'}, body: BODY})",
    "fetch with a word of its own": "fetch(URL + '/v1/runs', {method: 'POST', credentials: 'include', "
    "headers: {'Content-Type': 'application/json', 'X-CSRF-Token': 'a'}, body: BODY})",
    "fetch with a token of its own": "fetch(URL + '/v1/runs', {method: 'POST', credentials: 'include', "
    "headers: {'Content-Type': 'application/json', Authorization: 'Bearer x'}, body: BODY})",
    "fetch kept alive": "fetch(URL + '/v1/runs', {method: 'POST', mode: 'no-cors', credentials: 'include', "
    "keepalive: true, body: BODY})",
    "fetch without a referrer": "fetch(URL + '/v1/runs', {method: 'POST', mode: 'no-cors', credentials: 'include', "
    "referrerPolicy: 'no-referrer', body: BODY})",
    "XMLHttpRequest": "new Promise((done) => {const x = new XMLHttpRequest(); x.open('POST', URL + '/v1/runs'); "
    "x.withCredentials = true; x.onloadend = () => done(x.responseText); x.send(BODY)})",
    "beacon as text": "navigator.sendBeacon(URL + '/v1/runs', BODY) && null",
    "beacon as json": "(() => {try {navigator.sendBeacon(URL + '/v1/runs', "
    "new Blob([BODY], {type: 'application/json'}))} catch {}})()",
    "form as text": f"({_FORM})('text/plain', '/v1/runs', ['{{\"scope\":{{\"all\":true}},\"reason\":\"', '\"}}'])",
    "form as urlencoded": f"({_FORM})('application/x-www-form-urlencoded', '/v1/runs', ['scope', 'all'])",
    "form as multipart": f"({_FORM})('multipart/form-data', '/v1/runs', ['scope', 'all'])",
    "form that resets": f"({_FORM})('text/plain', '/v1/reset', ['{{\"reason\":\"', '\"}}'])",
    "form that signs in": f"({_FORM})('text/plain', '/v1/session', ['{{\"token\":\"', 'east-secret-token\"}}'])",
    "signs out": "fetch(URL + '/v1/session', {method: 'DELETE', credentials: 'include'})",
    "keeps awake": "fetch(URL + '/v1/session/seen', {method: 'POST', mode: 'no-cors', credentials: 'include'})",
    "override of the method": "fetch(URL + '/v1/runs?_method=POST', {mode: 'no-cors', credentials: 'include'})",
    "image": "new Promise((done) => {const i = new Image(); i.onload = i.onerror = () => done(null); "
    "i.src = URL + '/v1/runs'})",
    "socket": "new Promise((done) => {const s = new WebSocket(URL.replace('http', 'ws') + '/v1/room/events'); "
    "s.onopen = () => done('opened'); s.onerror = () => done(null)})",
}
"""What a page can do to make its browser act. `URL` and `BODY` are put in."""

LOOKS: Final = {
    "fetch": "fetch(URL + PATH, {credentials: 'include'}).then((r) => r.text())",
    "fetch without cors": "fetch(URL + PATH, {mode: 'no-cors', credentials: 'include'}).then((r) => r.text())",
    "stream": "new Promise((done) => {const s = new EventSource(URL + '/v1/room/events', {withCredentials: true}); "
    "s.onmessage = s.onopen = () => done('opened'); s.onerror = () => done('')})",
    "script": "new Promise((done) => {const s = document.createElement('script'); s.onload = () => done('loaded'); "
    "s.onerror = () => done(''); s.src = URL + PATH; document.head.append(s)})",
    "style": "new Promise((done) => {const s = Object.assign(document.createElement('link'), {rel: 'stylesheet'}); "
    "s.onload = () => done('loaded'); s.onerror = () => done(''); s.href = URL + PATH; document.head.append(s)})",
    "module": "import(URL + '/room/room.js').then(() => 'loaded')",
}
PATHS: Final = ("/v1/session", "/v1/room", "/v1/runs")

FRAMES: Final = ("iframe", "object", "embed")
FRAMED: Final = ("/", "/v1/session", "/v1/runs", "/openapi.json", "/room/room.js")


@asynccontextmanager
async def evil() -> AsyncIterator[int]:
    """A page of somebody else's, on a port of its own under whatever name."""

    async def answer(_: web.Request) -> web.Response:
        words = "<!doctype html><title>evil</title><body><iframe name=sink></iframe>"
        return web.Response(text=words, content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser that finds a name of somebody else's at our address."""
    async with chromium.chromium(f"--host-resolver-rules=MAP {STRANGER} 127.0.0.1") as one:
        yield one


async def _place(context: BrowserContext, where: str, port: int) -> Page | Frame:
    """Open the other page."""
    host = STRANGER if where == "another site" else "127.0.0.1"
    page = await context.new_page()
    await page.goto(f"http://{host}:{port}/")
    if where != "a sandboxed frame":
        return page
    await page.evaluate(
        "document.body.append(Object.assign(document.createElement('iframe'), {name: 'sand', "
        "sandbox: 'allow-scripts allow-forms', srcdoc: '<iframe name=sink></iframe>'}))"
    )
    await page.wait_for_timeout(200)
    frame = page.frame(name="sand")
    assert frame is not None
    assert "null" == await frame.evaluate("self.origin")
    return frame


PLACES: Final = ("another port of this host", "another site", "a sandboxed frame")


def _put(script: str, url: str, path: str = "") -> str:
    filled = script.replace("URL +", f"{json.dumps(url)} +").replace("URL.", f"{json.dumps(url)}.")
    return filled.replace("BODY", json.dumps(_BODY)).replace("PATH", json.dumps(path))


async def _try(place: Page | Frame, script: str) -> Any:
    """Run it; give what it could read, or "" where the browser or the service stopped it."""
    return await place.evaluate(f"(async () => {{try {{return await ({script})}} catch {{return ''}}}})()")


@pytest.mark.parametrize("where", PLACES)
async def test_no_other_page_acts(it: House, browser: Browser, where: str):
    """Each way that a page has to make its browser send something: no press, no reset, nobody signed out or in."""
    async with evil() as port, screen(browser, address(it)) as page:
        await page.sign_in("joe-secret-token")
        before = await page.page.context.cookies()
        place = await _place(page.page.context, where, port)
        read = {name: got for name, script in ACTS.items() if (got := await _try(place, _put(script, page.url)))}
        await place.wait_for_timeout(300)  # forms and beacons are on their way
        after = await page.page.context.cookies()
        page.complaints.clear()
        acted = [kind for kind in it.kinds() if kind not in {"sign_in", "refused"}]
        await page.press_all()  # the table can fail: our own page acts

    assert {} == read
    assert before == after
    assert [] == acted
    assert ["sign_in"] == [kind for kind in it.kinds() if kind == "sign_in"]
    assert [1, 2] == sorted(sent(it.simulator, "DELETE"))
    assert 1 == len(it.desk.live)


@pytest.mark.parametrize("where", PLACES)
async def test_no_other_page_looks(it: House, browser: Browser, where: str):
    """What a service says of a firm is for its own page: no way of reading gives another one a word."""
    async with evil() as port, screen(browser, address(it)) as page:
        await page.sign_in("joe-secret-token")
        place = await _place(page.page.context, where, port)
        read = {}
        for name, script in LOOKS.items():
            for path in PATHS:
                if got := await _try(place, _put(script, page.url, path)):
                    read[name, path] = got
        page.complaints.clear()

    assert {} == read


@pytest.mark.parametrize("where", PLACES[:2])
async def test_no_other_page_frames_ours(it: House, browser: Browser, where: str):
    """A page around ours could lead a finger: there is none, with any element and for any address."""
    async with evil() as port, screen(browser, address(it)) as page:
        await page.sign_in("joe-secret-token")
        place = await _place(page.page.context, where, port)
        shown = []
        for tag in FRAMES:
            for path in FRAMED:
                script = f"""new Promise((done) => {{
                    const frame = document.createElement("{tag}");
                    frame.{"data" if tag == "object" else "src"} = {json.dumps(page.url + path)};
                    document.body.append(frame);
                    setTimeout(done, 150);
                }})"""
                await place.evaluate(script)
        assert isinstance(place, Page)
        shown = [frame.url for frame in place.frames if frame.url.startswith(page.url) and await _is_ours(frame)]
        page.complaints.clear()

    assert [] == shown


async def _is_ours(frame: Frame) -> bool:
    """Whether anything of the service is in a frame."""
    text = await frame.evaluate("document.documentElement?.textContent ?? ''")
    return bool(text.strip())


async def test_a_name_that_was_bent_to_our_address_finds_nobody(it: House, browser: Browser):
    """DNS rebinding: a page under a stranger's name that resolves to us is refused, and so is all that it asks."""
    async with screen(browser, address(it)) as page:
        await page.sign_in("joe-secret-token")
        port = page.url.rpartition(":")[2]
        stranger = await page.page.context.new_page()
        statuses = []
        for path in ("/", "/v1/room", "/v1/session", "/v1/runs", "/room/room.js", "/openapi.json"):
            answer = await stranger.goto(f"http://{STRANGER}:{port}{path}")
            assert answer is not None
            statuses.append(answer.status)
        for name, script in ACTS.items():
            assert not await _try(stranger, _put(script, f"http://{STRANGER}:{port}")) or name.startswith("fetch")
        page.complaints.clear()

    assert {421} == set(statuses)
    assert {} == it.desk.live
