"""Our page as a person uses it: who signs in, chooses, holds the button and looks what is said."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, expect

PATIENCE_MS: Final = 20_000
HELD_MS: Final = 1200
"""Longer than the second for which the button is held."""

_USUAL: Final[dict[str, Any]] = {"viewport": {"width": 1440, "height": 900}, "service_workers": "block"}
"""Tests stand between page and service, which a worker would hide from them."""

expect.set_options(timeout=PATIENCE_MS)  # a busy machine is no fault

_OPENING = re.compile(r"Failed to load resource: .* 401 |Service Worker registration blocked by Playwright")
"""A page that opens asks who is in, and the browser writes down that nobody is; here it gets no worker."""


@dataclass
class Screen:
    """One page of ours.

    Attributes:
        complaints: What the browser found wrong: errors of scripts, what the policy stopped, requests elsewhere.
        forgiven: What such a complaint may hold, where a test brings it about.
    """

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    forgiven: str | None = None

    def __call__(self, selector: str, **how: Any) -> Locator:
        return self.page.locator(selector, **how)

    async def open(self, place: str = "") -> None:
        await self.page.goto(f"{self.url}/{place}")

    async def sign_in(self, token: str) -> None:
        """Give a token, and wait until the page can be pressed."""
        await self("#token").fill(token)
        await self.page.get_by_role("button", name="Sign in").click()
        await self("#press, article.run, article.page").first.wait_for()

    async def hold(self) -> None:
        await self("#hold").hover()
        await self.page.mouse.down()
        await self.page.clock.run_for(HELD_MS)
        await self.page.mouse.up()

    async def type_the_word(self) -> None:
        """Press what is chosen in the way that takes no second."""
        await self("details.by-word").evaluate("(one) => { one.open = true; }")
        await self("#word").fill("CANCEL")
        await self("#go").click()

    async def press_by_word(self) -> str:
        await self.type_the_word()
        return await self.run()

    async def press_all(self) -> str:
        await self("#scope-all").check()
        return await self.press_by_word()

    async def run(self) -> str:
        await self.page.wait_for_url(re.compile(r"#/runs/"))
        await self("#verdict").wait_for()
        return self.page.url.rpartition("/")[2]

    async def verdict(self, word: str, patience_ms: float = PATIENCE_MS) -> None:
        await expect(self("#verdict h1")).to_have_text(re.compile(f"^(DRILL · )?{word}$"), timeout=patience_ms)

    async def over(self, patience_ms: float = PATIENCE_MS) -> str:
        await self("#report .downloads").wait_for(timeout=patience_ms)
        return (await self.text("#verdict h1")).lower()

    async def counts(self) -> dict[str, int]:
        """How many accounts are in which state, as the page says."""
        words = await self(".counts button:not([value=''])").all_inner_texts()
        pairs = [word.strip().split(maxsplit=1) for word in words]
        return {name: int(number.replace(",", "")) for number, name in pairs}

    async def text(self, selector: str) -> str:
        return " ".join((await self(selector).first.inner_text()).split())


@asynccontextmanager
async def screen(
    browser: Browser, url: str, token: str = "", *, real_time: bool = False, **how: Any
) -> AsyncIterator[Screen]:
    """Open a window at a service's page, and sign in; what the browser complains of at its end is a fault."""
    context = await browser.new_context(**{**_USUAL, **how})
    context.set_default_timeout(PATIENCE_MS)
    try:
        one = await another(context, url, real_time=real_time)
        await one.open()
        if token:
            await one.sign_in(token)
        yield one
    finally:
        await context.close()

    assert [] == one.complaints, one.complaints


async def another(context: BrowserContext, url: str, *, real_time: bool = False) -> Screen:
    """Open one more page in the same browser, with the same cookies."""
    one = Screen(await context.new_page(), url)
    if not real_time:
        await one.page.clock.install()  # it runs; a test that would wait moves it on
    one.page.on("console", lambda message: _complain(one, message))
    one.page.on("pageerror", lambda error: one.complaints.append(str(error)))
    one.page.on("request", lambda request: _goes_elsewhere(one, request))
    return one


def _complain(one: Screen, message: ConsoleMessage) -> None:
    is_known = _OPENING.search(message.text) or (one.forgiven is not None and one.forgiven in message.text)
    if message.type in {"error", "warning"} and not is_known:
        one.complaints.append(f"{message.type}: {message.text}")


def _goes_elsewhere(one: Screen, request: Request) -> None:
    if urlsplit(request.url).netloc != urlsplit(one.url).netloc and not request.url.startswith("data:"):
        one.complaints.append(f"asked {request.url}")
