"""The latch on the page: it follows the latch, and a reset ends what it has shown and nothing else."""

import asyncio
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, Route, expect

from panic import latch
from panic.simulator import Fault
from tests.browser import chromium
from tests.browser.conftest import address
from tests.browser.page import Screen, screen
from tests.cli.support import account, until
from tests.service.house import House, house

pytestmark = chromium.needed

BODY: Final[dict[str, Any]] = {"reason": "a test", "latch": True, "watch_s": 0, "wait": 20}


def _file(it: House) -> Path:
    file = it.standby.settings.latch.file
    assert file is not None
    return file


def _held(it: House) -> list[str]:
    """What is engaged."""
    return sorted(hold.name for hold in latch.read(_file(it)).holds)


async def _open(page: Screen) -> None:
    await page.sign_in("boss-secret-token")
    await page.page.get_by_role("link", name="Latch", exact=True).click()


async def _preview(page: Screen) -> None:
    await page("#reset-reason").fill("all is quiet")
    await page.page.get_by_role("button", name="Show what it would do").click()
    await page("#reset-word").fill("RESET")


async def test_two_people_end_what_is_engaged_where_the_settings_want_two(tmp_path: Path, browser: Browser):
    """The page of the second says who asked, and why."""
    async with house(tmp_path, more="[latch]\nresets = 2") as it, screen(browser, address(it)) as page:
        latch.create(_file(it))
        await it.ask("POST", "/v1/runs", {**BODY, "scope": {"groups": ["East"]}})
        asked = {"reason": "the desk is closed", "scope": {"groups": ["East"]}}
        first = (await it.ask("POST", "/v1/reset", asked, token="east")).fits("ResetView")
        held = _held(it)
        await _open(page)
        told = await page.text("#asked")
        await _preview(page)
        shown = await page.text("#reset-preview")
        await page("#reset-go").click()
        await expect(page("#stage h2").first).to_have_text("NOT ENGAGED")

    assert (True, False, ["East"]) == (first["awaits_another"], first["done"], held)
    assert told.startswith("Another person must reset the same, too Asked by When To end Why east ")
    assert told.endswith("group East the desk is closed")
    assert "east has asked for this. You confirm it" in shown


async def test_a_reset_speaks_to_a_person_of_what_is_not_clear(tmp_path: Path, browser: Browser):
    """At once it says that it reads the ledger; then each doubt, and that somebody may say why it ends anyway."""
    stuck = account(1, Fault("stuck"))
    async with house(tmp_path, stuck) as it, screen(browser, address(it)) as page:
        latch.create(_file(it))
        run = (await it.ask("POST", "/v1/runs", {**BODY, "scope": {"all": True}, "deadline_s": 1})).json["run_id"]
        await _open(page)
        may_go = asyncio.Event()

        async def slow(route: Route) -> None:
            await may_go.wait()
            await route.continue_()

        await page.page.route("**/v1/reset", slow)
        await page("#reset-reason").fill("all is quiet")
        show = page.page.get_by_role("button", name="Show what it would do")
        await show.click()
        await expect(page("#reset-preview")).to_contain_text("Reading the whole ledger")
        await expect(show).to_be_disabled()
        may_go.set()
        await expect(page("#reset-preview h2")).to_have_text("Not all of it is known to be clear")
        told = await page.text("#reset-preview")
        await page("#reset-force").fill("the desk is closed")
        await _preview(page)
        await page("#reset-go").click()
        await expect(page("#stage h2").first).to_have_text("NOT ENGAGED")
        page.complaints.clear()  # the browser writes the refusal down

    assert f"run {run} ended open" in told
    assert "TEXT" not in told


async def test_a_reset_ends_what_was_shown_and_nothing_that_came_after(tmp_path: Path, browser: Browser):
    """The open page follows the latch; an old preview goes; what is engaged during the click stays."""
    rows = ("1,East", "2,West", "3,North")
    async with house(tmp_path, *map(account, (1, 2, 3)), rows=rows) as it, screen(browser, address(it)) as page:
        latch.create(_file(it))
        await _open(page)
        heading = page("#stage h2").first
        await expect(heading).to_have_text("NOT ENGAGED")
        await it.ask("POST", "/v1/runs", {**BODY, "scope": {"groups": ["East"]}})
        await expect(heading).to_have_text("ENGAGED")
        await _preview(page)
        shown = await page.text("#reset-preview")
        await it.ask("POST", "/v1/runs", {**BODY, "scope": {"groups": ["West"]}})
        await expect(page("#reset-preview")).to_contain_text("has changed meanwhile")

        async def overtaken(route: Route) -> None:
            await it.ask("POST", "/v1/runs", {**BODY, "scope": {"groups": ["North"]}})
            await until(lambda: ["East", "North", "West"] == _held(it))
            await route.continue_()

        await _preview(page)
        await page.page.route("**/v1/reset", overtaken)
        await page("#reset-go").click()
        await until(lambda: "East" not in _held(it))
        left = _held(it)

    assert "strategies that test the latch may trade again" in shown
    assert "Will not Nothing" in shown
    assert ["North"] == left
