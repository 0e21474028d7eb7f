"""Who is in: signing in and out, a desk that was left alone, and pages that lose the service."""

import asyncio
import re
from pathlib import Path
from typing import Final

import pytest
from aiohttp.web import Request, StreamResponse
from playwright.async_api import Browser, Route, expect

from panic.service.room import routes
from tests.browser import chromium
from tests.browser.conftest import address
from tests.browser.page import Screen, another, screen
from tests.cli.support import sent, until
from tests.service.house import House, house

pytestmark = chromium.needed


async def test_a_wrong_token_is_told_and_a_right_one_is_let_in(it: House, browser: Browser):
    """Blanks around it come from copying; the token stands nowhere afterwards; whoever comes next begins anew."""
    async with screen(browser, address(it)) as page:
        await page("#token").fill("nobody")
        await page.page.get_by_role("button", name="Sign in").click()
        await expect(page.page.get_by_role("alert").filter(has_text="token")).to_have_text(
            "Nobody has this token."
        )
        await page.sign_in("  joe-secret-token ")
        kept = await page.page.evaluate(
            "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
        )
        html = await page.page.content()
        await page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page(".without button").click()
        await expect(page(".without button")).to_have_text("Copied")
        await page("#scope-all").check()
        await page("#reason").fill("joe's reason")
        await page("#more summary").click()
        await page("[name=side]").select_option("BUY")
        page.forgiven = "status of 403"  # the click that signs in still bears the word of the session that is gone
        it.sessions._known.clear()
        await expect(page("#sign-in")).to_be_visible()
        await page.sign_in("boss-secret-token")
        chosen = await page("[name=scope]:checked").count()
        words = [await page(name).input_value() for name in ("#reason", "[name=side]")]
        touches = await page.text("#touches")
        page.complaints.clear()  # the browser writes the refusals down

    assert re.fullmatch(r'\[{("panic-room":.*)?},{},""\]', kept)
    assert "joe-secret-token" not in html + kept
    assert (0, ["", ""], "") == (chosen, words, touches)


async def test_two_tabs_share_a_session(it: House, page: Screen):
    """One presses though the other signed in again; without an answer nobody is signed out, with one both are."""
    second = await another(page.page.context, page.url)
    await second.open("#/runs")
    await expect(second("#connection")).to_have_text("Connected")
    await expect(second("#watching")).to_have_text("2 watching")
    await second.page.evaluate(
        """fetch("/v1/session", { method: "POST", headers: { "Content-Type": "application/json" },
            body: JSON.stringify({ token: "joe-secret-token" }) }).then((answer) => answer.status)"""
    )
    run = await page.press_all()
    await page.page.route("**/v1/session", lambda route: route.abort())
    await page("#out").click()
    await expect(page("#who")).to_have_text("joe, NOT signed out")
    sessions = len(it.sessions)
    await page.page.unroute("**/v1/session")
    await page("#out").click()
    for one in (page, second):
        await expect(one("#sign-in")).to_be_visible()
    left = [await one("#stage").inner_text() for one in (page, second)]
    page.complaints.clear()  # the browser writes the refusals down
    second.complaints.clear()

    assert [run] == list(it.desk.live)
    assert (1, 0) == (sessions, len(it.sessions))
    assert not any("account" in text.replace("in every account", "") for text in left)


async def test_a_session_elsewhere_is_ended_by_a_click(it: House, page: Screen, browser: Browser):
    """One's own: the other page is out at once."""
    async with screen(browser, address(it), "joe-secret-token") as lost:
        await page("#who").click()
        await expect(page("#stage tbody tr")).to_have_count(2)
        await page.page.get_by_role("button", name="End", exact=True).click()
        await expect(page("#stage tbody tr")).to_have_count(1)
        await expect(lost("#sign-in")).to_contain_text("You are not signed in any more")
        await expect(lost.page).to_have_title("panic")
        lost.complaints.clear()  # the browser writes the refusal down
        await page("#out").click()
        await expect(page("#sign-in [role=alert]")).to_be_empty()

    assert 0 == len(it.sessions)


async def test_whoever_was_away_looks_and_presses_again_with_the_token(it: House, page: Screen):
    """After a quarter of an hour the page only looks; with the token given again the hold presses at once."""
    (session,) = it.sessions._known.values()
    session.acted -= 1000
    session.began -= 1000
    await page.page.reload()
    await expect(page("#who")).to_have_text("joe (view only)")
    await page("#scope-all").check()
    await page.type_the_word()
    await expect(page("#answer h2")).to_have_text("Nothing was sent")
    before = dict(it.desk.live)
    page.complaints.clear()  # the browser writes the refusal down
    await page("#token-again").fill("joe-secret-token")
    await page.hold()
    await page.run()
    await page.verdict("CLEAR")

    assert {} == before
    assert [1, 2] == sorted(sent(it.simulator, "DELETE"))


STATES: Final = [
    ({"beatAt": 0, "answerAt": 0, "sinceAt": 0, "brokeAt": 0}, ["connected"] * 2 + ["late"] * 3 + ["lost"] * 5),
    ({"beatAt": -60, "answerAt": 0, "sinceAt": 0, "brokeAt": 0}, ["late"] * 5 + ["lost"] * 5),
    ({"beatAt": 0, "answerAt": 4, "sinceAt": 0, "brokeAt": 0}, ["connected"] * 2 + ["late"] * 7 + ["lost"]),
    ({"beatAt": 0, "answerAt": 0, "sinceAt": 0, "brokeAt": 1}, ["connected"] + ["lost"] * 9),
    ({"beatAt": 0, "answerAt": 4, "sinceAt": 0, "brokeAt": 1}, ["connected"] * 2 + ["late"] * 2 + ["lost"] * 6),
]
"""What was heard last, in seconds, and the state of the link 1.9, 2.9, … 10.9 seconds after the beat."""


async def test_the_link_has_one_state(page: Screen):
    """It follows from the last beat and the last answer; an answer alone makes nothing on the page current."""
    found = await page.page.evaluate(
        """(heards) => import(document.querySelector("script").src.replace("room.js", "link.js"))
        .then(({ stateOf }) => heards.map((heard) => {
            const ms = Object.fromEntries(Object.entries(heard).map(([name, s]) => [name, s && s * 1000 + 1e6]));
            for (const name of ["beatAt", "sinceAt"]) ms[name] ||= 1e6;
            return [...Array(10).keys()].map((i) => stateOf(ms, 1e6 + 1900 + i * 1000));
        }))""",
        [heard for heard, _ in STATES],
    )

    assert [states for _, states in STATES] == found


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """While it holds something, the stream stands and says nothing."""
    proper, silent = routes._send, list[bool]()

    async def swallow(request: Request, response: StreamResponse, words: bytes) -> None:
        if not silent:
            await proper(request, response, words)

    monkeypatch.setattr(routes, "_send", swallow)
    return silent


ABOVE: Final = """() => {
    const [answer, hold] = ["answer", "hold"].map((id) => document.getElementById(id));
    const greys = [];
    for (let one = answer; one; one = one.parentElement) greys.push(getComputedStyle(one).filter);
    const { top, bottom } = answer.getBoundingClientRect();
    return [top >= 0 && bottom <= hold.getBoundingClientRect().top, greys.filter((grey) => grey !== "none")];
}"""


async def test_a_press_while_disconnected_changes_nothing_but_its_answer(page: Screen, silent: list[bool]):
    """While it is sent and afterwards the page is lost; what became of it stands above the button, never grey."""
    page.forgiven = "Failed to load resource"  # it is cut off on purpose
    await page("#scope-all").check()
    await page("#touches", has_text="Touches").wait_for()
    held, may_go = list[str](), asyncio.Event()

    async def hang(route: Route) -> None:
        if route.request.url.endswith("/v1/runs"):
            held.append(route.request.url)
            await may_go.wait()
        await route.abort()

    await page.page.route("**/v1/**", hang)
    silent.append(True)
    await page.page.clock.fast_forward(7000)
    await expect(page("#lost")).to_contain_text("DISCONNECTED")
    await page.type_the_word()
    await until(lambda: bool(held))
    await page.page.clock.run_for(700)
    states = [await page("body").get_attribute("data-link"), await page.text("#connection")]
    may_go.set()
    await expect(page("#answer h2")).to_have_text("Nobody knows whether this press arrived")
    states += [await page("body").get_attribute("data-link"), await page.text("#connection")]
    above = await page.page.evaluate(ABOVE)
    page.complaints.clear()  # the browser says that a request failed

    assert ["lost", "DISCONNECTED"] * 2 == states
    assert [True, []] == above


async def test_a_page_that_hears_nothing_says_so(page: Screen, silent: list[bool]):
    """The connection stands and nothing comes: it is lost three beats later. One that nobody sees is paused."""
    tile = page("a.tile", has_text="Latch")
    await tile.focus()
    await page.page.clock.run_for(3000)
    await expect(tile).to_be_focused()  # what is drawn again keeps the focus
    silent.append(True)
    await page.page.clock.fast_forward(7000)
    await expect(page("#lost")).to_contain_text("DISCONNECTED")
    await page("#lost button").focus()
    await page.page.clock.run_for(2000)
    await expect(page("#lost button")).to_be_focused()
    silent.clear()
    await page.page.clock.fast_forward(8000)
    await expect(page("#connection")).to_have_text("Connected")
    await expect(page("#lost")).to_be_hidden()
    hide = """(hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    await page.page.evaluate(hide, True)
    pill, title = await page.text("#connection"), await page.page.title()
    await page.page.evaluate(hide, False)
    await expect(page("#connection")).to_have_text("Connected")

    assert ("Paused", "panic") == (pill, title)
    await expect(page("#lost")).to_be_hidden()


async def test_an_address_of_no_run_is_told_and_a_service_that_is_gone_is_lost(page: Screen):
    """A link that ends in half a character is no lost service; where nobody answers it says what to type."""
    await page.open("#/runs/%E0%A4%A")
    await expect(page.page.get_by_role("alert")).to_contain_text(re.compile("no such|[Nn]ot"))
    await page.open("#/runs/nosuchrun")
    await expect(page.page.get_by_role("alert")).to_contain_text("no run is on record")
    await page.page.clock.run_for(1700)
    lost = await page("#lost").is_visible()
    await page.page.get_by_role("link", name="Press", exact=True).click()
    await expect(page("#press")).to_be_visible()
    connection = await page.text("#connection")
    await page.page.route("**/v1/**", lambda route: route.abort())
    await page.page.reload()
    await page.page.clock.run_for(4500)
    await expect(page("#lost")).to_contain_text("panic press --all")
    words = await page.text("#stage")
    page.complaints.clear()  # the browser writes the refusals down

    assert not lost
    assert "Connected" == connection.removeprefix("● ")
    assert "The service does not answer." in words


KEPT: Final = """async () => {
    const kept = await Promise.all((await caches.keys()).map((name) => caches.open(name)));
    const requests = await Promise.all(kept.map((one) => one.keys()));
    return [Object.keys(localStorage), requests.flat().map(({ url }) => new URL(url).pathname)];
}"""


async def test_a_page_that_is_opened_without_the_service_says_what_to_do(it: House, browser: Browser):
    """What to type, whom to call, and the last known state with its age; with the service back it is as ever."""
    async with screen(browser, address(it), "joe-secret-token", service_workers="allow") as page:
        await page.page.evaluate("navigator.serviceWorker.ready.then(() => {})")
        await page.page.evaluate(
            "caches.open('panic-page').then((of) => of.put('/room/0/old.js', new Response()))"
        )
        await page.page.reload()
        await expect(page("#press")).to_be_visible()
        await page.page.context.set_offline(True)
        await page.page.reload()
        await expect(page("#lost")).to_contain_text("panic press --all --reason")
        told, state = await page.text("#lost"), await page.text(".tiles")
        number = await page("#lost a").get_attribute("href")
        grey = await page(".tiles").evaluate("(one) => getComputedStyle(one).filter")
        stored, _ = await page.page.evaluate(KEPT)
        await page.page.context.set_offline(False)
        await expect(page("#press")).to_be_visible()
        await expect(page("#lost")).to_be_hidden()
        await page("#out").click()
        await expect(page("#sign-in")).to_be_visible()
        left, files = await page.page.evaluate(KEPT)
        page.complaints.clear()  # the browser says that it is offline

    assert re.search(r"Last heard \d\d:\d\d:\d\d UTC, \d+ s ago\. .*Broker: the desk, \+1 555 0100", told)
    assert "tel:+15550100" == number
    assert ("READY" in state, "grayscale(1)") == (True, grey)
    assert ["panic-room"] == stored
    assert {"", "room.js", "room.css"} <= {file.split("/")[-1] for file in files}
    assert "/room/0/old.js" not in files  # of a release before
    assert [] == [file for file in files if not (file == "/" or file.startswith("/room/"))]
    assert [] == left


async def test_a_drill_is_marked_before_anybody_signs_in(tmp_path: Path, browser: Browser):
    """Nobody takes it for the real thing, and no command is offered that would reach a broker."""
    async with house(tmp_path, drill=True) as it, screen(browser, address(it)) as page:
        before = await page.text("#drill")
        told = await page.text("#sign-in")
        await page.sign_in("joe-secret-token")
        await expect(page.page).to_have_title("DRILL · ready · panic")
        fallback = await page.text(".without")

    assert "DRILL Practice against a simulator. Nothing here reaches a broker." == before
    assert "the token is the word drill" in told
    assert fallback.startswith("In earnest")
