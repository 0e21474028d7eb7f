"""A run as the page shows it, from the press to the evidence, on every screen that watches."""

import asyncio
import re
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, expect

from panic import cli
from panic.engine.lanes import Lanes
from panic.simulator import Fault, SimAccount, SimOrder
from tests.browser import chromium
from tests.browser.conftest import address
from tests.browser.page import Screen, another, screen
from tests.cli.support import account, valid
from tests.service.house import House, house

pytestmark = chromium.needed

BAD = {n: Fault("status", on="ANY", status=403) for n in (7, 70)} | {n: Fault("stuck") for n in range(80, 84)}


async def test_a_run_of_many_accounts_from_the_press_to_the_evidence(tmp_path: Path, browser: Browser):
    """Signed in, pressed, watched, reloaded in mid-run, judged and taken home: one truth on every screen."""
    accounts = [account(n, *([BAD[n]] if n in BAD else [])) for n in range(1, 101)]
    async with house(tmp_path, *accounts) as it, screen(browser, address(it), "joe-secret-token") as page:
        await expect(page("#scope-all-count")).to_have_text("100")
        it.standby.lanes = Lanes(most=200.0)
        run = await page.press_all()
        await expect(page(".counts")).to_contain_text("clear")
        second = await another(page.page.context, page.url)
        await second.open()
        strip = second("#underway a")
        await expect(strip.locator(".how-far")).to_have_text(re.compile(r"\d+ clear"))
        words = await second.text("#underway")
        await strip.click()
        await page.page.reload()
        assert run == await page.run()
        await expect(page(".counts")).to_contain_text("94 clear")
        await expect(page(".to-go")).to_have_attribute("title", str(it.live(run).run.engine.forecast))
        it.live(run).run.stop()  # nobody waits for those that are stuck
        verdict = await page.over()
        assert verdict == await second.over()
        await expect(page(".to-go")).to_be_hidden()
        counts = await page.counts()
        assert counts == await second.counts()

        async with page.page.expect_download() as downloading:
            await page.page.get_by_role("link", name="Report (JSON)").click()
        report = valid((await (await downloading.value).path()).read_text())
        async with page.page.expect_download() as downloading:
            await page.page.get_by_role("link", name="Evidence").click()
        evidence = tmp_path / (await downloading.value).suggested_filename
        await (await downloading.value).save_as(evidence)
        head = ("--head", report["ledger_head"])
        code = await asyncio.to_thread(cli.run, ["evidence", "verify", str(evidence), *head])
        verdicts = {name: n for name, n in report["totals"]["verdicts"].items() if n}
        cards = await page("#worst .account .id").all_inner_texts()
        worst = [str(one["id"]) for one in report["accounts"] if one["verdict"] != "clear"]

    assert words.startswith("RUN UNDER WAY all accounts, 100 accounts: not said at the press")
    assert ("refused", verdicts) == (verdict, counts)
    assert {*map(str, BAD)} <= {*worst}
    assert worst[:25] == cards
    assert run in evidence.name
    assert 0 == code


async def test_no_figure_of_a_report_is_cut_off(tmp_path: Path, browser: Browser):
    """What was bought, sold and sold short in each symbol is all in sight, however wide the window is."""
    sides = ("BUY", "SELL", "SELL_SHORT")
    orders = tuple(SimOrder(side=side, quantity=1_234_567) for side in sides)
    filled = SimAccount(1, orders=orders, faults=(Fault("fills"),))
    async with (
        house(tmp_path, filled, rows=["1"], columns="id") as it,
        screen(browser, address(it), "joe-secret-token") as page,
    ):
        await page.press_all()
        await page.over()
        rows = await page("#report tbody tr").all_inner_texts()
        cut = {}
        for width in (1600, 1280, 720, 390):
            await page.page.set_viewport_size({"width": width, "height": 800})
            cut[width] = await page.page.evaluate(
                "[...document.querySelectorAll('#report .scroll')].map((box) => box.scrollWidth - box.clientWidth)"
            )

    (row,) = (re.sub(r"[0-9]+\.[0-9]+", "$", row).split() for row in rows)
    assert ["AAPL", *["1,234,567", "at", "$"] * 3] == row
    assert {(0,)} == {tuple(over) for over in cut.values()}, cut


HEARD: Final = """window.heard = [];
const of = window.OscillatorNode;
window.OscillatorNode = function (audio, how) { heard.push(how.frequency); return new of(audio, how); };
navigator.wakeLock.request = async (kind) => {
    heard.push(kind);
    return { released: false, release() { this.released = true; heard.push("let go"); } };
};"""


async def test_the_screen_stays_on_under_way_and_a_verdict_is_heard_where_it_was_asked_for(
    tmp_path: Path, browser: Browser
):
    """Nothing is heard until the switch is turned; clear sounds unlike not clear."""
    accounts = account(1), account(2, Fault("stuck"))
    async with house(tmp_path, *accounts) as it, screen(browser, address(it)) as page:
        await page.page.add_init_script(HEARD)
        await page.page.reload()
        await page.sign_in("joe-secret-token")

        async def press(group: str, until: str, *, turned: bool = False) -> list[Any]:
            await page.page.evaluate("heard.length = 0")
            await page.page.get_by_role("link", name="Press", exact=True).click()
            await page("#scope-groups").check()
            await page("#groups").get_by_text(group).click()
            run = await page.press_by_word()
            await expect(page(".counts")).to_contain_text(until)
            if turned:
                await page("#sound").click()
            await page.page.wait_for_function("() => heard.includes('screen')")
            if run in it.desk.live:
                it.live(run).run.stop()
            await page.over()
            await page.page.wait_for_function("() => heard.includes('let go')")
            return [one for one in await page.page.evaluate("heard") if isinstance(one, int)]

        silent = await press("East", "1 clear")
        stuck = await press("West", "on the way", turned=True)
        await page.page.reload()  # and this browser remembers it
        clear = await press("East", "1 clear")

    assert [[], [550, 440, 220, 220], [660, 880]] == [silent, stuck, clear]


async def test_a_page_on_a_wall_shows_the_run_under_way_by_itself_and_presses_nothing(it: House, page: Screen):
    """Band and board, without a button; before, how things stand."""
    await page.open("?wall")
    await expect(page(".tiles")).to_be_visible()
    before = await page("button:visible, input:visible").count()
    await it.ask("POST", "/v1/runs", {"scope": {"all": True}, "reason": "seen on a wall", "watch_s": 0})
    await page.verdict("CLEAR")
    await expect(page("#board")).to_be_visible()

    assert 0 == before
    assert 0 == await page("button:visible, input:visible, .verdict a:visible").count()
