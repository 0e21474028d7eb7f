"""A run whose process ended while somebody watched it."""

import asyncio
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Route, expect

from panic.simulator import Fault
from tests.browser import chromium
from tests.browser.conftest import address
from tests.browser.page import screen
from tests.cli.support import account
from tests.service.house import house
from tests.service.room.page import pressed

pytestmark = chromium.needed

BOARDS: Final = """async (run) => {
    const { RunView } = await import(document.querySelector("script").src.replace("room.js", "run.js"));
    const board = await (await fetch(`/v1/runs/${run}/board`)).json();
    const view = new RunView(), told = [];
    const tell = (codes, more) => {
        const counts = {};
        for (const code of codes) counts[code] = (counts[code] ?? 0) + 1;
        view.take({ ...board, finished: false, live: true, resumed: [], codes, counts, ...more });
        told.push([view.band.head.innerText, view.report.children.length > 0].map(String));
    };
    document.getElementById("stage").append(view.element);
    const resumed = [{ at: board.started_at, by: "panic serve" }];
    tell("ccaa", { elapsed_s: 2 });
    tell("cukk", { live: false });
    tell("aaas", { resumed, elapsed_s: 3 });
    tell("ccaa", { resumed, elapsed_s: 4 });
    view.end();
    return told;
}"""


async def test_a_run_that_is_cut_off_and_resumed_does_not_flap(tmp_path: Path, browser: Browser):
    """No verdict and no report in between: it is interrupted, and what was clear is read again."""
    accounts = [account(n) for n in range(1, 5)]
    async with house(tmp_path, *accounts) as it, screen(browser, address(it), "joe-secret-token") as page:
        run = await page.press_all()
        await page.over()
        told = await page.page.evaluate(BOARDS, run)

    words = [" ".join(text.split()) for text, _ in told]
    assert ["false"] * 4 == [has_report for _, has_report in told]
    assert words[0].startswith("CANCELLING 2 of 4 clear")
    assert "INTERRUPTED about to be resumed · 2 were clear and are read again" == words[1]
    assert "INTERRUPTED being resumed · 2 were clear and are read again" == words[2]
    assert words[3].startswith("CANCELLING 2 of 4 clear")


async def test_a_run_that_could_not_be_read_is_shown_as_soon_as_it_is_told(tmp_path: Path, browser: Browser):
    """A disk that fails, or a service that has just begun, is no last word on a run that is under way."""
    is_told = asyncio.Event()

    async def later(route: Route) -> None:
        await is_told.wait()
        await route.continue_()

    async with (
        house(tmp_path, account(1, Fault("stuck"))) as it,
        screen(browser, address(it), "joe-secret-token") as page,
    ):
        run = await pressed(it)
        await page.page.route("**/board", lambda route: route.abort())
        await page.page.route("**/v1/events?run=*", later)
        await page.open(f"#/runs/{run}")
        await expect(page.page.get_by_role("alert")).to_contain_text("does not answer")
        is_told.set()
        await page.verdict("CANCELLING")
        it.live(run).run.stop()
        page.complaints.clear()  # the browser says that a request failed
