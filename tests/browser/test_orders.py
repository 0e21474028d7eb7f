"""What is open, beside the press: read when somebody asks, for exactly what is chosen."""

from pathlib import Path

from playwright.async_api import Browser, expect

from panic.simulator import Fault, SimAccount, SimOrder
from tests.browser import chromium
from tests.browser.conftest import address
from tests.browser.page import screen
from tests.cli.support import account, sent
from tests.service.house import house

pytestmark = chromium.needed

BUY, SELL = SimOrder(symbol="MSFT"), SimOrder(side="SELL", time_in_force="GOOD_TILL_CANCEL", quantity=50_000)
UNREAD = account(3, Fault("status", on="GET", status=403))


async def test_whoever_chose_accounts_sees_what_is_open_there(tmp_path: Path, browser: Browser):
    """Nobody is asked before; another choice is another question; a press is the same as ever."""
    accounts = (SimAccount(1, orders=(BUY, SELL)), account(2), UNREAD)
    async with house(tmp_path, *accounts) as it, screen(browser, address(it), "joe-secret-token") as page:
        page.forgiven = "409"
        line, told = page("#open-orders summary"), page("#open-orders")
        await expect(told).to_be_hidden()
        await page("#scope-all").check()
        await expect(line).to_have_text("What is open there?")
        asked = list(sent(it.simulator, "GET"))
        await line.click()
        await expect(line).to_contain_text("1 of 3 accounts could not be read whole; at least 3 open orders")
        for words in ("3: Simulated 403", "AAPL SELL", "East", "50,000", "GTC"):
            await expect(told).to_contain_text(words)
        await page("#more summary").click()
        await page("[name=side]").select_option("SELL")
        await expect(line).to_have_text("What is open there?")
        await line.click()
        await expect(line).to_contain_text("at least 1 open order, about $")
        await page("[name=side]").select_option("")
        await page("#scope-all").check()
        await page.press_by_word()

        assert [] == asked
