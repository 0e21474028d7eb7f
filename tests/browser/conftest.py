"""What the tests in a browser share: a service in this process, a browser, and our page in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.browser import chromium
from tests.browser.page import Screen, screen
from tests.service.house import House, house


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[House]:
    """A service with two accounts: 1 of the group East, 2 of the group West."""
    async with house(tmp_path) as one:
        yield one


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser of its own for each test: nothing is kept from one to the next."""
    async with chromium.chromium() as one:
        yield one


@pytest.fixture
async def page(it: House, browser: Browser) -> AsyncIterator[Screen]:
    """Our page with somebody signed in who may press."""
    async with screen(browser, address(it)) as one:
        await one.sign_in("joe-secret-token")
        yield one


def address(it: House) -> str:
    """Where a service is found."""
    return str(it.client.make_url("")).rstrip("/")
