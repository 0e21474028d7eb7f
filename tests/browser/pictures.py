"""The pictures of the control room in docs/pictures: `make pictures` takes them of a made-up firm.

They are real: a service, a simulated broker with faults, a browser that presses.
"""

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
from tests.browser.firm import TOKEN, desk
from tests.browser.page import Screen, screen
from tests.cli.support import Process, panic

FOLDER: Final = ROOT / "docs" / "pictures"
ACCOUNTS: Final = 2000

_SCHEDULE = """
[[schedules]]
name = "cleanup"
at = "5 minutes after close"
all = true
cancels_gtc_and_close_orders = true
"""
_WIDE: Final[dict[str, Any]] = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"}
_PHONE: Final[dict[str, Any]] = {**chromium.phone(), "device_scale_factor": 1, "color_scheme": "dark"}
_MS: Final = 60_000


async def take(page: Screen, name: str, **how: Any) -> None:
    """Take one of them."""
    await page.page.screenshot(path=FOLDER / f"{name}.png", **how)


@asynccontextmanager
async def served(browser: Browser, place: Path, faults: str) -> AsyncIterator[tuple[Screen, Process]]:
    """A firm that is served, and its page at a desk."""
    how: dict[str, Any] = {"more": _SCHEDULE, "self_test": "rate = 500.0", "deadline_s": 25.0}
    async with desk(place, ACCOUNTS, faults=faults, **how) as firm:
        settings = place / "panic.toml"
        words = settings.read_text().replace("nobody: this is a simulator", "Clear Street trade desk, +1 555 0100")
        settings.write_text(words)
        await panic("--config", str(settings), "latch", "--create", cwd=place)
        async with firm.serving() as process, screen(browser, firm.url, TOKEN, **_WIDE) as page:
            yield page, process


async def a_bad_day(page: Screen, process: Process) -> None:
    """A press that is refused, and a service that is gone."""
    await page.page.get_by_role("button", name="Runaway algorithm").click()
    await page.press_all()
    async with asyncio.timeout(_MS / 1000):
        while (await page.counts()).get("clear", 0) < ACCOUNTS / 3:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await take(page, "pressing")
    await page.verdict("REFUSED", _MS)
    await page.page.mouse.move(0, 0)
    await take(page, "refused")
    await take(page, "report", full_page=True)
    process.signal(signal.SIGKILL)
    await page("#lost strong").wait_for()
    await take(page, "disconnected")
    page.complaints.clear()


async def a_good_day(page: Screen) -> None:
    """A room that is ready, and a press that ends clear."""
    await page(".tile", has_text="PASSED").wait_for(timeout=_MS)
    await page("#scope-all").check()
    await page.page.get_by_role("button", name="Market event").click()
    await page("#touches", has_text="Touches").wait_for()
    await take(page, "ready")
    await page.hold()
    await page.run()
    await page.verdict("CLEAR", _MS)
    await take(page, "clear")


async def main() -> None:
    """Take all of them."""
    with tempfile.TemporaryDirectory() as name:
        async with chromium.chromium() as browser:
            async with served(browser, Path(name) / "bad", "typical") as (page, process):
                await a_bad_day(page, process)
            async with served(browser, Path(name) / "good", "part_fills,slow_settle,latency") as (page, _):
                await a_good_day(page)
                async with screen(browser, page.url, TOKEN, **_PHONE) as phone:
                    await phone("#scope-all").check()
                    await phone("#touches", has_text="Touches").wait_for()
                    await take(phone, "phone")


if __name__ == "__main__":
    asyncio.run(main())
