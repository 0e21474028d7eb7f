"""How soon and how smooth the board of thousands is: `make bench-room` runs this after the price of pages.

A browser draws a run of all accounts, and the same page before it began. Told are the frames a second of both and
their ratio, the longest time for which the page could not answer a hand, and how long after the press it had its
first colour. Broker, service and browser share the
machine's processors.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from playwright.async_api import Page

from tests.browser import chromium
from tests.browser.firm import TOKEN, desk
from tests.browser.page import Screen, screen

_IDLE_S = 5.0
_WATCH = """async () => {
    const { Mosaic } = await import(document.querySelector("script").src.replace("room.js", "mosaic.js"));
    const paint = Mosaic.prototype.paint, ask = window.fetch;
    window.pressed = window.coloured = 0;
    window.fetch = (path, how) => {
        if (how?.method === "POST" && path === "/v1/runs") pressed ||= performance.now();
        return ask(path, how);
    };
    Mosaic.prototype.paint = function () {
        paint.call(this);
        if (this.accounts.length) coloured ||= performance.now();
    };
    window.frames_ = [];
    window.tasks = [];
    let last = performance.now();
    const draw = (now) => { frames_.push(now - last); last = now; requestAnimationFrame(draw); };
    requestAnimationFrame(draw);
    new PerformanceObserver((list) => list.getEntries().forEach((one) => tasks.push(one.duration)))
        .observe({ type: "longtask", buffered: false });
}"""
_TAKE = "() => { const found = [frames_, tasks, coloured - pressed]; frames_ = []; tasks = []; return found; }"


class _Taken(NamedTuple):
    """Frames a second, the longest frame and the longest task, and from press to colour, in milliseconds."""

    rate: float
    frame_ms: float
    task_ms: float
    colour_ms: float


async def _taken(page: Page) -> _Taken:
    """What was since the last time."""
    frames, tasks, colour = await page.evaluate(_TAKE)
    return _Taken(len(frames) / (sum(frames) / 1000), max(frames), max(tasks, default=0.0), colour)


async def _turn(page: Screen) -> tuple[_Taken, _Taken]:
    await page.open("#/")
    await page.page.reload()
    await page.page.locator("#scope-all").check()
    await page.page.evaluate(_WATCH)
    await page.page.wait_for_timeout(_IDLE_S * 1000)
    idle = await _taken(page.page)
    await page.hold()
    await page.run()
    await page.verdict("CLEAR", 120_000)
    return idle, await _taken(page.page)


async def measure(accounts: int, turns: int) -> None:
    """Print what was found."""
    with tempfile.TemporaryDirectory() as name:
        async with (
            desk(Path(name, "firm"), accounts, faults="none", deadline_s=60.0) as firm,
            firm.serving(),
            chromium.chromium() as browser,
            screen(browser, firm.url, real_time=True) as page,
        ):
            await page.sign_in(TOKEN)
            found = [await _turn(page) for _ in range(turns)]
    _tell(accounts, [idle for idle, _ in found], [run for _, run in found])


def _tell(accounts: int, idle: Sequence[_Taken], runs: Sequence[_Taken]) -> None:
    ratios = [run.rate / rest.rate for rest, run in zip(idle, runs, strict=True)]
    print(f"{accounts:,} accounts on the board, {len(runs)} runs; the page at rest before each")
    print(f"  frames a second, run against rest: median {statistics.median(ratios):.2f}, least {min(ratios):.2f}")
    print(f"  frames a second at rest: {statistics.median(one.rate for one in idle):.0f}")
    print(f"  first colour after the press: {', '.join(f'{one.colour_ms:.0f}' for one in runs)} ms")
    for name, of in (("frame", "frame_ms"), ("task", "task_ms")):
        longest = (max(getattr(one, of) for one in which) for which in (runs, idle))
        print(f"  longest {name}: {next(longest):.0f} ms, at rest {next(longest):.0f} ms")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=5000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(measure(options.accounts, options.turns))


if __name__ == "__main__":
    main()
