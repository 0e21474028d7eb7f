"""For everyone: a screen reader, a phone, a window at twice its size, hostile names."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ViewportSize, expect

from panic.simulator import Fault
from tests.browser import chromium
from tests.browser.conftest import address
from tests.browser.page import Screen, screen
from tests.cli.support import account
from tests.service.house import House, house
from tests.service.room.page import pressed

pytestmark = chromium.needed

SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
SIZES: Final[tuple[ViewportSize, ...]] = (
    {"width": 390, "height": 844},
    {"width": 720, "height": 450},
    {"width": 1440, "height": 900},
)
"""A phone's, a desk's at 200 %, a desk's."""

SCHEDULE: Final = """
[[schedules]]
name = "cleanup"
at = "5 minutes after close"
all = true
cancels_gtc_and_close_orders = true
"""

HOSTILE: Final = '<script>document.title="owned"</script><img src=x onerror=alert(1)>'


_LISTEN: Final = """() => {
    window.heard = [];
    const listen = new MutationObserver((all) => all.forEach(({ target }) => heard.push(target.textContent)));
    for (const id of ["said", "shouted"]) listen.observe(document.getElementById(id), { childList: true });
}"""


@asynccontextmanager
async def everything(folder: Path) -> AsyncIterator[House]:
    """Something to show on every page: a refused account, a latch that is missing, a schedule."""
    accounts = account(1), account(2, Fault("status", on="ANY", status=403)), account(3, Fault("stuck"))
    rows = [
        f'{n},"{name}",{group}' for n, name, group in ((1, "Ann", "East"), (2, "", "West"), (3, "Bob", "East"))
    ]
    async with house(folder, *accounts, rows=rows, columns="id,name,group", more=SCHEDULE) as it:
        yield it


async def _to_the_verdict(page: Screen) -> None:
    await page("#more summary").click()
    await page("#latch").check()
    await page.page.request.post(
        f"{page.url}/v1/runs",
        data={"scope": {"all": True}, "reason": "to look at", "deadline_s": 2, "watch_s": 0, "latch": True},
        headers={"Authorization": "Bearer joe-secret-token"},
    )
    await page("#underway a").click()


Step = Callable[[Screen], Awaitable[object]]
PAGES: Final[dict[str, Step]] = {
    "chosen": lambda page: page("#scope-groups").check(),
    "typed": lambda page: page("details.by-word summary").click(),
    "running": _to_the_verdict,
    "verdict": lambda page: page("#report .downloads").wait_for(),
    "opened": lambda page: page("#worst summary").first.click(),
    "runs": lambda page: page.page.get_by_role("link", name="Runs", exact=True).click(),
    "schedule": lambda page: page.page.get_by_role("link", name="Schedule", exact=True).click(),
    "latch": lambda page: page.page.get_by_role("link", name="Latch", exact=True).click(),
}
"""How to come from the open page to each other one, in turn."""


async def _faults(page: Screen, name: str) -> list[str]:
    """What axe finds serious, what is wider than a window, and a verdict that is out of sight."""
    found = list[str]()
    for size in SIZES:
        await page.page.set_viewport_size(size)
        over = await page.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if over > 0:
            found.append(f"{name}: {over} pixels wider than {size}")
        if name == "verdict":
            box = await page("#verdict h1").bounding_box()
            assert box is not None
            if box["y"] < 0 or box["y"] + box["height"] > size["height"]:
                found.append(f"the verdict is out of sight at {size}")
    await page.page.wait_for_timeout(150)  # what moves has come to rest
    for scheme in SCHEMES:
        await page.page.emulate_media(color_scheme=scheme)
        results = await Axe().run(page.page, options={"resultTypes": ["violations"]})
        found += [
            f"{name}, {scheme}: {one['id']}: {node['target']} {node['failureSummary']}"
            for one in results.response["violations"]
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]
    return found


async def test_axe_finds_nothing_serious_and_nothing_is_cut_off(tmp_path: Path, browser: Browser):
    """On every page, before, during and after a run; the verdict is in sight without a turn of the wheel."""
    async with everything(tmp_path) as it, screen(browser, address(it)) as page:
        found = await _faults(page, "sign in")
        await page.sign_in("boss-secret-token")
        found += await _faults(page, "ready")
        for name, go in PAGES.items():
            await go(page)
            found += await _faults(page, name)

    assert [] == found


async def test_a_name_is_a_name(tmp_path: Path, browser: Browser):
    """An account, an owner, a group and a reason that are markup are shown as they are, and do nothing."""
    quoted = HOSTILE.replace('"', '""')
    rows = [f'1,"{quoted}","{quoted}","{quoted}"']
    refused = account(1, Fault("status", on="ANY", status=403))
    async with (
        house(tmp_path, refused, rows=rows, columns="id,name,group,owner") as it,
        screen(browser, address(it), "joe-secret-token") as page,
    ):
        await page("#scope-groups").check()
        await page("#groups input").check()
        await page("#reason").fill(HOSTILE)
        await page.type_the_word()
        await page.verdict("REFUSED")
        await page("#board").focus()
        await page.page.keyboard.press("ArrowRight")
        shown = [await page.text(selector) for selector in (".facts", "#worst .name", "#cell")]
        title = await page.page.title()
        scripts = await page("#stage script, #stage img").count()

    assert all(HOSTILE in text for text in shown)
    assert "owned" not in title
    assert 0 == scripts


async def test_a_screen_reader_hears_of_a_run_and_is_not_drowned(tmp_path: Path, browser: Browser):
    """A press, its quarters and its verdict are said; the board tells each account by the keyboard."""
    accounts = [account(n) for n in range(1, 101)]
    async with house(tmp_path, *accounts) as it, screen(browser, address(it), "joe-secret-token") as page:
        await page.page.evaluate(_LISTEN)
        await page.press_all()
        await page.verdict("CLEAR", 30_000)
        heard: list[str] = await page.page.evaluate("heard")
        board = page("#board")
        await board.focus()
        told = []
        for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End", "Home", "ArrowLeft"):
            await page.page.keyboard.press(key)
            told.append((await page.text("#cell")).split(" ")[0])
        words = await board.get_attribute("aria-label")
        desks = [" ".join(one.split()) for one in await page(".desk").all_text_contents()]

    assert "Pressed. Sending." == heard[0]
    assert "CLEAR: every one of 100 accounts was read and shows no open order" == heard[-1]
    assert len(heard) <= 8
    assert ["1", "3", "1", "100", "1", "1"] == told
    assert ("Board of 100 accounts: 100 clear", ["East✓ 50 clear", "West✓ 50 clear"]) == (words, desks)


PLACE: Final = """() => {
    const { x, y, width, height, bottom } = document.getElementById("hold").getBoundingClientRect();
    const under = (at) => document.elementFromPoint(x + width * at, y + height / 2);
    const isOnTop = [0.1, 0.5, 0.9].every((at) => under(at)?.closest("#hold"));
    return [isOnTop, window.innerHeight - bottom, x, y, width, height].map(Number);
}"""


async def test_the_button_has_one_place_and_nothing_covers_it(it: House, page: Screen):
    """Whatever is chosen, begins, grows, is answered or lost; on a phone it is under the thumb, at the bottom."""
    page.forgiven = "Failed to load resource"  # it is cut off on purpose
    places: dict[int, list[list[float]]] = {}

    async def look() -> None:
        for size in SIZES:
            await page.page.set_viewport_size(size)
            places.setdefault(size["width"], []).append(await page.page.evaluate(PLACE))

    await look()
    await page("#scope-groups").check()
    await page.page.get_by_label("East").check()
    await page("#more summary").click()
    await page("details.by-word summary").click()
    await look()
    await pressed(it, deadline_s=1)
    await expect(page("#underway a")).to_have_count(1)
    await look()
    await page.page.evaluate("window.scrollTo(0, 9999)")
    await look()
    await page.page.route("**/v1/**", lambda route: route.abort())
    for reader in list(it.readers):
        assert isinstance(reader, asyncio.Task)
        reader.cancel()
    await page.type_the_word()
    await expect(page("#answer h2")).to_be_attached()
    await page.page.clock.run_for(4500)
    await expect(page("#lost")).to_contain_text("DISCONNECTED")
    await look()
    page.complaints.clear()

    assert {width: [first] * 5 for width, (first, *_) in places.items()} == places
    assert {1} == {first[0] for first, *_ in places.values()}
    assert 40 > places[390][0][1]


async def test_a_finger_presses_without_motion_and_without_colours(tmp_path: Path, browser: Browser):
    """On a phone: one tap for all, one long touch, the button is in sight, and states have shapes."""
    how = {"reduced_motion": "reduce", "forced_colors": "active", **chromium.phone()}
    async with house(tmp_path) as it, screen(browser, address(it), "joe-secret-token", **how) as page:
        await page("label.choice", has_text="All accounts").tap()
        await expect(page("#hold")).to_be_in_viewport(ratio=0.6)
        box = await page("#hold").bounding_box()
        assert box is not None
        finger = await page.page.context.new_cdp_session(page.page)
        at = {"x": box["x"] + box["width"] / 2, "y": min(box["y"] + box["height"] / 2, 800)}
        await finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
        await page.run()
        await finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        await page.verdict("CLEAR")
        marks = await page(".counts li svg").count()

    assert (1, 1) == (len(it.desk.live), marks)
