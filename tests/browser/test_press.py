"""The press, as a person does it: two acts for all, nothing by accident, no doubt about what became of it."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Page, Route, expect

from tests.browser import chromium
from tests.browser.conftest import address
from tests.browser.page import Screen, screen
from tests.cli.support import account, sent
from tests.service.house import House, house

pytestmark = chromium.needed

Act = Callable[[Page], Awaitable[object]]


def _held(meanwhile: Act, button: Literal["left", "right"] = "left", for_ms: int = 1100) -> Act:
    """Hold a button of the mouse, do something, and let it go after more than the second that it takes."""

    async def act(page: Page) -> None:
        await page.locator("#hold").hover()
        await page.mouse.down(button=button)
        await meanwhile(page)
        await page.clock.run_for(for_ms)
        await page.mouse.up(button=button)

    return act


async def _nothing(_: Page) -> None:
    pass


async def _draw_away(page: Page) -> None:
    await page.mouse.move(10, 10)
    await expect(page.locator("#answer")).to_contain_text("Nothing was sent")


async def _key_tapped(page: Page) -> None:
    await page.locator("#hold").focus()
    for key in ("Enter", " ", "Enter"):
        await page.keyboard.press(key)


async def _key_held_and_gone(page: Page) -> None:
    await page.locator("#hold").focus()
    await page.keyboard.down(" ")
    await page.locator("#reason").focus()
    await page.clock.run_for(1100)
    await page.keyboard.up(" ")


async def _other_word(page: Page) -> None:
    await page.locator("details.by-word summary").click()
    await page.locator("#word").fill("CANCE")
    await page.keyboard.press("Enter")


CANCEL = "document.querySelector('#hold').dispatchEvent(new PointerEvent('pointercancel'))"
BY_ACCIDENT: dict[str, Act] = {
    "clicked twice": lambda page: page.locator("#hold").dblclick(),
    "held too short": _held(_nothing, for_ms=300),
    "taken away by the system": _held(lambda page: page.evaluate(CANCEL)),
    "drawn away": _held(_draw_away),
    "a key tapped": _key_tapped,
    "the focus gone while a key is held": _key_held_and_gone,
    "the other mouse button": _held(_nothing, "right"),
    "Enter in the reason": lambda page: page.locator("#reason").press("Enter"),
    "another word": _other_word,
}


async def test_two_acts_press_everything_and_nothing_presses_by_accident(it: House, page: Screen):
    """Nothing is chosen at first; whatever a hand or a cat does, only a choice and a button that is held press."""
    await page.hold()
    await expect(page("#answer")).to_contain_text("Choose the accounts first")
    await expect(page("#scope-all")).to_be_focused()
    await page("#scope-all").check()
    pressed = []
    for name, act in BY_ACCIDENT.items():
        await act(page.page)
        if it.desk.live:
            pressed.append(name)
            it.forget()
    await page.hold()
    run = await page.run()
    await page.verdict("CLEAR")
    report = (await it.ask("GET", f"/v1/runs/{run}/report")).json
    trigger = {name: report["trigger"][name] for name in ("source", "by", "reason")}

    assert [] == pressed
    assert [1, 2] == sorted(sent(it.simulator, "DELETE"))
    assert {"source": "room", "by": "joe", "reason": "not said at the press (control room)"} == trigger
    assert {"clear": 2} == await page.counts()


async def test_the_keyboard_alone_presses(it: House, page: Screen):
    """Tab, Space and a key that is held, or the word: no pointer is needed, and one sees where one is."""
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
    await page.page.reload()
    await page.verdict("CLEAR")
    await keys.press("Tab")
    await keys.press("Enter")
    focused, runs, url = await page.page.evaluate("document.activeElement.id"), list(it.desk.live), page.page.url
    await page.page.get_by_role("link", name="Press", exact=True).click()
    await page("#scope-all").check()
    await page.page.evaluate("document.querySelector('#hold').click()")  # without a pointer, as screen readers do
    await expect(page("#word")).to_be_focused()
    await page("#word").fill("cancel")
    await keys.press("Enter")
    await page.run()

    assert "runaway algo" == it.live(run).run.prepared.press.reason
    assert ("stage", [run]) == (focused, runs)
    assert url.endswith(f"#/runs/{run}")
    assert 2 == len(it.desk.live)


async def test_a_group_with_filters_and_a_reason(it: House, page: Screen):
    """It is said whom a press touches before it is made, also when the roster changes; the run says the same."""
    await page("#scope-groups").check()
    for group in ("East", "West"):
        await page.page.get_by_label(group).check()
    await page.page.get_by_role("button", name="Compromised key").click()
    await page("#more summary").click()
    await page("[name=side]").select_option("BUY")
    await page("[name=instruments]").fill("AAPL, MSFT")
    await expect(page("#touches")).to_have_text(
        "Touches 2 accounts: group East, group West, only side BUY, instrument ids AAPL,MSFT"
    )
    it.firm.roster.write_text("id,group\n1,East\n2,East\n")  # somebody edits it, and the service reads it
    assert not (await it.standby.reload()).problems
    await expect(page("#answer")).to_have_text("No longer chosen, because the roster has it no more: West.")
    await expect(page("#touches")).to_contain_text("Touches 2 accounts: group East")
    button = await page.text("#hold")
    await page.press_by_word()
    (live,) = it.desk.live.values()
    press = live.run.prepared.press
    page.complaints.clear()  # a plan may have been refused in the moment before

    assert button.endswith("in 2 accounts")
    assert (("East",), "BUY", ("AAPL", "MSFT")) == (
        press.scope.groups,
        press.scope.filters.side,
        press.scope.filters.instrument_ids,
    )
    assert "Compromised key" == press.reason


async def test_accounts_that_are_none_are_refused_and_ids_keep_all_their_digits(tmp_path: Path, browser: Browser):
    """The page says which, and what to type; ids that a browser's numbers cannot tell apart are two accounts."""
    one, two = 9007199254740992, 9007199254740993
    async with (
        house(tmp_path, account(one), account(two), rows=[f"{one},A", f"{two},A"]) as it,
        screen(browser, address(it), "joe-secret-token") as page,
    ):
        await page("#scope-accounts").check()
        await page("#accounts").fill(f"{two} 3 x")
        await expect(page("#touches")).to_have_text("1 account of 3 cannot be pressed: see where they stand")
        no_id = await page(".marks mark").all_inner_texts()
        await page("#accounts").fill(f"{two} 3")
        await expect(page("#wrong-ids li")).to_have_text("3 is not in the roster")
        marked = await page(".marks mark").all_inner_texts()
        await page.type_the_word()
        await expect(page("#answer h2")).to_have_text("Nothing was sent")
        told, before = await page.text("#answer"), dict(it.desk.live)
        await page.page.get_by_role("button", name="Leave it out: cancel in the one that is known").click()
        left = await page("#accounts").input_value()
        await expect(page("#touches")).to_have_text("Touches 1 account")
        await page.press_by_word()
        await page.verdict("CLEAR")
        await page("#board").focus()
        await page.page.keyboard.press("Home")
        shown = (await page.text("#cell")).split(" ")[0]
        page.complaints.clear()  # the browser writes every refusal down

    assert {} == before
    assert f"panic press --account {two} --account 3" in told
    assert (["x"], ["3"], str(two)) == (no_id, marked, left)
    assert ([two], str(two)) == (sent(it.simulator, "DELETE"), shown)


async def test_a_token_is_offered_what_it_may(it: House, browser: Browser):
    """A viewer cannot press; a token for one group is not offered the others, nor all."""
    async with screen(browser, address(it)) as page:
        for token, words, groups in (
            ("viewer", "View only", ["East 1", "West 1"]),
            ("east", "Choose", ["East 1"]),
        ):
            await page.sign_in(f"{token}-secret-token")
            await page("#scope-groups").check()
            offered = await page("#groups label").all_inner_texts()
            all_is_offered = await page("#scope-all").is_enabled()
            await page.hold()
            told = await page.text("#hold")
            await page("#out").click()
            await page("#sign-in").wait_for()

            assert {} == it.desk.live
            assert told.startswith(words)
            assert (token != "east", groups) == (all_is_offered, offered)
        page.complaints.clear()  # the browser writes the refusals down


# ── what becomes of it ──────────────────────────────────────────────────────────────────────────────────────

Answers = Callable[[Route, int], Awaitable[object]]
IN_DOUBT, NOTHING = "Nobody knows whether this press arrived", "Nothing was sent"


def _says(status: int, body: str) -> Answers:
    return lambda route, _: route.fulfill(status=status, body=body)


async def _lost_and_refused(route: Route, nth: int) -> None:
    await (route.abort() if nth == 1 else _says(503, '{"code": "stopping", "title": "Stopping"}')(route, nth))


ANSWERS: dict[str, tuple[Answers, str]] = {
    "none": (lambda route, _: route.abort(), IN_DOUBT),
    "a gateway's": (_says(502, "<html>Bad gateway</html>"), IN_DOUBT),
    "panic failed": (_says(500, '{"code": "internal", "title": "panic itself failed"}'), IN_DOUBT),
    "unusable": (_says(503, '{"code": "unusable", "title": "Nothing can be sent"}'), NOTHING),
    "a proxy's": (_says(403, "a proxy says no"), IN_DOUBT),
    "lost, then refused": (_lost_and_refused, IN_DOUBT),
}
"""What may come back, and what the page says then: nothing was sent only where the service itself says so."""


def _counted(answer: Answers, tries: list[Route]) -> Callable[[Route], Awaitable[None]]:
    async def intercept(route: Route) -> None:
        tries.append(route)
        await answer(route, len(tries))

    return intercept


async def test_what_became_of_a_press_is_said_as_far_as_it_is_known(it: House, page: Screen):
    """In doubt the page says so, with the command line; a press whose answer is lost is sent again as the same."""
    await page("#scope-groups").check()
    await page.page.get_by_label("East").check()
    await page("#reason").fill("it's on fire")
    tries: list[Route] = []
    lost: list[object] = []

    async def lose(route: Route) -> None:
        if not lost:
            lost.append(await route.fetch())
            await route.abort()
        else:
            await route.continue_()

    await page.page.route("**/v1/press", lambda route: route.abort())  # nobody knows, for as long as this stands
    for name, (answer, title) in ANSWERS.items():
        tries.clear()
        await page.page.route("**/v1/runs", _counted(answer, tries))
        await page.type_the_word()
        await expect(page("#answer h2")).to_have_text(title)
        assert name != "lost, then refused" or 2 == len(tries)
        await page.page.unroute("**/v1/runs")
    command, before = await page.text("#answer code"), dict(it.desk.live)
    await page.page.route("**/v1/runs", lose)
    run = await page.press_by_word()
    page.complaints.clear()  # the browser writes every refusal down

    assert "panic press --group 'East' --reason 'it'\\''s on fire'" == command
    assert {} == before
    assert (1, [run]) == (len(lost), list(it.desk.live))


async def test_a_press_in_doubt_is_looked_up_when_the_service_is_back(it: House, page: Screen):
    """Holding presses one that had not arrived again, with its key; one that had is shown, after a reload too."""
    page.forgiven = "Failed to load resource"  # it is cut off on purpose
    keys: list[str] = []
    is_back = asyncio.Event()

    async def lose(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 3:
            await route.fetch()
        await route.abort()

    async def look(route: Route) -> None:
        await is_back.wait()
        await route.continue_()

    await page.page.route("**/v1/runs", lose)
    await page.page.route("**/v1/press", look)
    await page("#scope-all").check()
    await page.type_the_word()
    await expect(page("#answer h2")).to_have_text(IN_DOUBT)
    is_back.set()
    await expect(page("#answer h2")).to_have_text(re.compile(r"Your press had not arrived at \d\d:\d\d:\d\d UTC"))
    button = await page.text("#hold")
    is_back.clear()
    await page.hold()
    await expect(page("#answer h2")).to_have_text(IN_DOUBT)
    await page.page.reload()
    await expect(page("#press")).to_be_visible()
    is_back.set()
    run = await page.run()
    await expect(page("#arrived")).to_have_text(re.compile(r"Your press arrived at \d\d:\d\d:\d\d UTC\."))
    page.complaints.clear()  # the browser says that a request failed

    assert (4, 1) == (len(keys), len(set(keys)))
    assert button.startswith("HOLD to press again")
    assert [run] == list(it.desk.live)


async def test_a_press_that_hangs_is_in_doubt_and_the_page_still_hears(it: House, browser: Browser):
    """No answer comes at all: each try has its end, nobody knows is said, and the stream is there again."""
    held: list[Route] = []

    async def impatient(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, body=(await answer.text()).replace("TRY_MS = 6000", "TRY_MS = 700"))

    async with screen(browser, address(it)) as page:
        await page.page.route("**/press.js", impatient)
        await page.page.reload()
        await page.sign_in("joe-secret-token")
        await page.page.route("**/v1/runs", lambda route: held.append(route))  # noqa: PLW0108  (it asks for a function)
        await page.page.route("**/v1/press", lambda route: route.abort())
        await page("#scope-all").check()
        await page("#more summary").click()
        await page("#latch").check()
        await page.type_the_word()
        await expect(page("#hold")).to_have_text("SENDING")
        await expect(page("#answer h2")).to_have_text(IN_DOUBT)
        command = await page.text("#answer code")
        await expect(page("#connection")).to_have_text("Connected")
        for route in held:
            await route.abort()
        page.complaints.clear()  # the browser says that a request failed

    assert 2 == len(held)
    assert "panic press --all --latch --reason 'not said at the press (control room)'" == command


async def test_a_browser_that_keeps_nothing_presses_all_the_same(it: House, browser: Browser):
    """What is kept for a press in doubt, and for a page without its service, is for later: it stops nothing."""
    async with screen(browser, address(it)) as page:
        full = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }"
        await page.page.add_init_script(full)
        await page.page.reload()
        await page.sign_in("joe-secret-token")
        await page.press_all()
        await page.verdict("CLEAR")

    assert [1, 2] == sorted(sent(it.simulator, "DELETE"))
