"""Traps that a hostile hand found: what changes under the page, what it remembers, and where its links lead."""

import re
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.async_api import Browser, Route, expect

from panic import latch
from panic.service.room import latch_watch
from tests.browser import chromium
from tests.browser.conftest import address
from tests.browser.page import Screen, screen
from tests.cli.support import account, sent, until
from tests.service.house import House, house

pytestmark = chromium.needed


async def _roster(it: House, *rows: str) -> None:
    """Somebody edits the roster, and the service reads it."""
    it.firm.roster.write_text("\n".join(["id,group", *rows, ""]))
    assert not (await it.standby.reload()).problems


async def test_a_group_that_is_gone_is_no_longer_chosen(it: House, page: Screen):
    """It could not be unticked any more, and every press would be refused for it."""
    await page.page.locator("#scope-groups").check()
    for group in ("East", "West"):
        await page.page.get_by_label(group).check()
    await _roster(it, "1,East")
    await expect(page.page.locator("#answer")).to_have_text(
        "No longer chosen, because the roster has it no more: West."
    )
    await page.hold()
    await page.run()
    page.complaints.clear()  # a plan may have been refused in the moment before

    assert [1] == sent(it.simulator, "DELETE")


async def test_what_a_press_touches_is_told_anew_with_the_roster(it: House, page: Screen):
    """The button and the words above it name one number."""
    await page.page.locator("#scope-groups").check()
    await page.page.get_by_label("West").check()
    await expect(page.page.locator("#touches")).to_have_text("Touches 1 account: group West")
    await _roster(it, "1,West", "2,West", "3,East")
    await expect(page.page.locator("#touches")).to_have_text("Touches 2 accounts: group West")
    button = await page.text("#hold")

    assert button.endswith("in 2 accounts")


async def test_nobody_inherits_what_somebody_else_chose(it: House, page: Screen):
    """A session ends with scope, filter, latch and reason set: whoever signs in next begins with nothing."""
    await page.page.locator("#scope-all").check()
    await page.page.locator("#reason").fill("joe's reason")
    await page.page.locator("#more summary").click()
    await page.page.locator("[name=side]").select_option("BUY")
    page.forgiven = "status of 403"  # the click that signs in still bears the word of the session that is gone
    it.parts.sessions._known.clear()
    await expect(page.page.locator("#sign-in")).to_be_visible()
    page.complaints.clear()  # the browser writes the refusal down
    await page.sign_in("boss-secret-token")
    chosen = await page.page.locator("[name=scope]:checked").count()
    words = [await page.page.locator(name).input_value() for name in ("#reason", "[name=side]")]

    assert (0, ["", ""]) == (chosen, words)
    assert "" == await page.text("#touches")


async def test_signing_out_without_an_answer_is_not_called_so(it: House, page: Screen):
    """Whoever leaves the desk must know that the page can still press."""
    await page.page.route("**/v1/session", lambda route: route.abort())
    await page.page.locator("#out").click()
    await expect(page.page.locator("#who")).to_have_text("joe, NOT signed out")
    page.complaints.clear()  # the browser says that a request failed

    assert 1 == len(it.parts.sessions)
    assert await page.page.locator("#press").is_visible()


def _held(file: Path) -> list[str]:
    """What is engaged."""
    return [hold.name for hold in latch.read(file).holds]


async def test_a_reset_ends_what_was_shown_and_nothing_that_came_after(tmp_path: Path, browser: Browser):
    """East was shown; West is engaged while the click is on its way, and stays."""
    async with house(tmp_path) as it, screen(browser, address(it)) as page:
        file = it.parts.settings.latch.file
        assert file is not None
        latch.create(file)
        body = {"reason": "a test", "latch": True, "watch_s": 0}

        async def overtaken(route: Route) -> None:
            await it.ask("POST", "/v1/runs", {**body, "scope": {"groups": ["West"]}})
            await until(lambda: {"East", "West"} == set(_held(file)))
            await route.continue_()

        await it.ask("POST", "/v1/runs", {**body, "scope": {"groups": ["East"]}, "wait": 20})
        await page.sign_in("boss-secret-token")
        await page.page.get_by_role("link", name="Latch", exact=True).click()
        await expect(page.page.locator("#stage h2").first).to_have_text("ENGAGED")
        await page.page.locator("#reset-reason").fill("all is quiet")
        await page.page.get_by_role("button", name="Show what it would do").click()
        await page.page.locator("#reset-word").fill("RESET")
        await page.page.route("**/v1/reset", overtaken)
        await page.page.locator("#reset-go").click()
        await until(lambda: "East" not in _held(file))
        left = _held(file)

    assert ["West"] == left


async def test_what_the_room_learns_late_takes_no_preview_away(
    tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
):
    """It hears of the latch only after the page has shown it: nothing has changed."""
    may_read = threading.Event()
    late = SimpleNamespace(read=lambda file: may_read.wait(20) and latch.read(file))
    async with house(tmp_path) as it, screen(browser, address(it)) as page:
        file = it.parts.settings.latch.file
        assert file is not None
        latch.create(file)
        body = {"reason": "a test", "latch": True, "watch_s": 0, "wait": 20}
        await it.ask("POST", "/v1/runs", {**body, "scope": {"groups": ["East"]}})
        monkeypatch.setattr(latch_watch, "latch", late)
        await page.sign_in("boss-secret-token")
        await page.page.get_by_role("link", name="Latch", exact=True).click()
        await page.page.locator("#reset-reason").fill("all is quiet")
        await page.page.get_by_role("button", name="Show what it would do").click()
        await page.page.locator("#reset-word").fill("RESET")
        may_read.set()
        await until(lambda: it.parts.hub.overview.view().latch.known)
        await it.ask("POST", "/v1/runs", {"reason": "a test", "watch_s": 5, "scope": {"groups": ["West"]}})
        await expect(page.page.locator("#underway a")).to_be_visible()  # and so it has heard of the latch

        await expect(page.page.locator("#reset-go")).to_be_enabled()


async def test_the_latch_page_follows_the_latch(tmp_path: Path, browser: Browser):
    """A press elsewhere engages it, and the open page says so; a preview that is old by then goes."""
    async with house(tmp_path) as it, screen(browser, address(it)) as page:
        file = it.parts.settings.latch.file
        assert file is not None
        latch.create(file)
        await page.sign_in("boss-secret-token")
        await page.page.get_by_role("link", name="Latch", exact=True).click()
        await expect(page.page.locator("#stage h2").first).to_have_text("NOT ENGAGED")
        body = {"scope": {"all": True}, "reason": "a test", "latch": True, "watch_s": 0, "wait": 20}
        await it.ask("POST", "/v1/runs", body)

        await expect(page.page.locator("#stage h2").first).to_have_text("ENGAGED")
        await page.page.locator("#reset-reason").fill("all is quiet")
        await page.page.get_by_role("button", name="Show what it would do").click()
        await page.page.locator("#reset-word").wait_for()
        await it.ask("POST", "/v1/runs", {**body, "scope": {"groups": ["East"]}})

        await expect(page.page.locator("#reset-preview")).to_contain_text("has changed meanwhile")


async def test_an_account_keeps_all_its_digits(tmp_path: Path, browser: Browser):
    """Ids are int64, and two of them that a browser's numbers cannot tell apart are two accounts."""
    one, two = 9007199254740992, 9007199254740993
    async with (
        house(tmp_path, account(one), account(two), rows=[f"{one},A", f"{two},A"]) as it,
        screen(browser, address(it)) as page,
    ):
        await page.sign_in("joe-secret-token")
        await page.page.locator("#scope-accounts").check()
        await page.page.locator("#accounts").fill(str(two))
        await page.hold()
        await page.verdict("CLEAR")
        await page.page.locator("#board").focus()
        await page.page.keyboard.press("Home")
        shown = (await page.text("#cell")).split(" ")[0]

    assert [two] == sent(it.simulator, "DELETE")
    assert str(two) == shown


async def test_a_press_can_be_drawn_away(it: House, page: Screen):
    """Whoever sees in the middle of holding that it is wrong moves off the button, with the finger still down."""
    await page.page.locator("#scope-all").check()
    await page.page.locator("#hold").hover()
    await page.page.mouse.down()
    await page.page.mouse.move(10, 10)
    await expect(page.page.locator("#answer")).to_contain_text("Nothing was sent")
    await page.page.wait_for_timeout(1200)
    await page.page.mouse.up()

    assert {} == it.desk.live


async def test_the_content_is_reached_past_the_navigation(it: House, page: Screen):
    """The skip link leads to the content of the page that is shown, and to no other page."""
    run = await page.press_all()
    await page.page.reload()
    await page.run()
    await page.page.keyboard.press("Tab")
    await page.page.keyboard.press("Enter")
    focused = await page.page.evaluate("document.activeElement.id")

    assert "stage" == focused
    assert page.page.url.endswith(f"#/runs/{run}")
    assert [run] == list(it.desk.live)


async def test_a_link_that_is_no_address_is_told(page: Screen):
    """Half a character in it stops nothing."""
    await page.open("#/runs/%E0%A4%A")
    await expect(page.page.get_by_role("alert")).to_contain_text(re.compile("no such|not"))
    page.complaints.clear()  # the browser writes the refusal down
    await page.page.get_by_role("link", name="Press", exact=True).click()

    await expect(page.page.locator("#press")).to_be_visible()


async def test_a_service_that_is_gone_while_the_page_opens_is_lost(it: House, browser: Browser):
    """The page is there before anybody answers; then it says that nobody does, and what to type."""
    async with screen(browser, address(it)) as page:
        await page.page.route("**/v1/**", lambda route: route.abort())
        await page.page.reload()
        await expect(page.page.locator("#lost")).to_contain_text("panic press --all")
        words = await page.text("#stage")
        page.complaints.clear()  # the browser says of every try that nobody answers

    assert "The service does not answer." == words
    assert {} == it.desk.live
