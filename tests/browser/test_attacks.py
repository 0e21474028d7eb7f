"""Other pages in the browser of somebody who is signed in: whatever they try, nothing is pressed, read or shown.

They are real pages in a real browser, and `evil.js` is what they try: on another port of the same host, to which
the cookie is sent; of another site; in a sandboxed frame, whose origin is null; and under a name that was bent to
our address (DNS rebinding). `tests/service/room/test_matrix.py` has the same byte by byte, without a browser.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Frame, Page

from tests.browser import chromium
from tests.browser.chromium import STRANGER
from tests.browser.conftest import address
from tests.browser.page import screen
from tests.cli.support import sent
from tests.service.house import House

pytestmark = chromium.needed

PLACES: Final = {
    "another port of this host": "not_same_origin",
    "another site": "unauthenticated",
    "a sandboxed frame": "unauthenticated",
}
"""Where the other page is, and what it is told first: to another port of a host the cookie is sent along."""

LOOKED_AT: Final = ("/v1/session", "/v1/room", "/v1/runs", "/room/room.js")
FRAMED: Final = ("/", "/v1/session", "/v1/runs", "/openapi.json", "/room/room.js")

_SCRIPT: Final = Path(__file__).with_name("evil.js")
_PAGE: Final = '<!doctype html><title>evil</title><body><iframe name="sink"></iframe>'
_LOADS: Final = '<script type="module" src="/evil.js"></script>'
_SAND: Final = '<iframe name="sand" src="/sand" sandbox="allow-scripts allow-forms"></iframe>'


@asynccontextmanager
async def evil() -> AsyncIterator[int]:
    """Serve somebody else's pages, on a port of their own, under whatever name."""

    async def page(request: web.Request) -> web.Response:
        more = _SAND if request.path == "/around" else _LOADS
        return web.Response(text=_PAGE + more, content_type="text/html")

    async def script(_: web.Request) -> web.Response:
        open_to_all = {"Access-Control-Allow-Origin": "*"}  # a sandboxed page has no origin
        return web.Response(text=_SCRIPT.read_text(), content_type="text/javascript", headers=open_to_all)

    app = web.Application()
    app.router.add_get("/evil.js", script)
    app.router.add_get("/{path:.*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _open(context: BrowserContext, where: str, port: int) -> Page | Frame:
    """Open the other page."""
    page = await context.new_page()
    host = STRANGER if where == "another site" else "127.0.0.1"
    if where != "a sandboxed frame":
        await page.goto(f"http://{host}:{port}/")
        return page
    await page.goto(f"http://{host}:{port}/around")
    frame = page.frame(name="sand")
    assert frame is not None
    assert "null" == await frame.evaluate("self.origin")
    return frame


async def _try(place: Page | Frame, table: str, url: str) -> Any:
    """Try all of a table of `evil.js`; give what could be read, by name."""
    await place.wait_for_function("'tryAll' in globalThis")
    return await place.evaluate("([table, url]) => tryAll(table, url)", [table, url])


async def test_no_other_page_acts_looks_or_frames_ours(it: House, browser: Browser):
    """It presses, resets and ends nothing, signs nobody in or out, reads no word, and frames nothing of ours.

    Under somebody else's name, bent to our address (DNS rebinding), there is nothing here at all.
    """
    async with evil() as port, screen(browser, address(it), "joe-secret-token") as page:
        context, before = page.page.context, await page.page.context.cookies()
        got: dict[str, Any] = {}
        for where, code in PLACES.items():
            it.audit._lately.clear()  # of a flood only the first are on record
            refused = sum(kind == "refused" for kind in it.kinds())
            place = await _open(context, where, port)
            got[where] = [await _try(place, "ACTS", page.url)]
            first = [body["code"] for kind, body in it.told if kind == "refused"][refused]
            got[where] += [one for path in LOOKED_AT if (one := await _try(place, "LOOKS", page.url + path))]
            for path in FRAMED if isinstance(place, Page) else ():
                await _try(place, "FRAMES", page.url + path)
            await place.wait_for_timeout(300)  # forms, beacons and frames have come, or were stopped
            got[where] += [one.url for one in context.pages[-1].frames if one.url.startswith(page.url)]

            assert code == first, where
        place = await _open(context, "another site", port)
        assert isinstance(place, Page)
        bent = f"http://{STRANGER}:{page.url.rpartition(':')[2]}"
        got["a bent name"] = [await _try(place, "ACTS", bent)]
        answers = [await place.goto(bent + path) for path in (*FRAMED, "/v1/room")]
        after = await context.cookies()
        kinds = [kind for kind in it.kinds() if kind != "refused"]
        await page.press_all()  # the table can fail: our own page acts

    assert {where: [{}] for where in (*PLACES, "a bent name")} == got
    assert {421} == {answer and answer.status for answer in answers}
    assert (["sign_in"], before) == (kinds, after)
    assert [1, 2] == sorted(sent(it.simulator, "DELETE"))
    assert 1 == len(it.desk.live)
