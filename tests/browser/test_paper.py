"""The report on paper: what somebody signs, files or reads out when the screen is gone."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from playwright.async_api import Browser

from panic.simulator import Fault
from tests.browser import chromium
from tests.browser.conftest import address
from tests.browser.page import Screen, screen
from tests.browser.test_board import board, rows, show
from tests.cli.support import account
from tests.service.house import House, house

pytestmark = chromium.needed

SEEN: Final = """(selectors) => selectors.map(
    (one) => [...document.querySelectorAll(one)].filter((it) => it.checkVisibility()).length)"""
COLOURS: Final = "(one) => [getComputedStyle(one).backgroundColor, getComputedStyle(one).color]"


async def test_a_report_on_paper_is_whole(tmp_path: Path, browser: Browser):
    """Black on white with its dates, each desk and every request id; nothing that could be clicked."""
    refused = account(1, Fault("status", on="ANY", status=403))
    async with (
        house(tmp_path, refused, account(2)) as it,
        screen(browser, address(it), "joe-secret-token") as page,
    ):
        run = await page.press_all()
        await page.over()
        await page.page.emulate_media(media="print", color_scheme="dark")
        await page.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        clickable, ids, canvases = await page.page.evaluate(
            SEEN, ["button, .button, nav a", ".ids code", "canvas"]
        )
        sheet = await page.text(".on-paper")
        colours = await page("#verdict").evaluate(COLOURS)
        await page.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        unfolded = await page(".account details[open]").count()

    day = datetime.now(UTC).strftime("%Y-")
    assert (0, 2, 0, 0) == (clickable, ids, canvases, unfolded)
    assert all(
        words in sheet for words in (f"Report of run {run}", f"Pressed {day}", f"Printed {day}", "East 0 1")
    )
    assert ["rgb(255, 255, 255)", "rgb(0, 0, 0)"] == colours


async def test_paper_says_of_when_it_tells(it: House, page: Screen):
    """A run that is printed before its end, or without the service, is as of the last word of it."""
    await show(page, rows(1, 3), board("cco"))
    await page.page.clock.fast_forward(600_000)
    await page.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    sheet = await page.text(".on-paper")
    of, printed = map(datetime.fromisoformat, re.findall(r"(?:as of|Printed) (.{19}) UTC", sheet))

    assert timedelta(minutes=10) <= printed - of
