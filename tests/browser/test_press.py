"""The press, as a person does it: two acts for all, nothing by accident, no doubt about what became of it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Browser, Route, expect

from tests.browser import chromium
from tests.browser.conftest import address
from tests.browser.page import Screen, screen
from tests.cli.support import sent
from tests.service.house import House

pytestmark = chromium.needed


async def test_two_acts_press_everything(it: House, page: Screen):
    """Choose all, hold: every account is cancelled, on record with the token's name and as from the room."""
    run = await page.press_all()
    await page.verdict("CLEAR")
    report = (await it.ask("GET", f"/v1/runs/{run}/report")).json
    trigger = {name: report["trigger"][name] for name in ("source", "by", "reason")}

    assert [1, 2] == sorted(sent(it.simulator, "DELETE"))
    assert {"source": "room", "by": "joe", "reason": "not said at the press (control room)"} == trigger
    assert {"clear": 2} == await page.counts()


Act = Callable[[Screen], Awaitable[object]]


async def _held_too_short(page: Screen) -> None:
    await page.page.locator("#hold").hover()
    await page.page.mouse.down()
    await asyncio.sleep(0.3)
    await page.page.mouse.up()


async def _dragged_away(page: Screen) -> None:
    await page.page.locator("#hold").hover()
    await page.page.mouse.down()
    await page.page.evaluate("document.querySelector('#hold').dispatchEvent(new PointerEvent('pointercancel'))")
    await asyncio.sleep(1.2)
    await page.page.mouse.up()


async def _key_tapped(page: Screen) -> None:
    await page.page.locator("#hold").focus()
    for key in ("Enter", " ", "Enter"):
        await page.page.keyboard.press(key)


async def _held_and_gone(page: Screen) -> None:
    await page.page.locator("#hold").focus()
    await page.page.keyboard.down(" ")
    await page.page.locator("#reason").focus()
    await asyncio.sleep(1.2)
    await page.page.keyboard.up(" ")


async def _right_button(page: Screen) -> None:
    await page.page.locator("#hold").hover()
    await page.page.mouse.down(button="right")
    await asyncio.sleep(1.2)
    await page.page.mouse.up(button="right")


async def _entered_in_the_reason(page: Screen) -> None:
    await page.page.locator("#reason").fill("why")
    await page.page.keyboard.press("Enter")


async def _other_word(page: Screen) -> None:
    await page.page.locator("details.by-word summary").click()
    await page.page.locator("#word").fill("CANCE")
    await page.page.keyboard.press("Enter")


BY_ACCIDENT: dict[str, Act] = {
    "clicked": lambda page: page.page.locator("#hold").click(),
    "clicked twice": lambda page: page.page.locator("#hold").dblclick(),
    "held too short": _held_too_short,
    "taken away by the system": _dragged_away,
    "a key tapped": _key_tapped,
    "the focus gone while held": _held_and_gone,
    "the other mouse button": _right_button,
    "Enter in the reason": _entered_in_the_reason,
    "another word": _other_word,
}


async def test_nothing_presses_by_accident(it: House, page: Screen):
    """Whatever a hand or a cat does to the page: only a button that is held, or the word, presses."""
    await page.page.locator("#scope-all").check()
    pressed = []
    for name, act in BY_ACCIDENT.items():
        await act(page)
        if it.desk.live:
            pressed.append(name)
            it.forget()
    await page.hold()
    await page.run()

    assert [] == pressed
    assert 1 == len(it.desk.live)


async def test_nothing_is_chosen_at_first(it: House, page: Screen):
    """There is no default scope: who holds the button without one is told so, and one click chooses all."""
    await page.hold()
    await expect(page.page.locator("#answer")).to_contain_text("Choose the accounts first")
    await expect(page.page.locator("#scope-all")).to_be_focused()

    assert {} == it.desk.live


async def test_the_keyboard_alone_presses(it: House, page: Screen):
    """Tab, Space and a key that is held: no pointer is needed, and one sees where one is."""
    keys = page.page.keyboard
    seen: list[str] = []
    while not seen or seen[-1] != "hold":
        await keys.press("Tab")
        here = await page.page.evaluate("document.activeElement.id || document.activeElement.name || ''")
        outline = await page.page.evaluate(
            "getComputedStyle(document.activeElement.closest('.choice') ?? document.activeElement).outlineStyle"
        )
        assert outline == "solid", here
        if here == "scope-all":
            await keys.press(" ")
        if here == "reason":
            await keys.type("runaway algo")
        seen.append(here)
        assert len(seen) < 40
    await keys.down(" ")
    run = await page.run()
    await keys.up(" ")

    assert "runaway algo" == it.live(run).run.prepared.press.reason


async def test_who_cannot_hold_types_the_word(it: House, page: Screen):
    """A click that has no pointer, as a screen reader makes it, opens the word; the word presses."""
    await page.page.locator("#scope-all").check()
    await page.page.evaluate("document.querySelector('#hold').click()")
    await expect(page.page.locator("#word")).to_be_focused()
    await page.page.locator("#word").fill("cancel")
    await page.page.keyboard.press("Enter")
    await page.run()

    assert 1 == len(it.desk.live)


async def test_a_group_with_filters_and_a_reason(it: House, page: Screen):
    """It is said whom a press touches before it is made, and the run says the same."""
    await page.page.locator("#scope-groups").check()
    await page.page.get_by_label("West").check()
    await page.page.get_by_role("button", name="Compromised key").click()
    await page.page.locator("#more summary").click()
    await page.page.locator("[name=side]").select_option("BUY")
    await page.page.locator("[name=instruments]").fill("AAPL, MSFT")
    await expect(page.page.locator("#touches")).to_have_text(
        "Touches 1 account: group West, only side BUY, instrument ids AAPL,MSFT"
    )
    await page.hold()
    await page.run()
    (live,) = it.desk.live.values()
    scope = live.run.prepared.press.scope

    assert (("West",), "BUY", ("AAPL", "MSFT")) == (scope.groups, scope.filters.side, scope.filters.instrument_ids)
    assert "Compromised key" == live.run.prepared.press.reason


async def test_accounts_that_are_none_are_refused_before_anything_is_sent(it: House, page: Screen):
    """The page says which, and where else to press; after the mend the same button presses."""
    await page.page.locator("#scope-accounts").check()
    await page.page.locator("#accounts").fill("2 3")
    await page.hold()
    await expect(page.page.locator("#answer h2")).to_have_text("Nothing was sent")
    told = await page.text("#answer")
    before = dict(it.desk.live)
    await page.page.locator("#accounts").fill("2,")
    await page.hold()
    await page.run()
    page.complaints.clear()  # the browser writes every refusal down

    assert {} == before
    assert "3" in told
    assert "panic press --account 2 --account 3" in told
    assert [2] == sent(it.simulator, "DELETE")


@pytest.mark.parametrize(("token", "words"), [("viewer", "View only"), ("east", "Choose")])
async def test_a_token_is_offered_what_it_may(it: House, browser: Browser, token: str, words: str):
    """A viewer cannot press; a token for one group is not offered the others, nor all."""
    async with screen(browser, address(it)) as page:
        await page.sign_in(f"{token}-secret-token")
        await page.page.locator("#scope-groups").check()
        offered = await page.page.locator("#groups label").all_inner_texts()
        all_is_offered = await page.page.locator("#scope-all").is_enabled()
        await page.hold()
        told = await page.text("#hold")

    assert {} == it.desk.live
    assert told.startswith(words)
    assert (token != "east") is all_is_offered
    assert (["East 1"] if token == "east" else ["East 1", "West 1"]) == offered


async def test_a_press_without_an_answer_is_sent_again_as_the_same(it: House, page: Screen):
    """The answer is lost on its way: the page asks once more, and there is one run."""
    lost: list[object] = []

    async def lose(route: Route) -> None:
        if not lost:
            lost.append(await route.fetch())
            await route.abort()
        else:
            await route.continue_()

    await page.page.route("**/v1/runs", lose)
    run = await page.press_all()
    page.complaints.clear()  # the browser says that a request failed

    assert 1 == len(lost)
    assert [run] == list(it.desk.live)


async def test_a_press_that_nobody_answers_is_in_doubt_and_says_what_to_type(it: House, page: Screen):
    """Neither sent nor not sent: the page says so, with the command line for the same."""
    await page.page.route("**/v1/runs", lambda route: route.abort())
    await page.page.locator("#scope-groups").check()
    await page.page.get_by_label("East").check()
    await page.page.locator("#reason").fill("it's on fire")
    await page.hold()
    await expect(page.page.locator("#answer h2")).to_have_text("Nobody knows whether this press arrived")
    command = await page.text("#answer code")
    page.complaints.clear()  # the browser says that a request failed

    assert "panic press --group 'East' --reason 'it'\\''s on fire'" == command
    assert {} == it.desk.live


async def test_a_press_that_hangs_is_in_doubt_and_the_page_still_hears(page: Screen):
    """No answer comes at all: each try has its end, nobody knows is said, and the stream is there again."""
    held: list[Route] = []
    await page.page.route("**/v1/runs", lambda route: held.append(route))  # noqa: PLW0108  (it asks for a function)
    await page.page.locator("#scope-all").check()
    await page.page.locator("#more summary").click()
    await page.page.locator("#latch").check()
    await page.hold()
    await expect(page.page.locator("#connection")).to_have_text("Sending")
    await expect(page.page.locator("#answer h2")).to_have_text(
        "Nobody knows whether this press arrived", timeout=15_000
    )
    command = await page.text("#answer code")
    await expect(page.page.locator("#connection")).to_have_text("Connected")
    for route in held:
        await route.abort()
    page.complaints.clear()  # the browser says that a request failed

    assert 2 == len(held)
    assert "panic press --all --latch --reason 'not said at the press (control room)'" == command


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (502, "<html>Bad gateway</html>", "Nobody knows whether this press arrived"),
        (500, '{"code": "internal", "title": "panic itself failed"}', "Nobody knows whether this press arrived"),
        (503, '{"code": "unusable", "title": "Nothing can be sent"}', "Nothing was sent"),
        (403, "a proxy says no", "Nobody knows whether this press arrived"),
    ],
)
async def test_nothing_was_sent_is_said_only_where_the_service_says_so(
    page: Screen, status: int, body: str, told: str
):
    """What stands between the page and the service may answer anything."""
    await page.page.route("**/v1/runs", lambda route: route.fulfill(status=status, body=body))
    await page.page.locator("#scope-all").check()
    await page.hold()
    await expect(page.page.locator("#answer h2")).to_have_text(told)
    page.complaints.clear()  # the browser writes the refusal down


async def test_a_refusal_after_a_try_that_was_lost_is_no_all_clear(page: Screen):
    """The first try may have arrived: what is said of the second does not undo it."""
    tries: list[Route] = []

    async def lose_and_refuse(route: Route) -> None:
        tries.append(route)
        if len(tries) == 1:
            await route.abort()
        else:
            await route.fulfill(status=503, body='{"code": "stopping", "title": "The service is stopping"}')

    await page.page.route("**/v1/runs", lose_and_refuse)
    await page.page.locator("#scope-all").check()
    await page.hold()
    await expect(page.page.locator("#answer h2")).to_have_text("Nobody knows whether this press arrived")
    page.complaints.clear()  # the browser writes both down

    assert 2 == len(tries)
