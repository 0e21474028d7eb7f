"""What the tests in a browser share: a service in this process, a browser, and our page in it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from panic.service.room import hub, routes
from tests.browser import chromium
from tests.browser.page import Screen, screen
from tests.service.house import House, house


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def no_task_is_left_behind() -> AsyncIterator[None]:
    """Fail a test that ends while something it started still runs; the browser's own tasks go on."""
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}

    assert not [task for task in left if not _is_the_browsers(task)]


def _is_the_browsers(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is None or "playwright" in code.co_filename


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell often, and have a browser that lost its stream back soon, so that nobody waits for it."""
    monkeypatch.setattr(hub, "BEAT_S", 0.2)
    monkeypatch.setattr(routes, "RETRY_MS", 100)


@pytest_asyncio.fixture(loop_scope="session")
async def it(tmp_path: Path) -> AsyncIterator[House]:
    """A service with two accounts: 1 of the group East, 2 of the group West."""
    async with house(tmp_path) as one:
        yield one


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests; each opens windows that know nothing of the others."""
    async with chromium.chromium() as one:
        yield one


@pytest_asyncio.fixture(loop_scope="session")
async def page(it: House, browser: Browser) -> AsyncIterator[Screen]:
    """Our page with somebody signed in who may press."""
    async with screen(browser, address(it), "joe-secret-token") as one:
        yield one


def address(it: House) -> str:
    return str(it.client.make_url("")).rstrip("/")
