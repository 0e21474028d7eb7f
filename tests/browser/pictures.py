"""The pictures of the control room in docs/pictures: `make pictures` takes them of a made-up firm.

They are real: a service, a simulated broker with faults, a browser that presses.
"""

import argparse
import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser

from tests import ROOT
from tests.browser import chromium
from tests.browser.firm import TOKEN, Desk, desk
from tests.browser.page import Screen, screen
from tests.cli.support import panic

FOLDER: Final = ROOT / "docs" / "pictures"

_SCHEDULE = """
[[schedules]]
name = "cleanup"
at = "5 minutes after close"
all = true
cancels_gtc_and_close_orders = true
"""
_DESK: Final[dict[str, Any]] = {"viewport": {"width": 1280, "height": 800}}
_STEADY: Final = "part_fills,slow_settle,latency"
_MS: Final = 60_000


async def take(folder: Path, accounts: int) -> None:
    """Take all of them."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        async with chromium.chromium() as browser:
            async with (
                _room(place / "bad", accounts, "typical") as firm,
                firm.serving() as process,
                _desk(browser, firm) as page,
            ):
                await _a_bad_day(page, folder, accounts)
                process.signal(signal.SIGKILL)
                await page.page.locator("#lost strong").wait_for()
                await page.page.screenshot(path=folder / "disconnected.png")
                page.complaints.clear()
            async with _room(place / "good", accounts, _STEADY) as firm, firm.serving():
                async with _desk(browser, firm) as page:
                    await _a_good_day(page, folder)
                async with screen(browser, firm.url, **{**chromium.phone(), "device_scale_factor": 1}) as page:
                    await _on_a_phone(page, folder)


@asynccontextmanager
async def _room(place: Path, accounts: int, faults: str) -> AsyncIterator[Desk]:
    async with desk(
        place, accounts, faults=faults, more=_SCHEDULE, self_test="rate = 500.0", deadline_s=25.0
    ) as firm:
        settings = place / "panic.toml"
        words = settings.read_text().replace("nobody: this is a simulator", "Clear Street trade desk, +1 555 0100")
        settings.write_text(words)
        await panic("--config", str(settings), "latch", "--create", cwd=place)
        yield firm


@asynccontextmanager
async def _desk(browser: Browser, firm: Desk) -> AsyncIterator[Screen]:
    async with screen(browser, firm.url, **_DESK) as page:
        await page.sign_in(TOKEN)
        yield page


async def _a_bad_day(page: Screen, folder: Path, accounts: int) -> None:
    await page.page.get_by_role("button", name="Runaway algorithm").click()
    await page.press_all()
    async with asyncio.timeout(_MS / 1000):
        while (await page.counts()).get("clear", 0) < accounts / 3:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await page.page.screenshot(path=folder / "pressing.png")
    await page.verdict("REFUSED", _MS)
    await page.page.mouse.move(0, 0)
    await page.page.screenshot(path=folder / "refused.png")
    await page.page.screenshot(path=folder / "report.png", full_page=True)


async def _a_good_day(page: Screen, folder: Path) -> None:
    await page.page.locator(".tile", has_text="PASSED").wait_for(timeout=_MS)
    await page.page.locator("#scope-all").check()
    await page.page.get_by_role("button", name="Market event").click()
    await page.page.locator("#touches", has_text="Touches").wait_for()
    await page.page.screenshot(path=folder / "ready.png")
    await page.hold()
    await page.run()
    await page.verdict("CLEAR", _MS)
    await page.page.screenshot(path=folder / "clear.png")


async def _on_a_phone(page: Screen, folder: Path) -> None:
    await page.sign_in(TOKEN)
    await page.page.locator("#scope-all").check()
    await page.page.locator("#touches", has_text="Touches").wait_for()
    await page.page.screenshot(path=folder / "phone.png")


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--accounts", type=int, default=2000)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(options.folder, options.accounts))


if __name__ == "__main__":
    main()
