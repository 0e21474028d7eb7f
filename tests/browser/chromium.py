"""A real Chromium without a window, for the pages of the control room.

It is the machine's own: `make browser` installs one where there is none. Without one these tests are skipped, and
say so; where `TEST_BROWSER` is `required` they fail instead, and where it is a path that browser is used.
"""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from playwright.async_api import Browser, async_playwright

WANTED: Final = os.environ.get("TEST_BROWSER", "")
REQUIRED: Final = "required"
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
STRANGER: Final = "evil.example"
"""Somebody else's name, which the browser finds at our address."""

_QUIET: Final = (
    f"--host-resolver-rules=MAP {STRANGER} 127.0.0.1",
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
"""It asks nobody on the network for anything, and runs as root in a container."""


def found() -> str:
    """Give the path of a browser; "" where there is none."""
    if WANTED not in {"", REQUIRED}:
        return WANTED
    return next((path for name in _NAMES if (path := shutil.which(name))), "")


needed = [
    pytest.mark.skipif(
        not found() and WANTED != REQUIRED,
        reason="NOT TRIED IN A BROWSER: there is no Chromium here; `make browser` installs one",
    ),
    pytest.mark.asyncio(loop_scope="session"),
]
"""Of every module whose tests need one: they share it, and with it the loop in which it is spoken to."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start a browser, and end it whatever happens."""
    path = found()
    assert path, "a browser is required and there is none: make browser"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_QUIET)
        try:
            yield browser
        finally:
            await browser.close()


def phone() -> dict[str, Any]:
    """What makes a page be a phone's."""
    return {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    }
