"""Signing in with the firm's provider, in a browser: to another site and back, with cookies as they really go."""

import asyncio
from pathlib import Path

from playwright.async_api import Browser, expect

from panic import latch
from tests.browser import chromium
from tests.browser.conftest import address
from tests.browser.page import screen
from tests.cli.support import sent
from tests.service.room import idp as provider
from tests.service.room.test_sign_in import served

pytestmark = chromium.needed


async def test_a_person_signs_in_presses_and_proves_anew_who_they_are_for_a_reset(
    tmp_path: Path, browser: Browser
):
    """Who is not let in reads why; the press works with the provider down."""
    await asyncio.to_thread(latch.create, tmp_path / "panic.latch")
    hold = latch.Hold("group", "East", "20990101T000000Z-000000", "2099-01-01T00:00:00+00:00")
    await asyncio.to_thread(latch.engage, tmp_path / "panic.latch", [hold])
    async with provider.provider() as idp:
        idp.url = idp.url.replace("127.0.0.1", "localhost")  # another site than ours
        async with served(tmp_path, idp) as it, screen(browser, address(it)) as page:
            idp.claims["groups"] = ["unknown"]
            await page("#at-provider").click()
            await expect(page.page.get_by_role("alert")).to_contain_text("None of your groups")
            idp.claims["groups"] = ["boss"]
            await page("#at-provider").click()
            await expect(page("#who")).to_have_text(f"jane ({idp.url})")
            idp.is_down = True
            await page.press_all()
            idp.is_down = False
            page.forgiven = "status of 4"
            await page.open("#/latch")
            await page("#reset-reason").fill("over")
            await page.page.get_by_role("button", name="Show what it would do").click()
            await page.page.get_by_role("link", name="Sign in again").click()
            await expect(page("#reset-preview .panel")).to_have_count(0)
            await page("#reset-reason").fill("over")
            await page.page.get_by_role("button", name="Show what it would do").click()
            await page("#reset-force").fill("the desk is closed")
            await page.page.get_by_role("button", name="Show what it would do").click()
            await page("#reset-word").fill("RESET")
            await page("#reset-go").click()
            await expect(page("#stage h2").first).to_have_text("NOT ENGAGED")
            told = dict(it.told)
            page.complaints.clear()  # the browser writes the refusals down

    assert [1, 2] == sorted(sent(it.simulator, "DELETE"))
    assert ("u-1", f"jane ({idp.url})") == (told["reset"]["subject"], told["reset"]["by"])
