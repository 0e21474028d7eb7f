"""A run as the page shows it, from the press to the evidence; whatever happens to the page or the service."""

import json
import re
import signal
from pathlib import Path

from playwright.async_api import Browser, expect

from panic.simulator import Fault, SimAccount, SimOrder
from tests.browser import chromium
from tests.browser.conftest import address
from tests.browser.firm import TOKEN, desk
from tests.browser.page import another, screen
from tests.cli.support import panic, valid
from tests.service.house import house

pytestmark = chromium.needed


async def test_a_thousand_accounts_from_the_press_to_the_evidence(tmp_path: Path, browser: Browser):
    """Signed in, pressed, watched, reloaded in mid-run, judged and taken home: one truth on every screen."""
    async with (
        desk(tmp_path / "firm", 1000, deadline_s=4.0) as firm,
        firm.serving(),
        screen(browser, firm.url) as page,
    ):
        await page.sign_in(TOKEN)
        await expect(page.page.locator("#scope-all-count")).to_have_text("1,000")
        run = await page.press_all()
        await expect(page.page.locator(".counts")).to_contain_text("accepted")
        second = await another(page.page.context, firm.url)
        await second.open()
        strip = second.page.locator("#underway a")
        await expect(strip.locator(".how-far")).to_have_text(re.compile(r"\d+ clear"))
        words = await second.text("#underway")
        await strip.click()
        await page.page.reload()
        assert run == await page.run()
        verdict = await page.over(40_000)
        assert verdict == await second.over()
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
        verified = await panic("evidence", "verify", str(evidence), *head, cwd=tmp_path)
        verdicts = {name: n for name, n in report["totals"]["verdicts"].items() if n}
        cards = await page.page.locator("#worst .account .id").all_inner_texts()
        worst = [str(one["id"]) for one in report["accounts"] if one["verdict"] != "clear"]

    assert words.startswith("RUN UNDER WAY all accounts, 1,000 accounts: not said at the press")
    assert verdict == report["verdict"]
    assert verdicts == counts
    assert 1000 == sum(counts.values())
    assert [] == firm.wrong(report)
    assert worst[:25] == cards
    assert run in evidence.name
    assert 0 == verified.code, verified.err + verified.out


async def test_no_figure_of_a_report_is_cut_off(tmp_path: Path, browser: Browser):
    """What was bought, sold and sold short in each symbol is all in sight, however wide the window is."""
    sides = ("BUY", "SELL", "SELL_SHORT")
    orders = tuple(SimOrder(side=side, quantity=1_234_567) for side in sides)
    filled = SimAccount(1, orders=orders, faults=(Fault("fills"),))
    async with house(tmp_path, filled, rows=["1"], columns="id") as it, screen(browser, address(it)) as page:
        await page.sign_in("joe-secret-token")
        await page.press_all()
        await page.over()
        rows = await page.page.locator("#report tbody tr").all_inner_texts()
        cut = {}
        for width in (1600, 1440, 1280, 1024, 720, 390):
            await page.page.set_viewport_size({"width": width, "height": 800})
            cut[width] = await page.page.evaluate(
                "[...document.querySelectorAll('#report .scroll')].map((box) => box.scrollWidth - box.clientWidth)"
            )

    assert [["AAPL", *["1,234,567"] * 3]] == [row.split() for row in rows]
    assert {(0,)} == {tuple(over) for over in cut.values()}, cut


async def test_a_service_that_dies_in_the_middle_is_missed_and_then_tells_the_truth(
    tmp_path: Path, browser: Browser
):
    """Killed: the page says DISCONNECTED and what to type. Begun again: the run is completed, and shown so."""
    async with (
        desk(tmp_path / "firm", 300, deadline_s=5.0) as firm,
        firm.serving() as process,
        screen(browser, firm.url) as page,
    ):
        await page.sign_in(TOKEN)
        run = await page.press_all()
        await expect(page.page.locator(".counts")).to_contain_text("accepted")
        process.signal(signal.SIGKILL)
        await process.finish()
        await expect(page.page.locator("#lost")).to_contain_text("DISCONNECTED")
        lost = await page.text("#lost")
        pill, title = await page.text("#connection"), await page.page.title()
        clock = await page.text(".clock")
        await page.page.wait_for_timeout(400)
        is_frozen = clock == await page.text(".clock")
        async with firm.serving():
            await page.page.locator("#sign-in").wait_for()  # sessions do not outlive the service
            await page.sign_in(TOKEN)
            verdict = await page.over(60_000)
            flags, counts = await page.text(".flags"), await page.counts()
            report = valid(json.dumps(await firm.panic("show", run, "--format", "json")))
        await expect(page.page.locator("#lost")).to_be_visible()
        page.complaints.clear()  # the browser says of every try that nobody answers

    assert "panic press --all --reason 'control room disconnected'" in lost
    assert ("DISCONNECTED", "DISCONNECTED · panic") == (pill, title)
    assert is_frozen
    assert verdict == report["verdict"]
    assert "Resumed" in flags
    assert [] == firm.wrong(report)
    assert {name: n for name, n in report["totals"]["verdicts"].items() if n} == counts
