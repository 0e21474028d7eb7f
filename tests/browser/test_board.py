"""The board of a run at any size: by desk, the worst first, found by words, and true before it is whole."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Route, expect

from panic.broker.outcomes import Standing
from panic.report.document import AccountReport
from panic.service.room.board import final_board, live_board, write
from panic.service.room.letters import Letter
from panic.simulator import Fault
from tests.browser import chromium
from tests.browser.conftest import address
from tests.browser.page import Screen, screen
from tests.cli.support import account
from tests.kit.builders import an_answer, circumstances, wall
from tests.report.test_report import a_report, a_worked_case
from tests.service.house import house

pytestmark = chromium.needed

DESKS, EACH = 40, 500
SHOW = """async ([accounts, board]) => {
    const ask = window.fetch, told = JSON.stringify({ order: board.order, accounts });
    window.fetch = async (path, how) => (path.endsWith("/accounts") ? new Response(told) : ask(path, how));
    const { RunView } = await import(document.querySelector("script").src.replace("room.js", "run.js"));
    window.view = new RunView();
    document.getElementById("stage").replaceChildren(view.element);
    view.take(board);
}"""
LAST_RUN = """async () => {
    const { tiles } = await import("/room/ready.js"), { room } = JSON.parse(localStorage.getItem("panic-room"));
    const last = { run_id: "1", at: room.now, drill: false, scope: "all accounts", accounts: 2, is_latest: true };
    const off = tiles({ ...room, self_test: { every_s: 0, ok: null } }, Date.now()).children[1];
    const told = [["refused", "no answer"], ["clear", "no answer"], ["clear", ""], [null, ""]];
    return told.map(([verdict, problem]) =>
        tiles({ ...room, last: { ...last, verdict }, last_problem: problem }, Date.now()).lastChild.className
    ).concat(off.querySelector("strong").lastChild.data);
}"""
OVER = """() => [document.documentElement, document.querySelector(".mosaic")]
    .map((one) => one.scrollHeight - one.clientHeight)"""


def board(row: str, **more: Any) -> dict[str, Any]:
    """The board of a run under way with these letters."""
    worst: list[tuple[AccountReport, Letter]] = []
    found: dict[str, Any] = json.loads(write(live_board(circumstances(finished=False), row, worst, 60.0)))
    return {**found, "order": "as shown", "elapsed_s": 3.0, **more}


def told(n: int) -> dict[str, Any]:
    """What a board says of an account that refused."""
    cases = [a_worked_case(n, an_answer(403))]
    return dict(json.loads(final_board(a_report(*cases), cases, wall))["worst"][0], code="r")


def rows(desks: int, each: int) -> list[tuple[str, str, str, str]]:
    return [(str(n), f"Account {n}", f"Desk {n % desks:02}", "A. Okafor") for n in range(desks * each)]


def with_letters(row: str, **at: str) -> str:
    """Change the letters of the accounts n: `_7="r"`."""
    letters = list(row)
    for name, letter in at.items():
        letters[int(name[1:])] = letter
    return "".join(letters)


async def show(page: Screen, accounts: list[tuple[str, str, str, str]], found: dict[str, Any]) -> None:
    """Show a board in place of a page that draws itself once."""
    await page.open("#/schedule")
    await page("article.page").wait_for()
    await page.page.evaluate(SHOW, [accounts, found])


async def take(page: Screen, found: dict[str, Any]) -> None:
    await page.page.evaluate("(board) => view.take(board)", found)


async def test_forty_desks_are_on_one_screen_the_worst_first_and_stay_under_a_hand(it: Any, page: Screen):
    """20,000 accounts without a scroll; desks change places now and then, and never while one points there."""
    row = "a" * DESKS * EACH
    await show(page, rows(DESKS, EACH), board(with_letters(row, _7="r", _1="o", _41="o", _2="o")))
    desks = page(".desk")
    await expect(desks).to_have_count(DESKS)
    first = [" ".join(one.split()) for one in await desks.all_text_contents()][:4]
    over = await page.page.evaluate(OVER)
    await page("#board").hover(position={"x": 5, "y": 30})
    done = with_letters(row, **{f"_{n * DESKS + 7}": "c" for n in range(EACH)}, _3="k")
    orders = []
    for is_over in (True, False):
        if not is_over:
            await page.page.mouse.move(0, 0)
        await page.page.clock.run_for(5000)
        await take(page, board(done))
        orders.append(await desks.locator("b").all_text_contents())
    finished = " ".join((await desks.last.text_content() or "").split())

    assert ["Desk 07✕ 1 refused, 0 / 500 clear", "Desk 01▲ 2 open, 0 / 500 clear"] == first[:2]
    assert "Desk 02▲ 1 open, 0 / 500 clear" == first[2]
    assert [0, 0] == over
    assert [["Desk 07", "Desk 01"], ["Desk 03", "Desk 00"]] == [names[:2] for names in orders]
    assert "Desk 07✓ 500 clear" == finished


async def test_the_band_says_the_worst_at_once_and_never_clear_before_the_end(it: Any, page: Screen):
    """A refusal colours it while the others are read; what was overtaken on its way changes nothing."""
    pace = {"per_second": 9.0, "accepted_s": 0.0, "proven_s": 22.0, "text": "about 9 a second"}
    band, words = page("#verdict"), page("#verdict p")
    await show(page, rows(2, 2), board("ccaa", forecast=pace))
    await page.verdict("CANCELLING")
    await expect(words).to_have_text("2 of 4 clear · the rest is being read")
    await expect(page(".to-go")).to_have_text(re.compile("^≈ 0:2[012]to clear at this pace · ends by 1:00$"))
    await take(page, board("ccra", elapsed_s=4.0))
    await expect(words).to_have_text("2 of 4 clear · ✕ 1 refused · the rest is being read")
    classes = [await band.get_attribute("class")]
    await take(page, board("ccaa", elapsed_s=3.5))
    await expect(words).to_contain_text("✕ 1 refused")
    await take(page, board("cccc", elapsed_s=5.0))
    await page.verdict("CLEAR SO FAR")
    classes.append(await band.get_attribute("class"))
    cases = [a_worked_case(n, an_answer(), standing=Standing.CLEAR) for n in range(1, 5)]
    last = json.loads(final_board(a_report(*cases), cases, wall))
    await take(page, {**last, "order": "as shown", "elapsed_s": 6.0})
    await page.verdict("CLEAR")
    await take(page, board("ccca", elapsed_s=6.0))
    await page.verdict("CLEAR")

    assert ["verdict v-refused", "verdict"] == classes


async def test_an_account_is_found_and_opened_with_all_that_a_call_needs(tmp_path: Path, browser: Browser):
    """By the keyboard alone; the band is true before anybody knows who the accounts are."""
    accounts = [account(n, *([Fault("status", status=403)] if n == 7 else [])) for n in range(1, 11)]
    held = asyncio.Event()

    async def hold(route: Route) -> None:
        await held.wait()
        await route.continue_()

    async with house(tmp_path, *accounts) as it, screen(browser, address(it), "joe-secret-token") as page:
        await page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.page.route("**/accounts", hold)
        await page.press_all()
        await page.verdict("REFUSED")
        await expect(page("#cell")).to_have_text("The board is on its way.")
        held.set()
        await expect(page(".desk")).to_have_count(2)
        await page.page.keyboard.press("/")
        await page.page.keyboard.type("nobody")
        await expect(page("#found h2")).to_have_text("Found: 0 accounts")
        await page.page.keyboard.press("Escape")
        await page.page.keyboard.type("7")
        await expect(page("#found .row")).to_have_count(1)
        await page.page.keyboard.press("Enter")
        card = page("#opened .account")
        await expect(card).to_contain_text("Use a key that may, and press again")
        orders = (await card.locator(".open-orders").inner_text()).split("\n")
        call, blocks = card.locator("a.call"), card.locator(".spelled").first.locator("code span")
        number, spelled = await call.get_attribute("href"), await blocks.all_text_contents()
        await card.get_by_role("button", name="Copy call sheet").click()
        sheet: str = await page.page.evaluate("navigator.clipboard.readText()")
        await page.page.keyboard.press("Escape")
        await expect(page("#opened")).to_be_hidden()
        await page.page.keyboard.press("Escape")
        await page(".count", has_text="clear").click()
        await expect(page("#found h2")).to_have_text("Found: 9 accounts")

    assert "tel:+15550100" == number
    assert f"Orders: 1 open\n  {' '.join(orders)}\n" in sheet
    assert max(map(len, spelled)) <= 5
    assert "".join(spelled) in sheet
    for words in (
        "Broker: the desk, +1 555 0100",
        "Account: 7",
        "Verdict: REFUSED (cancel forbidden, read open)",
    ):
        assert words in sheet


async def test_a_card_stays_under_the_hand_that_is_on_it(it: Any, page: Screen):
    """What is worse comes to its place when the hand goes, or rests for long; what the card says is of now."""
    cases = {n: told(n) for n in (1, 2)}
    await show(page, rows(1, 3), board("cco", worst=[cases[2]]))
    await expect(page("#cell")).to_contain_text("3 accounts")
    ids, at_hand = page("#worst .account .id"), page("#worst .account").first
    await at_hand.locator(".copies, button").first.hover()
    await take(page, board("cro", worst=[cases[1], cases[2]], elapsed_s=4.0))
    held = await ids.all_text_contents()
    await take(page, board("crc", worst=[cases[1]], elapsed_s=5.0))
    says = await at_hand.locator(".state").text_content()
    await page.page.clock.run_for(11_000)
    rested = await ids.all_text_contents()

    assert (["2"], "Clear", ["1"]) == (held, says, rested)


async def test_the_name_of_a_desk_is_readable_whatever_is_wrong_there(it: Any, page: Screen):
    """Three counts of trouble leave room for most of it."""
    row = "a" * DESKS * EACH
    await show(page, rows(DESKS, EACH), board(with_letters(row, _7="r", _47="k", _87="o")))
    widths = await page(".desk b").first.evaluate("(one) => [one.clientWidth, one.scrollWidth]")

    assert widths[0] == widths[1], widths


async def test_a_run_that_was_cut_off_has_no_clock_that_stands_still(it: Any, page: Screen):
    """A time that goes no further is not the time since the press."""
    await show(page, rows(1, 3), board("cco"))
    await page.page.evaluate("view.band.tick({ ...view.board, live: false }, true, 0)")
    times = await page.text("#verdict .time")

    assert "0:03 until it was cut off" == times


async def test_the_last_run_is_as_bad_as_it_was_whatever_the_ledger_says(it: Any, page: Screen):
    """Refused is red, also where the ledger does not answer; a self-test that never runs is off, not to come."""
    kinds = await page.page.evaluate(LAST_RUN)

    assert ["tile bad", "tile warn", "tile good", "tile warn", "OFF"] == kinds
